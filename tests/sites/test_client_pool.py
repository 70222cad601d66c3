"""Many requests, few connections: places, turns, stale connections, leaving in the middle, nothing crossing."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hostile import OK, Hostile, Peer, answering, chunked, fixed, get

from riad.errors import EngineFailed, Unavailable
from riad.sites.client import Pool


def test_a_stale_connection_is_replaced_once(run):
    def script(peer):
        peer.request()
        peer.send(fixed(b"number %d" % peer.number))
        peer.request()  # an engine that drops an idle connection while the next request is on its way

    async def go(url):
        async with Pool(url) as pool:
            assert await get(pool) == (200, b"number 1")
            response = await pool.request("POST", b"/", body=b"again")
            assert await response.read() == b"number 2"

    with Hostile(script) as server:
        run(go(server.url))
        assert server.connections == 2


def test_a_stale_connection_is_replaced_by_a_fresh_one_only(run):
    """All pooled connections die together when an engine restarts: trying another of them would prove nothing."""
    requests = []

    def script(peer):
        while True:
            requests.append(peer.request().line)
            if peer.number <= 3 and len(requests) > 3:
                return
            if len(requests) <= 3:
                barrier.wait(10)
            peer.send(fixed(b"ok"))

    barrier = threading.Barrier(3)

    async def go(url, limit):
        async with Pool(url, max_connections=limit) as pool:
            await asyncio.gather(*(get(pool) for _ in range(3)))
            assert await get(pool) == (200, b"ok")

    for limit in (3, 10):
        requests.clear()
        with Hostile(script) as server:
            run(go(server.url, limit))
            assert server.connections == 4
            assert len(requests) == 5


def test_a_request_is_not_sent_a_third_time(run):
    def script(peer):
        peer.request()
        if peer.number == 1:
            peer.send(fixed(b"first"))
            peer.request()

    async def go(url):
        async with Pool(url) as pool:
            await get(pool)
            with pytest.raises(EngineFailed) as caught:
                await get(pool)
            assert caught.value.code == "engine_disconnected"

    with Hostile(script) as server:
        run(go(server.url))
        assert server.connections == 2


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"content-length: 3\r\n\r\n"])
def test_a_request_whose_answer_has_begun_is_not_sent_again(run, begun):
    def script(peer):
        peer.request()
        peer.send(fixed(b"first"))
        peer.request()
        peer.send(begun)

    async def go(url):
        async with Pool(url) as pool:
            await get(pool)
            with pytest.raises(EngineFailed) as caught:
                await get(pool)
            assert caught.value.code == "engine_disconnected"

    with Hostile(script) as server:
        run(go(server.url))
        assert server.connections == 1


def test_a_connection_closed_while_idle_is_not_used(run):
    closed = threading.Event()

    def script(peer):
        peer.request()
        peer.send(fixed(b"number %d" % peer.number))
        time.sleep(0.05)
        peer.close()
        closed.set()

    async def go(url):
        async with Pool(url) as pool:
            assert await get(pool) == (200, b"number 1")
            await asyncio.to_thread(closed.wait, 10)
            await asyncio.sleep(0.05)
            assert await get(pool) == (200, b"number 2")

    with Hostile(script) as server:
        run(go(server.url))


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_connections_than_allowed_first_come_first_served(run, limit):
    order = []

    def script(peer):
        while True:
            order.append(peer.request().line.split()[1])
            peer.send(fixed(b"ok"))

    paths = [b"/%d" % number for number in range(40)]

    async def go(url):
        async with Pool(url, max_connections=limit) as pool:
            tasks = [asyncio.create_task(get(pool, path)) for path in paths]
            await asyncio.sleep(0)
            assert pool.in_flight == 40
            assert set(await asyncio.gather(*tasks)) == {(200, b"ok")}
            assert pool.in_flight == 0

    with Hostile(script) as server:
        run(go(server.url))
        assert server.connections == limit
    assert sorted(order) == sorted(paths)
    if limit == 1:
        assert order == paths


def test_a_full_site_says_when_to_come_back(run):
    release = threading.Event()

    def script(peer):
        peer.request()
        release.wait(10)
        peer.send(fixed(b"ok"))

    async def go(url):
        async with Pool(url, max_connections=1, queue_timeout=0.1) as pool:
            first = asyncio.create_task(get(pool))
            await asyncio.sleep(0)
            with pytest.raises(Unavailable) as caught:
                await get(pool)
            assert caught.value.code == "engine_saturated"
            assert caught.value.retry_after
            assert caught.value.retry_after > 0
            release.set()
            assert await first == (200, b"ok")
            assert await get(pool) == (200, b"ok")

    with Hostile(script) as server:
        run(go(server.url))


def test_places_survive_cancelled_waiters_and_failed_connections(run):
    def script(peer):
        while True:
            path = peer.request().line.split()[1]
            if path == b"/die":
                return
            peer.send(fixed(b"ok"))

    async def go(url):
        async with Pool(url, max_connections=2) as pool:
            tasks = [asyncio.create_task(get(pool, b"/die" if n % 3 == 0 else b"/ok")) for n in range(30)]
            await asyncio.sleep(0)
            for task in tasks[::4]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Cancel each of many at another moment of its life.
            for turns in range(30):
                task = asyncio.create_task(get(pool))
                others = [asyncio.create_task(get(pool)) for _ in range(3)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                assert set(await asyncio.gather(*others)) == {(200, b"ok")}
                await asyncio.gather(task, return_exceptions=True)
            assert pool.in_flight == 0
            assert await asyncio.gather(get(pool), get(pool)) == [(200, b"ok")] * 2

    with Hostile(script) as server:
        run(go(server.url))


@pytest.mark.parametrize("moment", ["head", "body", "abort", "with", "other task"])
def test_leaving_closes_the_connection(run, moment):
    gone = threading.Event()

    def script(peer):
        peer.request()
        if moment != "head":
            peer.send(OK + b"content-length: 9\r\n\r\n")
        assert peer.gone()
        gone.set()

    async def leave(pool):
        if moment == "head":
            await pool.request("GET", b"/")
        response = await pool.request("GET", b"/")
        if moment == "with":
            with response:
                return
        if moment == "abort":
            response.abort()
            response.abort()
            return
        if moment == "other task":
            asyncio.get_running_loop().call_later(0.05, response.abort)
        await response.read()

    async def go(url):
        async with Pool(url) as pool:
            task = asyncio.create_task(leave(pool))
            if moment in ("head", "body"):
                await asyncio.sleep(0.1)
                task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            if moment in ("head", "body"):
                assert isinstance(outcome, asyncio.CancelledError)
            elif moment == "other task":
                assert isinstance(outcome, EngineFailed)
                assert outcome.code == "engine_abandoned"
            else:
                assert outcome is None
            assert pool.in_flight == 0
            assert await asyncio.to_thread(gone.wait, 10)

    with Hostile(script) as server:
        run(go(server.url))


def test_leaving_while_connecting(run):
    async def go(url):
        async with Pool(url, max_connections=1) as pool:
            for delay in (0, 0, 0.01, 0.05):
                task = asyncio.create_task(get(pool))
                await asyncio.sleep(delay)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert pool.in_flight == 0

    with Hostile(Peer.drain) as server:
        run(go(server.url.replace("http:", "https:")))


def test_leaving_at_every_moment_of_a_connection_s_opening(run):
    async def go(url):
        for turns in range(12):
            async with Pool(url, max_connections=1) as pool:
                task = asyncio.create_task(get(pool))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert pool.in_flight == 0
                assert await get(pool) == (200, b"ok")

    with Hostile(answering(fixed(b"ok"))) as server:
        run(go(server.url))


def test_closing_the_pool_ends_everything(run):
    def script(peer):
        peer.request()
        peer.gone()

    async def go(url):
        pool = Pool(url, max_connections=1)
        tasks = [asyncio.create_task(get(pool)) for _ in range(3)]
        await asyncio.sleep(0.1)
        await pool.close()
        await pool.close()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert type(outcome) is Unavailable
        with pytest.raises(Unavailable):
            await get(pool)
        assert pool.in_flight == 0

    with Hostile(script) as server:
        run(go(server.url))


def test_answers_do_not_cross(run):
    """Hundreds at once, cut into odd pieces, some given up on the way: each gets its own or nothing."""

    def script(peer):
        while True:
            body = peer.request().body
            mark = body[-8:]
            number = int(mark)
            answer = chunked(*[mark] * (number % 50), body) if number % 2 else fixed(mark * (number % 50) + body)
            cut = number % (len(answer) - 1) + 1
            peer.send(answer[:cut])
            if number % 3 == 0:
                time.sleep(0.001)
            peer.send(answer[cut:])

    async def one(pool, number):
        mark = b"%08d" % number
        body = b"b" * (number % 7000) + mark
        response = await pool.request("POST", b"/", body=body)
        with response:
            if number % 11 == 0:
                return
            assert await response.read() == mark * (number % 50) + body

    async def go(url):
        async with Pool(url, max_connections=16) as pool:
            tasks = [asyncio.create_task(one(pool, number)) for number in range(800)]
            await asyncio.sleep(0.02)
            for task in tasks[::13]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [o for o in outcomes if o is not None and not isinstance(o, asyncio.CancelledError)] == []
            assert pool.in_flight == 0

    with Hostile(script) as server:
        run(go(server.url))
