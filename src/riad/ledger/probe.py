"""A look at entries all along the log, at a start: few enough to take milliseconds, where a hole would be.

The right edge may verify over a hole: so does an old ``ledger.db`` under a newer ``-wal``, which holds the newest pages
only. What is missing then lies between the old copy's end and the log's, so that the places looked at are one, two,
four, eight… entries before the end. One entry changed by hand is found by an audit, or when its receipt is made.
"""

from __future__ import annotations

from collections.abc import Callable

from riad.errors import EvidenceBroken
from riad.ledger import merkle
from riad.texts import N_


def probe(
    size: int,
    minimum: int,
    node: Callable[[int, int], bytes],
    entry: Callable[[int], bytes | None],
    remedy: str,
) -> None:
    """Raises ``EvidenceBroken`` where one of about log2(``size``) entries is not the one that was logged.

    ``node(level, index)`` gives a hash of the tree, ``entry(index)`` an entry, None where there is none. Entries below
    ``minimum`` were pruned, and are not looked for.
    """
    for index in places(size, minimum):
        found = entry(index)
        if found is None or merkle.leaf_hash(found) != node(0, index):
            raise EvidenceBroken(
                N_("Entry {index} of {size} is missing in the ledger, or is not what was logged there."),
                remedy=remedy,
                index=index,
                size=size,
            )


def places(size: int, minimum: int = 0) -> list[int]:
    """Where to look in a log of that size: at its beginning, and at distances from its end that double."""
    behind = (size - (1 << power) for power in reversed(range((size - 1).bit_length()))) if size else ()
    return [minimum, *(index for index in behind if index > minimum)] if size > minimum else []
