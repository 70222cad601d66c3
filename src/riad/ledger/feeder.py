"""Shows the ledger's checkpoints to its witnesses: ``python -m riad.ledger.feeder --data-dir DIR [--config FILE]``.

Every ``ledger.witness_every`` seconds the newest checkpoint goes to each witness that has not cosigned it, with the
proof that it extends what that witness has seen. Once the quorum has cosigned, the note is kept in ``ledger.witnessed``
and receipts are made for it. No request ever waits for a witness.

Prints ``ready`` once every witness was asked, or ``FIRST_WITHIN`` seconds have passed. Ends with 1 before that where
witnesses have seen a history that this ledger does not hold: an old backup is in place. Ends on SIGTERM, and when its
standard input is a pipe that ends (its supervisor died).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from riad import settings as riad_settings
from riad.errors import BadRequest, EvidenceBroken, RiadError
from riad.ledger import policy, witnessed
from riad.ledger.contact import Contact, Target
from riad.ledger.files import Files
from riad.ledger.note import Verifier
from riad.ledger.reader import Reader
from riad.ledger.source import unverified
from riad.ledger.sources import shards
from riad.ledger.supervised import supervisor_gone
from riad.settings import Ledger, Settings
from riad.texts import N_, _, terminal_language

FIRST_WITHIN = 3.0  # seconds that witnesses may delay a start
REMEDY = N_("Put the ledger's newest copy back; see docs/reference/witness.md, When witnesses have seen more.")


class Feed:
    """One log, a shard of the ledger, and its witnesses."""

    def __init__(self, reader: Reader, keep: Path, ledger: Ledger) -> None:
        self._reader = reader
        self._keep = keep
        self._policy = policy.parse(reader.vkeys(), ledger)
        self.contacts = [
            Contact(name, witness.url, witness.key, reader, ledger.witness_every)
            for name, witness in zip(self._policy.witnesses, ledger.witnesses, strict=True)
        ]
        known = witnessed.read(keep, Verifier.parse(reader.vkey()))
        self.witnessed = known[1].size if known else 0
        self._target: Target | None = None
        self._asking: dict[str, asyncio.Task[None]] = {}

    @property
    def alarm(self) -> str:
        """What witnesses have seen that this ledger does not hold; empty where nothing is wrong.

        One witness is believed if it shows a checkpoint that this ledger's own key signed. A bare word counts as much
        as a cosignature does: as many must say so as make the quorum, so that no single witness can stop a platform.
        """
        accusers = [contact for contact in self.contacts if contact.accuses]
        proved = [contact for contact in accusers if contact.proved]
        if proved or (accusers and self._policy.reached({contact.name for contact in accusers})):
            return (proved or accusers)[0].accuses
        return ""

    async def round(self) -> set[asyncio.Task[None]]:
        """Ask every witness that is due and not being asked; → those being asked. Raises what a ``Reader`` raises."""
        note = await asyncio.to_thread(self._reader.checkpoint)
        if self._target is None or self._target.note != note:
            self._target = Target(note, unverified(note), {})
        for contact in self.contacts:
            busy = self._asking.get(contact.name)
            if (busy is None or busy.done()) and contact.due(self._target):
                self._asking[contact.name] = asyncio.create_task(self._ask(contact, self._target))
        return {task for task in self._asking.values() if not task.done()}

    async def _ask(self, contact: Contact, target: Target) -> None:
        lines = await contact.ask(target)
        if lines is None:
            return
        target.lines[contact.name] = lines
        if target.checkpoint.size >= self.witnessed and self._policy.reached(target.lines):
            # A crash before this keeps the one before: receipts of newer entries stay unwitnessed a little longer.
            ordered = "".join(target.lines[name] for name in self._policy.witnesses if name in target.lines)
            await asyncio.to_thread(witnessed.write, self._keep, target.note + ordered)
            self.witnessed = target.checkpoint.size

    def status(self) -> dict[str, object]:
        """For ``run/witnesses.json``: what doctor and readyz tell."""
        facts = [contact.status() for contact in self.contacts]
        return {"witnessed": self.witnessed, "alarm": self.alarm, "witnesses": facts}


class Feeds:
    """A feed for each shard there is; a new year's is found when it begins."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[int, Feed] = {}

    async def all(self) -> list[Feed]:
        """Every shard's, oldest first. Raises what a ``Reader`` raises."""
        chosen = self._settings
        found = await asyncio.to_thread(shards, chosen.data_dir, chosen.ledger_url, chosen.ledger.origin)
        for shard in found or [0]:
            if shard not in self._known:
                keep = Files(chosen.data_dir, shard).witnessed
                self._known[shard] = Feed(Reader.of(chosen, shard), keep, chosen.ledger)
        return list(self._known.values())


async def feed(settings: Settings) -> None:
    """Feed until cancelled. Raises ``EvidenceBroken`` where the first round finds that the ledger was rolled back."""
    status, every, every_shard = Files(settings.data_dir).witnesses, settings.ledger.witness_every, Feeds(settings)
    feeds = await every_shard.all()
    asking = set[asyncio.Task[None]]().union(*[await each.round() for each in feeds])
    if asking:
        await asyncio.wait(asking, timeout=FIRST_WITHIN)
    said, settle = "", min(every / 2, 1.0)  # most witnesses have answered after so many seconds
    _report(feeds, status)
    if alarm := _alarm(feeds):
        raise EvidenceBroken(alarm, remedy=REMEDY)
    print("ready", flush=True)
    while True:
        await asyncio.sleep(every - settle)
        try:
            feeds = await every_shard.all()
            for each in feeds:
                await each.round()
        except RiadError as error:
            complain(error)
        await asyncio.sleep(settle)
        _report(feeds, status)
        if (alarm := _alarm(feeds)) != said:
            said = alarm
            if alarm:
                complain(EvidenceBroken(alarm, remedy=REMEDY))


def _alarm(feeds: list[Feed]) -> str:
    return next((each.alarm for each in feeds if each.alarm), "")


def _report(feeds: list[Feed], path: Path) -> None:
    try:
        witnessed.report(path, [each.status() for each in feeds])
    except OSError as error:
        print(f"riad witnesses: {path}: {error.strerror}", file=sys.stderr, flush=True)


async def run(settings: Settings) -> None:
    """Feed until SIGTERM or the supervisor's end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(feed(settings))
    ending = [asyncio.create_task(stop.wait()), asyncio.create_task(supervisor_gone())]
    await asyncio.wait({work, *ending}, return_when=asyncio.FIRST_COMPLETED)
    for task in ending:
        task.cancel()
    if work.done():
        work.result()
    work.cancel()


def complain(error: RiadError) -> None:
    """Say what is wrong, for whoever runs this process."""
    print(f"riad witnesses: {error.render(terminal_language())}", file=sys.stderr, flush=True)


def main() -> int:
    """Feed witnesses; the exit status."""
    parser = argparse.ArgumentParser(prog="riad.ledger.feeder", description=_("The process that feeds witnesses."))
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    arguments = parser.parse_args()
    try:
        chosen = riad_settings.load(arguments.config, data_dir=arguments.data_dir)
        asyncio.run(run(chosen))
    except RiadError as error:
        complain(error)
        return 2 if isinstance(error, BadRequest) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
