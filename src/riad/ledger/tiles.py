"""Tiles of the tree: what C2SP tlog-tiles names, cuts and serves.

A tile at (level, number) holds up to 256 hashes of 32 bytes: the nodes of tree level ``8 * level`` from index
``256 * number`` on. Its *width* is how many of them a tree of a given size has; a tile only ever grows, so a narrower
one is a prefix of what is stored. An entry bundle holds the entries under a level 0 tile, each after its length, a
uint16.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from riad.errors import EvidenceBroken, NotFound
from riad.ledger.merkle import HASH_SIZE, pair
from riad.texts import N_

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_ENTRY = 0xFFFF

ReadTile = Callable[[int, int], bytes]

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


class Tile(NamedTuple):
    """A tile's address. ``level`` is None for an entry bundle."""

    level: int | None
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its path under the log's prefix (C2SP tlog-tiles, Merkle Tree)."""
        digits = str(self.number)
        digits = digits.zfill(-len(digits) // 3 * -3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*("x" + part for part in parts[:-1]), parts[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{name}{partial}"

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The tile a path names. Raises ``NotFound`` for any other spelling."""
        match = _PATH.fullmatch(path)
        if match:
            level = None if match["level"] == "entries" else int(match["level"])
            tile = cls(level, int(match["number"].replace("x", "").replace("/", "")), int(match["width"] or WIDTH))
            # Writing the address again refuses what the pattern lets pass: x000/001, .p/256, .p/999, level 64.
            if tile.path == path and tile.width <= WIDTH and (level or 0) < 64:
                return tile
        raise no_tile(path)


def width(level: int, number: int, size: int) -> int:
    """How many hashes the tile has in a tree of ``size`` leaves, 0 to 256."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - number * WIDTH))


def end_index(level: int, number: int) -> int:
    """The index behind the last entry under a full tile or bundle (C2SP tlog-tiles, end index)."""
    return (number + 1) << HEIGHT * (level + 1)


def no_tile(path: str) -> NotFound:
    return NotFound(
        N_("The log has no {path}."),
        remedy=N_("Paths are those of c2sp.org/tlog-tiles, for sizes the log has reached."),
        path=path[:100],
    )


class TileNodes:
    """Reads single nodes out of tiles, for ``merkle``. Each tile is read once and its inner levels hashed once.

    ``read(level, number)`` returns at least the hashes a tree of ``size`` leaves has in that tile. Raises
    ``EvidenceBroken`` where it returns fewer.
    """

    def __init__(self, size: int, read: ReadTile) -> None:
        self.size = size
        self.read = read
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        tile_level, inner = divmod(level, HEIGHT)
        number, offset = divmod(index, WIDTH >> inner)
        levels = self._tiles.get((tile_level, number)) or self._load(tile_level, number)
        while len(levels) <= inner:
            levels.append(pair(levels[-1]))
        return levels[inner][offset]

    def _load(self, level: int, number: int) -> list[list[bytes]]:
        end = width(level, number, self.size) * HASH_SIZE
        data = self.read(level, number)
        if len(data) < end:
            raise EvidenceBroken(
                N_("Tile {path} of the ledger is missing or cut short."),
                remedy=N_("Restore the ledger's newest copy; see docs/reference/ledger.md, When the ledger refuses."),
                path=Tile(level, number).path,
            )
        levels = [[data[at : at + HASH_SIZE] for at in range(0, end, HASH_SIZE)]]
        self._tiles[level, number] = levels
        return levels


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as one bundle."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def unbundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ``EvidenceBroken`` if it is cut short."""
    ends = [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 2 + int.from_bytes(data[ends[-1] : ends[-1] + 2]))
    if ends[-1] != len(data):
        raise EvidenceBroken(N_("An entry bundle is cut short."), remedy=N_("Fetch it again from the log."))
    return [data[start + 2 : end] for start, end in pairwise(ends)]
