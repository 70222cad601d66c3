"""A log that grows to millions of entries as the gateway writes them, through the owner's own ``Log``.

Nothing stands between the entries and the log but the making of them, whose time is said: callers, sockets and other
processes are measured elsewhere (``benchmarks.ledger``).
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import disk, ledger_entries
from benchmarks.ledger_reading import timed
from benchmarks.ledger_writing import ORIGIN
from benchmarks.spread import quantile
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.reader import Reader

PARTS = 10
COLD = 40  # receipts read from the disk
BATCHES = (1, 16, 64, 512, 2048)  # entries in a commit
BATCH_SECONDS = 3.0  # for each of them


class Place(NamedTuple):
    """Where a log is simulated: the owner's directory, the setting ``ledger.url``, and what its files grow in."""

    name: str
    folder: Path
    url: str
    database: Path  # a folder
    journal: Path  # a file or a folder: the database's write-ahead log

    @classmethod
    def sqlite(cls, folder: Path) -> Place:
        journal = Files(folder).database.with_name("ledger.db-wal")
        return cls("SQLite", folder, "", folder, journal)

    @classmethod
    def postgresql(cls, folder: Path, url: str, data: Path) -> Place:
        return cls("PostgreSQL", folder, url, data / "base", data / "pg_wal")

    def flush(self) -> None:
        """Have the database write what it holds in memory; SQLite does when its last connection closes."""
        if self.url:
            import psycopg

            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")

    def journal_bytes(self) -> int:
        try:
            return disk.weight(self.journal) if self.journal.is_dir() else self.journal.stat().st_size
        except FileNotFoundError:
            return 0

    def open(self) -> Log:
        return Log.open(self.folder, ORIGIN, self.url)

    def reader(self) -> Reader:
        return Reader(self.folder, self.url)


class Part(NamedTuple):
    """A tenth of the run. ``seconds`` leaves out the making of the entries; ``made`` is that."""

    entries: int
    entry_bytes: int
    seconds: float
    made: float
    commits: list[float]


