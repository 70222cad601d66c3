"""Everything: ``python -m benchmarks [--quick] [NAME ...]`` measures the rooms, the door beside its peers, the profile.

Each room's benchmark (``python -m benchmarks.ledger`` and so on) prints one JSON document; it goes to
``benchmarks/results/NAME.json`` and, as a table, into ``docs/benchmarks.md``. With names, those alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time

from benchmarks import door, ledger_tables, machine, privacy_tables, profile, tables
from benchmarks.environments import ROOT

ROOMS = ("client", "ledger", "law", "privacy", "leaks")
WHOLE = {"door": door.main, "profile": profile.main}  # these write their results themselves
TABLES = {"ledger": ledger_tables.ledger, "privacy": privacy_tables.privacy, "leaks": privacy_tables.leaks}
PATIENCE = 900.0  # seconds for one room, installing its peers included


def measure_room(name: str) -> str:
    """Run one room's benchmark and write what it found; returns why not, or nothing."""
    if importlib.util.find_spec(f"benchmarks.{name}") is None:
        return "there is none"
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    try:
        answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {PATIENCE:.0f} s"
    if answer.returncode != 0:
        return f"ended with {answer.returncode}"
    try:
        document = json.loads(answer.stdout)
    except ValueError:
        return "printed something else than one JSON document"
    if not isinstance(document, dict):
        return "printed a JSON document that is no object"
    document = {"benchmark": name, "machine": machine.facts(), **document}
    door.RESULTS.mkdir(exist_ok=True)
    (door.RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    tables.put(name, TABLES.get(name, tables.plain)({key: document[key] for key in document if key != "benchmark"}))
    return ""


def measure_whole(name: str) -> str:
    """Run one of those that write their results themselves; returns why not, or nothing."""
    code = WHOLE[name]([])
    return f"ended with {code}" if code else ""


def main() -> int:
    """Exit code 1 when one of them gave no result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the door only, quickly; leaves results and docs alone")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join([*ROOMS, *WHOLE])} (default: all)")
    options = parser.parse_args()
    if unknown := set(options.names) - {*ROOMS, *WHOLE}:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if options.quick:
        return door.main(["--quick"])
    began = time.monotonic()
    chosen = [name for name in (*ROOMS, *WHOLE) if name in options.names or not options.names]
    missing: dict[str, str] = {}
    for name in chosen:
        print(f"[benchmarks] {name}", file=sys.stderr, flush=True)
        if reason := measure_whole(name) if name in WHOLE else measure_room(name):
            missing[name] = reason
    for name, reason in missing.items():
        print(f"[benchmarks] {name}: no result: {reason}", file=sys.stderr)
    done, took = len(chosen) - len(missing), time.monotonic() - began
    print(f"[benchmarks] {done} of {len(chosen)} measured in {took:.0f} s", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
