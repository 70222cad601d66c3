"""Any answer, cut anywhere: the same result, or a clean failure. Real sockets, one piece per turn of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket

import pytest
import uvloop
from hostile import OK, chunked, fixed
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riad.errors import BadRequest, EngineFailed
from riad.sites.client import Pool
from riad.sites.request_head import request_head, target

ANSWERS = [
    (fixed(b"hello world"), b"hello world"),
    (fixed(b""), b""),
    (chunked(b"hello", b" ", b"world"), b"hello world"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\n" + chunked(b"a"), b"a"),
    (OK + b"transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n", b"abc"),
    (OK + b"\r\nuntil the end", b"until the end"),
    (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
    (fixed(b"data: a\n\ndata: [DONE]\n\n", head=OK + b"content-type: text/event-stream\r\n"), None),
]


def exchange(pieces):
    """Send the pieces to a client one by one and close; returns status, body, or the error."""

    async def go():
        loop = asyncio.get_running_loop()
        complaints = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)

            async def engine():
                sock, _ = await loop.sock_accept(listener)
                with sock:
                    sock.setblocking(False)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with contextlib.suppress(OSError):
                        await loop.sock_recv(sock, 65536)
                        for piece in pieces:
                            await loop.sock_sendall(sock, piece)
                            for _ in range(3):  # what was sent is read before the next piece
                                await asyncio.sleep(0)

            port = listener.getsockname()[1]
            async with asyncio.timeout(20), Pool(f"http://127.0.0.1:{port}") as pool:
                serving = asyncio.create_task(engine())
                try:
                    response = await pool.request("GET", b"/")
                    outcome = (response.status, await response.read())
                except EngineFailed as error:
                    outcome = error
                assert pool.in_flight == 0
                await serving
        assert not complaints
        return outcome

    return uvloop.run(go())


def cut(data, places):
    edges = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ANSWERS), st.lists(st.integers(1, 130), max_size=10))
def test_an_answer_cut_anywhere_is_the_same(answer, places):
    data, body = answer
    expected = body if body is not None else data.partition(b"\r\n\r\n")[2]
    assert exchange(cut(data, places)) == (200, expected)


@pytest.mark.parametrize(("data", "body"), ANSWERS)
def test_an_answer_in_single_bytes_is_the_same(data, body):
    expected = body if body is not None else data.partition(b"\r\n\r\n")[2]
    assert exchange(cut(data, range(len(data)))) == (200, expected)


noise = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"\r\n", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"content-length: 3\r\n", b"0\r\n\r\n", b"\n", b":"]
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(noise, max_size=8), st.lists(st.integers(1, 200), max_size=4))
@example([b"HTTP/1.1 200 OK\r\n", b"content-length: 3\r\n", b"\r\n", b"ab"], [])
def test_noise_is_an_answer_or_a_failure(parts, places):
    outcome = exchange(cut(b"".join(parts), places))
    if isinstance(outcome, EngineFailed):
        assert outcome.code in ("engine_bad_response", "engine_disconnected")
    else:
        assert 200 <= outcome[0] <= 999


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ANSWERS), st.integers(0, 150), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_answer_is_an_answer_or_a_failure(answer, place, inserted, removed):
    data = answer[0]
    outcome = exchange([data[:place] + inserted + data[place + removed :]])
    if isinstance(outcome, EngineFailed):
        assert outcome.code in ("engine_bad_response", "engine_disconnected")
    else:
        assert 200 <= outcome[0] <= 999


field = st.text("abXY-_:\r\n \t\0\u00e9", max_size=6).map(lambda text: text.encode("latin-1"))


@given(field, st.lists(st.tuples(field, field), max_size=3), st.booleans())
def test_a_head_holds_what_was_given_and_nothing_else(path, pairs, as_block):
    headers = b"".join(b"%b: %b\r\n" % pair for pair in pairs) if as_block else pairs
    try:
        head = request_head(target("http://h/v1"), b"POST", b"/" + path, headers)
    except BadRequest:
        return
    lines = re.split(rb"\r\n|\r|\n", head)  # as the most lenient reader would
    assert lines[:3] == [b"POST /v1/%b HTTP/1.1" % path, b"host: h", b"accept-encoding: identity"]
    assert lines.pop() == b""
    if not as_block:
        assert lines[3:] == [b"%b: %b" % pair for pair in pairs]
    assert len(lines) == 3 + len(pairs)
