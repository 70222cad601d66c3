"""What a witness remembers, in SQLite: the logs it knows, the newest checkpoint of each, and evidence against them.

A cosignature leaves this process only after the checkpoint under it is on disk (``synchronous = FULL``). Checking the
newest size and storing the next is one transaction that holds SQLite's write lock, so that two requests at once, even
in two processes, can never both extend the same tree.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from riad.errors import BadSettings, NotFound, Unavailable
from riad.ledger.merkle import EMPTY_ROOT
from riad.ledger.note import Verifier
from riad.texts import N_

DATABASE = "witness.db"
SCHEMA = 1
MAX_FORKS = 100  # kept of one log: one is proof enough, and a liar shall not fill the disk


class Seen(NamedTuple):
    """The newest checkpoint of a log that was cosigned: ``note`` with the cosignatures, ``time`` in POSIX seconds."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: str = ""
    time: int = 0


class Fork(NamedTuple):
    """Proof that a log showed two histories: both signed notes, and the proof that joins them where sizes differ."""

    origin: str
    time: int
    first: str
    second: str
    proof: str


class Memory:
    """The witness's database. Methods may be called from any thread.

    All raise ``Unavailable`` where the database cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / DATABASE
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._drop()

    def trust(self, verifier: Verifier) -> bool:
        """Witness a log that this key signs from now on; False where it was so already."""
        with self._writing() as db:
            row = (verifier.name, verifier.vkey)
            return db.execute("INSERT OR IGNORE INTO key (origin, vkey) VALUES (?, ?)", row).rowcount == 1

    def distrust(self, log: str) -> list[str]:
        """Stop witnessing a log, by its origin or one of its keys; → the keys. What was seen of it stays remembered.

        Raises ``NotFound``.
        """
        with self._writing() as db:
            rows = db.execute("DELETE FROM key WHERE origin = ? OR vkey = ? RETURNING vkey", (log, log)).fetchall()
        if not rows:
            raise NotFound(
                N_("This witness does not know the log {log}."),
                remedy=N_("`riad witness logs` lists those it knows."),
                log=log,
            )
        return [vkey for (vkey,) in rows]

    def keys(self, origin: str) -> list[Verifier]:
        """The keys trusted for a log; none where it is unknown."""
        with self._reading() as db:
            rows = db.execute("SELECT vkey FROM key WHERE origin = ? ORDER BY rowid", (origin,)).fetchall()
        return [Verifier.parse(vkey) for (vkey,) in rows]

    def logs(self) -> dict[str, list[str]]:
        """Every log that is witnessed: its origin and its keys."""
        found: dict[str, list[str]] = {}
        with self._reading() as db:
            for origin, vkey in db.execute("SELECT origin, vkey FROM key ORDER BY origin, rowid"):
                found.setdefault(origin, []).append(vkey)
        return found

    def seen(self, origin: str) -> Seen:
        """The newest checkpoint cosigned of a log, the empty tree where none was."""
        with self._reading() as db:
            return _seen(db, origin)

    def forks(self, origin: str | None = None) -> list[Fork]:
        """Evidence of two histories, oldest first."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT origin, time, first, second, proof FROM fork WHERE origin = ?1 OR ?1 IS NULL ORDER BY rowid",
                (origin,),
            ).fetchall()
        return [Fork(*row) for row in rows]

    @contextlib.contextmanager
    def extending(self, origin: str) -> Iterator[tuple[Seen, Extend]]:
        """The newest checkpoint, and what stores the next; nobody else can store one until this block ends.

        The block's end is the commit: a crash before it leaves the older checkpoint, and nothing was answered.
        """
        with self._writing() as db:
            yield _seen(db, origin), Extend(db, origin)

    def accuse(self, fork: Fork) -> bool:
        """Keep evidence of two histories; False where this was known or enough is kept."""
        with self._writing() as db:
            (count,) = db.execute("SELECT count(*) FROM fork WHERE origin = ?", (fork.origin,)).fetchone()
            if count >= MAX_FORKS:
                return False
            return db.execute("INSERT OR IGNORE INTO fork VALUES (?, ?, ?, ?, ?)", fork).rowcount == 1

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db = self._db or _open(self._path)
                yield self._db
            except (sqlite3.Error, OSError) as error:
                self._drop()  # whether a failed commit is on disk, the disk says to the next caller
                raise Unavailable(
                    N_("The witness's memory {path} cannot be used: {error}."),
                    remedy=N_("Make room on that disk; put back its newest copy if it is broken."),
                    path=self._path,
                    error=error,
                ) from None

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()


class Extend:
    """Stores a log's newest checkpoint, within the transaction of ``Memory.extending``."""

    def __init__(self, db: sqlite3.Connection, origin: str) -> None:
        self._db = db
        self._origin = origin

    def __call__(self, seen: Seen) -> None:
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)", (self._origin, *seen))


def now() -> int:
    """POSIX seconds."""
    return int(time.time())


def _seen(db: sqlite3.Connection, origin: str) -> Seen:
    row = db.execute("SELECT size, root, note, time FROM seen WHERE origin = ?", (origin,)).fetchone()
    return Seen(*row) if row else Seen()


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # by SQLite its mode would be the umask's
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            db.execute("CREATE TABLE key (origin TEXT NOT NULL, vkey TEXT PRIMARY KEY)")
            db.execute("CREATE TABLE seen (origin TEXT PRIMARY KEY, size INTEGER, root BLOB, note TEXT, time INTEGER)")
            db.execute(
                "CREATE TABLE fork (origin TEXT, time INTEGER, first TEXT, second TEXT, proof TEXT, "
                "UNIQUE (origin, first, second))"
            )
            db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.execute("COMMIT")
        if version not in (0, SCHEMA):
            raise BadSettings(
                N_("{name} has format {found}; this Riad reads {known}."),
                remedy=N_("Use the version of Riad that wrote it."),
                name=DATABASE,
                found=version,
                known=SCHEMA,
            )
    except BaseException:
        db.close()
        raise
    return db
