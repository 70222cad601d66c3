"""What a broken or malicious engine may send, and what is made of it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hostile import OK, Hostile, chunked, fixed, get

from riad.errors import EngineFailed
from riad.sites.client import Pool

SECRET = b"prompt-of-somebody"


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>" + SECRET + b"</html>",
        b"\x00\x01\x02\xff" + SECRET,
        b"\x16\x03\x01\x02\x00",
        b"ICY 200 OK\r\n\r\n" + SECRET,
        b"HTTP/1.1 abc OK\r\n\r\n" + SECRET,
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + SECRET,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + SECRET,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\n" + SECRET,
        OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + SECRET,
        OK + b"content-length: -5\r\n\r\n" + SECRET,
        OK + b"content-length: 99999999999999999999999999\r\n\r\n" + SECRET,
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        OK + b"transfer-encoding: xchunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        OK + b"transfer-encoding : chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        OK + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
        OK + b"content-encoding: identity\r\ncontent-encoding: br\r\ncontent-length: 4\r\n\r\nabcd",
        OK + b"x: a\r\n folded\r\ncontent-length: 2\r\n\r\nok",
        OK + b"x: a\0b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nx: a\n\nbody",
        OK + b"x: " + b"y" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
        OK + b"x: y\r\n" * 20_000 + b"content-length: 0\r\n\r\n",
        OK + b"y" * 400_000,
    ],
)
def test_what_is_not_an_answer_is_refused(run, answer):
    gone = threading.Event()

    def script(peer):
        peer.request()
        peer.send(answer)
        if peer.gone():
            gone.set()

    async def go(url):
        async with Pool(url, site="rabat") as pool:
            with pytest.raises(EngineFailed) as caught:
                await get(pool)
            assert caught.value.code == "engine_bad_response"
            assert caught.value.remedy
            assert "rabat" in str(caught.value)
            assert SECRET.decode() not in repr(caught.value.__dict__)
            assert pool.in_flight == 0
            await asyncio.to_thread(gone.wait, 10)

    with Hostile(script) as server:
        run(go(server.url))
        assert gone.is_set()


@pytest.mark.parametrize(
    "tail",
    [
        b"zz\r\nab\r\n0\r\n\r\n",
        b"2\r\nabX\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nab",
        b"-1\r\nab\r\n",
        b"0\r\nx: " + b"y" * 400_000,  # a trailer without end
        b"2;" + b"e" * 400_000,  # an extension without end
    ],
)
def test_bad_chunks_are_refused_after_the_good_ones(run, tail):
    def script(peer):
        peer.request()
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n4\r\ngood\r\n", tail)
        peer.gone()

    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("GET", b"/")
            got = []

            async def collect():
                async for chunk in response:
                    got.append(chunk)

            with pytest.raises(EngineFailed) as caught:
                await collect()
            assert caught.value.code == "engine_bad_response"
            assert b"".join(got) in (b"good", b"goodab")
            with pytest.raises(EngineFailed):
                await response.chunk()

    with Hostile(script) as server:
        run(go(server.url))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", OK, OK + b"content-length: 5\r\n"])
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_an_engine_that_leaves_before_its_answer_began(run, answer, ending):
    def script(peer):
        peer.request()
        peer.send(answer)
        getattr(peer, ending)()

    async def go(url):
        async with Pool(url) as pool:
            with pytest.raises(EngineFailed) as caught:
                await get(pool)
            assert caught.value.code == "engine_disconnected"
            assert pool.in_flight == 0

    with Hostile(script) as server:
        run(go(server.url))
        assert server.connections == 1  # on a fresh connection this is no stale one: not sent again


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 9\r\n\r\nhalf",
        OK + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n9\r\nhalf",
    ],
)
def test_an_engine_that_leaves_in_the_middle(run, answer):
    def script(peer):
        peer.request()
        peer.send(answer)

    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("GET", b"/")
            assert await response.chunk() == b"half"
            with pytest.raises(EngineFailed) as caught:
                await response.chunk()
            assert caught.value.code == "engine_disconnected"
            with pytest.raises(EngineFailed):
                await response.read()

    with Hostile(script) as server:
        run(go(server.url))


@pytest.mark.parametrize("head", [OK + b"\r\n", OK + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"])
def test_a_reset_is_never_a_proper_end(run, head):
    read = threading.Event()

    def script(peer):
        peer.request()
        peer.send(head)
        read.wait(10)
        peer.reset()

    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("GET", b"/")
            read.set()
            with pytest.raises(EngineFailed) as caught:
                await response.read()
            assert caught.value.code == "engine_disconnected"

    with Hostile(script) as server:
        run(go(server.url))


@pytest.mark.parametrize("extra", [b"xxxx", fixed(b"for somebody else"), b"HTTP/1.1 200 OK\r\nx: ", b"\x00"])
def test_what_follows_an_answer_never_reaches_the_next_request(run, extra):
    def script(peer):
        peer.request()
        peer.send(fixed(b"number %d" % peer.number) + extra)
        peer.gone()

    async def go(url):
        async with Pool(url) as pool:
            assert await get(pool) == (200, b"number 1")
            assert await get(pool) == (200, b"number 2")

    with Hostile(script) as server:
        run(go(server.url))


def test_an_idle_connection_that_speaks_is_closed(run):
    spoke = threading.Event()

    def script(peer):
        peer.request()
        peer.send(fixed(b"number %d" % peer.number))
        if peer.number == 1:
            time.sleep(0.05)  # the answer goes out alone
            peer.send(fixed(b"unasked"))
            assert peer.gone()
            spoke.set()

    async def go(url):
        async with Pool(url) as pool:
            assert await get(pool) == (200, b"number 1")
            await asyncio.to_thread(spoke.wait, 10)
            assert await get(pool) == (200, b"number 2")

    with Hostile(script) as server:
        run(go(server.url))


def test_a_body_larger_than_the_limit_is_not_read(run):
    answers = {
        b"/declared": fixed(b"x" * 200_000),
        b"/chunked": chunked(*[b"x" * 10_000] * 20),
        b"/endless": OK + b"\r\n" + b"x" * 200_000,
        b"/small": fixed(b"x" * 2000),
        b"/fits": fixed(b"x" * 1000),
    }

    def script(peer):
        path = peer.request().line.split()[1]
        peer.send(answers[path])

    async def go(url):
        async with Pool(url, max_response=1000) as pool:
            for path in (b"/declared", b"/chunked", b"/endless", b"/small"):
                response = await pool.request("GET", path)
                with pytest.raises(EngineFailed) as caught:
                    await response.read()
                assert caught.value.code == "engine_bad_response"
                assert pool.in_flight == 0
            assert await get(pool, b"/fits") == (200, b"x" * 1000)

    with Hostile(script) as server:
        run(go(server.url))
