"""Everything: ``python -m benchmarks [--quick]`` measures the rooms, the door beside its peers, and the profile.

Each room's benchmark (``python -m benchmarks.ledger`` and so on) prints one JSON document; it goes to
``benchmarks/results/NAME.json`` and, as a table, into ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time

from benchmarks import door, machine, profile, tables
from benchmarks.environments import ROOT

ROOMS = ("client", "ledger", "law", "privacy")
PATIENCE = 300.0  # seconds for one room


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
    tables.put(name, tables.plain({key: value for key, value in document.items() if key != "benchmark"}))
    return ""


def main() -> int:
    """Exit code 1 when one of them gave no result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the door only, quickly; leaves results and docs alone")
    options = parser.parse_args()
    if options.quick:
        return door.main(["--quick"])
    began = time.monotonic()
    missing: dict[str, str] = {}
    for name in ROOMS:
        print(f"[benchmarks] {name}", file=sys.stderr, flush=True)
        if reason := measure_room(name):
            missing[name] = reason
    for name, run in (("door", door.main), ("profile", profile.main)):
        print(f"[benchmarks] {name}", file=sys.stderr, flush=True)
        if code := run([]):
            missing[name] = f"ended with {code}"
    for name, reason in missing.items():
        print(f"[benchmarks] {name}: no result: {reason}", file=sys.stderr)
    done = len(ROOMS) + 2 - len(missing)
    print(f"[benchmarks] {done} of {len(ROOMS) + 2} measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
