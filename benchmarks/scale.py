"""Growth: ``python -m benchmarks.scale [--size 10000000] [--batch 512] [--only SQLite] [--compute]``.

Simulates a log of millions of entries as the gateway writes them, on SQLite and on PostgreSQL, then computes from what
was measured (here and by ``benchmarks.ledger``) what a platform of 10^8 requests a day needs. Writes
``benchmarks/results/scale.json`` and the tables of ``docs/scale.md``; ``--compute`` only computes again. Its files lie
in a temporary directory that is removed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import disk, machine, postgres, record_keys, scale_needs, scale_tables, simulation, tables
from benchmarks.door import RESULTS
from benchmarks.environments import ROOT
from benchmarks.ledger_rates import rates
from benchmarks.processes import Unavailable, end_cleanly
from benchmarks.simulation import Place, say

PAGE = ROOT / "docs" / "scale.md"
RESULT = RESULTS / "scale.json"
BYTES_AN_ENTRY = 2200  # of disk at most: the log, its journal, its export, its index
ROOM = 4 << 30  # bytes beside
KEYS = 2_000_000
NAMES = ("SQLite", "PostgreSQL")


def simulate(name: str, size: int, batch: int, directory: Path) -> dict[str, Any]:
    """One database, from the first entry to the last audit. Raises ``Unavailable``."""
    with ExitStack() as stack:
        if name == "SQLite":
            place = Place.sqlite(directory / "log")

            def another(number: int) -> Place:
                return Place.sqlite(directory / f"batch-{number}")
        else:
            url, data = stack.enter_context(postgres.server())
            place = Place.postgresql(directory / "log", url, data)

            def another(number: int) -> Place:
                url = postgres.database(data, f"batch_{number}")
                return Place.postgresql(directory / f"batch-{number}", url, data)

        found = _measured(place, size, batch, directory, another)
    shutil.rmtree(directory)
    return found


def _measured(place: Place, size: int, batch: int, directory: Path, another: Callable[[int], Place]) -> dict[str, Any]:
    found = {"growth": simulation.grow(place, size, batch, say)}
    say(f"{place.name}: opening, proofs")
    found["opening"] = simulation.opening(place)
    found["proofs"] = simulation.proofs(place)
    say(f"{place.name}: audit, export, index")
    before = disk.Disk.now(directory)
    found["rates"] = rates(place.reader, directory, alone=False)
    found["rates"]["device"] = disk.between(before, disk.Disk.now(directory))
    say(f"{place.name}: commits by their size")
    found["batches"] = simulation.batches(another)
    return found


def measure(names: list[str], size: int, batch: int, directory: Path) -> dict[str, Any]:
    """The document without what is computed from it."""
    document: dict[str, Any] = {
        "benchmark": "scale",
        "machine": machine.facts(),
        "size": size,
        "databases": {},
        "missing": {},
    }
    for name in names:
        try:
            document["databases"][name] = simulate(name, size, batch, directory / name)
        except Unavailable as reason:
            document["missing"][name] = str(reason)
    say("record keys")
    document["record_keys"] = record_keys.record_keys(directory / "keys", min(KEYS, size))
    return document


def publish(document: dict[str, Any]) -> None:
    """Compute, write the result and the tables."""
    ledger = json.loads((RESULTS / "ledger.json").read_text())
    document["limits"] = scale_needs.limits()
    document["needs"] = scale_needs.needs(document, ledger)
    RESULT.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    tables.put("simulation", scale_tables.simulation(document), PAGE)
    tables.put("needs", scale_tables.needs(document), PAGE)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 with a result, 1 where the disk has no room or nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--size", type=int, default=10_000_000, help="entries")
    parser.add_argument("--batch", type=int, default=512, help="entries in a commit")
    parser.add_argument("--only", choices=NAMES, action="append", help="one database (may be given again)")
    parser.add_argument("--print", action="store_true", help="print only, leave results and docs alone")
    parser.add_argument("--compute", action="store_true", help="compute again from the results that are there")
    options = parser.parse_args(arguments)
    if options.size < 10_000 or not 1 <= options.batch <= 65_536:
        parser.error("10,000 entries are the least, 1 to 65,536 in a commit")
    if options.compute:
        publish(json.loads(RESULT.read_text()))
        return 0
    end_cleanly()
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="riad-scale-"))
    try:
        needed = options.size * BYTES_AN_ENTRY + ROOM
        if (free := shutil.disk_usage(directory).free) < needed:
            say(f"{needed >> 20:,} MB of disk are needed, {free >> 20:,} are free")
            return 1
        document = measure(options.only or list(NAMES), options.size, options.batch, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    say(f"{time.monotonic() - began:.0f} s")
    if not document["databases"]:
        say(f"nothing was measured: {document['missing']}")
        return 1
    if options.print:
        print(json.dumps(document))
    else:
        publish(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
