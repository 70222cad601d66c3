"""Reads a range of a log and checks it against the tree, exactly: what is wrong, and where.

A range is the 65,536 entries under one level 1 tile. A hash that does not agree with what lies under it leaves two
suspects; the hash above, or the signed root, tells which of them was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from riad.errors import EvidenceBroken
from riad.ledger.merkle import HASH_SIZE, pair
from riad.ledger.source import Source
from riad.ledger.tiles import HEIGHT, WIDTH, Tile, width
from riad.texts import N_

RANGE = WIDTH * WIDTH
MAX_FAULTS = 200  # in one range, and in one audit: enough to map a damage, not to print a database


class Fault(NamedTuple):
    """Something that is wrong: ``where`` a program finds it, ``what`` as a sentence with ``values``."""

    where: str  # "entry 41", "tile/0/x001/234", "checkpoint"
    what: str
    values: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    entry: int | None = None  # the first entry concerned


class Tree(NamedTuple):
    """The tree that a range is checked in. ``sound``: its unfinished tiles lead to the signed root."""

    size: int
    minimum: int  # the lowest index to read; a multiple of 256
    sound: bool

    def bounds(self, number: int) -> tuple[int, int]:
        """The first entry of a range, and the one behind its last."""
        return max(number * RANGE, self.minimum), min((number + 1) * RANGE, self.size)


class Range(NamedTuple):
    """A range that was read. ``entries`` are empty where they are missing; ``top`` is the root over a whole range."""

    start: int
    entries: list[bytes]
    faults: list[Fault]
    top: bytes | None


def read_range(source: Source, number: int, tree: Tree) -> Range:
    """Read range ``number`` and check every hash in it."""
    start, end = tree.bounds(number)
    entries, faults = _read_entries(source, start, end)
    leaves = [sha256(b"\x00" + entry).digest() for entry in entries]
    above = split(source.hashes(1, number))
    whole: list[bytes] = []  # the leaves under full tiles, as they ought to be
    for tile in range(start // WIDTH, -(-end // WIDTH)):
        part = leaves[tile * WIDTH - start : (tile + 1) * WIDTH - start]
        stored = source.hashes(0, tile)[: len(part) * HASH_SIZE]
        if stored != b"".join(part):
            at = tile - number * WIDTH
            parent = above[at] if at < len(above) else None
            first = tile * WIDTH
            held = entries[first - start : first - start + len(part)]
            part = _suspect_leaves(tile, held, part, split(stored), parent, tree, faults)
        if len(part) == WIDTH:
            whole += part
        if len(faults) > MAX_FAULTS:
            break
    roots = tops(whole)
    skipped = start // WIDTH - number * WIDTH
    known: list[bytes | None] = [None] * skipped + [*roots]
    top = check_tile(source, 1, number, known, tree, faults) if known else None
    return Range(start, entries, faults[:MAX_FAULTS], top)


def check_tile(
    source: Source, level: int, number: int, below: Sequence[bytes | None], tree: Tree, faults: list[Fault]
) -> bytes | None:
    """Compare a tile with the roots of those below it (None: not known); its own root where it is full.

    The root is computed from whichever of the two the tree above proves right.
    """
    wide = width(level, number, tree.size)
    path = Tile(level, number, wide).path
    stored = split(source.hashes(level, number)[: wide * HASH_SIZE])
    if len(stored) < wide:
        faults.append(Fault(path, N_("It is missing or cut short.")))
        below = below[:wide]
        whole = [item for item in below if item is not None]
        return tops(whole)[0] if len(whole) == WIDTH else None
    merged = [below[at] or hash_ if at < len(below) else hash_ for at, hash_ in enumerate(stored)]
    if merged == stored:
        return tops(stored)[0] if wide == WIDTH else None
    differing = [at for at, hash_ in enumerate(stored) if merged[at] != hash_]
    parent = _parent(source, level, number, tree)
    if _proved(stored, parent, tree, wide):
        for at in differing:
            child = number * WIDTH + at
            faults.append(
                Fault(
                    Tile(level - 1, child).path,
                    N_("It does not lead to {above}, which the tree above proves: it was changed, and all under it."),
                    {"above": path},
                    child << HEIGHT * level,
                )
            )
        trusted = stored
    elif parent is not None and tops(merged)[0] == parent:
        faults.append(Fault(path, N_("Hashes {hashes} in it were changed."), {"hashes": _list(differing)}))
        trusted = merged
    else:
        faults.append(
            Fault(path, N_("Hashes {hashes} in it do not follow from the tiles below."), {"hashes": _list(differing)})
        )
        trusted = merged
    return tops(trusted)[0] if wide == WIDTH else None


def tops(hashes: list[bytes]) -> list[bytes]:
    """The roots over each 256 hashes."""
    for _ in range(HEIGHT):
        hashes = pair(hashes)
    return hashes


def split(hashes: bytes) -> list[bytes]:
    """A tile's hashes."""
    return [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes) - len(hashes) % HASH_SIZE, HASH_SIZE)]


