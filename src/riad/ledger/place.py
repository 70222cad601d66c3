"""Where an entry is: in which yearly shard of the log, and at which index there. Acknowledged as one number.

Shard 0 is the platform's first log and keeps its plain names; a later one is named by the year it began in.
"""

from __future__ import annotations

import re

from riad.errors import BadRequest
from riad.texts import N_

INDEX_BITS = 48
FIRST_YEAR, LAST_YEAR = 1970, 9999

_NAME = re.compile(r"(?:([1-9][0-9]{3})\.)?(0|[1-9][0-9]{0,14})", re.ASCII)


def pack(shard: int, index: int) -> int:
    """The place of an entry, below 2**63. Raises ``ValueError`` for a shard or an index that cannot be."""
    if not is_shard(shard) or not 0 <= index < 1 << INDEX_BITS:
        raise ValueError("a shard is 0 or a year, an index is below 2**48")
    return shard << INDEX_BITS | index


def unpack(place: int) -> tuple[int, int]:
    """The shard and the index there."""
    return place >> INDEX_BITS, place & (1 << INDEX_BITS) - 1


def name(place: int) -> str:
    """A place as people and receipts write it: ``41`` in the first shard, ``2027.41`` in a later one."""
    shard, index = unpack(place)
    return f"{shard}.{index}" if shard else str(index)


def parse(text: str) -> int:
    """The place that ``name`` wrote. Raises ``BadRequest`` for any other spelling."""
    match = _NAME.fullmatch(text)
    shard, index = (int(match[1] or 0), int(match[2])) if match else (-1, 0)
    if not is_shard(shard) or index >> INDEX_BITS:
        raise BadRequest(
            N_("{text} is no place in the ledger."),
            remedy=N_("Write 41, or 2027.41 for an entry of the log of 2027."),
            text=repr(text[:40]),
        )
    return pack(shard, index)


def is_shard(shard: int) -> bool:
    """Whether a shard may have this number."""
    return shard == 0 or FIRST_YEAR <= shard <= LAST_YEAR


def origin(base: str, shard: int) -> str:
    """A shard's origin: the log's own for the first, ``{base}/2027`` for a later one."""
    return f"{base}/{shard}" if shard else base


def shard_of(base: str, named: str) -> int | None:
    """The shard of the log ``base`` that an origin names; None for an origin that is not of it."""
    if named == base:
        return 0
    year = named.removeprefix(base + "/")
    if named == base + "/" + year and len(year) == 4 and year.isascii() and year.isdigit() and is_shard(int(year)):
        return int(year) or None
    return None
