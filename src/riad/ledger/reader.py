"""Reads a ledger beside its owner: entries, tiles, proofs, receipts. Never writes.

What is handed out is checked first: a receipt whose proof does not lead to the signed root is ``EvidenceBroken`` here,
not at a stranger's desk.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from riad.errors import EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger import cose, merkle, witnessed
from riad.ledger.files import Files
from riad.ledger.merkle import HASH_SIZE
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.recovery import REMEDY, read_tile
from riad.ledger.source import no_entry, not_logged, pruned, unverified
from riad.ledger.sources import driver
from riad.ledger.storage import Storage
from riad.ledger.tiles import WIDTH, Tile, TileNodes, bundle, end_index, no_tile, width
from riad.texts import N_

if TYPE_CHECKING:
    from riad.settings import Settings

MAGIC = "c2sp.org/tlog-proof@v1"


class Reader:
    """One shard's contents. Methods may be called from any thread; each sees at least what was durable when called.

    All raise ``NotFound`` where there is no ledger, ``LedgerUnavailable`` where it cannot be read, ``EvidenceBroken``
    where what is read does not verify.
    """

    def __init__(self, data_dir: Path, url: str = "", shard: int = 0) -> None:
        """``url`` names the PostgreSQL that holds it; empty: the file in the data directory. Raises ``BadSettings``."""
        self._files = Files(Path(data_dir), shard)
        self._lock = Lock()
        self._storage = driver(self._files, url, "", reading=True)
        self._verifier: Verifier | None = None

    @classmethod
    def of(cls, settings: Settings, shard: int = 0) -> Reader:
        """The reader of a platform's ledger, wherever its settings keep it. Raises ``BadSettings``."""
        return cls(settings.data_dir, settings.ledger_url, shard)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; a later call opens it again."""
        with self._lock:
            self._storage.close()

    @property
    def shard(self) -> int:
        """Which shard it reads."""
        return self._files.shard

    def vkey(self) -> str:
        """The public key that receipts verify with, in its text form; while it changes, both, a line each."""
        return self._key().vkeys

    def vkeys(self) -> list[str]:
        """Every public key that this log's checkpoints verify with."""
        return self.vkey().split("\n")

    def checkpoint(self) -> str:
        """The newest checkpoint, a signed note."""
        with self._open() as storage:
            return self._head(storage)[0]

    def size(self) -> int:
        """How many entries the log holds."""
        with self._open() as storage:
            return self._head(storage)[1].size

    def entry(self, index: int) -> bytes:
        """An entry's bytes, as they were logged. Does not prove it: ``receipt`` does. Raises ``NotFound``."""
        with self._open() as storage:
            return self._entry(storage, index, self._head(storage)[1].size)

    def entries(self, start: int, end: int) -> list[bytes]:
        """The stored entries from ``start`` up to ``end``, in order, unproved; fewer where rows are missing."""
        with self._open() as storage:
            return storage.entries(start, end)

    def hashes(self, level: int, number: int) -> bytes:
        """The stored hashes of a tile, unproved; empty where there is none."""
        with self._open() as storage:
            return read_tile(storage, level, number)

    def minimum(self) -> int:
        """The lowest index whose entry the log still has (C2SP tlog-tiles, Pruning); 0 where nothing was pruned."""
        with self._open() as storage:
            return storage.minimum()

    def bytes_held(self) -> int:
        """How much disk the shard takes, in bytes."""
        with self._open() as storage:
            return storage.bytes_held()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of an entry in the tree of ``size`` entries, leaf to root.

        Raises ``BadRequest`` unless 0 <= index < size, ``NotFound`` where the log has not reached that size.
        """
        with self._open() as storage:
            return merkle.inclusion_proof(index, size, self._nodes(storage, size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of ``new`` entries extends that of ``old``. Raises as ``inclusion``."""
        with self._open() as storage:
            return merkle.consistency_proof(old, new, self._nodes(storage, new))

    def tile(self, path: str) -> bytes:
        """What C2SP tlog-tiles serves at a path: ``checkpoint``, or a ``tile/…``.

        Raises ``NotFound`` for any other path and for tiles the log has not reached.
        """
        if path == "checkpoint":
            return self.checkpoint().encode()
        tile = Tile.parse(path)
        with self._open() as storage:
            if tile.width > width(tile.level or 0, tile.number, self._head(storage)[1].size):
                raise no_tile(path)
            if tile.level is None:
                start = tile.number * WIDTH
                entries = storage.entries(start, start + tile.width)
                whole, data = len(entries) == tile.width, bundle(entries)
            else:
                data = read_tile(storage, tile.level, tile.number)[: tile.width * HASH_SIZE]
                whole = len(data) == tile.width * HASH_SIZE
            minimum = 0 if whole else storage.minimum()
        if not whole:
            if end_index(tile.level or 0, tile.number) <= minimum:
                raise pruned(path, minimum)
            raise EvidenceBroken(N_("{path} of the ledger is missing or cut short."), remedy=REMEDY, path=path)
        return data

    def receipt(self, index: int) -> str:
        """The receipt of an entry: C2SP tlog-proof, with the entry itself as extra data, verified before it is given.

        It is made for the witnessed checkpoint where that covers the entry, else for the newest one.
        Raises ``NotFound`` where the log has no such entry.
        """
        with self._open() as storage:
            note, head = self._head(storage)
            entry = self._entry(storage, index, head.size)
            note, head = witnessed.covering(self._files.witnessed, self._key(), index, head.size) or (note, head)
            proof = self._proof(storage, index, entry, note, head)
        hashes = "".join(base64.b64encode(item).decode() + "\n" for item in proof)
        return f"{MAGIC}\nextra {base64.b64encode(entry).decode()}\nindex {index}\n{hashes}\n{note}"

    def cose_receipt(self, index: int) -> bytes:
        """The receipt of an entry as a COSE_Sign1 (RFC 9942), which does not hold the entry. Raises as ``receipt``.

        It is made for the newest checkpoint: a witness's cosignature, which signs a note, has no place in it.
        """
        with self._open() as storage:
            note, signature = storage.head()
            head = unverified(note)
            proof = self._proof(storage, index, self._entry(storage, index, head.size), note, head)
        key = self._key()
        return cose.compose([key, *key.also], head, index, proof, signature)

    def _proof(self, storage: Storage, index: int, entry: bytes, note: str, head: Checkpoint) -> list[bytes]:
        """The proof that leads from an entry to a checkpoint's root, once it is verified."""
        proof = merkle.inclusion_proof(index, head.size, self._nodes(storage, head.size, head.size))
        try:
            self._key().open(note)
            merkle.verify_inclusion(merkle.leaf_hash(entry), index, head.size, proof, head.root)
        except EvidenceBroken as error:
            raise not_logged(index, error) from None
        return proof

    def _head(self, storage: Storage) -> tuple[str, Checkpoint]:
        note = storage.note()
        return note, unverified(note)

    def _entry(self, storage: Storage, index: int, size: int) -> bytes:
        if not 0 <= index < size:
            raise no_entry(index, size)
        entries = storage.entries(index, index + 1)
        if not entries:
            if index < (minimum := storage.minimum()):
                raise pruned(index, minimum)
            raise EvidenceBroken(N_("Entry {index} of the ledger is missing."), remedy=REMEDY, index=index)
        return entries[0]

    def _nodes(self, storage: Storage, size: int, reached: int | None = None) -> TileNodes:
        reached = self._head(storage)[1].size if reached is None else reached
        if size > reached:
            raise NotFound(
                N_("The log has {reached} entries, not yet {size}."),
                remedy=N_("Ask for a size the log has reached."),
                reached=reached,
                size=size,
            )
        return TileNodes(size, lambda level, number: self._tile(storage, level, number))

    def _tile(self, storage: Storage, level: int, number: int) -> bytes:
        hashes = read_tile(storage, level, number)
        if not hashes and end_index(level, number) <= (minimum := storage.minimum()):
            raise pruned(Tile(level, number).path, minimum)
        return hashes

    def _key(self) -> Verifier:
        if self._verifier is None:
            try:
                self._verifier = Verifier.parse(self._files.vkey.read_text("utf-8"))
            except OSError:
                raise self._none() from None
        return self._verifier

    def _none(self) -> NotFound:
        return NotFound(
            N_("There is no ledger in {directory}."),
            remedy=N_("Start the platform once with `riad up`, or give --data-dir."),
            directory=self._files.data_dir,
        )

    @contextlib.contextmanager
    def _open(self) -> Iterator[Storage]:
        # One connection, one thread at a time: a read takes a fraction of a millisecond.
        with self._lock:
            try:
                yield self._storage
            except LedgerUnavailable:
                self._storage.close()  # the next call connects again
                raise