def _read_entries(source: Source, start: int, end: int) -> tuple[list[bytes], list[Fault]]:
    """All entries of a range, empty where missing; what is missing is found by asking for less and less."""
    entries, reason = _try(source, start, end)
    if len(entries) == end - start:
        return entries, []
    faults: list[Fault] = []
    entries = []
    for first in range(start, end, WIDTH):
        last = min(first + WIDTH, end)
        part, reason = _try(source, first, last)
        if not part:
            gone = N_("Entries {first} to {last} are missing.")
            unreadable = N_("Entries {first} to {last} cannot be read: {reason}")
            values = {"first": first, "last": last - 1} | ({"reason": reason} if reason else {})
            path = Tile(None, first // WIDTH, last - first).path
            faults.append(Fault(path, unreadable if reason else gone, values, first))
            part = [b""] * (last - first)
        elif len(part) < last - first:
            part = [(_try(source, index, index + 1)[0] or [b""])[0] for index in range(first, last)]
            missing = (index for index, entry in enumerate(part, first) if not entry)
            faults += [Fault(f"entry {index}", N_("It is missing."), {}, index) for index in missing]
        entries += part
    return entries, faults


def _try(source: Source, start: int, end: int) -> tuple[list[bytes], str]:
    try:
        return source.entries(start, end), ""
    except EvidenceBroken as error:
        return [], error.render()


def _suspect_leaves(
    tile: int,
    entries: list[bytes],
    leaves: list[bytes],
    stored: list[bytes],
    parent: bytes | None,
    tree: Tree,
    faults: list[Fault],
) -> list[bytes]:
    """A level 0 tile that is not the hashes of its entries: which of them was changed; and the hashes to go on with."""
    path = Tile(0, tile, len(leaves)).path
    if len(stored) < len(leaves):
        faults.append(Fault(path, N_("It is missing or cut short."), {}, tile * WIDTH))
        return leaves
    differing = [at for at, leaf in enumerate(leaves) if leaf != stored[at]]
    if parent is not None and tops(leaves)[0] == parent:
        faults.append(
            Fault(path, N_("Hashes {hashes} in it were changed."), {"hashes": _list(differing)}, tile * WIDTH)
        )
        return leaves
    if not _proved(stored, parent, tree, len(leaves)):
        faults.append(
            Fault(
                path,
                N_("Hashes {hashes} are not those of its entries, and nothing above proves either."),
                {"hashes": _list(differing)},
                tile * WIDTH,
            )
        )
        return stored
    for at in differing:
        if entries[at]:  # one that is missing has been named
            index = tile * WIDTH + at
            faults.append(Fault(f"entry {index}", N_("Its bytes are not those that were logged."), {}, index))
    return stored


def _parent(source: Source, level: int, number: int, tree: Tree) -> bytes | None:
    """The stored hash of a full tile in the tile above."""
    if width(level, number, tree.size) < WIDTH:
        return None
    above, at = divmod(number, WIDTH)
    hashes = split(source.hashes(level + 1, above))
    return hashes[at] if at < len(hashes) else None


def _proved(stored: list[bytes], parent: bytes | None, tree: Tree, wide: int) -> bool:
    if wide < WIDTH:
        return tree.sound  # every hash of an unfinished tile is an input of the root
    return parent is not None and tops(stored)[0] == parent


def _list(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown}, …" if len(numbers) > 8 else shown
