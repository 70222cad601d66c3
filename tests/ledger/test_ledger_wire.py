"""Frames between clients and owner."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.ledger import wire

tokens = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(tokens, st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20))), st.data())
def test_frames_survive_any_cutting(asked: list[tuple[int, list[bytes]]], data: st.DataObject) -> None:
    stream = b"".join(wire.append(token, entries) for token, entries in asked)
    frames, parser, at = [], wire.Frames(), 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        frames += parser.feed(stream[at : at + step])
        at += step
    assert {kind for kind, _ in frames} <= {wire.APPEND}
    assert [wire.read_append(payload) for _, payload in frames] == asked


@given(tokens, st.integers(0, 2**64 - 1), st.binary(max_size=50))
def test_answers_round_trip(token: int, first: int, data: bytes) -> None:
    stream = wire.committed(token, first) + wire.plain(wire.FAILED, token, data)
    (kind, payload), (other_kind, other) = wire.Frames().feed(stream)
    assert (kind, wire.read_committed(payload)) == (wire.COMMITTED, (token, first))
    assert (other_kind, wire.read_plain(other)) == (wire.FAILED, (token, data))


@given(st.binary(max_size=100))
def test_any_bytes_are_frames_or_garbage(data: bytes) -> None:
    with contextlib.suppress(wire.Garbage):
        for _, payload in wire.Frames().feed(data):
            for read in (wire.read_append, wire.read_committed, wire.read_plain):
                with contextlib.suppress(wire.Garbage):
                    read(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0\0\0\1\0\0",  # no entries
        b"\0\0\0\1\0\1",  # no length
        b"\0\0\0\1\0\1\0\2x",  # cut short
        b"\0\0\0\1\0\1\0\1xx",  # something left over
        b"\0\0\0\1\0\1\0\0",  # an empty entry
        b"\0\0\0\1\xff\xff" + b"\0\1" * 65535 + b"x" * 65535,  # too many
    ],
)
def test_a_bad_append_is_garbage(payload: bytes) -> None:
    with pytest.raises(wire.Garbage):
        wire.read_append(payload)


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff\1", b"\0\0\0\1\0x", b"\0\0\0\1\7x", b"GET / HTTP/1.1\r\n"])
def test_a_bad_head_is_garbage(stream: bytes) -> None:
    with pytest.raises(wire.Garbage):
        wire.Frames().feed(stream)
