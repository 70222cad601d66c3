"""The worker's line to the owner: what it promises to the gateway when things go wrong."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from ledger_parts import OwnerProcess, audit, until

from riad.errors import BadRequest, LedgerFull, LedgerUnavailable, TooLarge
from riad.ledger import address, wire
from riad.ledger.client import LedgerClient
from riad.ledger.files import Files

Start = Callable[..., OwnerProcess]
Run = Callable[[Awaitable[None]], None]


both_loops = pytest.mark.parametrize("run", ["asyncio", "uvloop"], indirect=True)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine, in uvloop as a worker does or in asyncio's loop; fails if the loop had to report anything."""

    def runner(work: Awaitable[None]) -> None:
        reported: list[dict[str, Any]] = []

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
            await work
            gc.collect()
            await asyncio.sleep(0)

        (asyncio if getattr(request, "param", "") == "asyncio" else uvloop).run(watched())
        assert reported == []

    return runner


@both_loops
def test_without_an_owner_it_raises_and_waits_for_one(start_owner: Start, tmp_path: Path, run: Run) -> None:
    async def use() -> None:
        client = await LedgerClient.connect(Files(tmp_path / "data").socket)
        assert not client.connected
        with pytest.raises(LedgerUnavailable) as caught:
            client.append(b"x")
        assert caught.value.retry_after
        with pytest.raises(LedgerUnavailable):
            await client.ping()
        await asyncio.to_thread(start_owner)
        await until(lambda: client.connected)
        assert await client.append(b"x") == 0
        await client.close()
        with pytest.raises(LedgerUnavailable):
            client.append(b"y")

    run(use())


@both_loops
def test_one_turn_of_the_loop_is_one_frame(tmp_path: Path, run: Run) -> None:
    """Seen from the other end: what an owner receives, and that one answer resolves them all."""

    async def use() -> None:
        listener = address.listen(tmp_path / "s")
        client = await LedgerClient.connect(tmp_path / "s")
        owner, _ = await asyncio.to_thread(accept, listener)
        futures = [client.append(b"%d" % number) for number in range(100)]
        ((kind, payload),) = await receive(owner, 1)
        assert kind == wire.APPEND
        token, entries, _ = wire.read_append(payload)
        assert entries == [b"%d" % number for number in range(100)]
        assert client.outstanding == 100
        owner.sendall(wire.committed(token, 7))
        assert await asyncio.gather(*futures) == list(range(7, 107))
        assert client.outstanding == 0
        # A turn too large for one frame takes several.
        futures = [client.append(b"x" * 65_000) for _ in range(200)]
        frames = await receive(owner, 2)
        assert [len(wire.read_append(payload)[1]) for _, payload in frames] == [129, 71]
        client_closing = asyncio.create_task(client.close(wait=0))
        await client_closing
        for future in futures:
            assert isinstance(future.exception(), LedgerUnavailable)
        owner.close()
        listener.close()

    run(use())


def accept(listener: socket.socket) -> tuple[socket.socket, Any]:
    listener.settimeout(30)
    peer, who = listener.accept()
    peer.settimeout(30)
    return peer, who


async def receive(peer: socket.socket, count: int) -> list[tuple[int, bytes]]:
    parser, frames = wire.Frames(), []
    while len(frames) < count:
        frames += parser.feed(await asyncio.to_thread(peer.recv, 1 << 20))
    return frames


@both_loops
def test_a_lost_connection_fails_what_waits_and_comes_back(start_owner: Start, run: Run) -> None:
    async def use() -> None:
        owner = await asyncio.to_thread(start_owner)
        client = await LedgerClient.connect(owner.socket)
        assert await client.append(b"before") == 0
        owner.send(signal.SIGSTOP)
        sent = client.append(b"sent")
        ping = asyncio.create_task(client.ping())
        await asyncio.sleep(0)
        for number in range(50):
            client.append(b"nobody waits %d" % number)
        owner.send(signal.SIGKILL)
        for lost in (sent, ping):
            with pytest.raises(LedgerUnavailable):
                await lost
        assert client.outstanding == 0
        await asyncio.to_thread(owner.end, signal.SIGKILL)
        await asyncio.to_thread(start_owner)
        await until(lambda: client.connected)
        assert await client.append(b"after") > 0
        await client.close()

    run(use())


