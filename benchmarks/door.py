"""The whole gateway beside its peers: ``python -m benchmarks.door [--quick] [--only riad,nginx] [--rounds N]``.

One run, one machine, one engine stand-in, one body of half a kilobyte. Everybody stands at once and is measured in
turn, in interleaved rounds; everything is on loopback and ends with the run. A full run writes
``benchmarks/results/door.json`` and the table of ``docs/benchmarks.md``; a quick or partial one only prints.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import bodies, closedloop, machine, phases, promises, tables
from benchmarks.contenders import PEERS, Contender, Engine
from benchmarks.environments import BENCH, ROOT
from benchmarks.phases import Entry, Plan
from benchmarks.processes import Children, Unavailable, end_cleanly, free_port, weigh
from benchmarks.spread import ratios, spread
from benchmarks.standing import Standing, described, engine_answer, raise_up, total_rss

RESULTS = ROOT / "benchmarks" / "results"
FINDINGS = "riad-findings"


def say(text: str) -> None:
    """Progress, on standard error: standard output is for results."""
    print(f"[door] {text}", file=sys.stderr, flush=True)


class Door:
    """One run: who stands, and what was measured of them."""

    def __init__(self, plan: Plan, chosen: list[type[Contender]], children: Children) -> None:
        self.plan = plan
        self.chosen = chosen
        self.children = children
        self.folder = children.folder
        self.machine = machine.facts()
        self.rows: dict[str, dict[str, Any]] = {}
        self.standings: list[Standing] = []
        self.rates: dict[str, list[float]] = {}
        self.worker_idle_mb: float | None = None

    def run(self) -> dict[str, Any]:
        """Measure everything. Raises ``Unavailable`` when not even the engine stand-in runs."""
        self._raise_all()
        self._throughput()
        self._at_rate("added", streams=False)
        self._at_rate("first_token", streams=True)
        self._streams()
        self._weigh()
        return self._results()

    def _raise_all(self) -> None:
        engine = Engine()
        port = free_port()
        child, address = engine.start(self.children, self.folder, port)
        expected = engine_answer(address, child)
        self.engine = Standing(engine, engine.prepare(), child, address)
        self.rows[engine.name] = self._blank(engine, self.engine.version)
        for kind in self.chosen:
            contender = kind()
            say(f"{contender.name_shown}: installing if need be, and starting {self.plan.starts}×")
            try:
                standing = raise_up(contender, self.children, port, expected, self.plan.starts)
            except Unavailable as reason:
                self.rows[contender.name] = self._blank(contender, "", str(reason))
                say(f"{contender.name_shown} does not take part: {reason}")
                continue
            self.standings.append(standing)
            row = self.rows[contender.name] = self._blank(contender, standing.version)
            row |= {"start_s": spread(standing.starts), "idle_mb": total_rss(standing.idle)}
            say(f"{contender.name_shown}: first answer after {min(standing.starts):.2f} s")

    def _blank(self, contender: Contender, version: str, reason: str = "") -> dict[str, Any]:
        return {
            "title": contender.title,
            "version": version,
            "guards": contender.guards,
            "available": not reason,
            "reason": reason,
        }

    def _throughput(self) -> None:
        try:
            say(f"requests/s with {closedloop.wrk_version()}")
        except Unavailable as reason:
            say(f"no requests/s: {reason}")
            return
        entries = [
            Entry(standing.contender.name, standing.contender.name_shown, standing)
            for standing in [self.engine, *self.standings]
        ]
        for standing in self.standings:
            if standing.contender.name == "riad":
                entries.append(Entry(FINDINGS, "Riad, text with a name, a card and a phone", standing, bodies.PERSONAL))
                row = {**self.rows["riad"], "title": entries[-1].title, "guards": "the same, with findings"}
                self.rows = _after(self.rows, "riad", FINDINGS, {**row, "start_s": None, "idle_mb": None})
        for name, rounds in phases.throughput(entries, self.plan, self.folder, say).items():
            self.rates[name] = [measured["requests_per_s"] for measured in rounds]
            for key in ("requests_per_s", "p50_ms", "p99_ms", "cpu_us"):
                self.rows[name][key] = spread(measured[key] for measured in rounds)
            self.rows[name]["failed"] = sum(measured["failed"] for measured in rounds)
        for entry in entries:
            if entry.name == "riad":
                self.rows["riad"]["evidence"] = phases.evidence(entry, self.plan, self.folder, say)

    def _at_rate(self, key: str, *, streams: bool) -> None:
        able: list[Standing] = []
        for standing in self.standings:
            rates = spread(self.rates.get(standing.contender.name, []))
            if rates is not None and rates["median"] < 1.05 * self.plan.rate:
                self.rows[standing.contender.name][key] = {"reason": f"cannot: {rates['median']:.0f}/s at most"}
            else:
                able.append(standing)
        measured = phases.at_rate([self.engine, *able], self.plan, say, streams=streams)
        alone = measured[self.engine.contender.name]
        self.rows[self.engine.contender.name][f"{key}_baseline"] = alone
        for standing in able:
            rounds = measured[standing.contender.name]
            p50, p99 = (spread(phases.added(rounds, alone, name)) for name in ("p50_ms", "p99_ms"))
            sustained = sum(one is not None for one in rounds)
            self.rows[standing.contender.name][key] = (
                {"p50_ms": p50, "p99_ms": p99, "rounds": rounds}
                if sustained == len(rounds)
                else {"reason": f"sustained in {sustained} of {len(rounds)} rounds", "rounds": rounds}
            )

    def _streams(self) -> None:
        for standing in [self.engine, *self.standings]:
            counts = [self.plan.streams]
            if standing.contender.name in ("engine", "riad"):
                counts.append(self.plan.riad_streams)
            self.rows[standing.contender.name]["streams"] = {
                str(count): phases.streams_held(standing, count, self.plan, say) for count in counts
            }

    def _weigh(self) -> None:
        for standing in self.standings:
            standing.after = weigh(standing.child)
            self.rows[standing.contender.name] |= {
                "after_mb": total_rss(standing.after),
                "processes_idle": described(standing.idle, self.folder),
                "processes_after": described(standing.after, self.folder),
            }
            if standing.contender.name == "riad" and standing.after:
                # The gateway worker is whoever did the work.
                worker = standing.after[0].pid
                self.worker_idle_mb = next((w.rss / 2**20 for w in standing.idle if w.pid == worker), None)

    def _results(self) -> dict[str, Any]:
        held = self.rows.get("riad", {}).get("streams", {})
        results: dict[str, Any] = {
            "benchmark": "door",
            "machine": self.machine,
            "parameters": {
                **asdict(self.plan),
                "token_interval_s": Engine.interval,
                "body_bytes": len(bodies.chat("bench")),
                "body_with_findings_bytes": len(bodies.chat("bench", text=bodies.PERSONAL)),
            },
            "contenders": self.rows,
            "ratios": {
                f"riad/{kind.name}": ratios(self.rates["riad"], self.rates[kind.name])
                for kind in PEERS
                if kind.name != "riad" and "riad" in self.rates and kind.name in self.rates
            },
            "riad_streams_held": max((min(one["whole"], one["open_at_once"]) for one in held.values()), default=None),
            "riad_worker_idle_mb": self.worker_idle_mb,
            "notes": [],
        }
        results["promises"] = promises.kept(results)
        results["notes"] = _notes(results)
        return results


def _after(rows: dict[str, Any], name: str, new: str, row: dict[str, Any]) -> dict[str, Any]:
    """The rows with one more right after another."""
    ordered: dict[str, Any] = {}
    for key, value in rows.items():
        ordered[key] = value
        if key == name:
            ordered[new] = row
    return ordered


def _notes(results: dict[str, Any]) -> list[str]:
    parameters = results["parameters"]
    notes = [
        f"Streams: {parameters['stream_tokens']} numbered tokens each, one every {parameters['token_interval_s']:g} s, "
        f"all opened within {parameters['ramp']:g} s; a stream counts when every token came once, in order, in time."
    ]
    for count, held in results["contenders"].get("riad", {}).get("streams", {}).items():
        notes.append(
            f"Riad with {int(count):,} streams: {held['whole']:,} whole, {held['open_at_once']:,} open at once, "
            f"last token late by {held['late_p99_s'] * 1000:.0f} ms (p99)."
        )
    if evidence := results["contenders"].get("riad", {}).get("evidence"):
        notes.append(
            f"Evidence, checked in the run: {evidence['requests']:,} requests answered, {evidence['entries']:,} entries"
            " added to the ledger (a decision and an outcome each)."
        )
    if worker := results["riad_worker_idle_mb"]:
        notes.append(
            f"Memory is the resident set of all processes; Riad's gateway worker alone idles at {worker:.0f} MB."
        )
    failed = [row["title"].replace("**", "") for row in results["contenders"].values() if row.get("failed")]
    if failed:
        notes.append(f"Some requests failed under full load with: {', '.join(failed)} (counts in the results file).")
    return notes


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.door", description=__doc__)
    names = ",".join(kind.name for kind in PEERS)
    parser.add_argument("--quick", action="store_true", help="a minute or two: shows that all of it works")
    parser.add_argument("--only", default="", help=f"some of {names}, separated by commas")
    parser.add_argument("--rounds", type=int, help="rounds of the throughput measure")
    parser.add_argument("--json", action="store_true", help="print the results on standard output as JSON")
    options = parser.parse_args(arguments)
    wanted = [name for name in options.only.split(",") if name]
    if unknown := set(wanted) - {kind.name for kind in PEERS}:
        parser.error(f"nobody is called {', '.join(sorted(unknown))}: there are {names}")
    if options.rounds is not None and not 1 <= options.rounds <= 100:
        parser.error("--rounds takes 1 to 100")
    options.chosen = [kind for kind in PEERS if not wanted or kind.name in wanted]
    return options


def measure(plan: Plan, chosen: list[type[Contender]]) -> dict[str, Any]:
    """One run, with its processes ended and its files removed whatever happens."""
    end_cleanly()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="riad-bench-") as folder, Children(Path(folder)) as children:
        return Door(plan, chosen, children).run()


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when everybody chosen was measured or had a reason not to be."""
    options = options_of(arguments)
    plan = Plan.quick() if options.quick else Plan()
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    began = time.monotonic()
    try:
        results = measure(plan, options.chosen)
    except KeyboardInterrupt:
        say("stopped; nothing was written, nothing runs any more")
        return 130
    results["seconds"] = round(time.monotonic() - began)
    full = not options.quick and not options.only
    target = (RESULTS if full else BENCH / "results") / "door.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if full:
        tables.put("door", tables.door(results))
    print(json.dumps(results, ensure_ascii=False) if options.json else tables.door(results))
    missing = [row["title"] for row in results["contenders"].values() if not row["available"]]
    without = f", without {', '.join(missing)}" if missing else ""
    where = "table in docs/benchmarks.md" if full else "a quick or partial run leaves the docs alone"
    say(f"done in {results['seconds']} s{without}: {target.relative_to(ROOT)} ({where})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
