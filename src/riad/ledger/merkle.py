"""The Merkle tree of RFC 6962 / RFC 9162, section 2.1, with SHA-256: hashes, proofs, verification.

Pure: every function that needs hashes of the tree is handed ``node``, a callable that reads one of them. A *node* at
(level, index) is the hash of the complete subtree over the leaves ``[index << level, (index + 1) << level)``.
Indices and sizes count leaves; hashes and roots are 32 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from riad.errors import BadRequest, EvidenceBroken
from riad.texts import N_

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an interior node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees of falling height, left to right; the empty tree's root for none."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def root(size: int, node: Node) -> bytes:
    """The root of the tree over the first ``size`` leaves: MTH of RFC 6962, section 2.1."""
    return _range_root(0, size, node)


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The siblings from leaf ``index`` up to the root at ``size``: PATH of RFC 6962, section 2.1.1.

    Raises ``BadRequest`` unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise BadRequest(
            N_("There is no entry {index} in a log of {size}."),
            remedy=N_("Entries count from 0 to one less than the log's size."),
            index=index,
            size=size,
        )
    start, end, proof = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, node))
            end = middle
        else:
            proof.append(_range_root(start, middle, node))
            start = middle
    proof.reverse()
    return proof


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """What shows that the tree of ``old`` leaves is a prefix of ``new``: PROOF of RFC 6962, section 2.1.2.

    Raises ``BadRequest`` unless 0 <= old <= new. From an empty tree, and from a tree to itself, the proof is empty.
    """
    if not 0 <= old <= new:
        raise BadRequest(
            N_("A log of {new} entries has no prefix of {old}."),
            remedy=N_("Ask from the smaller size to the larger."),
            old=old,
            new=new,
        )
    if old == 0:
        return []
    start, end, whole, proof = 0, new, True, []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, node))
            end = middle
        else:
            proof.append(_range_root(start, middle, node))
            start, whole = middle, False
    if not whole:
        proof.append(_range_root(start, end, node))
    proof.reverse()
    return proof


def inclusion_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root of the tree of ``size`` leaves that has ``leaf`` at ``index``, if the proof is right.

    Raises ``EvidenceBroken`` unless the proof has exactly the length it must have (RFC 9162, section 2.1.3.2).
    """
    if not 0 <= index < size:
        _broken(N_("The proof speaks of entry {index} in a log of {size}."), index=index, size=size)
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            _broken(N_("The inclusion proof is too long."))
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        position >>= 1
        last >>= 1
    if last:
        _broken(N_("The inclusion proof is too short."))
    return result


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Check that ``leaf`` is leaf ``index`` of the tree with root ``expected``. Raises ``EvidenceBroken`` if not."""
    if inclusion_root(leaf, index, size, proof) != expected:
        _broken(N_("The inclusion proof does not lead to the root of the checkpoint."))


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree with ``old_root`` is a prefix of the one with ``new_root`` (RFC 9162, section 2.1.4.2).

    Raises ``EvidenceBroken`` if not.
    """
    if not 0 <= old <= new:
        _broken(N_("A log of {new} entries has no prefix of {old}."), old=old, new=new)
    if old in (0, new):
        if proof or old_root != (new_root if old else EMPTY_ROOT):
            _broken(N_("The two checkpoints are not of the same log."))
        return
    first, second = _roots(old, new, proof if old & (old - 1) else [old_root, *proof])
    if first != old_root or second != new_root:
        _broken(N_("The two checkpoints are not of the same log."))


def prefix_root(old: int, new: int, proof: Sequence[bytes], new_root: bytes) -> bytes | None:
    """The root of the tree of ``old`` leaves that a consistency proof ties to ``new_root``; None where it ties none.

    Nor does it where ``old`` is a power of two: such a proof leaves the old root out (RFC 9162, section 2.1.4.1).
    """
    if not 0 < old < new or not old & (old - 1):
        return None
    try:
        first, second = _roots(old, new, proof)
    except EvidenceBroken:
        return None
    return first if second == new_root else None


def _roots(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that a consistency path leads to; its first hash is of a tree common to both."""
    if not path:
        _broken(N_("The consistency proof is too short."))
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            _broken(N_("The consistency proof is too long."))
        if position & 1 or position == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        position >>= 1
        last >>= 1
    if last:
        _broken(N_("The consistency proof is too short."))
    return first, second


class Frontier(NamedTuple):
    """The right edge of a tree: all that appending needs.

    ``peaks`` are the roots of the complete subtrees that make up the tree, by level: one for each bit of ``size``.
    """

    size: int = 0
    peaks: Mapping[int, bytes] = MappingProxyType({})

    @classmethod
    def read(cls, size: int, node: Node) -> Frontier:
        """The right edge of a stored tree of ``size`` leaves."""
        levels = [level for level in range(size.bit_length()) if size >> level & 1]
        return cls(size, {level: node(level, (size >> level) - 1) for level in levels})

    def root(self) -> bytes:
        """The tree's root."""
        return fold([self.peaks[level] for level in sorted(self.peaks, reverse=True)])

    def extend(self, leaves: Iterable[bytes], step: int) -> tuple[Frontier, list[list[bytes]]]:
        """The edge after more leaf hashes, and the new nodes of every ``step``-th level, lowest first.

        This frontier stays as it is, so that a commit that fails has nothing to undo.
        """
        grown: list[list[bytes]] = []
        peaks = dict(self.peaks)
        new = list(leaves)
        size, level = self.size + len(new), 0
        while new:
            if level % step == 0:
                grown.append(new)
            # The lone left sibling of this level, if there is one, pairs with the first new node.
            pairing = [peaks.pop(level), *new] if level in peaks else new
            if len(pairing) & 1:
                peaks[level] = pairing[-1]
            new = pair(pairing)
            level += 1
        return Frontier(size, peaks), grown


def pair(hashes: Sequence[bytes]) -> list[bytes]:
    """The parents of neighbouring hashes; an odd last one has none yet."""
    two = iter(hashes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(two, two, strict=False)]


def _range_root(start: int, end: int, node: Node) -> bytes:
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(node(level, start >> level))
        start += 1 << level
    return fold(hashes)


def _split(count: int) -> int:
    """The largest power of two smaller than ``count``, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def _broken(message: str, **values: Any) -> NoReturn:
    raise EvidenceBroken(message, remedy=N_("Do not rely on it; ask for it again from its source."), **values)
