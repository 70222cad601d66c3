"""The live door under a schema-driven fuzzer and damaged bodies: documented answers only, nothing unread crosses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import BaseSchema, GenerationMode
from schemathesis.checks import CHECKS

from riad.gateway.openapi import document
from tests.running import House, RunningRiad

CHAT = "/v1/chat/completions"
OPERATIONS = [(path, method) for path, methods in document()["paths"].items() for method in methods]
VALID, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
SENT = [(path, method, VALID) for path, method in OPERATIONS] + [
    (path, method, WRONG) for path, method in OPERATIONS if "parameters" in document()["paths"][path][method]
]
CHECKED = ("status_code_conformance", "content_type_conformance", "response_schema_conformance",
           "response_headers_conformance")  # fmt: skip
# Names the fuzzer would never find: served at home, masked or crossing in clear, refused, of another kind.
MODELS = ["rabat-echo", "paris-echo", "virginia-echo", "rabat-tools", "rabat-429", "rabat-embed", "paris-embed"]
BOUNDED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def schema(riad: RunningRiad) -> BaseSchema:
    """The live server's own description of itself."""
    return schemathesis.openapi.from_url(f"{riad.url}/openapi.json")


def check_error(raw: bytes) -> dict[str, Any]:
    """An error as OpenAI's SDKs read it."""
    error: dict[str, Any] = json.loads(raw)["error"]
    assert set(error) <= {"message", "type", "param", "code", "riad"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert isinstance(error["code"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    return error


@pytest.mark.parametrize(("path", "method", "mode"), SENT, ids=str)
def test_the_door_keeps_to_its_description(
    schema: BaseSchema, key: str, path: str, method: str, mode: GenerationMode
) -> None:
    operation = schema[path][method]
    checks = CHECKS.get_by_names(CHECKED)

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode), model=st.none() | st.sampled_from(MODELS))
    def run(case: schemathesis.Case, model: str | None) -> None:
        if model is not None and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = model
        response = case.call(headers={"authorization": f"Bearer {key}"}, timeout=10)
        case.validate_response(response, checks=checks)
        assert response.status_code < 500
        if response.status_code >= 400:
            check_error(response.content)
            assert response.headers["x-request-id"]

    run()


# Bodies that no schema would make

WHOLE = json.dumps(
    {
        "model": "rabat-echo",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "salam, smiti Fatima Zahra Benali"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "n": 2,
        "temperature": 0.5,
        "stop": ["x"],
        "unknown": {"deep": [1, None, True]},
    }
).encode()
NUMBERS = [
    "0",
    "-0",
    "1e308",
    "1e400",
    "-1E-999",
    "9" * 25,
    "9" * 5000,
    "18446744073709551616",
    "0.1",
    "1.",
    "01",
    "NaN",
]
TEXTS = [
    r'"\u0000"', r'"\ud83d"', r'"\udc00\ud800"', r'"\ud83d\ude00"', '"\u202e\ufeff\uffff"', '"\x00"', r'"\x41"',
    '"e\u0301"', '"\u0660\u0661"', '"\U000e0041"', '"\r\n"', r'"data:,x"', r'"{\"a\": "', '"' + "[" * 400 + '"',
]  # fmt: skip
NESTED = [opening * depth + closing * depth for opening, closing in ("[]", ('{"a":', "}")) for depth in (60, 70, 2000)]
PLACES = ["model", "messages", "role", "content", "text", "n", "stop", "stream", "stream_options", "tools", "odd"]


def answered(riad: RunningRiad, key: str, body: bytes, path: str = CHAT) -> tuple[int, dict[str, str], bytes]:
    """Post; whatever the body, the answer is documented and in shape."""
    status, headers, raw = riad.post(path, key, body)
    assert status in (200, 400, 403, 404, 413, 429), (status, raw)
    if status == 200:
        assert headers["x-riad-receipt"]
    else:
        check_error(raw)
    return status, headers, raw


@BOUNDED
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE)), st.binary(max_size=4), st.integers(0, 6)), min_size=1, max_size=4),
    st.sampled_from([CHAT, "/v1/completions", "/v1/embeddings"]),
)
def test_damaged_bodies(riad: RunningRiad, key: str, damages: list[tuple[int, bytes, int]], path: str) -> None:
    body = WHOLE
    for place, insertion, gone in damages:
        body = body[:place] + insertion + body[place + gone :]
    answered(riad, key, body, path)


