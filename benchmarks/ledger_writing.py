"""The writing side of the ledger: durable entries a second, and how long their callers wait.

Callers wait for their entry's commit before they append the next. They are in this process, the owner in another, as in
the platform; the database is a file of the owner's or a PostgreSQL.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks import postgres
from benchmarks.processes import Unavailable, die_with_parent
from benchmarks.pymerkle_peer import TITLE, Pymerkle
from benchmarks.spread import Spread, quantile, spread
from riad.ledger import wire
from riad.ledger.client import LedgerClient
from riad.ledger.files import Files

ORIGIN = "bench.example/ledger"
CALLERS = (1, 16, 64, 512, 2048)
WARM_UP = 0.3  # seconds
SECRET = os.urandom(wire.MAX_SECRET)  # a record key and whose it is: what comes with a decision

Round = dict[str, float]


class Database(NamedTuple):
    """Where an owner keeps the log: ``url`` is the setting ``ledger.url``. ``why_not``: it cannot take part."""

    name: str
    url: str
    why_not: str = ""


@contextmanager
def databases() -> Iterator[list[Database]]:
    """SQLite, and a PostgreSQL that runs until the block ends."""
    with ExitStack() as stack:
        try:
            if importlib.util.find_spec("riad.ledger.postgres") is None:
                raise Unavailable("this Riad has no driver for it")
            other = Database("PostgreSQL", stack.enter_context(postgres.server())[0])
        except Unavailable as reason:
            other = Database("PostgreSQL", "", str(reason))
        yield [Database("SQLite", "sqlite"), other]


@contextmanager
def owner(data_dir: Path, url: str = "sqlite") -> Iterator[subprocess.Popen[bytes]]:
    """A running owner of a log in that database."""
    command = [sys.executable, "-m", "riad.ledger.owner", "--data-dir", str(data_dir), "--origin", ORIGIN]
    env = {**os.environ, "RIAD_LEDGER_URL": url}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, env=env, preexec_fn=die_with_parent
    ) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"ready\n":
                raise Unavailable("the ledger's owner did not start")
            yield process
        finally:
            process.terminate()


class Owned:
    """One contender: callers, a socket, an owner, a database."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes], data: bytes) -> None:
        self._socket, self._pid, self._data = Files(directory).socket, process.pid, data

    def round(self, callers: int, seconds: float) -> Round:
        return uvloop.run(self._connected(callers, seconds))

    async def _connected(self, callers: int, seconds: float) -> Round:
        client = await LedgerClient.connect(self._socket)
        try:
            return await self._closed_loop(client, callers, seconds)
        finally:
            await client.close()

    async def _closed_loop(self, client: LedgerClient, callers: int, seconds: float) -> Round:
        waits: list[float] = []
        end = time.perf_counter() + seconds

        async def caller() -> None:
            while (began := time.perf_counter()) < end:
                await client.append(self._data, SECRET)
                waits.append(time.perf_counter() - began)

        began, theirs, ours = time.perf_counter(), cpu(self._pid), time.process_time()
        await asyncio.gather(*(caller() for _ in range(callers)))
        elapsed = time.perf_counter() - began
        return {
            "entries_per_s": len(waits) / elapsed,
            "p50_ms": quantile(waits, 0.5) * 1e3,
            "p99_ms": quantile(waits, 0.99) * 1e3,
            "owner_cpu_us": (cpu(self._pid) - theirs) / len(waits) * 1e6,
            "caller_cpu_us": (time.process_time() - ours) / len(waits) * 1e6,
        }


class Peer:
    """pymerkle in the same role: as many entries as callers, ready in one batch."""

    def __init__(self, tree: Pymerkle, data: bytes) -> None:
        self._tree, self._data = tree, data

    def round(self, callers: int, seconds: float) -> Round:
        return self._tree.append(self._data, callers, seconds)


def writing(directory: Path, data: bytes, seconds: float, rounds: int) -> dict[str, Any]:
    """Every contender at every number of callers. Rounds take turns, so that a noisy minute touches all alike."""
    contenders: dict[str, Owned | Peer] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        for database in stack.enter_context(databases()):
            try:
                if database.why_not:
                    raise Unavailable(database.why_not)
                folder = directory / database.name
                contenders[database.name] = Owned(folder, stack.enter_context(owner(folder, database.url)), data)
            except Unavailable as reason:
                missing[database.name] = str(reason)
        for name, wal in ((TITLE, False), (f"{TITLE}, write-ahead log", True)):
            try:
                tree = stack.enter_context(Pymerkle(directory / f"peer-{wal}.db", wal=wal))
                contenders[name] = Peer(tree, data)
            except Unavailable as reason:
                missing[name] = str(reason)
        for contender in contenders.values():
            contender.round(64, WARM_UP)
        taken: dict[str, dict[int, list[Round]]] = {name: {at: [] for at in CALLERS} for name in contenders}
        for _ in range(rounds):
            for callers in CALLERS:
                for name, contender in contenders.items():
                    taken[name][callers].append(contender.round(callers, seconds))
    return {
        "contenders": {name: {str(at): _spread(found) for at, found in one.items()} for name, one in taken.items()},
        "missing": missing,
    }


def _spread(rounds: Sequence[Round]) -> dict[str, Spread | None]:
    return {name: spread(one[name] for one in rounds) for name in rounds[0]}


def cpu(pid: int) -> float:
    """Seconds of CPU a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fsync_ms(directory: Path) -> Spread | None:
    """What the disk takes for one durable kilobyte: no entry can be durable sooner."""
    waits = []
    with open(directory / "fsync", "wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 1024)
            os.fsync(file.fileno())
            waits.append((time.perf_counter() - began) * 1e3)
    return spread(statistics.median(waits[at : at + 20]) for at in range(0, 200, 20))


async def append_cost(directory: Path, batch: int, data: bytes) -> float:
    """CPU microseconds an entry costs its worker, from append to the answered future, at so many a turn.

    The other end answers at once from a thread of nothing: a socket pair's peer in this loop, whose own cost is
    measured apart and taken off.
    """
    listening = asyncio.Event()
    peer: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.append(writer)
        listening.set()
        while await reader.read(1 << 20):
            pass

    server = await asyncio.start_unix_server(serve, directory / "peer.sock")
    client = await LedgerClient.connect(directory / "peer.sock", max_queue=1 << 20)
    await listening.wait()
    turns, cost = max(20, 20_000 // batch), 0.0
    for token in range(1, turns + 1):
        began = time.process_time()
        futures = [client.append(data, SECRET) for _ in range(batch)]
        client._flush()
        cost += time.process_time() - began
        frame = wire.committed(token, token * batch)[5:]
        began = time.process_time()
        client._received(wire.COMMITTED, frame)
        cost += time.process_time() - began
        assert futures[-1].result() == token * batch + batch - 1
        await asyncio.sleep(0)
    await client.close(wait=0)
    for writer in peer:
        writer.close()
    server.close()
    return cost / turns / batch * 1e6
