"""Whatever bytes come, from callers or from engines: the right reading of them, or one of our own errors."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest, EngineFailed, RiadError
from riad.gateway.answers import WholeAnswer, engine_error
from riad.gateway.calls import CHAT, COMPLETIONS, EMBEDDINGS, ENDPOINTS, Call, Endpoint, decode
from riad.gateway.door import _read_headers
from riad.gateway.flow import Request
from riad.gateway.inspection import NOTHING_DECLARED, PERSONS, STATES, declared, inspect
from riad.gateway.pages import _parse_receipt
from riad.gateway.streams import StreamAnswer
from riad.gateway.wire import error_body, error_headers
from riad.privacy import restore
from riad.sites.sse import Events

MAPPING = {
    "[PERSON_1]": 'Fatima "Zahra"\nBenali',
    "[PERSON_10]": "ⵎⵓⵃⵎⵎⴷ 😀",
    "[CIN_1]": "BK123456",
    "[EMAIL_1]": "back\\slash@example.ma",
    "[PERSON_2]": "[PERSON_1]",
}
PLAIN = st.text(st.characters(exclude_characters="[]\\*`", exclude_categories=("Cs",)), max_size=12)
HINTS = ["[", "]", "[PERSON_", "[PERSON_1", "[[PERSON_1]", "[PERSON_3]", "[person 1]", "\\[PERSON_1\\]", "\\", "0]"]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = (
    "id index choices delta message content tool_calls function arguments finish_reason usage prompt_tokens error data "
    "completion_tokens text object code model messages prompt input role stream n tools stream_options"
)
members = st.sampled_from(NAMES.split())
values = st.recursive(
    scalars | st.sampled_from([*MAPPING, *HINTS]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(members | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)
objects = st.dictionaries(members, values, max_size=6)


@contextlib.contextmanager
def refused_as(*codes: str) -> Iterator[None]:
    """What is in the block may be refused, but with one of these codes."""
    try:
        yield
    except RiadError as error:
        if error.code not in codes:
            raise


def cut(text: Any, places: list[int]) -> list[Any]:
    """A text or bytes in pieces, cut at those places."""
    bounds = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(bounds)]


places = st.lists(st.integers(0, 1 << 16), max_size=12)


@st.composite
def spoken(draw: st.DrawFn) -> tuple[str, str]:
    """What an engine says, and what its caller should read."""
    parts = draw(st.lists(PLAIN | st.sampled_from([*MAPPING]), max_size=6))
    return "".join(parts), "".join(MAPPING.get(part, part) for part in parts)


class Streamed:
    """A valid stream of ``n`` choices, each with text and tool arguments, as bytes in pieces."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.texts: list[str] = []
        self.arguments: list[Any] = []
        queues: list[list[dict[str, Any]]] = []
        for index in range(draw(st.integers(1, 3))):
            said, restored = draw(spoken())
            self.texts.append(restored)
            argument, meant = draw(spoken())
            self.arguments.append({"text": meant})
            raw = json.dumps({"text": argument}, ensure_ascii=draw(st.booleans()))
            deltas = [{"content": piece} for piece in cut(said, draw(places))]
            deltas += [
                {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in cut(raw, draw(places))
            ]
            queues.append([{"index": index, "delta": delta, "finish_reason": None} for delta in deltas])
            queues[-1].append({"index": index, "delta": {}, "finish_reason": "stop"})
        self.count = 0
        events = []
        while waiting := [queue for queue in queues if queue]:
            choice = draw(st.sampled_from(waiting)).pop(0)
            events.append({"id": "c1", "number": self.count, "choices": [choice]})
            self.count += 1
        if draw(st.booleans()):
            events.append({"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
        ending = draw(st.sampled_from(["\n\n", "\r\n\r\n"]))
        between = draw(st.sampled_from(["", ": keep alive" + ending]))
        lines = [between + "data: " + json.dumps(event, ensure_ascii=False) + ending for event in events]
        self.pieces = cut("".join([*lines, "data: [DONE]" + ending]).encode(), draw(places))


@st.composite
def streams(draw: st.DrawFn) -> Streamed:
    return Streamed(draw)


@given(streams(), st.booleans())
def test_a_stream_is_restored_however_it_is_cut(stream: Streamed, wants_usage: bool) -> None:
    answer = StreamAnswer(MAPPING, wants_usage)
    out = b"".join([*(answer.feed(piece) for piece in stream.pieces), answer.finish()])
    received = Events().feed(out)
    assert received[-1] == b"[DONE]"
    assert received.count(b"[DONE]") == 1
    events = [json.loads(event) for event in received[:-1]]
    assert [event["number"] for event in events if event["choices"]] == list(range(stream.count))
    assert all(event["choices"] or wants_usage for event in events)
    texts = [""] * len(stream.texts)
    arguments = [""] * len(stream.texts)
    for choice in (choice for event in events for choice in event["choices"]):
        texts[choice["index"]] += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls", ()):
            arguments[choice["index"]] += call["function"]["arguments"]
    assert texts == stream.texts
    assert [json.loads(argument) for argument in arguments] == stream.arguments


@given(streams())
def test_without_names_to_restore_a_stream_passes_as_it_is(stream: Streamed) -> None:
    answer = StreamAnswer({}, wants_usage=True)
    passed = b"".join(answer.feed(piece) for piece in stream.pieces)
    assert Events().feed(passed) == Events().feed(b"".join(stream.pieces))
    assert answer.finish() == b""


@given(st.lists(PLAIN | st.sampled_from([*MAPPING, *HINTS]), max_size=8).map("".join), places, st.booleans())
def test_what_only_looks_like_a_placeholder_is_read_as_in_a_whole_text(text: str, cuts: list[int], ends: bool) -> None:
    answer = StreamAnswer(MAPPING, wants_usage=False)
    choices: list[dict[str, Any]] = [{"index": 0, "delta": {"content": piece}} for piece in cut(text, cuts)]
    choices += [{"index": 0, "delta": {}, "finish_reason": "stop"}] if ends else []
    raw = "".join("data: " + json.dumps({"choices": [choice]}) + "\n\n" for choice in choices)
    events = [json.loads(event) for event in Events().feed(answer.feed((raw + "data: [DONE]\n\n").encode()))[:-1]]
    got = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    assert got == restore(text, MAPPING)


@given(streams(), st.integers(0, 1 << 20))
def test_a_stream_cut_anywhere_before_its_end_is_never_finished(stream: Streamed, place: int) -> None:
    whole = b"".join(stream.pieces)
    end = place % (whole.rindex(b"[DONE]") + len(b"[DONE]"))
    answer = StreamAnswer(MAPPING, wants_usage=True)
    assert b"[DONE]" not in answer.feed(whole[:end])
    with pytest.raises(EngineFailed) as cut_off:
        answer.finish()
    assert cut_off.value.code == "engine_interrupted"
    assert b"[DONE]" not in StreamAnswer.error_event(cut_off.value)


def fed(chunks: list[bytes], mapping: dict[str, str]) -> None:
    """Whatever an engine streams ends well or in ``EngineFailed``; the estimate of tokens is never lost."""
    answer = StreamAnswer(mapping, wants_usage=False)
    call = Call(CHAT, b"{}", {}, "m", stream=True, wants_usage=False)
    with refused_as("engine_bad_response", "engine_interrupted"):
        for chunk in chunks:
            answer.feed(chunk)
        answer.finish()
    tokens = answer.tokens(call)
    assert tokens is None or (0 <= tokens[0] < 2**53 and 0 <= tokens[1] < 2**53)


@pytest.mark.parametrize("mapping", [MAPPING, {}], ids=["masked", "clear"])
class TestWhateverAnEngineSays:
    @given(chunks=st.lists(st.binary(max_size=40), max_size=6))
    def test_bytes(self, mapping: dict[str, str], chunks: list[bytes]) -> None:
        fed(chunks, mapping)

    @given(events=st.lists(values | objects, max_size=5))
    def test_events(self, mapping: dict[str, str], events: list[Any]) -> None:
        fed([b"data: " + json.dumps(event).encode() + b"\n\n" for event in events], mapping)

    @given(choices=st.lists(objects, max_size=3), usage=objects)
    def test_choices(self, mapping: dict[str, str], choices: list[Any], usage: Any) -> None:
        fed([b"data: " + json.dumps({"choices": choices, "usage": usage}).encode() + b"\n\n"], mapping)

    @given(body=values | objects, endpoint=st.sampled_from([CHAT, COMPLETIONS, EMBEDDINGS]), required=st.booleans())
    def test_whole_answers(self, mapping: dict[str, str], body: Any, endpoint: Endpoint, required: bool) -> None:
        if required and isinstance(body, dict):
            body = {**body, "choices": [body], "data": [body]}
        with refused_as("engine_bad_response"):
            told = json.loads(WholeAnswer(mapping).finish(json.dumps(body).encode(), endpoint))
            assert isinstance(told["id"], str)
            if not mapping:
                assert told == {"id": told["id"], **{name: value for name, value in body.items() if name != "id"}}

    @given(raw=st.binary(max_size=60))
    def test_bytes_for_a_whole_answer(self, mapping: dict[str, str], raw: bytes) -> None:
        with pytest.raises(EngineFailed):
            WholeAnswer(mapping).finish(raw, CHAT)

    @pytest.mark.parametrize("depth", [300, 600, 900, 990, 100_000])
    def test_nesting(self, mapping: dict[str, str], depth: int) -> None:
        deep = b'{"choices":[' + b'{"a":[' * depth + b"]}" * depth + b"]}"
        fed([b"data: " + deep + b"\n\n"], mapping)
        with refused_as("engine_bad_response"):
            WholeAnswer(mapping).finish(deep, CHAT)

    @given(
        status=st.integers(100, 999), raw=st.binary(max_size=80) | objects.map(lambda body: json.dumps(body).encode())
    )
    def test_errors(self, mapping: dict[str, str], status: int, raw: bytes) -> None:
        for after in (b"3", b"-1", b"tomorrow", b"\xb2"):
            error = engine_error(status, {b"retry-after": after}, raw, WholeAnswer(mapping))
            assert 400 <= error.status < 600
            json.loads(error_body(error, "fr"))
            assert all(isinstance(value, bytes) for pair in error_headers(error, "f" * 32) for value in pair)


def test_a_large_count_is_no_count() -> None:
    for number in (-1, 2**53, 1e30, "many", [1], {}):
        answer = WholeAnswer({})
        answer.finish(json.dumps({"choices": [], "usage": {"prompt_tokens": number}}).encode(), CHAT)
        tokens = answer.tokens(Call(CHAT, b"x" * 40, {}, "m", stream=False, wants_usage=False))
        assert tokens is not None
        assert tokens[0] == 10


# What callers send

REFUSALS = ("invalid_json", "invalid_type", "invalid_request", "too_many_messages", "remote_content_refused")


@given(st.sampled_from([*ENDPOINTS.values()]), values | objects)
def test_a_body_is_read_or_refused(endpoint: Endpoint, body: Any) -> None:
    with refused_as(*REFUSALS):
        call = decode(endpoint, json.dumps(body).encode())
        found = inspect(call, NOTHING_DECLARED)
        assert call.body == body
        assert found.persons in PERSONS
        assert len(found.texts) == len(found.findings)


@given(st.sampled_from([*ENDPOINTS.values()]), st.binary(max_size=60))
def test_bytes_that_are_no_body_are_refused(endpoint: Endpoint, raw: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(endpoint, raw)


VALID = (
    b'{"model": "m", "messages": [{"role": "user", "content": "salam [PERSON_1]"}], "n": 2, "stop": ["x"], "t": 1e3}'
)


@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.binary(max_size=3), st.integers(0, 4)), max_size=4))
def test_a_damaged_body_is_read_or_refused(damages: list[tuple[int, bytes, int]]) -> None:
    raw = VALID
    for place, insertion, gone in damages:
        raw = raw[:place] + insertion + raw[place + gone :]
    with refused_as(*REFUSALS):
        inspect(decode(CHAT, raw), NOTHING_DECLARED)


parts = st.sampled_from(["persons", "state", "personal", "sensitive", "none", "restricted", "=", ",", " ", "PERSONS"])


@given(st.lists(parts, max_size=8).map("".join) | st.text(max_size=20))
def test_a_declared_class_is_understood_or_refused(header: str) -> None:
    with refused_as("invalid_data_class"):
        said = declared(header)
        for scale, order in (("persons", PERSONS), ("state", STATES)):  # a class that is named is never lowered
            for value in order:
                if f"{scale}={value}" in header.lower().replace(" ", "").split(","):
                    assert order.index(getattr(said, scale)) >= order.index(value)


names = st.sampled_from(
    [b"authorization", b"content-length", b"accept-language", b"x-riad-purpose", b"x-riad-data-class", b"x-riad-x"]
) | st.binary(max_size=12)


@given(st.lists(st.tuples(names, st.binary(max_size=120)), max_size=6))
def test_headers_are_read_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    request = Request("f" * 32, CHAT, b"", "")
    with refused_as("invalid_header"):
        length, _ = _read_headers(headers, request)
        assert length >= 0
        assert len(request.purpose) <= 100
        assert request.token == request.token.strip()


@given(st.text(max_size=60) | st.from_regex(r"[0-9٠-٩]{0,20}-[0-9a-f]{30,34}"))
def test_the_name_of_a_receipt(name: str) -> None:
    with refused_as("receipt_not_found"):
        index, record = _parse_receipt(name)
        assert f"{index}-{record}" == name or name.startswith("0")


def test_every_error_can_be_told_in_every_language() -> None:
    error = RiadError("{a}", remedy="{b}", a="x", b={"fr": "y"}, detail={"receipt": "1-é", "decision": "deny"})
    for language in ("en", "fr", "ar", "xx"):
        assert json.loads(error_body(error, language))["error"]["message"]
    assert (b"x-riad-receipt", "1-é".encode()) in error_headers(error, "id")