def test_a_full_queue_raises_at_once(start_owner: Start, run: Run) -> None:
    async def use() -> None:
        owner = await asyncio.to_thread(start_owner)
        client = await LedgerClient.connect(owner.socket, max_queue=4)
        owner.send(signal.SIGSTOP)
        futures = [client.append(b"%d" % number) for number in range(4)]
        with pytest.raises(LedgerFull) as caught:
            client.append(b"one too many")
        assert (caught.value.status, caught.value.retry_after) == (429, 1.0)
        owner.send(signal.SIGCONT)
        assert await asyncio.gather(*futures) == [0, 1, 2, 3]
        assert await client.append(b"room again") == 4
        await client.close()

    run(use())


def test_an_entry_that_cannot_be_is_refused_before_it_is_sent(start_owner: Start, run: Run) -> None:
    async def use() -> None:
        owner = await asyncio.to_thread(start_owner)
        client = await LedgerClient.connect(owner.socket)
        with pytest.raises(BadRequest):
            client.append(b"")
        with pytest.raises(TooLarge):
            client.append(b"x" * 65_536)
        assert client.outstanding == 0
        assert await client.append(b"fine") == 0
        await client.close()

    run(use())


def test_cancelled_and_forgotten_futures_are_recorded_all_the_same(start_owner: Start, run: Run) -> None:
    async def use() -> None:
        owner = await asyncio.to_thread(start_owner)
        client = await LedgerClient.connect(owner.socket)
        cancelled = client.append(b"cancelled")
        client.append(b"forgotten")
        cancelled.cancel()
        assert await client.append(b"kept") == 2
        await client.close()
        await asyncio.to_thread(owner.end)
        assert audit(owner.data_dir) == [b"cancelled", b"forgotten", b"kept"]

    run(use())


def test_closing_waits_for_what_was_appended(start_owner: Start, run: Run) -> None:
    async def use() -> None:
        owner = await asyncio.to_thread(start_owner)
        client = await LedgerClient.connect(owner.socket)
        futures = [client.append(b"%d" % number) for number in range(500)]
        await client.close()
        assert [future.result() for future in futures] == list(range(500))
        await client.close()

    run(use())


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        wire.committed(99, 0),  # for something never asked
        wire.plain(wire.FULL, 99),
        wire.append(1, [b"x"]),
        b"\0\0\0\3\3abc",
    ],
)
def test_an_owner_that_talks_nonsense_is_left(tmp_path: Path, run: Run, nonsense: bytes) -> None:
    async def use() -> None:
        listener = address.listen(tmp_path / "s")
        client = await LedgerClient.connect(tmp_path / "s")
        peer, _ = await asyncio.to_thread(accept, listener)
        future = client.append(b"x")
        await receive(peer, 1)
        peer.sendall(nonsense)
        with pytest.raises(LedgerUnavailable):
            await future
        await until(lambda: client.connected)  # it called again
        await client.close()
        peer.close()
        listener.close()

    run(use())


def test_many_clients_share_one_owner(start_owner: Start, run: Run) -> None:
    async def use() -> None:
        owner = await asyncio.to_thread(start_owner)
        clients = [await LedgerClient.connect(owner.socket) for _ in range(8)]

        async def caller(client: LedgerClient, name: int) -> list[int]:
            return [await client.append(b"%d-%d" % (name, number)) for number in range(20)]

        lists = await asyncio.gather(*(caller(clients[name % 8], name) for name in range(64)))
        assert sorted(index for indices in lists for index in indices) == list(range(64 * 20))
        entries = {}
        for name, indices in enumerate(lists):
            entries |= {index: b"%d-%d" % (name, number) for number, index in enumerate(indices)}
        for client in clients:
            await client.close()
        await asyncio.to_thread(owner.end)
        assert audit(owner.data_dir) == [entries[index] for index in range(len(entries))]

    run(use())
