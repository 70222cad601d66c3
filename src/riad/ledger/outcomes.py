"""Where the outcome of a decision is: behind it in the log, and seldom far."""

from __future__ import annotations

from riad.ledger.reader import Reader
from riad.ledger.tiles import WIDTH, Tile, unbundle, width

FAR = 16_384  # entries looked at behind a decision: some 15 ms


def outcome_of(reader: Reader, decision: int) -> int | None:
    """The place of the outcome that closes the decision at that place; None where it is not there yet, or too far.

    Raises as ``Reader`` does.
    """
    size = reader.size()
    # Entries are canonical JSON: this member can stand in no other way, and no other kind of entry has it.
    mark = b'"decision":%d,' % decision
    for number in range(decision // WIDTH, (min(size, decision + FAR) + WIDTH - 1) // WIDTH):
        for at, entry in enumerate(unbundle(reader.tile(Tile(None, number, width(0, number, size)).path))):
            if mark in entry and entry.find(b'"kind":"outcome"') > 0 and (place := number * WIDTH + at) > decision:
                return place
    return None
