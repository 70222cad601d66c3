"""A shard in an SQLite file: one process writes it, any may read it.

One ``fsync`` a commit. Times on one core for 512 entries of 700 bytes: about 2 µs of CPU an entry.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

from riad.errors import BadSettings, EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger import disk
from riad.ledger.files import Files
from riad.ledger.minimum import delete_below, raise_minimum, read_minimum
from riad.ledger.mover import Mover
from riad.ledger.recovery import REMEDY
from riad.ledger.storage import Address, Head, Storage, tile_key
from riad.texts import N_

SCHEMA = 2
PAGE = 8192
MAX_PAGES = 4_294_967_294  # 35 TB, the most SQLite takes; a quarter of it by default


class Sqlite:
    """The driver for ``ledger.db`` and its like. ``reading``: another process writes, this one only reads."""

    shared = False

    def __init__(self, files: Files, *, reading: bool = False) -> None:
        self.name = files.database.name
        self._files = files
        self._path = files.database
        self._presence: disk.Presence | None = None  # of the files as they were when the connection was new
        self._reading = reading
        self._mover = Mover(files.database)
        self._db: sqlite3.Connection | None = None

    def inspect(self, signed: int, check: Callable[[Storage], object]) -> None:
        # To close a database that was open for writing moves its write-ahead log into it and deletes that.
        if self._db is not None:
            return
        with self._answering():
            disk.check(self._path, signed)
            written = self._path.exists() and self._path.stat().st_size
        if written:
            view = Sqlite(self._files)
            view._reading = True
            with contextlib.closing(view), self._answering():
                if view._version():
                    check(view)

    def begin(self, first: Callable[[], Head]) -> None:
        db = self._connection()
        with self._answering():
            version = self._version()
            if version == SCHEMA:
                return
            # The tables and the empty tree's checkpoint come in one transaction, as does an upgrade: a crash leaves
            # all of it, or an empty file, or the older format; each is taken up from here.
            with self._atomic(db):
                if version == 0:
                    self._create(db, first())
                else:
                    db.execute("ALTER TABLE checkpoint ADD COLUMN cose BLOB NOT NULL DEFAULT x''")
                db.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[str]:
        db = self._connection()
        # A crash before COMMIT has returned leaves the log as it was, or grown by the whole batch: SQLite replays its
        # write-ahead log up to the last complete commit.
        with self._answering(), self._atomic(db):
            yield self.note()
        with self._answering():
            if self._presence is None:
                self._presence = disk.Presence(self._path)
            self._presence.check()

    def write(self, before: int, entries: Sequence[bytes], tiles: Iterable[tuple[Address, bytes]], head: Head) -> None:
        db = self._connection()
        db.executemany("INSERT INTO entry (id, data) VALUES (?, ?)", zip(count(before), entries, strict=False))
        rows = [(tile_key(*address), hashes) for address, hashes in tiles]
        db.executemany("INSERT OR REPLACE INTO tile (id, hashes) VALUES (?, ?)", rows)
        db.execute("UPDATE checkpoint SET note = ?, cose = ?", (head.note, head.cose))
        self._mover.wrote(sum(map(len, entries)) + 4 * PAGE)

    def _version(self) -> int:
        """The format of the database, 0 for one that is still empty. Raises ``BadSettings`` for one not known."""
        (version,) = self._connection().execute("PRAGMA user_version").fetchone()
        if version not in (0, 1, SCHEMA):
            raise BadSettings(
                N_("{name} has format {found}; this Riad reads {known}."),
                remedy=N_("Use the version of Riad that wrote it."),
                name=self.name,
                found=version,
                known=SCHEMA,
            )
        return int(version)

    def note(self) -> str:
        return self._checkpoint("x''")[0]

    def head(self) -> tuple[str, bytes]:
        with self._answering():
            # A reader may meet the older format, until the writer has started once.
            names = [column[1] for column in self._connection().execute("PRAGMA table_info(checkpoint)")]
        return self._checkpoint("cose" if "cose" in names else "x''")

    def _checkpoint(self, cose: str) -> tuple[str, bytes]:
        query = f"SELECT CAST(note AS BLOB), CAST({cose} AS BLOB) FROM checkpoint"  # noqa: S608  (ours, above)
        with self._answering():
            row = self._connection().execute(query).fetchone()
        if row is None:
            raise EvidenceBroken(N_("{name} has lost its checkpoint."), remedy=REMEDY, name=self.name)
        return str(row[0], "utf-8", "replace"), bytes(row[1])

    def held(self) -> int:
        with self._answering():
            (last,) = self._connection().execute("SELECT max(id) FROM entry").fetchone()
        return 0 if last is None else int(last) + 1

    def entries(self, start: int, end: int) -> list[bytes]:
        query = "SELECT CAST(data AS BLOB) FROM entry WHERE id >= ? AND id < ? ORDER BY id"
        with self._answering():
            return [row[0] for row in self._connection().execute(query, (start, end))]

    def tiles(self, addresses: Sequence[Address]) -> dict[Address, bytes]:
        found = {}
        with self._answering():
            for address in addresses:
                query = "SELECT CAST(hashes AS BLOB) FROM tile WHERE id = ?"
                if row := self._connection().execute(query, (tile_key(*address),)).fetchone():
                    found[address] = bytes(row[0])
        return found

    def minimum(self) -> int:
        with self._answering():
            return read_minimum(self._connection())

    def prune(self, keep: int, size: int, *, vacuum: bool = False) -> None:
        db = self._connection()
        with self._answering():
            raise_minimum(db, keep)
            for _ in delete_below(db, keep, size):
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if vacuum:
                db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def bytes_held(self) -> int:
        files = [self._path, self._path.with_name(self._path.name + "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    def tidy(self) -> None:
        with self._answering():
            self._mover.tidy(self._connection())

    def close(self) -> None:
        self._mover.join()
        db, self._db, self._presence = self._db, None, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    @staticmethod
    def _create(db: sqlite3.Connection, head: Head) -> None:
        db.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        db.execute("CREATE TABLE tile (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL)")
        db.execute(
            "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 0), note TEXT NOT NULL, "
            "cose BLOB NOT NULL DEFAULT x'')"
        )
        db.execute("INSERT INTO checkpoint (id, note, cose) VALUES (0, ?, ?)", (head.note, head.cose))

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            with self._answering():
                self._db = self._open()
        return self._db

    def _open(self) -> sqlite3.Connection:
        if not self._reading:
            return _connect(self._path)
        if not self._path.exists():
            raise NotFound(
                N_("There is no ledger in {directory}."),
                remedy=N_("Start the platform once with `riad up`, or give --data-dir."),
                directory=self._path.parent,
            )
        uri = self._path.absolute().as_uri() + "?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)

    @contextlib.contextmanager
    def _atomic(self, db: sqlite3.Connection) -> Iterator[None]:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            # Where even this fails the connection is closed soon after: its owner drops what it knew.
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.IntegrityError, OSError) as error:
            raise self._unavailable(error) from None
        except sqlite3.DatabaseError as error:
            broken = N_("{name} is damaged: {error}.")
            raise EvidenceBroken(broken, remedy=REMEDY, name=self.name, error=error) from None

    def _unavailable(self, error: Exception) -> LedgerUnavailable:
        if self._reading:
            message = N_("The ledger in {directory} cannot be read: {error}.")
            remedy = N_("See that Riad may read and write there, and that the disk works and has room.")
        else:
            message = N_("The ledger in {directory} cannot be used: {error}.")
            remedy = N_("Make room on that disk and see that it works; the ledger goes on by itself.")
        return LedgerUnavailable(message, remedy=remedy, retry_after=5.0, directory=self._path.parent, error=error)


def _connect(path: Path) -> sqlite3.Connection:
    # Created here and not by SQLite, whose mode would be the umask's; its -wal and -shm files take this one's.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE}")
        db.execute(f"PRAGMA max_page_count = {MAX_PAGES}")
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError("the file system does not support SQLite's write-ahead log")
        db.execute("PRAGMA synchronous = FULL")  # COMMIT returns after fsync; NORMAL measured no faster
        db.execute("PRAGMA wal_autocheckpoint = 0")  # the mover does it
    except BaseException:
        db.close()
        raise
    return db
