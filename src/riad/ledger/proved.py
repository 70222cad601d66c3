"""Reads entries of a log and proves each against the signed checkpoint before it is shown."""

from __future__ import annotations

from collections.abc import Iterable

from riad.errors import EvidenceBroken
from riad.ledger import merkle
from riad.ledger.source import Source, head, no_entry, nodes, not_logged, pruned
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
            raise no_entry(index, tip.size)
        entries = source.entries(index, index + 1)
        if not entries and index < (minimum := source.minimum()):
            raise pruned(index, minimum)
        try:
            if not entries:
                raise EvidenceBroken(N_("it is missing"))
            proof = merkle.inclusion_proof(index, tip.size, tree)
            merkle.verify_inclusion(merkle.leaf_hash(entries[0]), index, tip.size, proof, tip.root)
        except EvidenceBroken as error:
            raise not_logged(index, error) from None
        found[index] = entries[0]
    return found
