"""The log: one writer on each machine, one shard after another.

Entries are appended to the newest shard. When the year has changed it is sealed and the next begun, in two steps: the
old one's last entry names the next, the next one's first entry holds the old one's last checkpoint. A crash between
the two leaves a sealed shard without a next one: whoever opens it begins that. On PostgreSQL both steps are taken under
the log's lock by whichever machine comes first; the others find the seal and move on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from riad.errors import EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger import keys, place, recovery
from riad.ledger.entry import Turn, encode
from riad.ledger.files import Files
from riad.ledger.merkle import EMPTY_ROOT
from riad.ledger.note import Checkpoint, Signer
from riad.ledger.recovery import REMEDY
from riad.ledger.shard import Sealed, Shard, year_of
from riad.ledger.sources import driver, shards
from riad.ledger.storage import Head
from riad.ledger.tiles import MAX_ENTRY
from riad.texts import N_

OURS = (b'{"kind":"shard"', b'{"kind":"key"')  # how the canonical bytes of entries begin that only the log writes


class Log:
    """The one writer of a ledger on this machine. Not for use from several threads at once."""

    def __init__(self, data_dir: Path, url: str, signer: Signer, lock: int, now: Callable[[], float]) -> None:
        """Use ``Log.open``."""
        self._data_dir = data_dir
        self._url = url
        self._signer = signer  # under the log's own origin
        self._lock = lock
        self._now = now
        self._until: float | None = None  # when the running shard ends, Unix seconds; None while that is unknown
        self._shard: Shard

    @classmethod
    def open(cls, data_dir: Path, origin: str, url: str = "", *, now: Callable[[], float] = time.time) -> Log:
        """Open and verify the ledger of a directory, or begin it there; on PostgreSQL where ``url`` names one.

        ``now`` tells the Unix time, in seconds: when the next yearly shard is due. Raises ``LedgerUnavailable`` where
        another process owns the directory or the database is away, ``EvidenceBroken`` where it does not verify,
        ``BadSettings`` and ``BadRequest`` for an origin, a key or a URL that cannot be.
        """
        files = Files(data_dir)
        lock = own(data_dir)
        log = None
        try:
            # This machine is new to a shared ledger: it has the key and nothing else.
            joining = bool(url) and not files.anchored() and not files.vkey.exists()
            log = cls(data_dir, url, _signer(files, origin, url), lock, now)
            log._open(joining)
        except BaseException:
            if log is not None:
                log.close()
            else:
                os.close(lock)
            raise
        return log

    @property
    def origin(self) -> str:
        """The running shard's."""
        return self._shard.verifier.name

    @property
    def vkey(self) -> str:
        return self._shard.verifier.vkeys

    @property
    def shard(self) -> int:
        """The running shard's number."""
        return self._shard.files.shard

    @property
    def shared(self) -> bool:
        """Whether other machines commit too."""
        return bool(self._url)

    @property
    def size(self) -> int:
        """How many entries of the running shard are durable. Raises as ``append``."""
        return self._shard.state.frontier.size

    @property
    def note(self) -> str:
        """The running shard's newest checkpoint, signed. Raises as ``append``."""
        return self._shard.state.note

    def append(self, entries: Sequence[bytes], leaves: Sequence[bytes] | None = None) -> int:
        """Append entries, durably, and return the place of the first; the others follow it.

        ``leaves`` are their leaf hashes, where the caller has them. Raises ``LedgerUnavailable`` if they could not be
        written: none is acknowledged then, all of them or none are in the log, and the next call verifies the log anew.
        Raises ``EvidenceBroken`` if it no longer verifies.
        """
        if any(not 0 < len(entry) <= MAX_ENTRY for entry in entries):
            raise ValueError(f"an entry has 1 to {MAX_ENTRY} bytes")
        if any(entry.startswith(OURS) for entry in entries):
            raise ValueError("entries of these kinds are the log's own")
        return self._append(entries, leaves)

    def follow(self) -> None:
        """Take in what other machines committed, and the shard they began. Raises as ``append``."""
        self._shard.follow()
        while self._shard.sealed:
            self._move()

    def settle(self) -> None:
        """What a batch still needs once its writers have been answered. Raises ``LedgerUnavailable``."""
        if not self._closed:
            self._shard.settle()

    def rotate(self, entry: bytes, signer: Signer | None = None) -> int:
        """Append an entry of kind ``key``; ``signer`` signs from this commit on. See ``rotation``."""
        if signer is not None:
            self._signer = signer
            self._shard.signer = signer.under(self.origin)
        try:
            return place.pack(self.shard, self._shard.append([entry]))
        except Sealed:  # by another machine, since this log was opened
            raise LedgerUnavailable(
                N_("The year of the ledger has just ended."), remedy=N_("Run the command again.")
            ) from None

    def close(self) -> None:
        """Let go of the ledger; another process may own it then."""
        if shard := getattr(self, "_shard", None):
            shard.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def _closed(self) -> bool:
        return self._lock < 0

    def _append(self, entries: Sequence[bytes], leaves: Sequence[bytes] | None) -> int:
        if entries and self._due():
            self._seal()
        while True:
            try:
                return place.pack(self.shard, self._shard.append(entries, leaves) if entries else self.size)
            except Sealed:
                self._move()

    def _open(self, joining: bool) -> None:
        files = Files(self._data_dir)
        # The newest shard this machine knows; a machine that is new asks the database. Older ones need not be there.
        known = files.anchored() or shards(self._data_dir, self._url, self._signer.verifier.name) or [0]
        self._shard = self._at(known[-1])
        self._shard.open(joining=joining)
        if self.shard and not self.size and len(known) > 1:
            # A machine that began it died before its first entry: the one before is sealed, and leads here again.
            self._shard.close()
            self._shard = self._at(known[-2])
            self._shard.open(joining=joining)
        while self._shard.sealed:
            self._move(joining)
        if joining:
            self._publish_older(known)

    def _publish_older(self, known: Sequence[int]) -> None:
        """A machine that is new writes the public keys of finished shards: those that its own key signed."""
        for number in known:
            shard = self._at(number)
            storage = driver(shard.files, self._url, self._signer.verifier.name)
            with contextlib.closing(storage), contextlib.suppress(EvidenceBroken, NotFound):
                shard.verifier.open(storage.note())
                keys.check(shard.files, shard.verifier)
                keys.publish(shard.files, shard.verifier)

    def _at(self, number: int) -> Shard:
        files, base = Files(self._data_dir, number), self._signer.verifier.name
        return Shard(files, driver(files, self._url, base), self._signer.under(place.origin(base, number)))

    def _due(self) -> bool:
        """Whether the year of the running shard is over. A clock that jumps back finds nothing to do."""
        if self._until is None:
            year = self._shard.year()
            if year is None:
                # An empty log never ends; one whose first entry tells no time neither.
                self._until = None if not self.size else float("inf")
                return False
            self._until = _end_of(year)
        return self._now() >= self._until

    def _seal(self) -> None:
        """End the running shard and go on in the next."""
        # A crash before the seal's commit leaves the year to be ended by the next append.
        now = self._now()
        number, base = year_of(now), self._signer.verifier.name
        if not place.is_shard(number):
            return
        following = self._signer.under(place.origin(base, number)).verifier
        seal = Turn(next_origin=following.name, next_vkey=following.vkeys, time=int(now * 1000))
        with contextlib.suppress(Sealed):  # by another machine, a moment ago
            self._shard.append([encode(seal)])
        self._move()

    def _move(self, joining: bool = False) -> None:
        """From a sealed shard to the next: begun by whoever is first, joined by the others."""
        old = self._shard
        base, sealed = self._signer.verifier.name, old.state
        number = place.shard_of(base, json.loads(sealed.last).get("next_origin", ""))
        if not number or number <= old.files.shard:
            _broken_chain(old, sealed.last.decode(errors="replace"))
        kept = old.anchored()
        new = self._at(number)
        try:
            # This machine's checkpoint of the old shard reaches its end only once that of the new one is written
            # (below): where it does, a missing one was deleted.
            lacking = joining or kept is None or kept.size < sealed.checkpoint.size
            if not lacking and not new.files.anchor.exists():
                recovery.refuse_unanchored(sealed.checkpoint.size, new.files.anchor.name)
            new.open(joining=lacking)
            opening = Turn(
                previous_checkpoint=sealed.note, previous_origin=old.verifier.name, time=int(self._now() * 1000)
            )
            # A crash before this leaves an empty shard, a crash after it one without its anchor: both are opened here
            # again, for the anchor of the old one still lags.
            new.append([encode(opening)], only_at=0)
            self._check_chain(old, new)
            new.anchor_anew()
            old.anchor_anew()
        except BaseException:
            new.close()
            raise
        old.close()
        self._shard, self._until = new, None

    def _check_chain(self, old: Shard, new: Shard) -> None:
        first = new.entry(0)
        try:
            previous = json.loads(first)["previous_checkpoint"]
            same = Checkpoint.parse(old.verifier.open(previous)) == old.state.checkpoint
        except (ValueError, KeyError, TypeError, EvidenceBroken):
            same = False
        if not same:
            _broken_chain(new, first.decode(errors="replace"))


