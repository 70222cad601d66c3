"""Which database a shard of the ledger is in, and the driver for it."""

from __future__ import annotations

from pathlib import Path

from riad.ledger.files import Files
from riad.ledger.sqlite import Sqlite
from riad.ledger.storage import Storage

SQLITE = "sqlite"  # in settings and the environment: a file in the data directory


def driver(files: Files, url: str, origin: str, *, reading: bool = False) -> Storage:
    """The driver of one shard. ``url`` names a PostgreSQL; empty: a file in the data directory.

    ``origin`` is the log's own. Raises ``BadSettings`` for a URL that cannot be.
    """
    if not url:
        return Sqlite(files, reading=reading)
    from riad.ledger.postgres import Postgres  # its driver is an optional part

    return Postgres(url, origin, files.shard, reading=reading)


def shards(data_dir: Path, url: str, origin: str = "") -> list[int]:
    """The shards that are there, oldest first. Raises ``LedgerUnavailable`` and ``BadSettings``."""
    if not url:
        return Files(data_dir).databases()
    from riad.ledger.postgres import Postgres

    database = Postgres(url, origin, 0, reading=True)
    try:
        return database.shards()
    finally:
        database.close()
