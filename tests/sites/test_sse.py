from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import EngineFailed
from riad.sites.sse import Events, event

pieces = st.sampled_from(
    [
        b"data: a", b"data:b", b"data", b"data:", b"data:  two", b"datax: no", b" data: no", b": comment", b"event: e",
        b"id: 1", b"retry: 5", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"x", b":", b" ", b"\xef\xbb\xbf",
        b"\xd8\xb3", b"\xff", b"\0",
    ]
)  # fmt: skip
streams = st.lists(pieces, max_size=24).map(b"".join)


def reference(stream: bytes) -> list[bytes]:
    """The specification, word by word, over the whole stream at once."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]
    events, data = [], []
    for line in lines:
        if line == b"":
            if data:
                events.append(b"\n".join(data))
            data = []
        elif not line.startswith(b":"):
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value[1:] if value.startswith(b" ") else value)
    return events


def fed(stream: bytes, cuts: list[int], **options: int) -> list[bytes]:
    events = Events(**options)
    found = []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        found += events.feed(stream[start:end])
    return found


@given(streams, st.lists(st.integers(0, 80), max_size=12))
def test_any_stream_cut_anywhere_is_read_as_the_specification_says(stream, cuts):
    assert fed(stream, cuts) == reference(stream)
    assert fed(stream, list(range(len(stream)))) == reference(stream)


@given(st.binary(max_size=200), st.lists(st.integers(0, 250), max_size=8))
def test_what_is_written_is_read_back(data, cuts):
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert fed(event(data) + event(b"[DONE]"), cuts) == [lines, b"[DONE]"]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b'data: {"a":1}\n\n', [b'{"a":1}']),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", [b""]),
        (b"data\ndata\n\n", [b"\n"]),
        (b"data:test\n\ndata: test\n\n", [b"test", b"test"]),
        (b": ping\n\n: ping\n\ndata: a\n\n", [b"a"]),
        (b"event: error\nid: 7\ndata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"\n\n\n\ndata: a\n\n\n", [b"a"]),
    ],
)
def test_examples(stream, expected):
    assert fed(stream, []) == expected
    assert fed(stream, list(range(len(stream)))) == expected


@pytest.mark.parametrize(
    ("stream", "pending"),
    [
        (b"", False),
        (b"data: a\n\n", False),
        (b"data: a\r\n\r\n", False),
        (b"data: a\r\r", False),
        (b"data: a\n\n\n", False),
        (b"data: a", True),
        (b"data: a\n", True),
        (b"data: a\r\n\r", False),  # CR alone ends a line: the event is whole
        (b"data: a\n\ndata: [DO", True),
        (b"d", True),
        (b"\xef\xbb", True),
    ],
)
def test_a_cut_stream_shows(stream, pending):
    for cuts in ([], list(range(len(stream)))):
        events = Events()
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            events.feed(stream[start:end])
        assert events.pending is pending


@given(st.integers(0, 40), st.lists(st.integers(0, 100), max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_an_event_may_fill_the_limit_and_not_pass_it(size, cuts, newline):
    stream = b"data: first" + newline * 3 + b"data: " + b"x" * size + newline * 3
    if size + 6 <= 30:
        assert fed(stream, cuts, max_event=30) == [b"first", b"x" * size]
    else:
        with pytest.raises(EngineFailed) as caught:
            fed(stream, cuts, max_event=30)
        assert caught.value.code == "engine_bad_response"
        assert "xxx" not in str(caught.value)


def test_a_stream_without_an_end_of_event_is_stopped():
    events = Events(max_event=64 * 1024)
    for _ in range(64):
        assert events.feed(b"x" * 1024) == []
    with pytest.raises(EngineFailed):
        events.feed(b"x" * 1024)


def test_a_long_event_in_single_bytes_is_not_read_again_and_again():
    payload = b"x" * 200_000
    stream = b"data: " + payload + b"\n\n"
    assert fed(stream, list(range(len(stream)))) == [payload]
