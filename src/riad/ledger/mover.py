"""Moves SQLite's write-ahead log into the database beside the commits, which would otherwise wait for it.

The write-ahead log grows until all of it is in the database at a moment when nobody writes; then SQLite begins it
again. A pass on a thread moves what is there while commits go on adding; when a pass leaves little behind, the last
bit is moved by the writer itself, between two commits.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from threading import Thread

START = 16 * 1024 * 1024  # bytes of write-ahead log that begin a move
LITTLE = 1024 * 1024  # bytes the writer moves itself, in a few milliseconds
MOST = 8 * START  # bytes at which the writer moves all of it, however long that takes: the disk is too slow


class Mover:
    """Decides when to move and does it. ``wrote`` and ``tidy`` are for the log's one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: Thread | None = None
        self._unmoved = 0  # bytes, about
        self._added = 0  # of them, since the last pass began

    def wrote(self, size: int) -> None:
        """Count what a commit added."""
        self._unmoved += size
        self._added += size

    def tidy(self, db: sqlite3.Connection) -> None:
        """Between two commits: begin a pass, or end a move. Raises ``sqlite3.Error``."""
        if self._thread is None:
            if self._unmoved >= START:
                self._begin()
        elif not self._thread.is_alive():
            self._thread.join()
            if self._added > LITTLE and self._unmoved < MOST:
                self._begin()
            else:
                # A crash in the middle leaves the write-ahead log whole: it is replayed, and moved again.
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                self._thread, self._unmoved = None, 0

    def join(self) -> None:
        """Wait for a pass under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _begin(self) -> None:
        self._added = 0
        self._thread = Thread(target=self._pass, name="move")
        self._thread.start()

    def _pass(self) -> None:
        # What fails here fails again where the writer ends the move, and is reported there.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self._path)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
