"""The owner process: killed, starved, misused, doubled. Nothing it acknowledged is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import signal
import socket
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_parts import ORIGIN, OwnerProcess, audit, until

from riad.errors import LedgerFull, LedgerUnavailable
from riad.ledger import address, wire
from riad.ledger.client import LedgerClient
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.reader import Reader

Start = Callable[..., OwnerProcess]


def test_it_serves_and_ends(start_owner: Start) -> None:
    owner = start_owner()
    assert owner.ready
    assert stat.S_IMODE(owner.socket.stat().st_mode) == 0o600

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        futures = [client.append(b"%d" % number) for number in range(5000)]
        assert await asyncio.gather(*futures) == list(range(5000))
        assert await client.append(b"x" * 65_535) == 5000
        health = await client.ping()
        assert (health["origin"], health["size"], health["queued"]) == (ORIGIN, 5001, 0)
        assert health["vkey"] == Reader(owner.data_dir).vkey()
        await client.close()

    asyncio.run(use())
    assert owner.end() == (0, "")
    assert not owner.socket.exists()
    assert audit(owner.data_dir)[:5000] == [b"%d" % number for number in range(5000)]


def test_kill_loses_nothing_acknowledged(start_owner: Start, tmp_path: Path) -> None:
    acknowledged: dict[int, bytes] = {}
    sent = 0

    async def caller(client: LedgerClient, stop: asyncio.Event) -> None:
        nonlocal sent
        while not stop.is_set():
            sent += 1
            entry = b"entry %d" % sent
            try:
                index = await client.append(entry)
            except LedgerUnavailable:
                await asyncio.sleep(0.005)
            else:
                assert index not in acknowledged
                acknowledged[index] = entry

    async def use() -> None:
        chance = random.Random(1)
        client = await LedgerClient.connect(Files(tmp_path / "data").socket)
        stop = asyncio.Event()
        callers = [asyncio.create_task(caller(client, stop)) for _ in range(20)]
        for _ in range(15):
            owner = await asyncio.to_thread(start_owner)
            assert owner.ready  # it verified what its predecessor left
            await until(lambda: client.connected)
            before = len(acknowledged)
            await asyncio.sleep(chance.uniform(0, 0.06))
            await until(lambda: len(acknowledged) > before)  # noqa: B023
            owner.send(signal.SIGKILL)
            await asyncio.to_thread(owner.end, signal.SIGKILL)
        stop.set()
        await asyncio.gather(*callers)
        await client.close()

    asyncio.run(use())
    Log.open(tmp_path / "data", ORIGIN).close()
    entries = audit(tmp_path / "data")
    assert {index: entries[index] for index in acknowledged} == acknowledged
    assert len(set(entries)) == len(entries)


def test_a_second_owner_is_refused(start_owner: Start) -> None:
    first, second = start_owner(), start_owner()
    status, said = second.end()
    assert (second.ready, status) == (False, 1)
    assert f"Another process ({first.process.pid}) owns the ledger" in said
    assert first.socket.exists()

    async def use() -> None:
        client = await LedgerClient.connect(first.socket)
        assert await client.append(b"still served") == 0
        await client.close()

    asyncio.run(use())


def test_a_broken_ledger_is_not_served(start_owner: Start) -> None:
    start_owner().end()
    owner = start_owner()
    owner.end()
    Files(owner.data_dir).anchor.write_text("nothing")
    again = start_owner()
    status, said = again.end()
    assert (again.ready, status) == (False, 1)
    assert "ledger.checkpoint holds no checkpoint" in said
    assert "docs/reference/ledger.md" in said


def test_wrong_usage(tmp_path: Path, start_owner: Start) -> None:
    start_owner().end()
    files = Files(tmp_path / "data")
    files.key.write_text("no key")
    status, said = start_owner().end()
    assert status == 2
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 64,
        b"\0\0\0\4\3\0\0\0\0",  # a frame that only owners send
        wire.append(1, [b"x"])[:-1] + wire.append(2, [b"y"]),  # out of step
        b"\0\0\0\2\2\0\0",  # a ping without a token
    ],
)
def test_garbage_ends_only_its_own_connection(start_owner: Start, garbage: bytes) -> None:
    owner = start_owner()

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        assert await client.append(b"before") == 0
        stranger = address.dial(owner.socket)
        stranger.setblocking(True)
        stranger.settimeout(30)
        stranger.sendall(garbage + b"\xff" * 16)
        with contextlib.suppress(ConnectionResetError):
            while await asyncio.to_thread(stranger.recv, 4096):
                pass
        stranger.close()
        assert await client.append(b"after") > 0
        assert client.connected
        await client.close()

    asyncio.run(use())
    assert owner.end() == (0, "")


def test_a_client_that_dies_hurts_nobody(start_owner: Start) -> None:
    owner = start_owner()

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        for number in range(20):
            dying = address.dial(owner.socket)
            frame = wire.append(number, [b"from the dying %d" % number] * 10)
            dying.send(frame if number % 2 else frame[:-3])
            dying.close()
        assert await client.append(b"alive") >= 0
        await client.close()

    asyncio.run(use())
    assert owner.end() == (0, "")
    entries = audit(owner.data_dir)
    assert b"alive" in entries
    assert b"from the dying 1" in entries
    assert b"from the dying 0" not in entries


@contextlib.contextmanager
def disk_held(data_dir: Path) -> contextlib.AbstractContextManager[None]:  # type: ignore[misc]
    """Keeps every commit waiting, as a slow disk does: somebody else holds SQLite's write lock."""
    db = sqlite3.connect(Files(data_dir).database, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


def test_it_listens_while_the_disk_works_and_says_when_it_is_full(start_owner: Start) -> None:
    owner = start_owner()

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        with disk_held(owner.data_dir):
            waiting = client.append(b"first")
            futures = [client.append(b"x" * 65_000) for _ in range(1200)]  # 78 MB; 64 MiB are taken
            done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED, timeout=30)
            with pytest.raises(LedgerFull) as caught:
                await next(iter(done))
            assert caught.value.retry_after
            assert (await client.ping())["queued"] > 50_000_000
            assert not waiting.done()
        results = await asyncio.gather(*futures, return_exceptions=True)
        refused = [result for result in results if isinstance(result, LedgerFull)]
        assert 0 < len(refused) < 1200
        assert sorted(result for result in results if isinstance(result, int)) == list(range(1, 1201 - len(refused)))
        assert (await client.ping())["queued"] == 0
        assert await client.append(b"and on") == 1201 - len(refused)
        await client.close()

    asyncio.run(use())
    owner.end()
    audit(owner.data_dir)


