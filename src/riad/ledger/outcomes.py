"""Where the outcome of a decision is: behind it in the log, and seldom far."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from riad.ledger import place
from riad.ledger.reader import Reader
from riad.ledger.tiles import WIDTH

FAR = 16_384  # entries looked at behind a decision


def outcome_of(shard: Callable[[int], Reader], decision: int) -> int | None:
    """The place of the outcome that closes the decision at that place; None where it is not there yet, or too far.

    ``shard`` gives the reader of a shard. Raises as ``Reader`` does.
    """
    of, index = place.unpack(decision)
    # Entries are canonical JSON: these members can stand in no other way, and no other kind of entry has them.
    mark = b'"decision":%d,' % index + (b'"decision_shard":%d,' % of if of else b"")
    number, start, left = of, index + 1, FAR
    while left > 0:
        reader = shard(number)
        size = reader.size()
        for at in range(start, min(size, start + left), WIDTH):
            for where, entry in enumerate(reader.entries(at, min(size, at + WIDTH)), at):
                if mark in entry and b'"kind":"outcome"' in entry and (b'"decision_shard":' in entry) == bool(of):
                    return place.pack(number, where)
        left -= size - start
        following = _next(reader.entry(size - 1))
        if following is None or following <= number:
            return None
        number, start = following, 0
    return None


def _next(last: bytes) -> int | None:
    """The shard after the one whose last entry this is; None where the log goes on in this one."""
    origin = msgspec.json.decode(last).get("next_origin", "")
    year = origin.rpartition("/")[2]
    return int(year) if len(year) == 4 and year.isdigit() else None
