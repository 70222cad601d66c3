"""The minimum index of a log in SQLite: below it, entries and tiles may be gone (C2SP tlog-tiles, Pruning).

It stands in the database itself, in a table that only a pruned log has, and is raised before anything is deleted: a
crash between the two leaves rows that nobody promises any more, and the next prune deletes them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from riad.ledger.storage import tile_key
from riad.ledger.tiles import HEIGHT, WIDTH

BATCH = WIDTH * WIDTH  # rows deleted in one transaction: some 40 MB of write-ahead log


def read_minimum(db: sqlite3.Connection) -> int:
    """The lowest index whose entry the log promises to have, 0 where it was never pruned."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'pruned'").fetchone() is None:
        return 0
    row = db.execute("SELECT minimum FROM pruned").fetchone()
    return int(row[0]) if row else 0


def raise_minimum(db: sqlite3.Connection, minimum: int) -> None:
    """Promise nothing below ``minimum`` any more; durable when it returns."""
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TABLE IF NOT EXISTS pruned (id INTEGER PRIMARY KEY CHECK (id = 0), minimum INTEGER NOT NULL)")
    db.execute("INSERT OR REPLACE INTO pruned VALUES (0, ?)", (minimum,))
    db.execute("COMMIT")


def delete_below(db: sqlite3.Connection, minimum: int, size: int) -> Iterator[int]:
    """Delete the entries and the tiles that end at or below ``minimum``; yields entries done, after each commit."""
    first = db.execute("SELECT min(id) FROM entry").fetchone()[0]
    for end in range(min(first or 0, minimum), minimum, BATCH):
        end = min(end + BATCH, minimum)
        db.execute("DELETE FROM entry WHERE id < ?", (end,))
        yield end
    for level in range(-(-size.bit_length() // HEIGHT)):
        whole = minimum >> HEIGHT * (level + 1)
        db.execute("DELETE FROM tile WHERE id >= ? AND id < ?", (tile_key(level, 0), tile_key(level, whole)))
