"""What the log needs of a database that holds one of its shards. ``sqlite`` and ``postgres`` are the two drivers.

A driver stores and reads; it hashes, signs and decides nothing. Where its database does not answer it raises
``LedgerUnavailable``, where what it reads is no database of this kind any more, ``EvidenceBroken``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from riad.ledger.tiles import HEIGHT, WIDTH

Address = tuple[int, int]  # a tile's level and number


class Head(NamedTuple):
    """A stored checkpoint: its size in entries, the signed note, the root's COSE signature (``b""`` for none)."""

    size: int
    note: str
    cose: bytes


class Storage(Protocol):
    """One shard in one database. For one thread at a time."""

    shared: bool  # whether other machines commit to it too
    name: str  # what messages call it

    def inspect(self, signed: int, check: Callable[[Storage], object]) -> None:
        """Before a hand is laid on it: refuse what this database cannot be where ``signed`` entries were signed, then
        hand ``check`` a view of it that cannot write. A refusal changes nothing."""
        ...

    def begin(self, first: Callable[[], Head]) -> None:
        """Make the tables and store ``first()``, in one transaction that nobody else can be in; nothing where a log is
        there already. An older format is upgraded. What ``first`` raises undoes all of it."""
        ...

    def transaction(self) -> AbstractContextManager[str]:
        """The one writer's transaction, of all machines: gives the stored note, commits at the block's end.

        An exception undoes it all; so does a crash before the commit has returned, or it leaves all of it: nobody was
        answered, so either is right. The commit is durable when the block has ended.
        """
        ...

    def write(self, before: int, entries: Sequence[bytes], tiles: Iterable[tuple[Address, bytes]], head: Head) -> None:
        """In a transaction: add entries from index ``before`` on, put tiles, replace the checkpoint of that size."""
        ...

    def note(self) -> str:
        """The stored checkpoint. Raises ``EvidenceBroken`` where it is lost, ``NotFound`` where there is no log."""
        ...

    def head(self) -> tuple[str, bytes]:
        """The stored checkpoint and its root's COSE signature (``b""`` for none), of one commit. Raises as ``note``."""
        ...

    def held(self) -> int:
        """One more than the largest index of an entry."""
        ...

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries from ``start`` up to ``end``, in order; fewer where rows are missing."""
        ...

    def tiles(self, addresses: Sequence[Address]) -> dict[Address, bytes]:
        """The stored hashes of tiles, without those that are not there."""
        ...

    def minimum(self) -> int:
        """The lowest index whose entry the log promises to have, 0 where it was never pruned."""
        ...

    def prune(self, keep: int, size: int, *, vacuum: bool = False) -> None:
        """Raise ``minimum`` to ``keep``, durably, then delete the entries and tiles that end at or below it. A crash
        between leaves rows that nobody promises; running it again deletes them. ``vacuum`` gives the room back."""
        ...

    def bytes_held(self) -> int:
        """How much disk it takes."""
        ...

    def tidy(self) -> None:
        """Housekeeping between two commits."""
        ...

    def close(self) -> None:
        """Let go of the connection; the next call opens it again."""
        ...


def tile_key(level: int, number: int) -> int:
    """The row of a tile in the table ``tile``."""
    return level << 48 | number


def address_of(key: int) -> Address:
    """The tile of a row."""
    return key >> 48, key & (1 << 48) - 1


def edge(size: int) -> list[Address]:
    """The unfinished tiles of a tree, one at most for each tile level: what its root is computed from."""
    count, level, found = size, 0, []
    while count:
        if count % WIDTH:
            found.append((level, count // WIDTH))
        count >>= HEIGHT
        level += 1
    return found
