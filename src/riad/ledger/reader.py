"""Reads a ledger beside its owner: entries, tiles, proofs, receipts. Never writes.

What is handed out is checked first: a receipt whose proof does not lead to the signed root is ``EvidenceBroken`` here,
not at a stranger's desk.
"""

from __future__ import annotations

import base64
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from riad.errors import EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger import cose, merkle, witnessed
from riad.ledger.files import Files
from riad.ledger.keys import load
from riad.ledger.merkle import HASH_SIZE
from riad.ledger.minimum import read_minimum
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.recovery import REMEDY, read_entries, read_note, read_tile
from riad.ledger.source import pruned
from riad.ledger.tiles import WIDTH, Tile, TileNodes, bundle, end_index, no_tile, width
from riad.texts import N_

MAGIC = "c2sp.org/tlog-proof@v1"


class Reader:
    """A ledger's contents. Methods may be called from any thread; each sees at least what was durable when called.

    All raise ``NotFound`` where there is no ledger, ``LedgerUnavailable`` where it cannot be read, ``EvidenceBroken``
    where what is read does not verify.
    """

    def __init__(self, data_dir: Path) -> None:
        self._files = Files(Path(data_dir))
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None
        self._verifier: Verifier | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; a later call opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def vkey(self) -> str:
        """The public key that receipts verify with, in its text form."""
        return self._key().vkey

    def vkeys(self) -> list[str]:
        """Every public key that this log's checkpoints verify with."""
        return [self.vkey()]

    def checkpoint(self) -> str:
        """The newest checkpoint, a signed note."""
        with self._open() as db:
            return self._head(db)[0]

    def minimum(self) -> int:
        """The lowest index whose entry the log still has (C2SP tlog-tiles, Pruning); 0 where nothing was pruned."""
        with self._open() as db:
            return read_minimum(db)

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries from ``start`` up to ``end``, in order; fewer where some are missing. Nothing is verified."""
        with self._open() as db:
            return read_entries(db, start, end)

    def hashes(self, level: int, number: int) -> bytes:
        """The stored hashes of a tile, empty where there is none. Nothing is verified."""
        with self._open() as db:
            return read_tile(db, level, number)

    def size(self) -> int:
        """How many entries the log holds."""
        with self._open() as db:
            return self._head(db)[1].size

    def entry(self, index: int) -> bytes:
        """An entry's bytes, as they were logged. Does not prove it: ``receipt`` does. Raises ``NotFound``."""
        with self._open() as db:
            return self._entry(db, index, self._head(db)[1].size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of an entry in the tree of ``size`` entries, leaf to root.

        Raises ``BadRequest`` unless 0 <= index < size, ``NotFound`` where the log has not reached that size.
        """
        with self._open() as db:
            return merkle.inclusion_proof(index, size, self._nodes(db, size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of ``new`` entries extends that of ``old``. Raises as ``inclusion``."""
        with self._open() as db:
            return merkle.consistency_proof(old, new, self._nodes(db, new))

    def tile(self, path: str) -> bytes:
        """What C2SP tlog-tiles serves at a path: ``checkpoint``, or a ``tile/…``.

        Raises ``NotFound`` for any other path and for tiles the log has not reached.
        """
        if path == "checkpoint":
            return self.checkpoint().encode()
        tile = Tile.parse(path)
        with self._open() as db:
            if tile.width > width(tile.level or 0, tile.number, self._head(db)[1].size):
                raise no_tile(path)
            if tile.level is None:
                start = tile.number * WIDTH
                entries = read_entries(db, start, start + tile.width)
                whole, data = len(entries) == tile.width, bundle(entries)
            else:
                data = read_tile(db, tile.level, tile.number)[: tile.width * HASH_SIZE]
                whole = len(data) == tile.width * HASH_SIZE
            minimum = 0 if whole else read_minimum(db)
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
        note, _, entry, proof = self._proven(index)
        hashes = "".join(base64.b64encode(item).decode() + "\n" for item in proof)
        return f"{MAGIC}\nextra {base64.b64encode(entry).decode()}\nindex {index}\n{hashes}\n{note}"

    def cose_receipt(self, index: int) -> bytes:
        """The receipt of an entry as a COSE_Sign1 (RFC 9942), which does not hold the entry. Raises as ``receipt``.

        It is made for the newest checkpoint: a witness's cosignature, which signs a note, has no place in it.
        """
        _, head, _, proof = self._proven(index, witnessed_first=False)
        signature = self._cose_signature(head)
        if not cose.signed_by(self._key(), head, signature):
            raise EvidenceBroken(N_("The ledger's COSE signature does not fit its checkpoint."), remedy=REMEDY)
        return cose.compose(self._key(), head, index, proof, signature)

    def _cose_signature(self, head: Checkpoint) -> bytes:
        """``cose.sign_root`` of the newest checkpoint. To be read from its row, once commits keep it there."""
        return cose.sign_root(load(self._files), head)

    def _proven(self, index: int, *, witnessed_first: bool = True) -> tuple[str, Checkpoint, bytes, list[bytes]]:
        """A checkpoint, as a note and read; an entry and the proof that leads from it to the root."""
        with self._open() as db:
            note, head = self._head(db)
            entry = self._entry(db, index, head.size)
            if witnessed_first:
                note, head = witnessed.covering(self._files.witnessed, self._key(), index, head.size) or (note, head)
            proof = merkle.inclusion_proof(index, head.size, self._nodes(db, head.size, head.size))
        try:
            self._key().open(note)
            merkle.verify_inclusion(merkle.leaf_hash(entry), index, head.size, proof, head.root)
        except EvidenceBroken as error:
            raise EvidenceBroken(
                N_("Entry {index} of the ledger is not what was logged there: {error}"),
                remedy=REMEDY,
                index=index,
                error=error.render(),
            ) from None
        return note, head, entry, proof

    def _head(self, db: sqlite3.Connection) -> tuple[str, Checkpoint]:
        note = read_note(db)
        return note, Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")

    def _entry(self, db: sqlite3.Connection, index: int, size: int) -> bytes:
        if not 0 <= index < size:
            raise NotFound(
                N_("There is no entry {index} in a log of {size}."),
                remedy=N_("Entries count from 0 to one less than the log's size."),
                index=index,
                size=size,
            )
        entries = read_entries(db, index, index + 1)
        if not entries:
            if index < (minimum := read_minimum(db)):
                raise pruned(index, minimum)
            raise EvidenceBroken(N_("Entry {index} of the ledger is missing."), remedy=REMEDY, index=index)
        return entries[0]

    def _nodes(self, db: sqlite3.Connection, size: int, reached: int | None = None) -> TileNodes:
        reached = self._head(db)[1].size if reached is None else reached
        if size > reached:
            raise NotFound(
                N_("The log has {reached} entries, not yet {size}."),
                remedy=N_("Ask for a size the log has reached."),
                reached=reached,
                size=size,
            )
        return TileNodes(size, lambda level, number: self._tile(db, level, number))

    def _tile(self, db: sqlite3.Connection, level: int, number: int) -> bytes:
        hashes = read_tile(db, level, number)
        if not hashes and end_index(level, number) <= (minimum := read_minimum(db)):
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
    def _open(self) -> Iterator[sqlite3.Connection]:
        # One connection, one thread at a time: a read takes a fraction of a millisecond.
        with self._lock:
            try:
                if self._db is None:
                    if not self._files.database.exists():
                        raise self._none()
                    uri = self._files.database.absolute().as_uri() + "?mode=ro"
                    self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
                yield self._db
            except sqlite3.OperationalError as error:
                raise LedgerUnavailable(
                    N_("The ledger in {directory} cannot be read: {error}."),
                    remedy=N_("See that Riad may read and write there, and that the disk works."),
                    directory=self._files.data_dir,
                    error=error,
                ) from None
            except sqlite3.DatabaseError as error:
                raise EvidenceBroken(N_("ledger.db is damaged: {error}."), remedy=REMEDY, error=error) from None
