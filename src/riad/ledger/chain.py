"""How the yearly shards hang together: a finished one names the next, whose first entry holds its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from riad.errors import EvidenceBroken
from riad.ledger.entry import Turn, decode
from riad.ledger.ranges import Fault
from riad.ledger.source import Source, head
from riad.texts import N_


def broken_links(shards: Mapping[int, Source]) -> list[Fault]:
    """What is wrong between neighbouring shards of one ledger, oldest first; each shard is audited by itself.

    A first entry that was pruned is not looked for. Raises as the sources do, and ``EvidenceBroken`` where a checkpoint
    does not verify.
    """
    return [fault for old, new in pairwise(sorted(shards)) for fault in _link(old, shards[old], new, shards[new])]


def _link(year: int, old: Source, next_year: int, new: Source) -> list[Fault]:
    faults = []
    last, first = head(old.checkpoint(), old.vkeys()), head(new.checkpoint(), new.vkeys())
    seal = _turn(old, last.size - 1)
    if seal is None or seal.next_origin != first.origin:
        text = N_("Its last entry does not name the shard of {year}, which is there.")
        faults.append(Fault(f"shard {year}", text, {"year": next_year}, last.size - 1))
    if new.minimum() == 0:
        opening = _turn(new, 0)
        if opening is None or not isinstance(opening.previous_checkpoint, str) or not _same(opening, old):
            text = N_("Its first entry does not hold the last checkpoint of the shard before it.")
            faults.append(Fault(f"shard {next_year}", text, {}, 0))
    return faults


def _turn(source: Source, index: int) -> Turn | None:
    for data in source.entries(max(0, index), index + 1):
        try:
            entry = decode(data)
        except EvidenceBroken:
            return None
        return entry if isinstance(entry, Turn) else None
    return None


def _same(opening: Turn, old: Source) -> bool:
    """Whether the checkpoint that the new shard holds is the newest of the old one."""
    try:
        return head(str(opening.previous_checkpoint), old.vkeys()) == head(old.checkpoint(), old.vkeys())
    except EvidenceBroken:
        return False
