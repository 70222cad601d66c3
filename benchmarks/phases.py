"""The measurements, each in rounds that go through every contender in turn: noise of the machine hits all alike."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import bodies, closedloop
from benchmarks.contenders import Address, Engine
from benchmarks.openloop import Exchange, Load
from benchmarks.processes import cpu_seconds
from benchmarks.spread import quantile
from benchmarks.standing import Standing, ledger_size
from benchmarks.streams import hold

Say = Callable[[str], None]
MS = 1000.0


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 4.0
    connections: int = 32
    rate: float = 200.0
    latency_rounds: int = 3
    latency_seconds: float = 4.0
    first_token_tokens: int = 4
    streams: int = 512
    riad_streams: int = 2000
    stream_tokens: int = 40
    ramp: float = 2.0
    starts: int = 3

    @classmethod
    def quick(cls) -> Plan:
        """Enough to see that all of it works."""
        return cls(rounds=2, seconds=2.0, latency_rounds=1, latency_seconds=2.0, stream_tokens=15, starts=1)


@dataclass(frozen=True)
class Entry:
    """What one row of the throughput table sends: a contender and a text."""

    name: str
    title: str
    standing: Standing
    text: str = bodies.PLAIN


def throughput(entries: Sequence[Entry], plan: Plan, folder: Path, say: Say) -> dict[str, list[dict[str, float]]]:
    """Rounds of as many requests as the connections carry, by entry: requests/s, latency in ms, CPU µs a request."""
    results: dict[str, list[dict[str, float]]] = {entry.name: [] for entry in entries}
    for entry in entries:
        _drive(entry, plan, folder, 1.0)  # connections open, pools filled, just-in-time compilers warm
    for turn, order in _rounds(entries, plan.rounds):
        for entry in order:
            measured = _drive(entry, plan, folder, plan.seconds)
            results[entry.name].append(measured)
            say(f"round {turn}/{plan.rounds} · {entry.title} · {measured['requests_per_s']:,.0f} requests/s")
    return results


def _drive(entry: Entry, plan: Plan, folder: Path, seconds: float) -> dict[str, float]:
    standing = entry.standing
    body = bodies.chat(standing.address.model, text=entry.text)
    before = cpu_seconds(standing.child)
    done = closedloop.drive(standing.address, body, folder, connections=plan.connections, seconds=seconds)
    used = cpu_seconds(standing.child) - before
    return {
        "requests_per_s": done.rate,
        "p50_ms": done.p50_ms,
        "p99_ms": done.p99_ms,
        "cpu_us": used / max(done.requests, 1) * 1e6,
        "failed": done.failed + done.refused,
        "requests": done.requests,
    }


def evidence(entry: Entry, plan: Plan, folder: Path, say: Say) -> dict[str, int]:
    """Whether what is measured is also recorded: requests answered in a short round, and entries the ledger grew by."""
    before = ledger_size(entry.standing)
    answered = int(_drive(entry, plan, folder, 2.0)["requests"])
    time.sleep(1.0)  # outcomes follow the answers
    entries = ledger_size(entry.standing) - before
    say(f"evidence · {answered:,} requests answered, {entries:,} ledger entries")
    return {"requests": answered, "entries": entries}


def at_rate(
    standings: Sequence[Standing], plan: Plan, say: Say, *, streams: bool
) -> dict[str, list[dict[str, float] | None]]:
    """Rounds at the fixed rate, by contender: p50 and p99 in ms, from the intended moment to the whole answer or, with
    ``streams``, to the first token. The engine alone comes first in each round. None: the rate wasn't sustained."""
    results: dict[str, list[dict[str, float] | None]] = {standing.contender.name: [] for standing in standings}
    what = "first token" if streams else "answer"
    for turn in range(1, plan.latency_rounds + 1):
        for standing in standings:
            measured = _at_rate(standing.address, plan, streams)
            results[standing.contender.name].append(measured)
            shown = f"p50 {measured['p50_ms']:.2f} ms" if measured else "not sustained"
            where = f"round {turn}/{plan.latency_rounds} · {standing.contender.name_shown}"
            say(f"{plan.rate:.0f}/s, {what}, {where} · {shown}")
    return results


def _at_rate(address: Address, plan: Plan, streams: bool) -> dict[str, float] | None:
    count = round(plan.rate * plan.latency_seconds)
    body = bodies.chat(address.model, stream=streams, max_tokens=plan.first_token_tokens)
    exchanges = uvloop.run(Load(address, body, streams=streams).run(plan.rate, count, patience=5.0))
    waits = [_wait(exchange, streams) * MS for exchange in exchanges if exchange.answered]
    if len(waits) < 0.99 * count:
        return None
    return {"p50_ms": quantile(waits, 0.5), "p99_ms": quantile(waits, 0.99), "unanswered": count - len(waits)}


def _wait(exchange: Exchange, streams: bool) -> float:
    return (exchange.first if streams else exchange.done) - exchange.intended


def added(rounds: Sequence[dict[str, float] | None], alone: Sequence[dict[str, float] | None], key: str) -> list[float]:
    """What a gateway adds to the engine alone, round by round, in ms."""
    return [mine[key] - base[key] for mine, base in zip(rounds, alone, strict=True) if mine and base]


def streams_held(standing: Standing, count: int, plan: Plan, say: Say) -> dict[str, Any]:
    """Many streams at once, every token checked."""
    held = uvloop.run(
        hold(standing.address, count, tokens=plan.stream_tokens, interval=Engine.interval, ramp=plan.ramp)
    )
    why = "" if held.whole == held.asked else f" ({', '.join(f'{n} {reason}' for reason, n in held.reasons.items())})"
    found = f"{held.whole} of {held.asked} whole, {held.open_at_once} at once{why}"
    say(f"streams · {standing.contender.name_shown} · {found}")
    return asdict(held)


def _rounds(entries: Sequence[Entry], rounds: int) -> Iterator[tuple[int, list[Entry]]]:
    """Each round begins with another entry, so that nobody always comes after the same neighbour."""
    for turn in range(rounds):
        start = turn % len(entries)
        yield turn + 1, list(itertools.islice(itertools.cycle(entries), start, start + len(entries)))
