"""The ledger: durable entries a second, how long callers wait, proofs, verification, audit, export, bytes an entry.

    python -m benchmarks.ledger [--seconds 1.5] [--rounds 3] [--size 10000000]

Callers, socket, owner and disk are the platform's own, on SQLite and on PostgreSQL; pymerkle answers the same questions
in the same run, from an environment of its own. All files lie in a temporary directory that is removed. Prints one JSON
document.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import ledger_entries, ledger_reading, ledger_writing, promises, record_keys
from benchmarks.ledger_rates import rates
from benchmarks.processes import end_cleanly
from riad.ledger import entry as entries
from riad.ledger.reader import Reader

BYTES_AN_ENTRY = 400  # of disk, more than an entry of the largest tree takes, the peer's copy included
KEYS = 100_000
OURS = ("SQLite", "PostgreSQL")


def measure(directory: Path, seconds: float, rounds: int, size: int) -> dict[str, Any]:
    """The whole document."""
    data = entries.encode(ledger_entries.decision())
    disk = ledger_writing.fsync_ms(directory)
    say("durable entries a second")
    written = ledger_writing.writing(directory, data, seconds, rounds)
    costs = {
        f"append_us_at_{batch}": uvloop.run(ledger_writing.append_cost(directory, batch, data))
        for batch in (1, 16, 256)
    }
    say("a log of real entries, and verification")
    folder = directory / "real"
    weighed = ledger_reading.real_log(folder, ledger_reading.REQUESTS)
    verification = ledger_reading.verification(folder, directory / "peer-verified.db")
    say("audit, export, index, record keys")
    read = rates(partial(Reader, folder), directory)
    kept = record_keys.record_keys(directory / "keys", KEYS)
    shutil.rmtree(folder)
    say(f"proofs up to {size:,} entries")
    grown = ledger_reading.proofs(directory, size)
    document: dict[str, Any] = {
        "entry_bytes": len(data),
        "fsync_ms": disk,
        "writing": written,
        "worker": {"encode_us": ledger_reading.each(lambda: entries.encode(ledger_entries.decision()), 5000), **costs},
        "bytes": weighed,
        "verification": verification,
        "rates": read,
        "record_keys": kept,
        "proofs": grown,
    }
    document["summary"] = summary(document)
    document["promises"] = promises.kept(document, promises.LEDGER)
    return document


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """The numbers that were promised. A proof at 10^7 has none where the tree was smaller."""
    fastest = {
        name: max(found["median"] for one in callers.values() if (found := one["entries_per_s"]))
        for name, callers in document["writing"]["contenders"].items()
        if name in OURS
    }
    largest = document["proofs"]["sizes"].get("10000000", {}).get("riad")
    return {
        "durable": fastest,
        "proof_ms": max(largest[what]["p99_ms"] for what in ("inclusion", "consistency")) if largest else None,
        "verification_us": document["verification"]["receipt_us"]["median"],
        "inclusion_us": document["verification"]["inclusion_us"]["median"],
    }


def say(words: str) -> None:
    print(f"[ledger] {words}", file=sys.stderr, flush=True)


def main() -> int:
    """Exit code 0 with a document, 1 where the disk has no room for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=10_000_000, help="entries in the largest tree")
    arguments = parser.parse_args()
    if arguments.size < 2 or arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error("two entries, one round and a moment are the least")
    end_cleanly()
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="riad-ledger-"))
    try:
        needed = arguments.size * BYTES_AN_ENTRY + (2 << 30)
        if (free := shutil.disk_usage(directory).free) < needed:
            say(f"{needed >> 20:,} MB of disk are needed, {free >> 20:,} are free")
            return 1
        document = measure(directory, arguments.seconds, arguments.rounds, arguments.size)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    say(f"{time.monotonic() - began:.0f} s")
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
