"""Frames between clients and owner."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.ledger import wire

tokens = st.integers(0, 2**32 - 1)


secrets = st.sampled_from([0, 32, 48]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
records = st.lists(st.tuples(st.binary(min_size=1, max_size=300), secrets), min_size=1, max_size=20)


@given(st.lists(st.tuples(tokens, records)), st.data())
def test_frames_survive_any_cutting(asked: list[tuple[int, list[tuple[bytes, bytes]]]], data: st.DataObject) -> None:
    stream = b"".join(
        wire.append(token, [entry for entry, _ in given_], [secret for _, secret in given_]) for token, given_ in asked
    )
    frames, parser, at = [], wire.Frames(), 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        frames += parser.feed(stream[at : at + step])
        at += step
    assert {kind for kind, _ in frames} <= {wire.APPEND}
    for (_, payload), (token, given_) in zip(frames, asked, strict=True):
        read, entries, beside = wire.read_append(payload)
        assert (read, entries) == (token, [entry for entry, _ in given_])
        assert (beside or [b""] * len(entries)) == [secret for _, secret in given_]


def test_no_secrets_at_all_is_no_list() -> None:
    ((_, payload),) = wire.Frames().feed(wire.append(1, [b"a", b"b"]))
    assert wire.read_append(payload) == (1, [b"a", b"b"], [])


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
        b"\0\0\0\1\0\1\0\1",  # no length of a secret
        b"\0\0\0\1\0\1\0\2\0x",  # cut short
        b"\0\0\0\1\0\1\0\1\0xx",  # something left over
        b"\0\0\0\1\0\1\0\1\x20x" + b"k" * 31,  # a key cut short
        b"\0\0\0\1\0\1\0\1\x21x" + b"k" * 33,  # neither a key nor a key and a tag
        b"\0\0\0\1\0\1\0\0\0",  # an empty entry
        b"\0\0\0\1\xff\xff" + b"\0\1" * 65535 + b"\0" * 65535 + b"x" * 65535,  # too many
    ],
)
def test_a_bad_append_is_garbage(payload: bytes) -> None:
    with pytest.raises(wire.Garbage):
        wire.read_append(payload)


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff\1", b"\0\0\0\1\0x", b"\0\0\0\1\7x", b"GET / HTTP/1.1\r\n"])
def test_a_bad_head_is_garbage(stream: bytes) -> None:
    with pytest.raises(wire.Garbage):
        wire.Frames().feed(stream)
