"""What a caller gets through the real door, and what each engine received."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.running import House, RunningRiad

PERSON = "Salam, smiti Fatima Zahra Benali, CIN dyali BK123456, tel 0612345678, email fatima@example.ma."
PRIVATE = ("Fatima", "Benali", "BK123456", "0612345678", "fatima@example.ma")


def sse(raw: bytes) -> list[Any]:
    events = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]
    assert events[-1] == b"[DONE]"
    return [json.loads(event) for event in events[:-1]]


def text(events: list[Any], index: int = 0) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for event in events
        for choice in event.get("choices", ())
        if choice["index"] == index
    )


def test_at_home_nothing_changes(house: House, key: str) -> None:
    status, headers, answer = house.riad.chat(key, "rabat-echo", PERSON, unknown_field={"kept": 1})
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == PERSON
    assert headers["x-riad-site"] == "rabat"
    assert headers["x-riad-crossing"] == "none"
    assert headers["x-riad-decision"] == "allow"
    received = json.loads(house.rabat.log()["bodies"][-1])
    assert received["unknown_field"] == {"kept": 1}
    assert received["messages"][0]["content"] == PERSON


@pytest.mark.parametrize("stream", [False, True])
def test_what_crosses_is_masked_and_comes_back_whole(house: House, key: str, stream: bool) -> None:
    status, headers, answer = house.riad.chat(key, "paris-echo", PERSON, stream=stream, user="fatima@example.ma")
    assert status == 200, answer
    assert headers["x-riad-crossing"] == "pseudonymised"
    got = text(sse(answer)) if stream else answer["choices"][0]["message"]["content"]
    assert got == PERSON
    received = house.paris.log()["bodies"][-1]
    assert "[PERSON_1]" in received
    for private in PRIVATE:
        assert private not in received
        assert private not in received.encode().decode("unicode_escape")


@pytest.mark.parametrize("stream", [False, True])
def test_tool_arguments_are_restored_as_valid_json(house: House, key: str, stream: bool) -> None:
    said = PERSON + ' She said "wakha"\\n'
    status, _, answer = house.riad.chat(key, "paris-tools", said, stream=stream)
    assert status == 200
    if stream:
        arguments = "".join(
            call["function"].get("arguments", "")
            for event in sse(answer)
            for choice in event["choices"]
            for call in choice["delta"].get("tool_calls", ())
        )
    else:
        arguments = answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"text": said}


def test_several_choices_are_each_restored(house: House, key: str) -> None:
    _, _, raw = house.riad.chat(key, "paris-echo", PERSON, stream=True, n=3)
    events = sse(raw)
    assert [text(events, index) for index in range(3)] == [PERSON] * 3


def test_history_system_and_tool_results_are_masked(house: House, key: str) -> None:
    body = {
        "model": "paris-echo",
        "messages": [
            {"role": "system", "content": "The client is Mr Youssef Alaoui, tel 0661234567."},
            {"role": "user", "content": "call him"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "t",
                        "type": "function",
                        "function": {"name": "call", "arguments": json.dumps({"cin": "BK123456", "who": "0661234567"})},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "t", "content": "RIB 011519000001205000534921"},
            {"role": "user", "content": [{"type": "text", "text": "Mr Youssef Alaoui, sahbi?"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "call", "description": "ask yasmine@example.ma"}}],
    }
    status, headers, raw = house.riad.post("/v1/chat/completions", key, body)
    assert status == 200, raw
    assert headers["x-riad-crossing"] == "pseudonymised"
    received = house.paris.log()["bodies"][-1]
    for private in ("Youssef", "Alaoui", "0661234567", "BK123456", "011519000001205000534921", "yasmine"):
        assert private not in received
    assert "Youssef Alaoui" in raw.decode()


def test_no_personal_data_may_cross_in_clear(house: House, key: str) -> None:
    status, headers, _ = house.riad.chat(key, "virginia-echo", "What is the boiling point of water?")
    assert status == 200
    assert headers["x-riad-crossing"] == "clear"


def test_an_unlawful_crossing_is_refused_with_its_law(house: House, key: str) -> None:
    before = house.virginia.log()["requests"]
    status, headers, answer = house.riad.chat(key, "virginia-echo", PERSON)
    error = answer["error"]
    assert status == 403
    assert error["code"].startswith("law_")
    assert headers["x-riad-decision"] == error["riad"]["decision"] != "allow"
    assert any(article["law"] == "09-08" for article in error["riad"]["articles"])
    assert error["riad"]["remedies"]
    assert house.virginia.log()["requests"] == before
    entries = house.riad.of_request(headers["x-riad-receipt"].partition("-")[2], seconds=0)
    assert [entry["outcome"] for entry in entries] == [headers["x-riad-decision"]]


def test_refusals_speak_the_callers_language(riad: RunningRiad, key: str) -> None:
    messages = set()
    for language in ("fr-MA,fr;q=0.9", "ar", "en"):
        _, _, answer = riad.chat(key, "virginia-echo", PERSON, headers={"accept-language": language})
        messages.add(answer["error"]["message"])
    assert len(messages) == 3


def test_a_fallback_is_decided_like_a_first_choice(house: House, key: str) -> None:
    status, headers, answer = house.riad.chat(key, "both", PERSON)
    assert status == 200
    assert headers["x-riad-site"] == "lyon"
    assert headers["x-riad-crossing"] == "pseudonymised"
    assert answer["choices"][0]["message"]["content"] == PERSON
    entries = house.riad.of_request(headers["x-request-id"])
    assert [(e["kind"], e["site"]) for e in entries if e["kind"] == "decision"] == [
        ("decision", "casa"),
        ("decision", "lyon"),
    ]


@pytest.mark.parametrize("options", [("--locality", "national")])
def test_a_national_key_never_leaves(house: House, options: tuple[str, ...]) -> None:
    national = house.riad.key(*options)
    status, _, answer = house.riad.chat(national, "paris-echo", "hello")
    assert (status, answer["error"]["code"]) == (403, "locality_ceiling")
    status, _, answer = house.riad.chat(national, "both", "hello")
    assert status == 502  # the home site fails and abroad is closed: an error, never a wider route


def test_a_request_may_ask_for_home(riad: RunningRiad, key: str) -> None:
    status, _, answer = riad.chat(key, "paris-echo", "hello", headers={"x-riad-require": "national"})
    assert (status, answer["error"]["code"]) == (403, "locality_ceiling")


def test_a_ceiling_on_persons_data(riad: RunningRiad) -> None:
    strict = riad.key("--max-persons", "none")
    assert riad.chat(strict, "rabat-echo", "hello")[0] == 200
    status, headers, answer = riad.chat(strict, "rabat-echo", PERSON)
    assert (status, answer["error"]["code"]) == (403, "data_class_ceiling")
    assert headers["x-riad-receipt"]


def test_a_declared_class_is_never_lowered(riad: RunningRiad, key: str) -> None:
    status, _, answer = riad.chat(key, "paris-echo", "hello", headers={"x-riad-data-class": "persons=personal"})
    assert status == 403, answer  # declared, but nothing was found to mask
    status, _, answer = riad.chat(key, "rabat-echo", "x", headers={"x-riad-data-class": "state=restricted"})
    assert (status, answer["error"]["code"]) == (403, "data_class_ceiling")
    status, _, answer = riad.chat(key, "rabat-echo", "x", headers={"x-riad-data-class": "sensitive"})
    assert (status, answer["error"]["code"]) == (400, "invalid_data_class")


def test_a_purpose_is_enforced(riad: RunningRiad, key: str) -> None:
    assert riad.chat(key, "rabat-echo", "hi", headers={"x-riad-purpose": "customer_support"})[0] == 200
    status, _, answer = riad.chat(key, "rabat-echo", PERSON, headers={"x-riad-purpose": "marketing"})
    assert status == 403
    assert answer["error"]["code"].startswith("law_")


def test_usage_is_only_streamed_when_asked_for(house: House, key: str) -> None:
    _, headers, raw = house.riad.chat(key, "rabat-echo", "hello", stream=True)
    assert all(event["choices"] for event in sse(raw))
    _, _, asked = house.riad.chat(key, "rabat-echo", "hello", stream=True, stream_options={"include_usage": True})
    assert sse(asked)[-1]["usage"]["total_tokens"] == 12
    outcome = house.riad.of_request(headers["x-request-id"])[-1]
    assert outcome["tokens"] == {"prompt": 7, "completion": 5}


def test_completions_and_embeddings(house: House, key: str) -> None:
    status, headers, raw = house.riad.post("/v1/completions", key, {"model": "paris-echo", "prompt": PERSON})
    assert status == 200
    assert json.loads(raw)["choices"][0]["text"] == PERSON
    assert headers["x-riad-crossing"] == "pseudonymised"
    status, headers, raw = house.riad.post("/v1/embeddings", key, {"model": "paris-embed", "input": ["salam", PERSON]})
    assert status == 200
    assert len(json.loads(raw)["data"]) == 2
    assert "Benali" not in house.paris.log()["bodies"][-1]


def test_models(riad: RunningRiad, key: str) -> None:
    listed = json.loads(riad.get("/v1/models", key)[2])
    card = next(card for card in listed["data"] if card["id"] == "paris-echo")
    assert card["riad"]["sites"][0]["country"] == "FR"
    assert card["capabilities"]["completion_chat"] is True
    assert json.loads(riad.get("/v1/models/paris-echo", key)[2]) == card
    assert riad.get("/v1/models/none", key)[0] == 404


def test_a_receipt_verifies_offline_and_belongs_to_its_organisation(riad: RunningRiad, key: str, tmp_path: Any) -> None:
    _, headers, _ = riad.chat(key, "paris-echo", PERSON)
    name = headers["x-riad-receipt"]
    status, _, receipt = riad.get(f"/v1/receipts/{name}", key)
    assert status == 200
    file = tmp_path / "receipt"
    file.write_bytes(receipt)
    assert riad.command("ledger", "verify", str(file))
    for private in PRIVATE:
        assert private.encode() not in receipt
    stranger = str(riad.command("keys", "create", "--tenant", "other", "--project", "p", "--purpose", "x")["key"])
    assert riad.get(f"/v1/receipts/{name}", stranger)[0] == 404
    assert riad.get(f"/v1/receipts/{name}", None)[0] == 401
    for wrong in ("1", "x-y", name[:-1] + ("0" if name[-1] != "0" else "1"), "99999999-" + "0" * 32):
        assert riad.get(f"/v1/receipts/{wrong}", key)[0] == 404


def test_a_receipt_in_its_formats(riad: RunningRiad, key: str, tmp_path: Any) -> None:
    name = riad.chat(key, "paris-echo", PERSON)[1]["x-riad-receipt"]
    path = f"/v1/receipts/{name}"
    assert riad.get(f"{path}?format=text", key)[1]["content-type"].startswith("text/plain")
    status, headers, receipt = riad.get(f"{path}?format=cose", key)
    assert (status, headers["content-type"]) == (200, 'application/cose; cose-type="cose-sign1"')
    assert headers["cache-control"] == "private, no-store"
    status, headers, entry = riad.get(f"{path}?format=entry", key)
    assert (status, headers["content-type"]) == (200, "application/json")
    (tmp_path / "cose").write_bytes(receipt)
    (tmp_path / "entry").write_bytes(entry)
    assert riad.command("ledger", "verify", str(tmp_path / "cose"), "--entry", str(tmp_path / "entry"))["ok"]
    assert json.loads(entry)["kind"] == "decision"
    for private in PRIVATE:
        assert private.encode() not in receipt + entry
    stranger = str(riad.command("keys", "create", "--tenant", "third", "--project", "p", "--purpose", "x")["key"])
    for form in ("cose", "entry"):
        assert riad.get(f"{path}?format={form}", stranger)[0] == 404
        assert riad.get(f"{path}?format={form}", None)[0] == 401
    for form in ("", "COSE", "pdf", "cose%00", "x" * 5000):
        status, _, raw = riad.get(f"{path}?format={form}", key)
        assert (status, json.loads(raw)["error"]["code"]) == (400, "unknown_format")
        assert "?format=cose" in json.loads(raw)["error"]["message"]


def test_open_routes(riad: RunningRiad) -> None:
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        status, _, raw = riad.get(path)
        assert status == 200
        json.loads(raw)
    assert b"riad_requests_total" in riad.get("/metrics")[2]
    assert riad.get("/ledger/checkpoint")[2].startswith(b"riad.local/ledger\n")