def grow(place: Place, size: int, batch: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Write ``size`` entries in commits of ``batch``, and tell how it went tenth by tenth."""
    log = place.open()
    before, mine, empty = disk.Disk.now(place.folder), _own(), disk.weight(place.database)
    made = ledger_entries.traffic(size // 2, batch)
    parts: list[Part] = []
    journal, began = 0, time.perf_counter()
    try:
        for tenth in range(1, PARTS + 1):
            part, peak = _part(log, made, size * tenth // PARTS - sum(one.entries for one in parts), place)
            parts.append(part)
            journal = max(journal, peak)
            say(f"{place.name}: {tenth * 10}% · {part.entries / (part.seconds + part.made):,.0f} entries/s")
    finally:
        log.close()
    place.flush()
    elapsed = time.perf_counter() - began
    held = sum(part.entries for part in parts)
    entry_bytes = sum(part.entry_bytes for part in parts)
    on_disk = disk.weight(place.database) - empty
    return {
        "entries": held,
        "batch": batch,
        "commits": sum(len(part.commits) for part in parts),
        "elapsed_s": elapsed,
        "entries_per_s": held / elapsed,
        "writing_entries_per_s": held / sum(part.seconds for part in parts),
        "tenths": [_facts(part) for part in parts],
        "entry_bytes": entry_bytes / held,
        "disk_bytes": on_disk,
        "disk_bytes_an_entry": on_disk / held,
        "overhead_bytes": (on_disk - entry_bytes) / held,
        "journal_peak_bytes": journal,
        "process": {name: after - mine[name] for name, after in _own().items()},
        "memory_mb": _memory_mb(),
        "device": disk.between(before, disk.Disk.now(place.folder)),
    }


def _part(log: Log, made: Iterator[list[bytes]], wanted: int, place: Place) -> tuple[Part, int]:
    held = weight = journal = 0
    making = writing = 0.0
    commits: list[float] = []
    while held < wanted:
        began = time.perf_counter()
        batch = next(made, None)
        ready = time.perf_counter()
        if batch is None:
            break
        log.append(batch)
        commits.append(time.perf_counter() - ready)
        log.settle()
        making += ready - began
        writing += time.perf_counter() - ready
        held += len(batch)
        weight += sum(map(len, batch))
        if len(commits) % 16 == 0:
            journal = max(journal, place.journal_bytes())
    return Part(held, weight, writing, making, commits), max(journal, place.journal_bytes())


def _facts(part: Part) -> dict[str, float]:
    return {
        "entries": part.entries,
        "entries_per_s": part.entries / (part.seconds + part.made),
        "writing_entries_per_s": part.entries / part.seconds,
        "commit_p50_ms": quantile(part.commits, 0.5) * 1e3,
        "commit_p99_ms": quantile(part.commits, 0.99) * 1e3,
        "making_share": part.made / (part.seconds + part.made),
    }


def _memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _own() -> dict[str, float]:
    """This process's own account: bytes given to the disk and read from it, CPU."""
    counted = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {
        "read_bytes": int(counted["read_bytes"]),
        "written_bytes": int(counted["write_bytes"]),
        "cpu_s": time.process_time(),
    }


def opening(place: Place) -> dict[str, float]:
    """How long a start takes to verify the log: as it is, and (SQLite) after the kernel has forgotten the file."""
    found = {"warm_ms": _open_ms(place)}
    if place.name == "SQLite":
        disk.forget(Files(place.folder).database)
        found["cold_ms"] = _open_ms(place)
    return found


def _open_ms(place: Place) -> float:
    began = time.perf_counter()
    log = place.open()
    taken = time.perf_counter() - began
    log.close()
    return taken * 1e3


def proofs(place: Place) -> dict[str, Any]:
    """Proofs and receipts all over the log; those of SQLite again from the disk, with what was read for one."""
    with place.reader() as reader:
        size = reader.size()
        found: dict[str, Any] = {
            "inclusion": timed(lambda at: reader.inclusion(at, size), size),
            "consistency": timed(lambda at: reader.consistency(at, size), size),
            "receipt": timed(reader.receipt, size),
            "receipt_bytes": len(reader.receipt(size // 3)),
            "checkpoint_bytes": len(reader.checkpoint().encode()),
            "consistency_hashes": max(len(reader.consistency(size * part // 100, size)) for part in range(1, 100)),
        }
    if place.name == "SQLite":
        found["cold_receipt"] = _cold(place, size)
    return found


def _cold(place: Place, size: int) -> dict[str, float]:
    waits, reads, read_bytes = [], 0, 0
    counted = True
    for number in range(COLD):
        disk.forget(Files(place.folder).database)
        with place.reader() as reader:
            before, began = disk.Disk.now(place.folder), time.perf_counter()
            reader.receipt(number * 2_654_435_761 % size)
            waits.append((time.perf_counter() - began) * 1e3)
            after = disk.Disk.now(place.folder)
        if before is None or after is None:
            counted = False
        else:
            reads, read_bytes = reads + after.reads - before.reads, read_bytes + after.read_bytes - before.read_bytes
    found = {"p50_ms": quantile(waits, 0.5), "p99_ms": quantile(waits, 0.99)}
    return found | ({"reads": reads / COLD, "read_bytes": read_bytes / COLD} if counted else {})


def batches(places: Callable[[int], Place], seconds: float = BATCH_SECONDS) -> dict[str, Any]:
    """What a commit costs by how many entries it has: short runs, a new log for each; the making is left out."""
    found: dict[str, Any] = {}
    for batch in BATCHES:
        place = places(batch)
        log = place.open()
        made = ledger_entries.traffic(1 << 40, batch)
        for _ in range(50):  # the first tiles
            log.append(next(made))
        before, mine, began = disk.Disk.now(place.folder), _own(), time.perf_counter()
        waits: list[float] = []
        busy = 0.0
        while time.perf_counter() - began < seconds:
            entries = next(made)
            start = time.perf_counter()
            log.append(entries)
            waits.append(time.perf_counter() - start)
            log.settle()
            busy += time.perf_counter() - start
        log.close()
        place.flush()  # what the database still holds in memory belongs to it
        found[str(batch)] = {
            "commits": len(waits),
            "entries_per_s": batch * len(waits) / busy,
            "commit_p50_ms": quantile(waits, 0.5) * 1e3,
            "commit_p99_ms": quantile(waits, 0.99) * 1e3,
            "process": {name: after - mine[name] for name, after in _own().items()},
            "device": disk.between(before, disk.Disk.now(place.folder)),
        }
    return found


def say(words: str) -> None:
    print(f"[scale] {words}", file=sys.stderr, flush=True)
