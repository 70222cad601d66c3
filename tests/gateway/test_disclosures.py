"""Persons in an answer that were not in its prompt: counted, and masked for a project that asks."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

import pytest
from mistralai.client import Mistral
from openai import OpenAI

from riad.ledger.verify import words
from tests.gateway.test_door import sse, text
from tests.running import RunningRiad
from tests.scripted_engine import enciphered

ASKED = "smiti Fatima Zahra Benali, tel 0612345678"
NEW = "Le dossier est chez Monsieur Karim Tazi, tel 0661987654. Appelez-le demain matin."
STRANGERS = ("Karim", "Tazi", "0661987654")
COUNTS = {"PERSON": 1, "PHONE": 1}


@pytest.fixture(scope="module")
def masking_key(riad: RunningRiad) -> str:
    """A key of a project that wants answers masked."""
    made = riad.command("keys", "create", "--tenant", "acme", "--project", "guarded", "--purpose", "customer_support")
    riad.command("tenants", "project", "acme", "guarded", "--answers", "mask")
    return str(made["key"])


def outcome(riad: RunningRiad, headers: dict[str, str]) -> dict[str, Any]:
    return next(e for e in riad.of_request(headers["x-request-id"]) if e["kind"] == "outcome")


def read(answer: Any, stream: bool) -> str:
    return text(sse(answer)) if stream else answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["rabat-oracle", "paris-oracle"])
def test_new_persons_are_reported(riad: RunningRiad, key: str, model: str, stream: bool) -> None:
    status, headers, answer = riad.chat(key, model, f"{ASKED} {enciphered(NEW)}", stream=stream)
    assert status == 200, answer
    assert read(answer, stream) == f"{ASKED} {NEW}"  # as the engine said it, the caller's own names restored
    assert headers.get("x-riad-answer-findings") == (None if stream else "PERSON=1,PHONE=1")
    record = outcome(riad, headers)
    assert record["answer_findings"] == COUNTS
    assert record["answer_masked"] is False
    assert any("PERSON 1, PHONE 1. Masked: False" in sentence for sentence in words(record))


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_prompt_said_is_not_new(riad: RunningRiad, key: str, stream: bool) -> None:
    again = "Monsieur Benali, au +212 6 12 34 56 78, s'appelle Fatima Zahra  BENALI."
    _, headers, _ = riad.chat(key, "rabat-oracle", f"{ASKED} {enciphered(again)}", stream=stream)
    assert "x-riad-answer-findings" not in headers
    assert not {"answer_findings", "answer_masked"} & outcome(riad, headers).keys()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["rabat-oracle", "paris-oracle"])
def test_new_persons_are_masked_where_the_project_asks(
    riad: RunningRiad, masking_key: str, model: str, stream: bool
) -> None:
    status, headers, answer = riad.chat(masking_key, model, f"{ASKED} {enciphered(NEW)}", stream=stream, n=2)
    assert status == 200, answer
    got = read(answer, stream)
    assert got.startswith(ASKED)
    assert got.endswith(". Appelez-le demain matin.")
    for private in STRANGERS:
        assert private not in got
        assert private not in (answer.decode() if stream else json.dumps(answer))
    record = outcome(riad, headers)
    assert record["answer_findings"] == {name: 2 * count for name, count in COUNTS.items()}  # two choices
    assert record["answer_masked"] is True


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["rabat-oracle-tools", "paris-oracle-tools"])
def test_masked_tool_arguments_are_valid_json(riad: RunningRiad, masking_key: str, model: str, stream: bool) -> None:
    _, headers, answer = riad.chat(masking_key, model, f'{ASKED} "{enciphered(NEW)}"', stream=stream)
    if stream:
        calls = [
            call
            for event in sse(answer)
            for choice in event["choices"]
            for call in choice["delta"].get("tool_calls", ())
        ]
        arguments = "".join(call["function"].get("arguments", "") for call in calls)
        assert [call["id"] for call in calls if "id" in call] == ["t1"]
    else:
        arguments = answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    got = json.loads(arguments)["text"]
    assert got.startswith(ASKED)
    assert not any(private in arguments for private in STRANGERS)
    assert outcome(riad, headers)["answer_findings"] == COUNTS


def test_a_masked_stream_is_never_far_behind(riad: RunningRiad, masking_key: str) -> None:
    """The oracle says one character an event: each event is passed on, and what it holds back is bounded."""
    long = " ".join(f"Ceci est la phrase {n} d'une réponse." for n in range(60))
    _, _, raw = riad.chat(masking_key, "rabat-oracle", enciphered(long), stream=True)
    events = sse(raw)
    assert text(events) == long
    given = [len(event["choices"][0]["delta"].get("content") or "") for event in events if event["choices"]]
    given = given[1:-1]  # the engine's first event says nothing, its last ends the answer
    assert len(given) == len(long)
    behind = [said - out for said, out in enumerate(accumulate(given), 1)]
    assert 0 < max(behind) <= 512


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "kept"), [("rabat-oracle", True), ("paris-oracle", False)])
def test_logprobs_are_withheld_where_names_are_restored(
    riad: RunningRiad, key: str, model: str, kept: bool, stream: bool
) -> None:
    status, _, answer = riad.chat(key, model, ASKED, stream=stream, logprobs=True)
    assert status == 200
    choices = [choice for event in sse(answer) for choice in event["choices"]] if stream else answer["choices"]
    told = [choice["logprobs"] for choice in choices if "logprobs" in choice]
    assert told
    assert all((value is not None) is kept for value in told)


def test_logprobs_are_withheld_where_answers_are_masked(riad: RunningRiad, masking_key: str) -> None:
    _, _, answer = riad.chat(masking_key, "rabat-oracle", "salam", logprobs=True)
    assert answer["choices"][0]["logprobs"] is None


def test_placeholders_are_recorded(riad: RunningRiad, key: str) -> None:
    _, headers, _ = riad.chat(key, "paris-echo", ASKED)
    assert headers["x-riad-masking"] == "placeholders"
    decision = riad.of_request(headers["x-request-id"])[0]
    assert (decision["kind"], decision["masking"]) == ("decision", "placeholders")
    assert "Masked by: placeholders." in words(decision)
    _, headers, _ = riad.chat(key, "rabat-echo", ASKED)
    assert "x-riad-masking" not in headers
    assert "masking" not in riad.of_request(headers["x-request-id"])[0]


def test_sdks_read_a_masked_stream(riad: RunningRiad, masking_key: str) -> None:
    messages: Any = [{"role": "user", "content": f"{ASKED} {enciphered(NEW)}"}]
    with OpenAI(base_url=f"{riad.url}/v1", api_key=masking_key, timeout=10, max_retries=0) as client:
        with client.chat.completions.stream(model="paris-oracle", messages=messages) as stream:
            stream.until_done()
            said = stream.get_final_completion().choices[0].message.content or ""
        with client.chat.completions.stream(model="paris-oracle-tools", messages=messages) as stream:
            stream.until_done()
            calls = stream.get_final_completion().choices[0].message.tool_calls or []
    with Mistral(api_key=masking_key, server_url=riad.url) as mistral:
        events = mistral.chat.stream(model="paris-oracle", messages=messages)
        parts = [event.data.choices[0].delta.content for event in events]
    assert said == "".join(part for part in parts if isinstance(part, str))
    for got in (said, json.loads(calls[0].function.arguments)["text"]):
        assert got.startswith(ASKED)
        assert not any(private in got for private in STRANGERS)
