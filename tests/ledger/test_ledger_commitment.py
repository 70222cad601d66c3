"""What the gateway commits to and what a stranger's verifier makes of the same texts agree, to the last bit."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ledger_parts import ORIGIN, make_receipt

from riad.errors import BadRequest
from riad.gateway.answers import WholeAnswer
from riad.gateway.calls import CHAT, COMPLETIONS
from riad.gateway.delivered import MOST
from riad.gateway.streams import StreamAnswer
from riad.ledger import commitment
from riad.ledger import verify as verifier
from riad.ledger.note import Signer
from riad.ledger.verify import BadReceipt, BadText, Report, open_commitment, verify

KEY = bytes(range(32))
SIGNER = Signer(ORIGIN, bytes(range(32)))
CALLS = [{"name": "save", "arguments": '{"a": 1}'}, {"name": "load"}]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
messages = st.lists(st.dictionaries(texts | st.sampled_from(["role", "content"]), texts | anything, max_size=4))
bodies = st.dictionaries(
    st.sampled_from([*commitment.MEMBERS, "model", "temperature"]), texts | messages | anything, max_size=5
)


def opened(what: str, text: bytes, claimed: str, key: bytes = KEY) -> Report:
    """The verifier's step on a record that commits to ``claimed``. Raises as ``open_commitment``."""
    record = {"kind": "decision", "prompt_commitment": claimed}
    if what == "answer":
        record = {"kind": "outcome", "answer_commitment": claimed}
    report = Report(entry=json.dumps(record).encode())
    open_commitment(report, what, text, key.hex())
    return report


@given(bodies, st.booleans(), st.booleans())
@example({"messages": [{"role": "user", "content": "é\u2028\x7f😀\ue000"}], "prompt": ["a", "b"]}, True, True)
@example({"tools": [{"x": [1e16, 1e-7, 5e-324, -0.0, 1.0, 2**64, 1e22, 0.1]}]}, True, True)
def test_gateway_and_verifier_agree_on_any_request(body: dict[str, Any], ascii_: bool, spaced: bool) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_, indent=2 if spaced else None).encode()
    claimed = commitment.prompt(KEY, msgspec.json.decode(raw))
    assert opened("prompt", raw, claimed).opened == "prompt"
    # A few lines of anybody's Python, as the documentation says it.
    content = {name: value for name, value in json.loads(raw).items() if name in commitment.MEMBERS}
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert hmac.new(KEY, b"riad/prompt/v1\0" + canonical.encode(), "sha256").hexdigest() == claimed


def test_repeated_members_order_and_other_members_do_not_matter() -> None:
    raw = b'{"model":"a","messages":[{"content":"no"}],"messages":[{"role":"user","content":"yes","content":"y"}]}'
    claimed = commitment.prompt(KEY, msgspec.json.decode(raw))
    opened("prompt", b'{"messages":[{"content":"\\u0079","role":"user"}],"model":"b","seed":1}', claimed)


@given(bodies, bodies)
def test_another_request_is_told_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    content = [{name: body[name] for name in commitment.MEMBERS if name in body} for body in (one, other)]
    same = json.dumps(content[0], sort_keys=True) == json.dumps(content[1], sort_keys=True)
    assert (commitment.prompt(KEY, one) == commitment.prompt(KEY, other)) == same
    assert commitment.prompt(KEY, one) != commitment.prompt(bytes(32), one)


def test_a_request_that_nests_too_deeply_is_refused() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadRequest, match="nested"):
        commitment.prompt(KEY, {"tools": deep})


# Answers

pieces = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
parts = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": pieces}) | st.just({"type": "thinking"}))
contents = st.none() | pieces | parts
functions = st.fixed_dictionaries({}, optional={"name": pieces | st.none(), "arguments": pieces, "x": scalars})
calls = st.lists(st.fixed_dictionaries({"function": functions}, optional={"index": st.integers(0, 2) | st.none()}))
odd = st.sampled_from([1, "x", [], {}, None])
said = st.fixed_dictionaries(
    {}, optional={"content": contents | odd, "tool_calls": calls | odd, "role": st.just("assistant"), "refusal": pieces}
)
indices = st.integers(-1, 3) | st.none() | st.just("0")


def choice(member: str) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={"index": indices, member: said | odd, "text": pieces | odd}) | odd


streams = st.lists(st.fixed_dictionaries({"choices": st.lists(choice("delta"), max_size=3)}), max_size=8)


