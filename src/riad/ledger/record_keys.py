"""The record keys: what opens the commitments of the log, kept apart from it so that they can be destroyed.

``record-keys.db`` in a directory of its own (0700), SQLite in WAL mode. The ledger's owner writes a batch's keys
*before* the ledger's commit: an entry whose key is missing could not be opened, one more key hurts nobody. With
``synchronous = NORMAL`` what was written survives the end of every process; a power cut may lose the keys of the last
moments, and then those commitments can no longer be opened. They never open wrongly: each row also holds the beginning
of its entry's leaf hash, and a key is only handed out for that entry.

Nothing is left of an erased key: its bytes are overwritten (``secure_delete``) and the write-ahead log is cut. Its row
stays, empty, so that *erased* can be told from *lost*.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

from riad.errors import Erased, LedgerUnavailable, NotFound, RiadError
from riad.ledger.entry import Basis, Erasure, Scope
from riad.ledger.merkle import leaf_hash
from riad.ledger.wire import KEY_SIZE
from riad.texts import N_

NAME = "record-keys.db"
SCHEMA = 1
LEAF = 8  # bytes of the leaf hash that tie a row to its entry
CHUNK = 1000  # rows destroyed in a transaction: the owner waits no longer than for these
PATIENCE = 10.0  # seconds to wait for another process's transaction


class Row(NamedTuple):
    """Whose key this is: a place in the log, and the beginning of the leaf hash of the entry there."""

    place: int
    leaf: bytes

    def fits(self, entry: bytes) -> bool:
        """Whether that entry is the one the key was made for."""
        return leaf_hash(entry)[:LEAF] == self.leaf


class RecordKeys:
    """The key store of one machine. Every method raises ``LedgerUnavailable`` where it cannot be read or written."""

    def __init__(self, directory: Path, *, synchronous: str = "NORMAL") -> None:
        """``synchronous="FULL"`` for one who destroys: what is gone must not come back with a power cut."""
        self._path = directory / NAME
        self._synchronous = synchronous
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> RecordKeys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    @property
    def exists(self) -> bool:
        """Whether there is a key store at all."""
        return self._path.exists()

    # What the owner does

    def prepare(self, end: int) -> None:
        """Make the store where there is none; forget keys of places from ``end`` on, which the log never reached."""
        with self._transaction() as db:
            db.execute("DELETE FROM record WHERE place >= ?", (end,))

    def write(
        self, first: int, secrets: Sequence[bytes], leaves: Sequence[bytes], *, instead: int | None = None
    ) -> None:
        """Keep the secrets (wire.py) of the entries at ``first`` and after it; those that are empty have none.

        What a commit that failed left at these places is written over. ``instead``: they were written at that place and
        after it, and the log has put the entries elsewhere.
        """
        rows = [
            (place, leaf[:LEAF], secret[:KEY_SIZE], secret[KEY_SIZE:] or None)
            for place, (secret, leaf) in enumerate(zip(secrets, leaves, strict=True), first)
            if secret
        ]
        with self._transaction() as db:
            if instead is not None:
                db.execute("DELETE FROM record WHERE place >= ? AND place < ?", (instead, instead + len(secrets)))
            db.executemany("INSERT OR REPLACE INTO record (place, leaf, key, subject) VALUES (?, ?, ?, ?)", rows)

    # What readers do

    def key(self, place: int, entry: bytes) -> bytes:
        """The record key of the entry at that place.

        Raises ``Erased`` where it was destroyed, ``NotFound`` where this machine has none for that entry.
        """
        with self._open() as db:
            found = db.execute("SELECT leaf, key FROM record WHERE place = ?", (place,)).fetchone()
        if found is None or not Row(place, found[0]).fits(entry):
            raise NotFound(
                N_("There is no key of that record on this machine."),
                remedy=N_("Ask the machine that recorded it; a record made before there were record keys has none."),
                code="record_key_not_found",
            )
        if found[1] is None:
            raise Erased(
                N_("The key of that record was destroyed: nothing opens its commitments any more."),
                remedy=N_("That is what erasure means; the receipt itself stays valid."),
                code="record_key_erased",
            )
        return cast(bytes, found[1])

    def rows(self, subject: bytes | None = None) -> list[Row]:
        """Those that still have their key: a subject's, or all.

        Reads the whole store: an index of tags, which come in no order, would cost each request ten times its key.
        """
        where, values = ("subject = ?", (subject,)) if subject is not None else ("key IS NOT NULL", ())
        with self._open() as db:
            return [Row(*row) for row in db.execute(f"SELECT place, leaf FROM record WHERE {where}", values)]  # noqa: S608

    def same(self, place: int) -> list[Row]:
        """The record at that place and the others under the same key: the other attempts at that request."""
        query = "SELECT place, leaf FROM record WHERE key = (SELECT key FROM record WHERE place = ?)"
        with self._open() as db:
            return [Row(*row) for row in db.execute(query, (place,))]

    # What erasing does

    def destroy(self, rows: Iterable[Row], erasure: Erasure) -> int:
        """Destroy these keys; how many there were.

        Each transaction also counts what it destroyed for the entry that is still to be written (``pending``), so that
        a crash at any point loses neither.
        """
        left, destroyed = iter(rows), 0
        while chunk := [(row.place, row.leaf) for row in islice(left, CHUNK)]:
            with self._transaction() as db:
                query = "UPDATE record SET key = NULL, subject = NULL WHERE place = ? AND leaf = ? AND key IS NOT NULL"
                count = db.executemany(query, chunk).rowcount
                db.execute(
                    "INSERT INTO erasure (id, basis, scope, time, count) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (id) DO UPDATE SET count = count + excluded.count",
                    (erasure.id, erasure.basis, erasure.scope, erasure.time, count),
                )
            destroyed += count
        return destroyed

    def sweep(self) -> None:
        """Cut the write-ahead log: what was destroyed is nowhere in the files any more."""
        with self._open() as db:
            deadline = time.monotonic() + PATIENCE
            while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > deadline:
                    raise self._failed("its write-ahead log is in use")
                time.sleep(0.01)

    def pending(self) -> list[Erasure]:
        """Erasures that were done and whose entry is not known to be in the log."""
        with self._open() as db:
            found = db.execute("SELECT id, basis, scope, time, count FROM erasure WHERE count > 0 ORDER BY time")
            return [
                Erasure(id=id_, basis=cast(Basis, basis), scope=cast(Scope, scope), time=time_, count=count)
                for id_, basis, scope, time_, count in found
            ]

    def recorded(self, erasure: Erasure) -> None:
        """Its entry is durable. A crash just before this is why an erasure may be recorded twice."""
        with self._transaction() as db:
            db.execute("DELETE FROM erasure WHERE id = ?", (erasure.id,))

    # Parts

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._open(make=True) as db:
            # A crash before COMMIT has returned leaves the store as it was, or with all of the batch.
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    @contextlib.contextmanager
    def _open(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if self._db is None:
                if not make and not self._path.exists():
                    raise NotFound(
                        N_("There are no record keys in {directory}."),
                        remedy=N_("They are on the machine that made the records; the setting is ledger.keys_dir."),
                        code="record_key_not_found",
                        directory=self._path.parent,
                    )
                self._db = _connect(self._path, self._synchronous)
            yield self._db
        except (sqlite3.Error, OSError) as error:
            self.close()  # whatever is on disk is read again
            raise self._failed(error) from None
        except BaseException:
            if self._db is not None and self._db.in_transaction:
                self.close()
            raise

    def _failed(self, error: object) -> RiadError:
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        return LedgerUnavailable(
            N_("The record keys in {directory} cannot be used: {error}."),
            remedy=N_("The file is damaged: see docs/reference/ledger.md, Record keys.")
            if damaged
            else N_("Make room on that disk and see that Riad may write there; the ledger goes on by itself."),
            retry_after=5.0,
            directory=self._path.parent,
            error=getattr(error, "strerror", None) or error,
        )


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Created here and not by SQLite, whose mode would be the umask's; its -wal and -shm files take this one's.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            _begin(db)
    except BaseException:
        db.close()
        raise
    return db


def _begin(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA):
        raise sqlite3.OperationalError(f"it has format {version}, made by another version of Riad")
    if version == 0:
        db.execute("CREATE TABLE record (place INTEGER PRIMARY KEY, leaf BLOB NOT NULL, key BLOB, subject BLOB)")
        db.execute(
            "CREATE TABLE erasure (id TEXT PRIMARY KEY, basis TEXT NOT NULL, scope TEXT NOT NULL, "
            "time INTEGER NOT NULL, count INTEGER NOT NULL)"
        )
        db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")
