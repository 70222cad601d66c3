"""Reads entries of a log and proves each against the signed checkpoint before it is shown."""

from __future__ import annotations

from collections.abc import Iterable

from riad.errors import EvidenceBroken, NotFound
from riad.ledger import merkle
from riad.ledger.recovery import REMEDY
from riad.ledger.source import Source, head, nodes, pruned
from riad.texts import N_


def proved(source: Source, indices: Iterable[int]) -> dict[int, bytes]:
    """The entries at those indices, each proved to be in the tree whose root the log's key signed.

    Tiles are read once for all of them. Raises ``NotFound`` for an entry that is not there or was pruned,
    ``EvidenceBroken`` for one that is not what was logged.
    """
    tip = head(source.checkpoint(), source.vkeys())
    tree = nodes(source, tip.size)
    found = {}
    for index in indices:
        if not 0 <= index < tip.size:
            raise NotFound(
                N_("There is no entry {index} in a log of {size}."),
                remedy=N_("Entries count from 0 to one less than the log's size."),
                index=index,
                size=tip.size,
            )
        entries = source.entries(index, index + 1)
        if not entries and index < (minimum := source.minimum()):
            raise pruned(index, minimum)
        try:
            if not entries:
                raise EvidenceBroken(N_("it is missing"))
            proof = merkle.inclusion_proof(index, tip.size, tree)
            merkle.verify_inclusion(merkle.leaf_hash(entries[0]), index, tip.size, proof, tip.root)
        except EvidenceBroken as error:
            raise EvidenceBroken(
                N_("Entry {index} of the ledger is not what was logged there: {error}"),
                remedy=REMEDY,
                index=index,
                error=error.render(),
            ) from None
        found[index] = entries[0]
    return found
