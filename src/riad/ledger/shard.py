"""One shard of the log as its writer holds it: entries, tiles and checkpoint grow together, in one transaction.

Knows no database: ``storage`` is the driver. A shard is verified when it is opened (``recovery``) and continued from
there; where another machine has committed meanwhile, it goes on from what that one wrote, once it has seen that this
extends what it saw last. What a crash leaves is said where it can happen.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence

from riad.errors import LedgerUnavailable
from riad.ledger import cose, keys, recovery
from riad.ledger.anchor import Anchor
from riad.ledger.files import Files
from riad.ledger.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash
from riad.ledger.note import Checkpoint, Signer, Verifier
from riad.ledger.recovery import State, verified
from riad.ledger.storage import Address, Head, Storage
from riad.ledger.tiles import HEIGHT, WIDTH
from riad.texts import N_

TILE_BYTES = WIDTH * HASH_SIZE
SEAL = b'{"kind":"shard","next_origin"'  # how the canonical bytes of a shard's last entry begin


class Sealed(Exception):
    """The shard is finished and never grows again."""


class Shard:
    """The writer of one shard. Not for use from several threads at once."""

    def __init__(self, files: Files, storage: Storage, signer: Signer) -> None:
        self.files = files
        self.signer = signer
        self._storage = storage
        self._anchor = Anchor(files.anchor, signer.verifier)
        self._state: State | None = None
        self._seen: Checkpoint | None = None  # the newest known here: outlives a failure, which _state does not
        self._closed = False

    @property
    def verifier(self) -> Verifier:
        return self.signer.verifier

    @property
    def state(self) -> State:
        """The verified state. After a failure it reads the disk again, and raises as ``append``."""
        return self._state or self._load()

    @property
    def sealed(self) -> bool:
        return self.state.last.startswith(SEAL)

    def open(self, *, joining: bool = False) -> None:
        """Verify the shard. ``joining``: that this machine has no checkpoint of it is no sign of a deleted one.

        Raises ``EvidenceBroken``, ``LedgerUnavailable``.
        """
        keys.check(self.files, self.verifier)
        self._load(joining=joining)
        with _disk(self.files):
            keys.publish(self.files, self.verifier)

    def append(
        self, entries: Sequence[bytes], leaves: Sequence[bytes] | None = None, *, only_at: int | None = None
    ) -> int:
        """Append entries, durably, and return the index of the first.

        Raises ``Sealed`` where it is finished; ``LedgerUnavailable`` if they could not be written: none is acknowledged
        then, all of them or none are in the log, and the next call verifies the log anew; ``EvidenceBroken`` if it no
        longer verifies. ``only_at``: append nothing where the log has another size by now.
        """
        leaves = [leaf_hash(entry) for entry in entries] if leaves is None else leaves
        before = self.state
        try:
            with self._storage.transaction() as note:
                if note != before.note:
                    before = self._caught_up(note)
                if before.last.startswith(SEAL):
                    self._keep(before)
                    raise Sealed
                first = before.frontier.size
                if only_at not in (None, first):
                    self._keep(before)
                    return first
                after, tiles = self._grow(before, entries, leaves)
                self._storage.write(first, entries, tiles, self._head(after.note, after.checkpoint))
        except Sealed:
            raise
        except BaseException:
            # Whether a failed commit is on disk is for the disk to say: memory is dropped, and the next call reads it
            # again through the same door as a start.
            self.drop()
            raise
        # A crash from here on leaves the batch in the log: whoever was waiting may find it there, unacknowledged.
        self._keep(after)
        return first

    def follow(self) -> None:
        """Take in what other machines committed. Raises as ``append``."""
        before = self.state
        try:
            if self._storage.note() != before.note:
                with self._storage.transaction() as note:
                    after = self._caught_up(note)
                self._keep(after)
        except BaseException:
            self.drop()
            raise

    def settle(self) -> None:
        """What a batch still needs once its writers have been answered: the anchor, and the driver's housekeeping.

        Raises ``LedgerUnavailable``; the batch is durable all the same, and the next append mends what failed here.
        """
        if self._state is None:
            return
        try:
            with _disk(self.files):
                # A crash before this leaves the anchor some batches behind the database: the next start accepts that.
                self._anchor.write(self._state.note)
            self._storage.tidy()
        except BaseException:
            self.drop()
            raise

    def anchor_anew(self) -> None:
        """Write the anchor whole. Raises ``LedgerUnavailable``."""
        with _disk(self.files):
            self._anchor.create(self.state.note)

    def anchored(self) -> Checkpoint | None:
        """The checkpoint that this machine keeps. Raises ``EvidenceBroken``."""
        return self._anchor.read()

    def entry(self, index: int) -> bytes:
        """A stored entry, empty where there is none."""
        return next(iter(self._storage.entries(index, index + 1)), b"")

    def year(self) -> int | None:
        """The year this shard is of: its number, or that of its first entry's time; None while that is unknown."""
        if self.files.shard:
            return self.files.shard
        if not self.state.frontier.size:
            return None
        try:
            return year_of(json.loads(self.entry(0))["time"] / 1000)
        except (ValueError, KeyError, TypeError, OverflowError, OSError):
            return None

    def drop(self) -> None:
        """Forget everything that is not on disk, but for what was seen signed."""
        self._state = None
        self._storage.close()

    def close(self) -> None:
        """Let go of the shard for good."""
        self._closed = True
        self.drop()
        self._anchor.close()

    def _load(self, *, joining: bool = False) -> State:
        """Verify what is stored, begin it where there is nothing, and bring the anchor up to it."""
        if self._closed:
            raise LedgerUnavailable(N_("The ledger is closed."))
        try:
            with _disk(self.files):
                anchor = self._anchor.read()
            known = [checkpoint for checkpoint in (anchor, self._seen) if checkpoint is not None]

            def verify(storage: Storage, note: str) -> State:
                state = verified(storage, self.verifier, known, note=note, whole=True)
                if not known and state.frontier.size and not joining:
                    recovery.refuse_unanchored(state.frontier.size, self.files.anchor.name)
                return state

            signed = max((checkpoint.size for checkpoint in known), default=0)
            self._storage.inspect(signed, lambda storage: verify(storage, storage.note()))
            self._storage.begin(lambda: self._first(signed))
            with self._storage.transaction() as note:  # nobody commits between what is read here
                state = verify(self._storage, note)
                if not self._storage.head()[1]:  # of a format that had none
                    self._storage.write(state.frontier.size, [], [], self._head(state.note, state.checkpoint))
            self._keep(state)
            if not state.last.startswith(SEAL) and (state.frontier.size or not self.files.shard):
                # A later shard is anchored from its first entry on, a finished one when the next has been: see Log.
                self.anchor_anew()
        except BaseException:
            self.drop()
            raise
        return state

    def _first(self, signed: int) -> Head:
        """The checkpoint of the empty log. Raises ``EvidenceBroken`` where there has been one that was not empty."""
        if signed:
            recovery.refuse_old(self._storage.name, 0, signed)
        empty = Checkpoint(self.verifier.name, 0, EMPTY_ROOT)
        return self._head(self.signer.sign(empty.text), empty)

    def _keep(self, state: State) -> None:
        self._state, self._seen = state, state.checkpoint

    def _caught_up(self, note: str) -> State:
        known = [] if self._seen is None else [self._seen]
        return verified(self._storage, self.verifier, known, note=note, whole=False)

    def _grow(
        self, state: State, entries: Sequence[bytes], leaves: Sequence[bytes]
    ) -> tuple[State, list[tuple[Address, bytes]]]:
        frontier, grown = state.frontier.extend(leaves, HEIGHT)
        edges = [*state.edges, *[b""] * (len(grown) - len(state.edges))]
        tiles = []
        for level, hashes in enumerate(grown):
            first = (state.frontier.size >> HEIGHT * level) // WIDTH
            data = edges[level] + b"".join(hashes)
            starts = range(0, len(data), TILE_BYTES)
            tiles += [((level, first + n), data[at : at + TILE_BYTES]) for n, at in enumerate(starts)]
            edges[level] = data[len(data) // TILE_BYTES * TILE_BYTES :]
        checkpoint = Checkpoint(self.verifier.name, frontier.size, frontier.root())
        last = entries[-1] if entries else state.last
        return State(self.signer.sign(checkpoint.text), checkpoint, frontier, tuple(edges), last), tiles

    def _head(self, note: str, checkpoint: Checkpoint) -> Head:
        """A checkpoint as it is stored, with its COSE signature: any reader can then compose a COSE receipt."""
        return Head(checkpoint.size, note, cose.sign_root(self.signer, checkpoint))


def year_of(seconds: float) -> int:
    """The UTC year of a Unix time. Raises ``OverflowError``, ``ValueError`` and ``OSError`` for one that cannot be."""
    return time.gmtime(seconds).tm_year


@contextlib.contextmanager
def _disk(files: Files) -> Iterator[None]:
    """Files of this directory are written or read."""
    try:
        yield
    except OSError as error:
        raise LedgerUnavailable(
            N_("The ledger in {directory} cannot be used: {error}."),
            remedy=N_("Make room on that disk and see that it works; the ledger goes on by itself."),
            retry_after=5.0,
            directory=files.data_dir,
            error=error,
        ) from None
