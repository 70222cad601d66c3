"""One ``Store``, two databases.

A transaction either reads or writes and says so: on SQLite a writer takes the write lock when it begins, so that it
waits its turn instead of failing half-way with a stale snapshot.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, extract, func, make_url, select
from sqlalchemy.engine import URL

from riad.errors import BadSettings, RiadError, Unavailable
from riad.store import upgrade
from riad.texts import N_

BUSY_SECONDS = 10.0  # how long a SQLite writer waits for its turn
_POSTGRES = {  # libpq's words; the same parameter in the URL wins
    "connect_timeout": "5",
    "tcp_user_timeout": "5000",
    "options": "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
}


class Store:
    """The database, open and at this version's schema. Safe to use from several threads; not across a fork."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._durable = engine.execution_options(riad_write="FULL")  # views of the same engine and pool
        self._swift = engine.execution_options(riad_write="NORMAL")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises ``Unavailable`` when the database does not answer."""
        with _answering(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back by an exception.

        ``durable=False`` is for counters: on SQLite the commit is not forced to disk, so a power cut (never a crash
        of this process) may undo the last ones. Raises ``Unavailable`` when the database does not answer, and lets
        SQLAlchemy's ``IntegrityError`` through.
        """
        with _answering(), (self._durable if durable else self._swift).begin() as connection:
            yield connection

    def insert(self, table: Table) -> Any:
        """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update`` (same words on both)."""
        if self.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # the same words
        return insert(table)

    def now(self, connection: Connection) -> float:
        """The database's own clock, in seconds since 1970: machines that share it need not agree on the time."""
        if self.is_sqlite:
            return time.time()
        return float(connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one())

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open(url: str) -> Store:
    """Open the database at that SQLAlchemy URL, creating and upgrading its tables as needed.

    Several processes may do this at once: one upgrades, the others wait. ``sqlite:///path`` and ``postgresql://…``
    are understood. Raises ``BadSettings`` for a URL that cannot work or a database newer than this Riad, and
    ``Unavailable`` for one that does not answer.
    """
    parsed = _parse(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    try:
        upgrade.upgrade(engine)
    except RiadError:
        engine.dispose()
        raise
    except (exc.SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise Unavailable(
            N_("The database {url} cannot be used: {reason}."),
            remedy=N_("Check store.url or RIAD_DATABASE_URL, and that the database is running."),
            url=parsed.render_as_string(hide_password=True),
            reason=_reason(error),
        ) from error
    return Store(engine)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except exc.ArgumentError:
        backend = ""
    if backend not in {"sqlite", "postgresql"}:
        raise BadSettings(
            N_("The database URL is not one Riad understands."),  # not shown: it may hold a password
            remedy=N_("Use sqlite:///path/to/riad.db or postgresql://user@host/database."),
        )
    return parsed


def _sqlite(url: URL) -> Engine:
    path = url.database
    if not path or path == ":memory:" or path.startswith("file:"):
        raise BadSettings(
            N_("An SQLite database needs a file: several processes share it."),
            remedy=N_("Use sqlite:///path/to/riad.db."),
        )
    try:
        # Ours alone before SQLite writes to it; its -wal and -shm files take the same permissions.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise BadSettings(
            N_("The database file {path} cannot be opened: {reason}."),
            remedy=N_("Check the data directory and who owns it."),
            path=path,
            reason=error.strerror,
        ) from None
    query = {"timeout": str(BUSY_SECONDS), **url.query}
    engine = create_engine(url.set(drivername="sqlite", query=query), hide_parameters=True)

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.execute("PRAGMA foreign_keys = ON")
        _use_wal(connection, path)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        durability = connection.get_execution_options().get("riad_write")
        if durability is None:
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql(f"PRAGMA synchronous = {durability}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection, path: str) -> None:
    """Readers and one writer at once. SQLite does not wait here by itself when others open the same new file."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise BadSettings(
            N_("The database file {path} is on a disk that several processes cannot share."),
            remedy=N_("Put the data directory on a local disk, or use PostgreSQL."),
            path=path,
        )


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg", query={**_POSTGRES, **url.query}),
            hide_parameters=True,
            # A worker has a key ring and a limiter: three connections. Twenty workers must not exhaust a server.
            pool_size=3,
            max_overflow=2,
            pool_timeout=5,
            pool_pre_ping=True,  # after a restart of the server the next transaction works, without an error in between
        )
    except ImportError:
        raise BadSettings(
            N_("PostgreSQL needs a driver that is not installed."),
            remedy=N_('Install it: pip install "riad[postgres]".'),
        ) from None


@contextmanager
def _answering() -> Iterator[None]:
    """Turn a database that fails to answer into ``Unavailable``, without its words: they may name hosts and users."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
        raise Unavailable(
            N_("The database does not answer."),
            remedy=N_("Try again in a moment. If it lasts, the operator can run riad doctor."),
            retry_after=1.0,
        ) from error


def _reason(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return (str(origin).strip().splitlines() or [type(origin).__name__])[0].rstrip(".")
