"""Where a request's microseconds go: ``python -m benchmarks.profile [--seconds 10] [--findings]``.

The gateway worker is sampled from outside (py-spy, native frames too) while wrk keeps it busy; samples are folded by
room and turned into microseconds with the CPU time a request costs when nobody looks. Writes
``benchmarks/results/profile.json`` and a table in ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import bodies, closedloop, folding, machine, tables
from benchmarks.contenders import Engine, Riad
from benchmarks.door import RESULTS
from benchmarks.environments import python_peer
from benchmarks.processes import Child, Children, Unavailable, end_cleanly, free_port, weigh
from benchmarks.standing import Standing, engine_answer, raise_up

CONNECTIONS = 32
RATE = 250  # samples a second


def profile(folder: Path, children: Children, seconds: float, text: str) -> dict[str, Any]:
    """Start engine and Riad, measure, sample, fold. Raises ``Unavailable``."""
    spy = python_peer("py-spy", "py-spy==0.4.3") / "bin" / "py-spy"
    engine, port = Engine(), free_port()
    child, address = engine.start(children, folder, port)
    standing = raise_up(Riad(), children, port, engine_answer(address, child), 1)
    body = bodies.chat(standing.address.model, text=text)

    def load(duration: float) -> closedloop.Round:
        return closedloop.drive(standing.address, body, folder, connections=CONNECTIONS, seconds=duration)

    load(1.0)
    before = _cpu(standing.child)
    done = load(max(3.0, seconds / 2))
    costs = {pid: (used - before.get(pid, 0.0)) / done.requests * 1e6 for pid, used in _cpu(standing.child).items()}
    worker = max(costs, key=lambda pid: costs[pid])
    lines = _sample(spy, worker, folder, seconds, load)
    folded, functions = folding.fold(lines), folding.functions(lines)
    share = costs[worker] / max(functions.total(), 1)
    return {
        "benchmark": "profile",
        "machine": machine.facts(),
        "requests_per_s": done.rate,
        "worker_us": costs[worker],
        "other_processes": _others(standing, costs, worker),
        "samples": sum(sum(parts.values()) for parts in folded.values()),
        "rooms": folding.rows(folded, costs[worker]),
        "functions": {name: round(count * share, 2) for name, count in functions.most_common(40)},
    }


def _sample(spy: Path, pid: int, folder: Path, seconds: float, load: Callable[[float], object]) -> list[str]:
    raw = folder / "samples.txt"
    busy = threading.Thread(target=load, args=(seconds + 3.0,))
    busy.start()
    options = ["--format", "raw", "--function", "--full-filenames", "--native", "--rate", str(RATE)]
    command = [str(spy), "record", *options, "--duration", str(max(1, round(seconds))), "--output", str(raw)]
    try:
        answer = subprocess.run(
            [*command, "--pid", str(pid)], capture_output=True, text=True, timeout=seconds + 60, check=False
        )
    finally:
        busy.join()
    if answer.returncode != 0 or not raw.exists():
        words = answer.stderr.strip().splitlines() or ["no word why"]
        raise Unavailable(f"py-spy could not sample the worker: {words[-1][:200]}")
    return raw.read_text().splitlines()


def _cpu(child: Child) -> dict[int, float]:
    return {weight.pid: weight.cpu for weight in weigh(child)}


def _others(standing: Standing, costs: dict[int, float], worker: int) -> dict[str, float]:
    """CPU µs a request of the processes beside the worker, named by what they run."""
    found: dict[str, float] = {}
    for weight in weigh(standing.child):
        if weight.pid != worker and weight.pid in costs:
            module = weight.command.partition(" -m ")[2].split(" ")[0]
            name = module or " ".join(Path(word).name for word in weight.command.split()[:3])
            found[name] = found.get(name, 0.0) + costs[weight.pid]
    return found


def render(result: dict[str, Any]) -> str:
    """The table."""
    lines = [
        [
            str(row["room"]),
            f"{row['share']:.0%}",
            f"{row['microseconds']:.1f}",
            ", ".join(f"{part} {value:.1f}" for part, value in row["parts"].items() if value >= 0.5),
        ]
        for row in result["rooms"]
        if row["microseconds"] >= 0.5
    ]
    lines.append(["**gateway worker**", "100%", f"**{result['worker_us']:.0f}**", f"{result['samples']:,} samples"])
    lines += [
        [f"{name} (its own process)", "", f"{value:.0f}", ""] for name, value in result["other_processes"].items()
    ]
    head = ["who asked for the work", "share", "CPU µs a request", "what did it (µs)"]
    return "\n\n".join([machine.sentence(result["machine"]), tables.table(head, lines)])


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when the table was made, 1 with the reason otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to sample")
    parser.add_argument(
        "--findings", action="store_true", help="a text with a name, a card and a telephone; only prints"
    )
    parser.add_argument("--print", action="store_true", help="print only, leave results and docs alone")
    parser.add_argument("--functions", action="store_true", help="print the heaviest functions too")
    options = parser.parse_args(arguments)
    text = bodies.PERSONAL if options.findings else bodies.PLAIN
    end_cleanly()
    try:
        with tempfile.TemporaryDirectory(prefix="riad-bench-") as folder, Children(Path(folder)) as children:
            result = profile(Path(folder), children, min(max(options.seconds, 1.0), 120.0), text)
    except Unavailable as reason:
        print(f"[profile] no profile: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("[profile] stopped; nothing was written", file=sys.stderr)
        return 130
    print(render(result))
    if options.functions:
        print("\nCPU µs a request by function, what it calls in C included:")
        for name, value in result["functions"].items():
            print(f"{value:8.1f}  {name}")
    if not (options.findings or options.print):
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "profile.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        tables.put("profile", render(result))
        print("[profile] done: benchmarks/results/profile.json and docs/benchmarks.md", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