def sse(events: list[Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def committed(answer: StreamAnswer | WholeAnswer) -> str | None:
    answer.commit(KEY)
    return answer.commitment


@given(streams, st.booleans())
def test_gateway_and_verifier_agree_on_any_stream(events: list[Any], usage: bool) -> None:
    """``usage`` takes an event down the slow path, on which the gateway decodes all of it."""
    answer = StreamAnswer({}, wants_usage=True)
    passed = answer.feed(sse([{**event, "usage": None} if usage else event for event in events]))
    claimed = committed(answer)
    if claimed is None:
        assert not any(isinstance(choice, dict) for event in events for choice in event["choices"])
    else:
        opened("answer", passed + b"data: [DONE]\n\n", claimed)


@given(st.lists(choice("message"), max_size=4))
def test_gateway_and_verifier_agree_on_any_whole_answer(choices: list[Any]) -> None:
    answer = WholeAnswer({})
    passed = answer.finish(json.dumps({"id": "a", "choices": choices}).encode(), CHAT)
    claimed = committed(answer)
    if claimed is None:
        assert not any(isinstance(choice, dict) for choice in choices)
    else:
        opened("answer", passed, claimed)


@given(st.lists(pieces, min_size=1), st.lists(pieces))
def test_a_stream_and_a_whole_answer_that_say_the_same_are_one_answer(content: list[str], arguments: list[str]) -> None:
    streamed = StreamAnswer({}, wants_usage=True)
    deltas: list[Any] = [{"content": piece} for piece in content]
    deltas.append({"tool_calls": [{"index": 0, "function": {"name": "save", "arguments": ""}}]})
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in arguments]
    streamed.feed(sse([{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]))
    whole = WholeAnswer({})
    call = {"id": "c", "type": "function", "function": {"name": "save", "arguments": "".join(arguments)}}
    message = {"role": "assistant", "content": "".join(content) or None, "tool_calls": [call]}
    whole.finish(json.dumps({"id": "a", "choices": [{"index": 0, "message": message}]}).encode(), CHAT)
    assert committed(streamed) == committed(whole) is not None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("masks", [False, True])
def test_what_was_restored_or_masked_is_committed_to_as_the_caller_got_it(stream: bool, masks: bool) -> None:
    words = "To [PERSON_1]: call 0612345678, then write."
    answer: StreamAnswer | WholeAnswer
    if stream:
        answer = StreamAnswer({"[PERSON_1]": "Fatima"}, wants_usage=False, masks=masks)
        events = [{"choices": [{"index": 0, "delta": {"content": words[at : at + 3]}}]} for at in range(0, 60, 3)]
        passed = answer.feed(sse(events) + b"data: [DONE]\n\n")
    else:
        answer = WholeAnswer({"[PERSON_1]": "Fatima"}, masks=masks)
        choices = [{"index": 0, "message": {"role": "assistant", "content": words}}]
        passed = answer.finish(json.dumps({"id": "a", "choices": choices}).encode(), CHAT)
    assert (b"0612345678" in passed.replace(b'"}', b"")) is (not masks and not stream)
    claimed = committed(answer)
    assert claimed is not None
    opened("answer", passed, claimed)
    if not masks:
        opened("answer", b"To Fatima: call 0612345678, then write.", claimed)


def test_a_completion_and_several_choices() -> None:
    answer = WholeAnswer({})
    answer.finish(b'{"id":"a","choices":[{"index":1,"text":"b"},{"index":0,"text":"a"}]}', COMPLETIONS)
    assert committed(answer) == commitment.answer(KEY, [{"content": "a"}, {"content": "b"}])


def test_the_definition_of_an_answer() -> None:
    text = '[{"content":"hé","tool_calls":[{"arguments":"{\\"a\\": 1}","name":"save"},{"name":"load"}]}]'
    made = hmac.new(KEY, b"riad/answer/v1\0" + text.encode(), "sha256").hexdigest()
    assert commitment.answer(KEY, [{"content": "hé", "tool_calls": CALLS}]) == made


def test_an_answer_too_long_has_no_commitment() -> None:
    answer = WholeAnswer({})
    answer.finish(json.dumps({"id": "a", "choices": [{"text": "x" * (MOST + 1)}]}).encode(), COMPLETIONS)
    assert committed(answer) is None


def test_without_a_key_nothing_is_committed_to() -> None:
    answer = WholeAnswer({})
    answer.finish(b'{"id":"a","choices":[{"text":"x"}]}', COMPLETIONS)
    answer.commit(b"")
    assert answer.commitment is None


# The verifier, as a stranger runs it

BODY = {"model": "m", "messages": [{"role": "user", "content": "Salam"}], "temperature": 0.5}
ENTRIES = [
    json.dumps(record, sort_keys=True).encode()
    for record in (
        {"kind": "decision", "v": 1, "prompt_commitment": commitment.prompt(KEY, BODY)},
        {"kind": "outcome", "v": 1, "answer_commitment": commitment.answer(KEY, [{"content": "Wa salam"}])},
        {"kind": "decision", "v": 1},
    )
]


def run(tmp_path: Path, index: int, option: str, text: bytes, key: str) -> subprocess.CompletedProcess[str]:
    receipt, file = tmp_path / "receipt", tmp_path / "text"
    receipt.write_text(make_receipt(ENTRIES, index, SIGNER))
    file.write_bytes(text)
    command = [sys.executable, "-I", verifier.__file__, str(receipt), "--key", SIGNER.verifier.vkey]
    return subprocess.run(
        [*command, option, str(file), "--record-key", key], capture_output=True, text=True, timeout=60
    )


def test_a_stranger_opens_a_prompt_and_an_answer(tmp_path: Path) -> None:
    done = run(tmp_path, 0, "--prompt", json.dumps(BODY).encode(), KEY.hex())
    assert (done.returncode, done.stderr) == (0, "")
    assert "7. Under the record key the prompt gives the commitment" in done.stdout
    assert "The answer: this receipt is the decision's" in done.stdout
    assert "the log never holds them" not in done.stdout
    for text in (b"Wa salam", b"Wa salam\n", b'{"choices": [{"message": {"content": "Wa salam"}}]}'):
        assert run(tmp_path, 1, "--answer", text, KEY.hex()).returncode == 0


@pytest.mark.parametrize(
    ("index", "option", "text", "key", "says"),
    [
        (0, "--prompt", json.dumps({**BODY, "tools": []}).encode(), KEY.hex(), "step 7 failed. This prompt is not"),
        (0, "--prompt", json.dumps(BODY).encode(), "00" * 32, "step 7 failed. This prompt is not"),
        (1, "--answer", b"Wa salam!", KEY.hex(), "step 7 failed. This answer is not"),
        (1, "--answer", b"", KEY.hex(), "step 7 failed. This answer is not"),
        (1, "--prompt", json.dumps(BODY).encode(), KEY.hex(), "no prompt is in it"),
        (0, "--answer", b"Wa salam", KEY.hex(), "no answer is in it"),
        (2, "--prompt", json.dumps(BODY).encode(), KEY.hex(), "commits to no prompt"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, index: int, option: str, text: bytes, key: str, says: str) -> None:
    done = run(tmp_path, index, option, text, key)
    assert (done.returncode, says in done.stdout) == (1, True), done.stdout


@pytest.mark.parametrize(
    ("option", "text", "key", "says"),
    [
        ("--prompt", b"Salam", KEY.hex(), "not a request's JSON"),
        ("--prompt", b"[]", KEY.hex(), "not a request's JSON"),
        ("--prompt", b'{"messages": NaN}', KEY.hex(), "not a request's JSON"),
        ("--prompt", b'{"messages": 1e400}', KEY.hex(), "not a request's JSON"),
        ("--prompt", b'{"messages": "\\ud800"}', KEY.hex(), "not a request's JSON"),
        ("--prompt", b'{"messages":' + b"[" * 100_000, KEY.hex(), "not a request's JSON"),
        ("--prompt", json.dumps(BODY).encode(), "0" * 63, "not a record key"),
        ("--prompt", json.dumps(BODY).encode(), "é" * 64, "not a record key"),
    ],
)
def test_wrong_usage(tmp_path: Path, option: str, text: bytes, key: str, says: str) -> None:
    done = run(tmp_path, 0, option, text, key)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_an_answer_that_is_no_text() -> None:
    with pytest.raises(BadText, match="UTF-8"):
        opened("answer", b"\xff", "0" * 64)
    report = verify(make_receipt(ENTRIES, 1, SIGNER).encode(), SIGNER.verifier.vkey)
    with pytest.raises(BadReceipt):
        open_commitment(report, "answer", b"[" * 100_000, KEY.hex())
