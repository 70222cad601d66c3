"""What a database file must be before SQLite opens it, and must stay while it is open.

SQLite itself would not mind: it begins a new database where the old one is missing, and deletes the write-ahead log it
finds beside it, which may hold the newest entries; and it goes on writing into a file that somebody has deleted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from riad.errors import EvidenceBroken, LedgerUnavailable
from riad.texts import N_

PUT_BACK = N_("Nothing was changed. Put the ledger's newest copy back, with its -wal file if there is one.")


def check(database: Path, signed: int) -> None:
    """Refuse to begin a new database where one of ``signed`` entries, or what is left of one, should be.

    Raises ``EvidenceBroken``, and ``OSError`` where the disk does not answer.
    """
    try:
        found = database.stat()
    except FileNotFoundError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise EvidenceBroken(N_("{name} is not a file."), remedy=PUT_BACK, name=database.name)
    if found is not None and found.st_size:
        return
    if signed:
        raise EvidenceBroken(
            N_("{name} is missing or empty, but {signed} entries were signed."),
            remedy=PUT_BACK,
            name=database.name,
            signed=signed,
        )
    # Empty and unsigned, it is what a crash leaves while a ledger begins; but that leaves nothing beside it.
    wal = _wal(database)
    if wal.exists() and wal.stat().st_size:
        raise EvidenceBroken(
            N_("{name} is missing or empty, but {wal} holds entries of it."),
            remedy=PUT_BACK,
            name=database.name,
            wal=wal.name,
        )


class Presence:
    """Notices that an open database, or its write-ahead log, was deleted or replaced under its writer."""

    def __init__(self, database: Path) -> None:
        """Remember both, as they are now. Raises ``OSError``."""
        self._files = {path: _identity(path) for path in (database, _wal(database))}

    def check(self) -> None:
        """Raises ``LedgerUnavailable`` where one is not what it was: what was just written may go with this process.

        Close the connection then. Where only the write-ahead log was deleted, that moves all of it into the database.
        """
        for path, identity in self._files.items():
            if _identity(path) != identity:
                raise LedgerUnavailable(
                    N_("{path} was deleted or replaced while the ledger was written."),
                    remedy=N_("Put back the file that was there; the ledger goes on by itself if nothing is lost."),
                    retry_after=5.0,
                    path=path,
                )


def _wal(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
