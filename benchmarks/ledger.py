"""The ledger: durable entries a second and how long callers wait, through client, socket, owner and disk.

    python -m benchmarks.ledger [--seconds 2] [--rounds 3] [--size 1000000]

Callers wait for their entry's commit before they append the next. Client and owner run in processes of their own, as
in the platform. The disk's own ``fsync`` is measured beside, for no entry can be durable sooner. Prints one JSON
document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.spread import Spread, quantile, spread
from riad.ledger import entry as entries
from riad.ledger import wire
from riad.ledger.client import LedgerClient
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.reader import Reader
from riad.ledger.verify import verify

ORIGIN = "bench.example/ledger"
CALLERS = (1, 16, 64, 512, 2048)
FACTS = entries.SiteFacts(
    admin_country="MA",
    contract="none",
    country="MA",
    keys_country="MA",
    operator_country="MA",
    own_premises=True,
    parent_country="MA",
    qualification=0,
    retention_days=0,
    trains_on_data=False,
)


def decision() -> entries.Decision:
    """An entry as the gateway makes one for every request: 850 bytes."""
    return entries.Decision(
        action="infer",
        articles=("09-08 art. 43", "09-08 art. 44"),
        attempt=0,
        crossing="none",
        endpoint="chat.completions",
        findings={"PERSON": 2, "CIN": 1, "PHONE": 1},
        id="0123456789abcdef0123456789abcdef",
        legal_basis="contract",
        model="smollm2-135m",
        obligations=("no_training",),
        outcome="allow",
        packs={"ma": "sha256:" + "a" * 64, "eu": "sha256:" + "b" * 64},
        persons="personal",
        project="support",
        purpose="customer_support",
        rules=("ma.national",),
        site="laptop",
        site_facts=FACTS,
        state="none",
        tenant="t-0123456789abcdef",
        time=1_790_000_000_000,
    )


@contextmanager
def owner(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running owner."""
    command = [sys.executable, "-m", "riad.ledger.owner", "--data-dir", str(data_dir), "--origin", ORIGIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the ledger's owner did not start")
        try:
            yield process
        finally:
            process.terminate()


def cpu(pid: int) -> float:
    """Seconds of CPU a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(client: LedgerClient, pid: int, callers: int, seconds: float, data: bytes) -> dict[str, float]:
    """One round of a closed loop."""
    waits: list[float] = []
    end = time.perf_counter() + seconds

    async def caller() -> None:
        while (began := time.perf_counter()) < end:
            await client.append(data)
            waits.append(time.perf_counter() - began)

    began, theirs, ours = time.perf_counter(), cpu(pid), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.perf_counter() - began
    return {
        "entries_per_s": len(waits) / elapsed,
        "p50_ms": quantile(waits, 0.5) * 1e3,
        "p99_ms": quantile(waits, 0.99) * 1e3,
        "owner_cpu_us": (cpu(pid) - theirs) / len(waits) * 1e6,
        "caller_cpu_us": (time.process_time() - ours) / len(waits) * 1e6,
    }


async def loads(
    socket: Path, pid: int, seconds: float, rounds: int, data: bytes
) -> dict[str, dict[str, Spread | None]]:
    client = await LedgerClient.connect(socket)
    await load(client, pid, 64, 0.3, data)
    # Rounds take turns, so that a noisy minute touches every number of callers.
    taken: dict[int, list[dict[str, float]]] = {callers: [] for callers in CALLERS}
    for _ in range(rounds):
        for callers in CALLERS:
            taken[callers].append(await load(client, pid, callers, seconds, data))
    await client.close()
    return {
        str(callers): {name: spread(one[name] for one in results) for name in results[0]}
        for callers, results in taken.items()
    }


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
        futures = [client.append(data) for _ in range(batch)]
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


def each(work: Callable[[], object], times: int) -> Spread | None:
    """Microseconds a call takes, in five rounds."""
    results = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            work()
        results.append((time.perf_counter() - began) / times * 1e6)
    return spread(results)


def fsync_ms(directory: Path) -> Spread | None:
    """What the disk takes for one durable kilobyte."""
    waits = []
    with open(directory / "fsync", "wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 1024)
            os.fsync(file.fileno())
            waits.append((time.perf_counter() - began) * 1e3)
    return spread(statistics.median(waits[at : at + 20]) for at in range(0, 200, 20))


def reading(directory: Path, size: int) -> dict[str, Any]:
    """Opening, receipts and verification in a log of ``size`` entries."""
    log = Log.open(directory, ORIGIN)
    batch = [b'{"n":%d}' % number for number in range(4096)]
    while log.size < size:
        log.append(batch)
        log.settle()
    log.close()
    began = time.perf_counter()
    log = Log.open(directory, ORIGIN)
    opened = time.perf_counter() - began
    with Reader(directory) as reader:
        size, waits = log.size, []
        for number in range(400):
            index = number * 2_654_435_761 % size
            began = time.perf_counter()
            receipt = reader.receipt(index)
            waits.append((time.perf_counter() - began) * 1e3)
        checked = each(lambda: verify(receipt.encode(), log.vkey), 500)
    log.close()
    held = Files(directory).database.stat().st_size
    return {
        "entries": size,
        "open_ms": opened * 1e3,
        "receipt_p50_ms": quantile(waits, 0.5),
        "receipt_p99_ms": quantile(waits, 0.99),
        "verify_us": checked,
        "bytes_beside_an_entry": held / size - len(batch[0]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=1_000_000)
    arguments = parser.parse_args()
    made = decision()
    data = entries.encode(made)
    directory = Path(tempfile.mkdtemp(prefix="riad-ledger-"))
    try:
        disk = fsync_ms(directory)
        with owner(directory / "load") as process:
            socket = Files(directory / "load").socket
            results = uvloop.run(loads(socket, process.pid, arguments.seconds, arguments.rounds, data))
        costs = {f"append_us_at_{batch}": uvloop.run(append_cost(directory, batch, data)) for batch in (1, 16, 256)}
        shutil.rmtree(directory / "load")
        read = reading(directory / "read", arguments.size)
    finally:
        shutil.rmtree(directory)
    fastest = max(found["median"] for one in results.values() if (found := one["entries_per_s"]))
    document = {
        "entry_bytes": len(data),
        "fsync_ms": disk,
        "callers": results,
        "worker": {"encode_us": each(lambda: entries.encode(decision()), 20_000), **costs},
        "reading": read,
        "promises": {"durable_entries_per_s": {"measured": fastest, "floor": 20_000, "aim": 60_000}},
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
