"""What a platform of 10^8 requests a day needs, computed from what was measured.

Pure but for ``limits``. Every number is a measured one times the load, or a limit that the database itself tells.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

from riad.ledger.merkle import HASH_SIZE
from riad.ledger.sqlite import MAX_PAGES, PAGE
from riad.settings import Ledger

DAY, YEAR = 86_400, 365  # seconds, days
EXT4_FILE = 16 << 40  # bytes in one file: 2^32 blocks of 4096 (Linux, Documentation/filesystems/ext4)
POSTGRESQL_TABLE = 32 << 40  # bytes in one table, in blocks of 8192 (PostgreSQL, appendix K)
HASH_LINE = math.ceil(HASH_SIZE / 3) * 4 + 1  # a hash in base64 on a line of its own


@dataclass(frozen=True)
class Load:
    """What is assumed. ``peak``: the busiest moment over the day's mean. ``entries``: a decision and an outcome."""

    requests_a_day: int = 100_000_000
    entries: int = 2
    peak: float = 5.0
    witnesses: int = 3
    witness_every: float = Ledger().witness_every  # seconds

    @property
    def mean(self) -> float:
        """Entries a second."""
        return self.requests_a_day * self.entries / DAY


def limits() -> dict[str, int]:
    """How large SQLite lets a database become as the ledger opens it."""
    with sqlite3.connect(":memory:") as db:
        (most,) = db.execute(f"PRAGMA max_page_count = {MAX_PAGES}").fetchone()
    return {"sqlite_bytes": most * PAGE}


def needs(scale: dict[str, Any], ledger: dict[str, Any], load: Load | None = None) -> dict[str, Any]:
    """From the documents of ``benchmarks.scale`` (without this part) and ``benchmarks.ledger``."""
    load = load or Load()
    return {
        "load": asdict(load) | {"entries_a_day": load.requests_a_day * load.entries, "entries_per_s": load.mean},
        "databases": {
            name: _database(one, scale, _capacity(name, ledger), load) for name, one in scale["databases"].items()
        },
        "witnesses": _witnesses(next(iter(scale["databases"].values()))["proofs"], load),
    }


def _database(found: dict[str, Any], scale: dict[str, Any], capacity: float | None, load: Load) -> dict[str, Any]:
    entries = load.requests_a_day * load.entries
    growth, rates = found["growth"], found["rates"]
    day = {
        "log": growth["disk_bytes_an_entry"] * entries,
        "keys": scale["record_keys"]["bytes"] * load.requests_a_day,
        "index": rates["index"]["bytes_an_entry"] * entries,
        "export": rates["export"]["disk_bytes_an_entry"] * entries,
    }
    audit = max(one["entries_per_s"] for one in rates["audit"].values())
    return {
        "bytes_a_day": day,
        "days_until": _days_until(found, day["log"], scale["limits"]),
        "batches": {batch: _batch(int(batch), one, load) for batch, one in found["batches"].items()},
        "capacity": capacity,
        "logs": None if capacity is None else math.ceil(load.mean * load.peak / capacity),
        "requests_a_day": None if capacity is None else capacity / load.peak / load.entries * DAY,
        "audit_s_a_day": entries / audit,
        "export_s_a_day": entries / rates["export"]["entries_per_s"],
        "export_files_a_day": rates["export"]["files"] / rates["export"]["entries"] * entries,
        "index_s_a_day": entries / rates["index"]["entries_per_s"],
        "receipts_per_s": 1e3 / found["proofs"]["receipt"]["p50_ms"],
    }


def _days_until(found: dict[str, Any], log_bytes: float, limits: dict[str, int]) -> dict[str, float]:
    """Days after which one shard is as large as what holds it lets it be, by what stops it."""
    if "cold_receipt" in found["proofs"]:  # SQLite: all of it in one file
        marks = {
            "a file on ext4": EXT4_FILE,
            "SQLite's own limit": limits["sqlite_bytes"],
        }
    else:
        marks = {"a PostgreSQL table": POSTGRESQL_TABLE}
    return {name: mark / log_bytes for name, mark in marks.items()}


def _batch(batch: int, found: dict[str, Any], load: Load) -> dict[str, float | None]:
    """What commits of so many entries ask of the disk at the peak. ``busy``: the share of the time that they take."""
    commits = load.mean * load.peak / batch
    facts: dict[str, float | None] = {
        "commits_mean": load.mean / batch,
        "commits": commits,
        "busy": load.mean * load.peak / found["entries_per_s"],
    }
    if counted := found["device"]:
        facts["flushes"] = commits * counted["flushes"] / found["commits"]
        facts["writes"] = commits * counted["writes"] / found["commits"]
        facts["mb"] = commits * counted["written_bytes"] / found["commits"] / 1e6
    return facts


def _capacity(name: str, ledger: dict[str, Any]) -> float | None:
    """Durable entries a second through callers, sockets and owner: the best of all numbers of callers."""
    callers = ledger.get("writing", {}).get("contenders", {}).get(name)
    return max(one["entries_per_s"]["median"] for one in callers.values()) if callers else None


def _witnesses(proofs: dict[str, Any], load: Load) -> dict[str, float]:
    """What the feeder sends: the checkpoint and the proof that it extends the one before, to each witness."""
    requests = load.witnesses * DAY / load.witness_every
    year = load.requests_a_day * load.entries * YEAR
    hashes = year.bit_length() + 1  # of the longest consistency proof in a year's tree
    one = proofs["checkpoint_bytes"] + hashes * HASH_LINE
    return {"requests_a_day": requests, "bytes_a_request": one, "bytes_a_day": requests * one, "hashes": hashes}