def own(data_dir: Path) -> int:
    """Own the ledger of a directory until the descriptor is closed or the process is gone, however it goes.

    Raises ``LedgerUnavailable``.
    """
    files = Files(data_dir)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(files.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LedgerUnavailable(
            N_("The ledger cannot use {directory}: {error}."),
            remedy=N_("Give Riad a data directory it may write to."),
            directory=data_dir,
            error=error.strerror,
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise LedgerUnavailable(
            N_("Another process ({owner}) owns the ledger in {directory}."),
            remedy=N_("Stop it first: two owners would fork the log."),
            owner=owner,
            directory=files.data_dir,
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _signer(files: Files, origin: str, url: str) -> Signer:
    """This directory's key; made where there is no log yet, under the lock of all who might begin one."""
    signer = keys.load(files, origin)
    if signer is not None:
        return signer
    made: list[Signer] = []

    def first() -> Head:
        made.append(keys.create(files, origin))
        return Head(0, made[0].sign(Checkpoint(origin, 0, EMPTY_ROOT).text), b"")

    storage = driver(files, url, origin)
    try:
        storage.begin(first)
    finally:
        storage.close()
    if not made:
        keys.lost(files, shared=bool(url))
    return made[0]


def _end_of(year: int) -> float:
    """The first second that is no more of a UTC year."""
    return float((_days(year + 1) - _days(1970)) * 86_400)


def _days(year: int) -> int:
    """Days from the year 1 to the first of January of a year (Gregorian)."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400


def _broken_chain(shard: Shard, entry: str) -> NoReturn:
    raise EvidenceBroken(
        N_("The shards of the ledger do not hold together: {origin} has the entry {entry}."),
        remedy=REMEDY,
        origin=shard.verifier.name,
        entry=entry[:300],
    )
