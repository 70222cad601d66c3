"""kill −9 at every step of the ledger's owner, while a real client appends; what it acknowledged must be there after.

Two ways to die take turns. A *tripwire* (``tripwire.py``) kills the owner where a given line of the ledger's code is
about to run, or a moment after, inside what that line asked of SQLite; lines are those that a survey saw running. From
*outside*, the owner is killed at a random moment, as an operator or the kernel would.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from riad.errors import LedgerUnavailable
from riad.ledger import merkle
from riad.ledger.client import LedgerClient
from tests.baddays.history import History
from tests.ledger.ledger_parts import OwnerProcess, audit

TRIPWIRE = str(Path(__file__).with_name("tripwire.py"))
CALLERS = 6
KILLED = (-signal.SIGKILL, -signal.SIGALRM)  # by the tripwire: at the line, or by its timer


class Work(NamedTuple):
    """What a client asks before the owner is told to stop, if nothing killed it: entries of 60 kB, then small ones."""

    large: int
    small: int


LIGHT = Work(large=0, small=150)
HEAVY = Work(large=400, small=600)  # 24 MB: the mover begins at 16, and ends when little comes
BEGINNING, AGAIN, MOVING = "beginning", "again", "moving"


class Wire(NamedTuple):
    """Where to die: ``after`` seconds after the ``hit``-th time that a line is about to run."""

    scene: str
    place: str
    hit: int
    after: float = 0.0


@dataclass
class Tally:
    """What was done, how often, and what was seen."""

    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0  # wires that nothing ran into
    places: set[str] = field(default_factory=set)
    restarts: list[float] = field(default_factory=list)  # seconds from the start of a process to ``ready``
    acknowledged: int = 0

    @property
    def total(self) -> int:
        return sum(self.kills.values())


class Yard:
    """One data directory, the client that writes into it, and all that it was ever told."""

    def __init__(self, data_dir: Path, chance: random.Random, tally: Tally) -> None:
        self.data_dir = data_dir
        self.tally = tally
        self._chance = chance
        self._told: dict[int, bytes] = {}  # acknowledged, by index: leaf hashes
        self._fresh: dict[int, bytes] = {}  # of these, what was not looked up since
        self._history = History(data_dir, chance)
        self._sent = 0

    def run_into(self, wire: Wire) -> bool:
        """Run the owner with a tripwire; whether it died there."""
        options = {"place": wire.place, "hit": wire.hit, "after": wire.after}
        owner = OwnerProcess(self.data_dir, program=(TRIPWIRE, json.dumps(options)))
        status = self._work(owner, HEAVY if wire.scene == MOVING else LIGHT)
        if status in KILLED:
            self.tally.kills["a moment after a line" if wire.after else "at a line"] += 1
            self.tally.places.add(wire.place)
        else:
            assert status == 0
            self.tally.missed += 1
        return status in KILLED

    def run_and_kill(self) -> None:
        """Start as a platform does, check what is there, then kill it from outside while it works."""
        began = time.monotonic()
        owner = OwnerProcess(self.data_dir)
        self.tally.restarts.append(time.monotonic() - began)
        self.check()
        self._work(owner, LIGHT, self._chance.uniform(0, 0.03))
        self.tally.kills["from outside"] += 1

    def check(self) -> None:
        """All that was acknowledged is there, in one history that a stranger can verify."""
        self._history.read()
        for index, leaf in self._fresh.items():
            assert self._history.leaves[index] == leaf, f"entry {index} is not what was acknowledged"
        self._fresh.clear()

    def conclude(self) -> None:
        """Every hash of the whole log, computed anew; no entry twice, none of those acknowledged missing."""
        owner = OwnerProcess(self.data_dir)
        assert owner.ready, owner.end()
        assert owner.end() == (0, "")
        self.check()
        leaves = [merkle.leaf_hash(entry) for entry in audit(self.data_dir)]
        assert len(set(leaves)) == len(leaves)
        assert all(leaves[index] == leaf for index, leaf in self._told.items())
        self.tally.acknowledged += len(self._told)

    def _work(self, owner: OwnerProcess, work: Work, kill_after: float | None = None) -> int:
        """Append until the owner is gone, or all is done and it was told to stop; its exit status."""
        if owner.ready:
            asyncio.run(self._append(owner, work, kill_after))
        status, said = owner.end() if kill_after is None else owner.end(signal.SIGKILL)
        assert status in (0, *KILLED), said
        assert kill_after is None or owner.ready, f"a plain start failed: {said}"
        return status

    async def _append(self, owner: OwnerProcess, work: Work, kill_after: float | None) -> None:
        client = await LedgerClient.connect(owner.socket)
        enough = len(self._told) + sum(work)

        async def caller() -> None:
            with contextlib.suppress(LedgerUnavailable):  # killed, or told to stop: full, then gone
                while True:
                    large = len(self._told) < enough - work.small
                    entries = [self._entry(large) for _ in range(8 if large else 1)]
                    tickets = [client.append(entry) for entry in entries]
                    # Each is noted by itself: of several, some may be acknowledged before the owner dies.
                    for entry, ticket in zip(entries, tickets, strict=True):
                        self._acknowledge(await ticket, entry)
                    if len(self._told) >= enough:
                        with contextlib.suppress(ProcessLookupError):
                            owner.send(signal.SIGTERM)

        async def killer(seconds: float) -> None:
            await asyncio.sleep(seconds)
            owner.send(signal.SIGKILL)

        tasks = [caller() for _ in range(CALLERS)]
        if kill_after is not None:
            tasks.append(killer(kill_after))
        async with asyncio.timeout(60):  # only so that nothing hangs
            await asyncio.gather(*tasks)
        await client.close(0)

    def _entry(self, large: bool) -> bytes:
        self._sent += 1
        size = 60_000 if large else self._chance.randrange(20, 900)
        return b"entry %d " % self._sent + b"x" * size

    def _acknowledge(self, index: int, entry: bytes) -> None:
        assert index not in self._told, f"entry {index} was acknowledged twice"
        self._told[index] = self._fresh[index] = merkle.leaf_hash(entry)


def survey(directory: Path, chance: random.Random) -> dict[str, dict[tuple[str, str], int]]:
    """How often each line ran, by (place, thread), in each scene: a log that begins, goes on, and moves."""
    yard = Yard(directory / "data", chance, Tally())
    seen = {}
    for scene in (BEGINNING, AGAIN, MOVING):
        report = directory / f"{scene}.json"
        owner = OwnerProcess(yard.data_dir, program=(TRIPWIRE, json.dumps({"survey": str(report)})))
        assert yard._work(owner, HEAVY if scene == MOVING else LIGHT) == 0
        seen[scene] = {(place, thread): count for place, thread, count in json.loads(report.read_text())}
    yard.conclude()
    return seen


def wires(seen: dict[str, dict[tuple[str, str], int]], chance: random.Random) -> Iterator[Wire]:
    """A wire at every line, in the first scene that ran it, and one a moment after every line that commits."""
    strung = set()
    for scene in (AGAIN, BEGINNING, MOVING):
        for (place, thread), count in sorted(seen[scene].items()):
            hit = chance.randint(1, max(1, count // 3))  # the next run is not quite the same
            if place not in strung:
                strung.add(place)
                yield Wire(scene, place, hit)
            if scene == AGAIN and thread == "commit":
                yield Wire(scene, place, hit, chance.uniform(0.00005, 0.003))


def kill_owners(directory: Path, most: int | None = None, say: bool = False, seed: int = 1) -> Tally:
    """Kill the owner at each wire, or at ``most`` of them spread over all, and as often from outside."""
    chance, tally = random.Random(seed), Tally()
    strung = list(wires(survey(directory, chance), chance))
    if most is not None:
        strung = strung[:: max(1, len(strung) // most)][:most]
    yard = Yard(directory / "yard", chance, tally)
    for number, wire in enumerate(strung, 1):
        if wire.scene == BEGINNING:
            begun = Yard(directory / f"begun-{number}", chance, tally)
            begun.run_into(wire)
            begun.run_and_kill()
            begun.conclude()
        else:
            if not yard.run_into(wire):
                yard.run_into(wire._replace(hit=1))
            yard.run_and_kill()
        if say and number % 20 == 0:
            print(f"owner: {number} of {len(strung)} wires, {tally.total} kills", flush=True)
    yard.conclude()
    return tally
