"""Retention: which entries may go, and making them go (C2SP tlog-tiles, Pruning): ``riad ledger prune``.

Whole bundles from the log's beginning, never its right edge: what continues the log, and what proves any later entry,
stays. A receipt of a pruned entry verifies as before, for it needs nothing from the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from riad.errors import BadRequest, EvidenceBroken, LedgerUnavailable
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.ranges import RANGE
from riad.ledger.recovery import REMEDY
from riad.ledger.source import Source, head, unverified
from riad.ledger.sources import driver
from riad.ledger.tiles import WIDTH
from riad.texts import N_

Progress = Callable[[int, int], None]  # entries done, entries in all


class Plan(NamedTuple):
    """Entries ``minimum`` (pruned before) to ``keep`` would go, of ``size``; ``bytes`` of them and of their tiles."""

    size: int
    minimum: int
    keep: int
    bytes: int

    @property
    def entries(self) -> int:
        return self.keep - self.minimum


class _Moment(msgspec.Struct):
    time: int = 0


class _Seal(msgspec.Struct):
    kind: str = ""
    next_origin: str = ""


_moments = msgspec.json.Decoder(_Moment)
_seals = msgspec.json.Decoder(_Seal)


def plan(source: Source, before: int | None, progress: Progress = lambda done, total: None) -> Plan:
    """What would go: what was recorded before that Unix time in milliseconds; None: all that a finished shard may lose.

    Stops at the first entry that is not older, or that tells no time. Raises ``BadRequest`` for None on a log that
    still grows.
    """
    tip = head(source.checkpoint(), source.vkeys())
    minimum = source.minimum()
    # The last bundle stays: a start verifies it, and a finished shard's last entry names the next one.
    edge = max(0, tip.size - 1) // WIDTH * WIDTH
    if before is None and not _finished(source, tip.size):
        raise BadRequest(
            N_("{origin} is not finished: entries are still added to it."),
            remedy=N_("Prune it with --before DATE."),
            origin=tip.origin,
        )
    end, data = minimum, 0
    while end < edge:
        entries = source.entries(end, min(end + RANGE, edge))
        if not entries:
            raise EvidenceBroken(N_("Entry {index} of the ledger is missing."), remedy=REMEDY, index=end)
        older = len(entries) if before is None else _older(entries, before)
        data += sum(map(len, entries[:older]))
        end += older
        progress(end - minimum, edge - minimum)
        if older < len(entries):
            break
    keep = max(minimum, end // WIDTH * WIDTH)
    return Plan(tip.size, minimum, keep, data if keep > minimum else 0)


def prune(data_dir: Path, origin: str, keep: int, *, url: str = "", shard: int = 0, vacuum: bool = False) -> int:
    """Delete what lies below ``keep``, a multiple of 256; how many bytes the database gave back to the disk.

    The platform must be stopped: it takes the ledger's lock, and verifies the running shard first.
    Raises ``LedgerUnavailable`` where a process owns the ledger or the disk fails, ``EvidenceBroken`` where it does not
    verify.
    """
    log = Log.open(data_dir, origin, url)
    try:
        # Log.open has brought ledger.checkpoint up to the newest entry: a start compares the two at sizes that stay.
        log.settle()
        with contextlib.closing(driver(Files(data_dir, shard), url, origin)) as storage:
            held = storage.bytes_held()
            storage.prune(keep, unverified(storage.note()).size, vacuum=vacuum)
            return held - storage.bytes_held()
    except LedgerUnavailable as error:
        raise LedgerUnavailable(
            N_("The ledger in {directory} could not be pruned: {error}."),
            remedy=N_("Make room on that disk and run it again: it goes on where it stopped."),
            directory=data_dir,
            error=error.values.get("error", error.message),
        ) from error
    finally:
        log.close()


def _older(entries: list[bytes], before: int) -> int:
    """How many of the entries, from the first on, are older."""
    for at, entry in enumerate(entries):
        try:
            time = _moments.decode(entry).time
        except (msgspec.DecodeError, UnicodeDecodeError):
            return at
        if not 0 < time < before:
            return at
    return len(entries)


def _finished(source: Source, size: int) -> bool:
    """Whether the last entry names the next shard."""
    for entry in source.entries(size - 1, size):
        try:
            seal = _seals.decode(entry)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return seal.kind == "shard" and bool(seal.next_origin)
    return False
