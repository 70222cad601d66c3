"""An engine that makes us wait, and a reader that makes the engine wait."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
from hostile import OK, Hostile, Peer, fixed, get, once

from riad.errors import EngineFailed, EngineTimeout
from riad.sites.client import Pool
from riad.sites.connection import HIGH_WATER

ONE_READ = 256 * 1024  # the most an event loop hands over at once


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((b"",), "did not begin"),
        ((b"HTTP/1.1 200 OK\r\nx: y",), "did not begin"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), "did not begin"),
        ((OK + b"content-length: 9\r\n\r\nhalf",), "in the middle"),
    ],
)
def test_an_engine_that_hangs(run, pieces, message):
    gone = threading.Event()

    def script(peer):
        peer.request()
        peer.send(*pieces)
        assert peer.gone()
        gone.set()

    async def go(url):
        first = 0.2 if message == "did not begin" else 20
        async with Pool(url, first_byte_timeout=first, idle_timeout=0.1) as pool:
            with pytest.raises(EngineTimeout) as caught:
                await get(pool)
            assert caught.value.code == "engine_timeout"
            assert message in str(caught.value)
            assert pool.in_flight == 0
            await asyncio.to_thread(gone.wait, 10)  # closing tells the engine to stop

    with Hostile(script) as server:
        run(go(server.url))
        assert gone.is_set()


def test_a_head_in_drops_does_not_outlast_its_timeout(run):
    def script(peer):
        peer.request()
        peer.send(OK)
        while True:
            peer.send(b"x: y\r\n")
            time.sleep(0.02)

    async def go(url):
        async with Pool(url, first_byte_timeout=0.3) as pool:
            with pytest.raises(EngineTimeout):
                await get(pool)

    with Hostile(script) as server:
        run(go(server.url))


def test_a_slow_body_is_not_a_dead_one(run):
    def script(peer):
        peer.request()
        peer.send(OK + b"content-length: 12\r\n\r\n")
        for _ in range(12):
            time.sleep(0.1)
            peer.send(b"x")

    async def go(url):
        async with Pool(url, idle_timeout=0.8, first_byte_timeout=0.8) as pool:
            assert await get(pool) == (200, b"x" * 12)

    with Hostile(script) as server:
        run(go(server.url))


def test_a_slow_reader_is_not_a_dead_engine(run):
    body = b"z" * 4_000_000

    async def go(url):
        async with Pool(url, idle_timeout=0.4) as pool:
            response = await pool.request("GET", b"/")
            await asyncio.sleep(1)
            assert await response.read() == body

    with Hostile(once(fixed(body))) as server:
        run(go(server.url))


def test_connecting_takes_no_longer_than_allowed(run):
    async def go(url):
        async with Pool(url, connect_timeout=0.1) as pool:
            with pytest.raises(EngineTimeout) as caught:
                await get(pool)
            assert caught.value.code == "engine_unreachable"
            assert pool.in_flight == 0

    with Hostile(Peer.drain) as server:  # takes the connection, never answers the TLS hello
        run(go(server.url.replace("http:", "https:")))


def test_nobody_listens(run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def go():
        async with Pool(f"http://127.0.0.1:{port}") as pool:
            for _ in range(3):
                with pytest.raises(EngineFailed) as caught:
                    await get(pool)
                assert caught.value.code == "engine_unreachable"
            assert pool.in_flight == 0

    run(go())


def test_an_unused_connection_closes(run):
    closed = threading.Event()

    def script(peer):
        peer.request()
        peer.send(fixed(b"ok"))
        assert peer.gone()
        closed.set()

    async def go(url):
        async with Pool(url, keepalive=0.1) as pool:
            assert await get(pool) == (200, b"ok")
            assert await asyncio.to_thread(closed.wait, 10)
            assert await get(pool) == (200, b"ok")

    with Hostile(script) as server:
        run(go(server.url))
        assert server.connections == 2


def test_a_slow_reader_holds_the_engine_back(run):
    total = 64 * 1024 * 1024
    block = bytes(range(256)) * 256
    sent = 0

    def script(peer):
        nonlocal sent
        peer.request()
        peer.send(OK + b"content-length: %d\r\n\r\n" % total)
        while sent < total:
            peer.send(block)
            sent += len(block)

    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("GET", b"/")
            before = -1
            while before != sent:  # until the engine's writes stand still
                before = sent
                await asyncio.sleep(0.2)
            assert response.buffered <= HIGH_WATER + ONE_READ
            assert sent < total
            received = 0
            async for chunk in response:
                assert len(chunk) <= HIGH_WATER + ONE_READ
                assert chunk[:1] == bytes([received % 256])
                received += len(chunk)
                assert response.buffered <= HIGH_WATER + ONE_READ
            assert received == total

    with Hostile(script) as server:
        run(go(server.url))
