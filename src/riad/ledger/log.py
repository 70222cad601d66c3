"""The log in SQLite: entries, tiles and checkpoint grow together, in one transaction, under one owner.

A log is verified when it is opened (``recovery``) and continued from there. What a crash leaves is said where it can
happen. Times on one core for 512 entries of 700 bytes: about 2 µs of CPU an entry, and one ``fsync`` a batch.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NoReturn

from riad.errors import BadSettings, EvidenceBroken, LedgerUnavailable
from riad.ledger import disk, keys
from riad.ledger.anchor import Anchor
from riad.ledger.files import Files
from riad.ledger.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash
from riad.ledger.mover import Mover
from riad.ledger.note import Checkpoint
from riad.ledger.recovery import REMEDY, State, tile_key, verified
from riad.ledger.tiles import HEIGHT, MAX_ENTRY, WIDTH
from riad.texts import N_

SCHEMA = 1
TILE_BYTES = WIDTH * HASH_SIZE
PAGE = 8192


class Log:
    """The one writer of a ledger. Not for use from several threads at once."""

    def __init__(self, files: Files, origin: str, lock: int) -> None:
        """Use ``Log.open``."""
        self._files = files
        self._lock = lock
        self._signer = keys.load_or_create(files, origin)
        self._anchor = Anchor(files.anchor, self._signer.verifier)
        self._db: sqlite3.Connection | None = None
        self._presence: disk.Presence
        self._state: State | None = None
        self._mover = Mover(files.database)

    @classmethod
    def open(cls, data_dir: Path, origin: str) -> Log:
        """Open and verify the ledger in a directory, or begin it there.

        Raises ``LedgerUnavailable`` where another process owns it, ``EvidenceBroken`` where it does not verify,
        ``BadSettings`` and ``BadRequest`` for an origin or a key that cannot be.
        """
        files = Files(data_dir)
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _lock(files)
        except OSError as error:
            raise LedgerUnavailable(
                N_("The ledger cannot use {directory}: {error}."),
                remedy=N_("Give Riad a data directory it may write to."),
                directory=data_dir,
                error=error.strerror,
            ) from None
        try:
            log = cls(files, origin, lock)
            log._load()
        except BaseException:
            os.close(lock)
            raise
        return log

    @property
    def origin(self) -> str:
        return self._signer.verifier.name

    @property
    def vkey(self) -> str:
        return self._signer.verifier.vkey

    @property
    def size(self) -> int:
        """How many entries are durable. After a failed append it reads the disk again and raises as ``append``."""
        return (self._state or self._load()).frontier.size

    def append(self, entries: Sequence[bytes], leaves: Sequence[bytes] | None = None) -> int:
        """Append entries, durably, and return the index of the first.

        ``leaves`` are their leaf hashes, where the caller has them. Raises ``LedgerUnavailable`` if they could not be
        written: none is acknowledged then, all of them or none are in the log, and the next call verifies the log anew.
        Raises ``EvidenceBroken`` if it no longer verifies.
        """
        if any(not 0 < len(entry) <= MAX_ENTRY for entry in entries):
            raise ValueError(f"an entry has 1 to {MAX_ENTRY} bytes")
        before = self._state or self._load()
        first = before.frontier.size
        if not entries:
            return first
        after, tiles = self._grow(before, [leaf_hash(entry) for entry in entries] if leaves is None else leaves)
        db = self._connection()
        try:
            # A crash before COMMIT has returned leaves the log as it was, or grown by the whole batch: SQLite replays
            # its write-ahead log up to the last complete commit. Nobody was answered, so either is right.
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO entry (id, data) VALUES (?, ?)", zip(count(first), entries, strict=False))
            db.executemany("INSERT OR REPLACE INTO tile (id, hashes) VALUES (?, ?)", tiles)
            db.execute("UPDATE checkpoint SET note = ?", (after.note,))
            db.execute("COMMIT")
            self._presence.check()
        except (sqlite3.Error, OSError, LedgerUnavailable) as error:
            self._fail(error)
        # A crash from here on leaves the batch in the log: whoever was waiting may find it there, unacknowledged.
        self._state = after
        self._mover.wrote(sum(map(len, entries)) + 4 * PAGE)
        return first

    def settle(self) -> None:
        """What a batch still needs once its writers have been answered: the anchor, and now and then the mover.

        Raises ``LedgerUnavailable``; the batch is durable all the same, and the next append mends what failed here.
        """
        if self._state is None:
            return
        try:
            # A crash before this leaves the anchor some batches behind the database: the next start accepts that.
            self._anchor.write(self._state.note)
            self._mover.tidy(self._connection())
        except (sqlite3.Error, OSError) as error:
            self._fail(error)

    def close(self) -> None:
        """Let go of the ledger; another process may own it then."""
        self._drop()
        self._anchor.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _grow(self, state: State, leaves: Sequence[bytes]) -> tuple[State, list[tuple[int, bytes]]]:
        frontier, grown = state.frontier.extend(leaves, HEIGHT)
        edges = [*state.edges, *[b""] * (len(grown) - len(state.edges))]
        tiles = []
        for level, hashes in enumerate(grown):
            first = (state.frontier.size >> HEIGHT * level) // WIDTH
            data = edges[level] + b"".join(hashes)
            starts = range(0, len(data), TILE_BYTES)
            tiles += [(tile_key(level, first + n), data[at : at + TILE_BYTES]) for n, at in enumerate(starts)]
            edges[level] = data[len(data) // TILE_BYTES * TILE_BYTES :]
        checkpoint = Checkpoint(self.origin, frontier.size, frontier.root())
        return State(self._signer.sign(checkpoint.text), frontier, tuple(edges)), tiles

    def _load(self) -> State:
        """Open the database if it is not, verify it, and bring the anchor up to it."""
        if self._lock < 0:
            raise LedgerUnavailable(N_("The ledger is closed."))
        try:
            anchor = self._anchor.read()
            if self._db is None:
                self._look(anchor)
                self._db = _connect(self._files.database)
                self._prepare(self._db)
            state = verified(self._db, self._signer.verifier, anchor)
            self._presence = disk.Presence(self._files.database)
            self._anchor.create(state.note)
        except (sqlite3.OperationalError, OSError) as error:
            self._fail(error)
        except sqlite3.DatabaseError as error:
            self._drop()
            raise EvidenceBroken(N_("ledger.db is damaged: {error}."), remedy=REMEDY, error=error) from None
        except BaseException:
            self._drop()
            raise
        self._state = state
        return state

    def _look(self, anchor: Checkpoint | None) -> None:
        """Verify without a hand on the database: to close one that was open for writing moves its write-ahead log
        into it and deletes that, and a refusal changes nothing on disk."""
        path = self._files.database
        disk.check(path, anchor.size if anchor else 0)
        if path.exists() and path.stat().st_size:
            uri = path.absolute().as_uri() + "?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
                if _version(db):
                    verified(db, self._signer.verifier, anchor)

    def _prepare(self, db: sqlite3.Connection) -> None:
        if _version(db) == 0:
            # The tables and the empty tree's checkpoint come in one transaction: a crash leaves all of it or an empty
            # file, and an empty file is begun again here (unless the anchor knows better).
            empty = self._signer.sign(Checkpoint(self.origin, 0, EMPTY_ROOT).text)
            db.execute("BEGIN IMMEDIATE")
            db.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, data BLOB NOT NULL)")
            db.execute("CREATE TABLE tile (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL)")
            db.execute("CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 0), note TEXT NOT NULL)")
            db.execute("INSERT INTO checkpoint VALUES (0, ?)", (empty,))
            db.execute(f"PRAGMA user_version = {SCHEMA}")
            db.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise LedgerUnavailable(N_("The ledger is closed."))
        return self._db

    def _drop(self) -> None:
        """Forget everything that is not on disk."""
        self._mover.join()
        db, self._db, self._state = self._db, None, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _fail(self, error: Exception) -> NoReturn:
        # Whether a failed commit is on disk is for the disk to say: memory is dropped, and the next call reads it
        # again through the same door as a start.
        self._drop()
        if isinstance(error, LedgerUnavailable):
            raise error
        raise LedgerUnavailable(
            N_("The ledger in {directory} cannot be used: {error}."),
            remedy=N_("Make room on that disk and see that it works; the ledger goes on by itself."),
            retry_after=5.0,
            directory=self._files.data_dir,
            error=error,
        ) from None


def _connect(path: Path) -> sqlite3.Connection:
    # Created here and not by SQLite, whose mode would be the umask's; its -wal and -shm files take this one's.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE}")
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError("the file system does not support SQLite's write-ahead log")
        db.execute("PRAGMA synchronous = FULL")  # COMMIT returns after fsync; NORMAL measured no faster
        db.execute("PRAGMA wal_autocheckpoint = 0")  # the mover does it
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    """The format of a database, 0 for one that is still empty. Raises ``BadSettings`` for one that is not known."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA):
        raise BadSettings(
            N_("ledger.db has format {found}; this Riad reads {known}."),
            remedy=N_("Use the version of Riad that wrote it."),
            found=version,
            known=SCHEMA,
        )
    return int(version)


def _lock(files: Files) -> int:
    """Own the ledger until the descriptor is closed or the process is gone, however it goes."""
    descriptor = os.open(files.lock, os.O_RDWR | os.O_CREAT, 0o600)
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