@pytest.mark.parametrize("how", ["asked", "supervisor gone"])
def test_it_drains_before_it_ends(start_owner: Start, how: str) -> None:
    owner = start_owner()

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        with disk_held(owner.data_dir):
            futures = [client.append(b"%d" % number) for number in range(2000)]
            await asyncio.sleep(0)  # the frame leaves, and the ping behind it
            assert (await client.ping())["queued"] > 0
            if how == "asked":
                owner.send(signal.SIGTERM)
            else:
                assert owner.process.stdin is not None
                owner.process.stdin.close()
                owner.process.stdin = None
        assert await asyncio.gather(*futures) == list(range(2000))
        if how == "supervisor gone":  # it waits for its clients, who leave by themselves
            assert await client.append(b"the last outcome") == 2000
        await client.close()

    asyncio.run(use())
    assert owner.process.wait(30) == 0
    assert len(audit(owner.data_dir)) == 2000 + (how == "supervisor gone")


def test_a_full_disk_is_told_and_survived(start_owner: Start) -> None:
    """A real refusal by the kernel: files of this process may not grow past 2 MB, for a while."""
    limit = 2 * 1024 * 1024
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    owner = start_owner(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard)))
    acknowledged: dict[int, bytes] = {}

    async def append(client: LedgerClient, number: int) -> None:
        entries = [b"%d-%d " % (number, at) + b"x" * 5_000 for at in range(10)]
        futures = [client.append(entry) for entry in entries]
        results = await asyncio.gather(*futures, return_exceptions=True)
        for error in (result for result in results if isinstance(result, BaseException)):
            raise error
        acknowledged.update(zip(results, entries, strict=True))  # type: ignore[arg-type]

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        failed = 0
        for number in range(300):  # 15 MB, were there room
            try:
                await append(client, number)
            except LedgerUnavailable:
                failed += 1
                if failed == 5:
                    break
        assert failed == 5
        with pytest.raises(LedgerUnavailable, match="could not record"):
            await append(client, 0)
        assert client.connected
        assert acknowledged
        assert (await client.ping())["failure"]
        resource.prlimit(owner.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        for number in range(300, 310):
            await append(client, number)
        assert "failure" not in await client.ping()
        await client.close()

    asyncio.run(use())
    status, said = owner.end()
    assert status == 0
    assert "cannot be used" in said
    assert "writing again" in said
    assert said.count("cannot be used") <= 3  # said once, not for every entry
    entries = audit(owner.data_dir)
    assert {index: entries[index] for index in acknowledged} == acknowledged


def test_a_directory_deeper_than_a_sockets_path(tmp_path: Path, start_owner: Start) -> None:
    deep = tmp_path / "/".join(["a-very-long-directory-name"] * 6)
    owner = start_owner(deep)
    assert owner.ready

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        assert await client.append(b"far down") == 0
        await client.close()

    asyncio.run(use())
    assert owner.end() == (0, "")
    assert audit(deep) == [b"far down"]


def test_a_dead_owners_socket_is_no_obstacle(start_owner: Start) -> None:
    first = start_owner()
    first.end(signal.SIGKILL)
    assert first.socket.exists()
    with pytest.raises(ConnectionRefusedError):
        address.dial(first.socket)
    assert start_owner().ready


def test_a_socket_is_private_from_its_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "run" / "s"
    listener = address.listen(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    caller = address.dial(path)
    assert caller.family == socket.AF_UNIX
    for item in (caller, listener):
        item.close()
