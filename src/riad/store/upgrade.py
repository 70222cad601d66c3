"""Bring a database to this version's schema: once, whoever comes first, while the others wait."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text

from riad.errors import BadSettings
from riad.store.tables import SCHEMA, VERSION_TABLE
from riad.texts import N_

_LOCK = 0x72696164  # "riad": the advisory lock's number on PostgreSQL
_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Create or upgrade the tables, all or nothing.

    A crash on the way leaves the database as it was: both databases undo table changes with their transaction.
    Raises ``BadSettings`` when the database was made by a newer Riad.
    """
    with engine.begin() as connection:
        if found(connection) == SCHEMA:  # nearly always: no lock, and Alembic is not even imported
            return
    with engine.connect().execution_options(riad_write="FULL") as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        if found(connection) != SCHEMA:  # another process may have done it while we waited
            _migrate(connection)


def found(connection: Connection) -> str | None:
    """The schema this database has; None when it is new. Raises ``BadSettings`` when it is newer than this Riad."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  (constant)
    if version is not None and not ("0001" <= version <= SCHEMA and len(version) == len(SCHEMA)):
        raise BadSettings(
            N_("The database has schema {found}; this Riad knows none after {known}."),
            remedy=N_("Run the newer Riad that upgraded it, or restore the backup made before the upgrade."),
            found=version,
            known=SCHEMA,
        )
    return version


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
