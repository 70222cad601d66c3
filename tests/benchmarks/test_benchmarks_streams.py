"""The judge of streams: it must see every kind of damage, and call whole what is whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streams import fault, text_of


def numbered(stream: int, numbers: list[int]) -> str:
    return "".join(f"s{stream}-{number} " for number in numbers)


def events(text: str, *, ending: str = "\n\n", done: bool = True) -> bytes:
    chunks = [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}]
    chunks += [{"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in text]
    chunks += [{"choices": [{"delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": {"total_tokens": 1}}]
    lines = [f"data: {json.dumps(chunk)}{ending}" for chunk in chunks]
    return "".join(lines + ([f"data: [DONE]{ending}"] if done else [])).encode()


@given(st.integers(0, 9999), st.integers(0, 60))
def test_a_whole_stream_is_whole(stream: int, tokens: int) -> None:
    assert fault(numbered(stream, list(range(tokens))), tokens) == ""


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([0, 1, 3], "tokens lost"),
        ([1, 2, 3], "tokens lost"),
        ([0, 1, 2], "tokens lost"),
        ([0, 2, 1, 3], "tokens reordered"),
        ([0, 1, 1, 2, 3], "tokens doubled"),
    ],
)
def test_damage_is_named(numbers: list[int], expected: str) -> None:
    assert fault(numbered(7, numbers), 4) == expected


def test_tokens_of_somebody_else_are_seen() -> None:
    assert fault("s1-0 s2-1 ", 2) == "another stream's tokens"


@pytest.mark.parametrize("text", ["s1-0s1-1 ", "s1-0  s1-1 ", "s1-0 s1-", "hello"])
def test_a_changed_byte_is_seen(text: str) -> None:
    assert fault(text, 2) == "garbled"


@pytest.mark.parametrize("ending", ["\n\n", "\r\n\r\n"])
def test_text_of_joins_the_contents(ending: str) -> None:
    assert text_of(events("s1-0 s1-1 ", ending=ending)) == "s1-0 s1-1 "


def test_text_of_refuses_a_stream_that_just_stops() -> None:
    with pytest.raises(ValueError, match="DONE"):
        text_of(events("s1-0 ", done=False))


def test_text_of_refuses_words_after_the_end() -> None:
    with pytest.raises(ValueError, match="after the end"):
        text_of(events("s1-0 ") + events("s1-1 "))


@pytest.mark.parametrize("body", [b"data: {\n\ndata: [DONE]\n\n", b'data: {"choices": 3}\n\ndata: [DONE]\n\n'])
def test_text_of_refuses_what_is_no_chunk(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec says which of its errors
        text_of(body)
