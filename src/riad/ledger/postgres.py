"""A shard in PostgreSQL: every machine's owner commits to it, one at a time.

Whoever holds the transaction lock of the log (``pg_advisory_xact_lock``, a number made of its origin) is its one
sequencer, for one transaction. The lock is the database's: it ends with the transaction, with the connection, and with
the server, so that there is nothing to hand over and nothing to expire. The checkpoint's row is compared and swapped
all the same, should somebody write without the lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from riad.errors import BadSettings, EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger.place import is_shard
from riad.ledger.recovery import REMEDY
from riad.ledger.storage import Address, Head, Storage, address_of, tile_key
from riad.ledger.tiles import HEIGHT, WIDTH
from riad.texts import N_

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = 2  # the format's number, as SQLite's
BATCH = WIDTH * WIDTH  # entries deleted in one statement
FEW = 32  # entries; up to here one INSERT is quicker than COPY
_DEFAULTS = {  # libpq's words; the same parameter in the URL wins
    "connect_timeout": "5",
    "tcp_user_timeout": "5000",
    # The last bounds how long a machine that froze in its transaction can hold the lock.
    "options": "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=5s",
    "application_name": "riad ledger",
}
_TABLES = (
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    "CREATE TABLE {schema}.entry (id bigint PRIMARY KEY, data bytea NOT NULL)",
    "CREATE TABLE {schema}.tile (id bigint PRIMARY KEY, hashes bytea STORAGE EXTERNAL NOT NULL)",  # they do not shrink
    "CREATE TABLE {schema}.checkpoint (id integer PRIMARY KEY CHECK (id = 0), format integer NOT NULL, "
    "size bigint NOT NULL, note text NOT NULL, cose bytea NOT NULL, minimum bigint NOT NULL DEFAULT 0)",
)
_PUT_TILES = (
    "INSERT INTO {schema}.tile SELECT * FROM unnest(%b::int8[], %b::bytea[]) "
    "ON CONFLICT (id) DO UPDATE SET hashes = excluded.hashes"
)
_HEAD = "SELECT format, note, cose FROM {schema}.checkpoint"
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_ROW = struct.Struct(">hiqi")


class Postgres:
    """The driver for the schema ``riad_ledger`` and its like."""

    shared = True

    def __init__(self, url: str, origin: str, shard: int, *, reading: bool = False) -> None:
        """``url`` is an SQLAlchemy or libpq URL, ``origin`` the log's own: all its shards have one lock.

        Raises ``BadSettings`` for a URL that is none, and where the driver is not installed.
        """
        self.schema = schema(shard)
        self.name = f"PostgreSQL's {self.schema}"
        self._parameters = _parameters(url)
        self._number = int.from_bytes(hashlib.sha256(b"riad ledger\0" + origin.encode()).digest()[:8], signed=True)
        self._reading = reading
        self._db: Connection[Any] | None = None
        self._open = False  # whether a transaction is

    def inspect(self, signed: int, check: Callable[[Storage], object]) -> None:
        """Nothing: the transaction in which it is begun and verified changes nothing where it is refused."""

    def begin(self, first: Callable[[], Head]) -> None:
        if self._exists():
            return
        with self._answering(), self._connection() as db, db.transaction():
            db.execute(self._lock)
            if self._exists():  # another machine was first
                return
            head = first()
            for statement in _TABLES:
                db.execute(self._sql(statement))
            first_row = self._sql("INSERT INTO {schema}.checkpoint VALUES (0, %s, 0, %s, %s, 0)")
            db.execute(first_row, (SCHEMA, head.note, head.cose))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[str]:
        # A crash, of ours or of the server, before COMMIT has returned leaves the log as it was or grown by the whole
        # batch. Ours also ends the connection, and with it the transaction and its lock.
        with self._answering(), self._connection() as db:
            said: list[str] = []
            db.add_notice_handler(notice := lambda message: said.append(message.severity_nonlocalized or ""))
            try:
                with db.transaction():
                    note = self._locked_note(db)
                    self._open = True
                    yield note
            finally:
                self._open = False
                db.remove_notice_handler(notice)
            if "WARNING" in said:
                # "committed locally, but might not have been replicated", for one: not what was promised.
                self._unavailable(None)

    def write(self, before: int, entries: Sequence[bytes], tiles: Iterable[tuple[Address, bytes]], head: Head) -> None:
        with self._connection() as db:
            if len(entries) <= FEW:
                ids = list(range(before, before + len(entries)))
                query = self._sql("INSERT INTO {schema}.entry SELECT * FROM unnest(%b::int8[], %b::bytea[])")
                db.execute(query, (ids, list(entries)))
            else:
                with db.cursor().copy(self._sql("COPY {schema}.entry FROM STDIN (FORMAT binary)")) as copy:
                    copy.write(_rows(before, entries))
            rows = list(tiles)
            keys, hashes = [tile_key(*address) for address, _ in rows], [data for _, data in rows]
            db.execute(self._sql(_PUT_TILES), (keys, hashes))
            swap = self._sql("UPDATE {schema}.checkpoint SET size = %s, note = %s, cose = %s WHERE size = %s")
            swapped = db.execute(swap, (head.size, head.note, head.cose, before))
            if swapped.rowcount != 1:
                raise EvidenceBroken(
                    N_("Somebody wrote the checkpoint in {name} without the ledger's lock."),
                    remedy=REMEDY,
                    name=self.name,
                )

    def note(self) -> str:
        return self.head()[0]

    def head(self) -> tuple[str, bytes]:
        return self._checked(self._one(_HEAD))

    def _checked(self, row: tuple[Any, ...] | None) -> tuple[str, bytes]:
        if row is None:
            raise EvidenceBroken(N_("{name} has lost its checkpoint."), remedy=REMEDY, name=self.name)
        if row[0] != SCHEMA:
            raise BadSettings(
                N_("{name} has format {found}; this Riad reads {known}."),
                remedy=N_("Use the version of Riad that wrote it."),
                name=self.name,
                found=row[0],
                known=SCHEMA,
            )
        return str(row[1]), bytes(row[2])

    def held(self) -> int:
        row = self._one("SELECT max(id) FROM {schema}.entry")
        return 0 if row is None or row[0] is None else int(row[0]) + 1

    def entries(self, start: int, end: int) -> list[bytes]:
        rows = self._all("SELECT data FROM {schema}.entry WHERE id >= %s AND id < %s ORDER BY id", start, end)
        return [bytes(row[0]) for row in rows]

    def tiles(self, addresses: Sequence[Address]) -> dict[Address, bytes]:
        if not addresses:
            return {}
        keys = [tile_key(*address) for address in addresses]
        rows = self._all("SELECT id, hashes FROM {schema}.tile WHERE id = ANY(%s)", keys)
        return {address_of(key): bytes(hashes) for key, hashes in rows}

    def minimum(self) -> int:
        row = self._one("SELECT minimum FROM {schema}.checkpoint")
        return int(row[0]) if row else 0

    def prune(self, keep: int, size: int, *, vacuum: bool = False) -> None:
        with self._answering(), self._connection() as db:
            # Each statement is a transaction of its own, of few enough rows for its time limit.
            db.execute(self._sql("UPDATE {schema}.checkpoint SET minimum = greatest(minimum, %s)"), (keep,))
            first = self._one("SELECT min(id) FROM {schema}.entry")
            for start in range(first[0] if first and first[0] is not None else keep, keep, BATCH):
                db.execute(self._sql("DELETE FROM {schema}.entry WHERE id < %s"), (min(start + BATCH, keep),))
            for level in range(-(-size.bit_length() // HEIGHT)):
                ends = (tile_key(level, 0), tile_key(level, keep >> HEIGHT * (level + 1)))
                db.execute(self._sql("DELETE FROM {schema}.tile WHERE id >= %s AND id < %s"), ends)
            if vacuum:
                db.execute("SET statement_timeout = 0")
                db.execute(self._sql("VACUUM FULL {schema}.entry"))
                db.execute(self._sql("VACUUM FULL {schema}.tile"))
        self.close()

    def bytes_held(self) -> int:
        tables = "SELECT sum(pg_total_relation_size(c.oid))::int8 FROM pg_class c JOIN pg_namespace n ON n.oid = "
        row = self._one(tables + "relnamespace WHERE nspname = %s AND relkind = 'r'", self.schema)
        return int(row[0] or 0) if row else 0

    def shards(self) -> list[int]:
        """The shards this database holds, oldest first."""
        rows = self._all("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'riad\\_ledger%%'")
        years = {str(name).removeprefix("riad_ledger").removeprefix("_") or "0" for (name,) in rows}
        return sorted(int(year) for year in years if year.isdigit() and is_shard(int(year)))

    def tidy(self) -> None:
        """PostgreSQL's autovacuum does it."""

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(Exception):
                db.close()

    def _exists(self) -> bool:
        # By the snapshot of the statement: to_regclass answers from a cache, which waiting for the lock does not renew.
        table = (
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relname = %s"
        )
        return self._one(table, self.schema, "checkpoint") is not None

    @property
    def _lock(self) -> bytes:
        # Said in each transaction: a connection pooler between us and the server may have forgotten what was said once.
        return b"SET LOCAL synchronous_commit = on; SELECT pg_advisory_xact_lock(%d)" % self._number

    def _locked_note(self, db: Connection[Any]) -> str:
        # One journey, three statements: the last has its own snapshot, taken under the lock.
        cursor = db.execute(self._lock + b"; " + self._sql(_HEAD))
        while cursor.nextset():
            pass
        return self._checked(cursor.fetchone())[0]

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        from psycopg import OperationalError

        with self._answering():
            try:
                with self._connection() as db:
                    return db.execute(self._sql(query), values, binary=True).fetchall()
            except OperationalError:
                if not self._reading:
                    raise
            # A server that was restarted leaves a connection that only now turns out to be broken.
            self.close()
            with self._connection() as db:
                return db.execute(self._sql(query), values, binary=True).fetchall()

    def _sql(self, text: str) -> bytes:
        return text.replace("{schema}", self.schema).encode()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection[Any]]:
        """The connection, made anew where it broke, though never in the middle of a transaction."""
        import psycopg

        if self._db is None or self._db.closed:
            if self._open:
                raise psycopg.OperationalError("the connection broke in a transaction")
            self._db = psycopg.connect(**self._parameters, autocommit=True)
            self._db.isolation_level = psycopg.IsolationLevel.READ_COMMITTED  # each statement sees the newest commit
            self._db.prepare_threshold = None  # poolers between us and the server
        yield self._db

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn what PostgreSQL says into our errors, without its words: they may name hosts and users."""
        from psycopg import Error, errors

        try:
            yield
        except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
            raise NotFound(
                N_("There is no ledger in {name}."),
                remedy=N_("Start the platform once with `riad up`, or correct ledger.url."),
                name=self.name,
            ) from error
        except (errors.DataCorrupted, errors.IndexCorrupted) as error:
            broken = N_("{name} is damaged: {error}.")
            raise EvidenceBroken(broken, remedy=REMEDY, name=self.name, error=error.sqlstate) from error
        except (Error, OSError) as error:
            self._unavailable(error)

    def _unavailable(self, error: Exception | None) -> NoReturn:
        raise LedgerUnavailable(
            N_("The ledger's database does not answer as it should."),
            remedy=N_("Try again in a moment. If it lasts, the operator can run riad doctor."),
            retry_after=2.0,
        ) from error


def schema(shard: int) -> str:
    """The schema that a shard's tables are in."""
    return f"riad_ledger_{shard}" if shard else "riad_ledger"


def _rows(first: int, entries: Sequence[bytes]) -> bytes:
    """Entries as PostgreSQL's binary COPY wants them (its manual, COPY, Binary Format)."""
    parts = [_COPY_HEAD]
    for index, entry in enumerate(entries, first):
        parts += (_ROW.pack(2, 8, index, len(entry)), entry)
    parts.append(b"\xff\xff")
    return b"".join(parts)


def _parameters(url: str) -> dict[str, Any]:
    """What libpq is told. Never shows the URL: it may hold a password."""
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise BadSettings(
            N_("PostgreSQL needs a driver that is not installed."),
            remedy=N_('Install it: pip install "riad[postgres]".'),
        ) from None
    kind, separator, rest = url.partition("://")
    try:
        if not separator or kind.partition("+")[0] not in ("postgresql", "postgres"):
            raise ProgrammingError
        return {**_DEFAULTS, **conninfo_to_dict("postgresql://" + rest)}
    except ProgrammingError:
        raise BadSettings(
            N_("The ledger's database URL is not one Riad understands."),
            remedy=N_('Set ledger.url to postgresql://user@host/database, or to "sqlite".'),
        ) from None