@settings(BOUNDED, max_examples=80)
@given(st.sampled_from(PLACES), st.sampled_from([*NUMBERS, *TEXTS, *NESTED]), st.sampled_from(["rabat", "paris"]))
def test_odd_values_in_odd_places(riad: RunningRiad, key: str, place: str, value: str, site: str) -> None:
    mark = "an odd value"
    message: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
    body: dict[str, Any] = {"model": f"{site}-echo", "messages": [message]}
    holder = message["content"][0] if place == "text" else message if place in message else body
    holder[place] = mark
    answered(riad, key, json.dumps(body).replace(f'"{mark}"', value).encode("utf-8", "surrogatepass"))


# Keys twice: a second reading of the same bytes must not find what the first did not

PRIVATE = ("BK123456", "0612345678", "Benali")
SECRETS = [json.dumps(text) for text in ("CIN BK123456", "tel 0612345678", "smiti Fatima Zahra Benali")]
INNOCENT = [json.dumps(text) for text in ("hello", "salam", "")]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An ``object_pairs_hook`` that allows no key twice."""
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def pairs_of(name: str, value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One key and its value as JSON, the key perhaps spelled with an escape."""
    spelled = st.sampled_from([f'"{name}"', f'"\\u{ord(name[0]):04x}{name[1:]}"'])
    return st.builds("{}: {}".format, spelled, value)


said = st.sampled_from([*SECRETS, *INNOCENT])
content = pairs_of("content", said | st.builds('[{{"type": "text", "text": {}, "text": {}}}]'.format, said, said))
messages = st.lists(content, min_size=1, max_size=3).map(lambda pairs: ", ".join(['"role": "user"', *pairs]))
fields = st.one_of(
    pairs_of(
        "messages", st.lists(messages.map("{{{}}}".format), min_size=1, max_size=2).map(lambda m: f"[{', '.join(m)}]")
    ),
    pairs_of("model", st.sampled_from(['"paris-echo"', '"rabat-echo"', '"virginia-echo"'])),
    pairs_of("stop", said),
    pairs_of("user", said),
)


@settings(BOUNDED, max_examples=80)
@given(st.lists(fields, min_size=2, max_size=6))
def test_what_crosses_is_what_was_inspected(house: House, key: str, pairs: list[str]) -> None:
    body = "{" + ", ".join(['"model": "paris-echo"', '"messages": [{"role": "user", "content": "hi"}]', *pairs]) + "}"
    engines = {"paris": house.paris, "virginia": house.virginia}
    before = {name: engine.log()["requests"] for name, engine in engines.items()}
    status, headers, _ = answered(house.riad, key, body.encode())
    reached = [name for name, engine in engines.items() if engine.log()["requests"] > before[name]]
    assert reached == ([headers["x-riad-site"]] if status == 200 and headers["x-riad-site"] != "rabat" else [])
    for name in reached:
        received = engines[name].log()["bodies"][-1]
        arrived = json.loads(received, object_pairs_hook=once)
        if headers["x-riad-crossing"] == "pseudonymised":
            assert not any(private in json.dumps(arrived, ensure_ascii=False) for private in PRIVATE)
        else:
            assert headers["x-riad-crossing"] == "clear"
            read = json.loads(body)
            assert arrived == {**{field: read[field] for field in read if field != "user"}, "model": "echo"}
            assert not any(private in received for private in PRIVATE)
