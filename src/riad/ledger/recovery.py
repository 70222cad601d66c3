"""What is verified before a stored log is continued: at every start, and at the append after a failed one.

Reads the right edge of the tree only, so that a log of any size opens in milliseconds. An entry or a tile changed
deeper inside is found when it is read (``reader``), for its proof no longer leads to the signed root.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple, NoReturn

from riad.errors import EvidenceBroken, RiadError
from riad.ledger import merkle
from riad.ledger.merkle import HASH_SIZE, Frontier
from riad.ledger.minimum import read_minimum
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.probe import probe
from riad.ledger.tiles import HEIGHT, WIDTH, TileNodes
from riad.texts import N_

REMEDY = N_("Restore the ledger's newest copy; see docs/reference/ledger.md, When the ledger refuses.")

UNANCHORED = N_(
    "Put it back. Only if you know that ledger.db is the newest copy: riad ledger checkpoint > ledger.checkpoint, in "
    "the data directory; see docs/reference/ledger.md, When the ledger refuses."
)


class State(NamedTuple):
    """A verified log, ready to grow. ``edges`` are the hashes in the unfinished tile of each tile level."""

    note: str
    frontier: Frontier
    edges: tuple[bytes, ...]


def tile_key(level: int, number: int) -> int:
    """The row of a tile in the table ``tile``."""
    return level << 48 | number


def read_tile(db: sqlite3.Connection, level: int, number: int) -> bytes:
    """The stored hashes of a tile, empty where there is none."""
    row = db.execute("SELECT CAST(hashes AS BLOB) FROM tile WHERE id = ?", (tile_key(level, number),)).fetchone()
    return row[0] if row else b""


def read_entries(db: sqlite3.Connection, start: int, end: int) -> list[bytes]:
    """The entries from ``start`` up to ``end``, in order; fewer where rows are missing."""
    rows = db.execute(
        "SELECT CAST(data AS BLOB) FROM entry WHERE id >= ? AND id < ? ORDER BY id",
        (start, end),
    )
    return [row[0] for row in rows]


def read_note(db: sqlite3.Connection) -> str:
    """The stored checkpoint, a signed note. Raises ``EvidenceBroken`` where there is none."""
    row = db.execute("SELECT CAST(note AS BLOB) FROM checkpoint").fetchone()
    if row is None:
        _broken(N_("ledger.db has lost its checkpoint."))
    return str(row[0], "utf-8", "replace")


def verified(db: sqlite3.Connection, verifier: Verifier, anchor: Checkpoint | None) -> State:
    """Read the log's state. Raises ``EvidenceBroken`` naming the first thing that does not fit."""
    # (1) The database's checkpoint is signed by this ledger's key and is of this ledger.
    note = read_note(db)
    try:
        checkpoint = Checkpoint.parse(verifier.open(note))
    except RiadError as error:
        _broken(N_("The checkpoint in ledger.db is not this ledger's: {error}"), error=error.render())
    if checkpoint.origin != verifier.name:
        _broken(N_("ledger.db belongs to {origin}, not to {name}."), origin=checkpoint.origin, name=verifier.name)
    size = checkpoint.size

    # (2) It holds as many entries as the checkpoint says.
    (last,) = db.execute("SELECT max(id) FROM entry").fetchone()
    held = 0 if last is None else last + 1
    if held != size:
        _broken(N_("ledger.db holds {held} entries, its checkpoint says {size}."), held=held, size=size)

    # (3) The tiles lead to the signed root.
    nodes = TileNodes(size, lambda level, number: read_tile(db, level, number))
    frontier = Frontier.read(size, nodes)
    if frontier.root() != checkpoint.root:
        _broken(N_("The tiles in ledger.db do not lead to the root of its checkpoint: a tile was changed."))

    # (4) The newest entries are those the tiles were made of.
    if size:
        start = (size - 1) // WIDTH * WIDTH
        leaves = [nodes(0, index) for index in range(start, size)]
        if [merkle.leaf_hash(entry) for entry in read_entries(db, start, size)] != leaves:
            _broken(
                N_("Entries {start} to {last} in ledger.db are not those that were logged: one was changed."),
                start=start,
                last=last,
            )
        proof = merkle.inclusion_proof(last, size, nodes)
        merkle.verify_inclusion(leaves[-1], last, size, proof, checkpoint.root)

    # (5) Nothing that was signed before is missing or different.
    _check_anchor(anchor, checkpoint, nodes)

    # (6) There is no hole behind that edge, as far as a few looks can tell.
    probe(size, nodes, lambda index: next(iter(read_entries(db, index, index + 1)), None), REMEDY, read_minimum(db))
    return State(note, frontier, tuple(_edges(db, size)))


def _check_anchor(anchor: Checkpoint | None, checkpoint: Checkpoint, nodes: TileNodes) -> None:
    if anchor is None:
        # The file is made with the database, before any entry: only a deleted file looks like this.
        if checkpoint.size:
            raise EvidenceBroken(
                N_("ledger.checkpoint is missing beside a ledger of {size} entries: an old backup would go unseen."),
                remedy=UNANCHORED,
                size=checkpoint.size,
            )
        return
    if anchor.size > checkpoint.size:
        _broken(
            N_(
                "ledger.db ends at {held} entries, but {signed} were signed: it is an old copy, or its newest part is "
                "lost. Going on would fork the log."
            ),
            held=checkpoint.size,
            signed=anchor.size,
        )
    # A smaller anchor is what a crash between a commit and the anchor's write leaves: the log must extend it.
    if merkle.root(anchor.size, nodes) != anchor.root:
        _broken(
            N_("ledger.db and ledger.checkpoint are of two logs: they differ within the first {size} entries."),
            size=anchor.size,
        )


def _edges(db: sqlite3.Connection, size: int) -> list[bytes]:
    edges, count = [], size
    level = 0
    while count:
        number, rest = divmod(count, WIDTH)
        edges.append(read_tile(db, level, number)[: rest * HASH_SIZE])
        count >>= HEIGHT
        level += 1
    return edges


def _broken(message: str, **values: Any) -> NoReturn:
    raise EvidenceBroken(message, remedy=REMEDY, **values)
