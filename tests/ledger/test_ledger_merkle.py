"""The tree's arithmetic, against its definition and against vectors that others published."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest, EvidenceBroken
from riad.ledger import merkle
from riad.ledger.merkle import Frontier, Node
from riad.ledger.tiles import HEIGHT, TileNodes

# The inputs and roots of Google's certificate-transparency, cpp/merkletree/merkle_tree_test.cc, used by most logs.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION_5_OF_8 = [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
CONSISTENCY_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
MOST = 600
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(MOST)]


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH, word for word as RFC 6962, section 2.1, defines it."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


ALL_ROOTS = [by_definition(LEAVES[:size]) for size in range(MOST + 1)]


def nodes(leaves: list[bytes]) -> Node:
    """A node reader over tiles that are cut from the leaves by their definition (C2SP tlog-tiles)."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        above = levels[-1]
        for _ in range(HEIGHT):
            above = merkle.pair(above)
        levels.append(above)
    return TileNodes(len(leaves), lambda level, number: b"".join(levels[level][number * 256 : number * 256 + 256]))


def test_published_roots() -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(data)) for data in INPUTS]
    assert [merkle.root(size, nodes(leaves)).hex() for size in range(1, 9)] == ROOTS
    assert merkle.root(0, nodes([])) == hashlib.sha256(b"").digest() == merkle.EMPTY_ROOT


def test_published_proofs() -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(data)) for data in INPUTS]
    assert [item.hex() for item in merkle.inclusion_proof(5, 8, nodes(leaves))] == INCLUSION_5_OF_8
    assert [item.hex() for item in merkle.consistency_proof(6, 8, nodes(leaves))] == CONSISTENCY_6_TO_8


def test_every_root_and_every_inclusion_proof() -> None:
    node = nodes(LEAVES)
    for size in range(1, MOST + 1):
        assert merkle.root(size, node) == ALL_ROOTS[size]
        # Every index for small trees and around the tile's edges, a stride through the others.
        step = 1 if size < 70 or 250 < size < 262 or size > MOST - 3 else 37
        for index in range(0, size, step):
            proof = merkle.inclusion_proof(index, size, node)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, ALL_ROOTS[size])


def test_every_consistency_proof_of_small_trees() -> None:
    node = nodes(LEAVES)
    for new in [*range(40), 255, 256, 257, 511, 512, 513, MOST]:
        for old in range(new + 1):
            proof = merkle.consistency_proof(old, new, node)
            merkle.verify_consistency(old, new, proof, ALL_ROOTS[old], ALL_ROOTS[new])


@given(st.lists(st.integers(1, 300), max_size=8).filter(lambda steps: sum(steps) <= MOST))
def test_a_frontier_grown_in_any_steps_has_the_trees_root_and_tiles(steps: list[int]) -> None:
    frontier, size, tiles = Frontier(), 0, [b"", b"", b""]
    for step in steps:
        frontier, grown = frontier.extend(LEAVES[size : size + step], HEIGHT)
        size += step
        for level, hashes in enumerate(grown):
            tiles[level] += b"".join(hashes)
        assert (frontier.size, frontier.root()) == (size, ALL_ROOTS[size])
        # What is stored can be continued: the frontier read back from tiles is the frontier.
        stored = TileNodes(size, lambda level, number: tiles[level][number * 8192 : (number + 1) * 8192])
        assert Frontier.read(size, stored) == frontier
    assert tiles[0] == b"".join(LEAVES[:size])
    assert tiles[1] == b"".join(by_definition(LEAVES[at : at + 256]) for at in range(0, size // 256 * 256, 256))


@given(st.data())
def test_a_changed_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, MOST))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, nodes(LEAVES))
    other = data.draw(st.integers(0, size - 1))
    with pytest.raises(EvidenceBroken):
        merkle.verify_inclusion(b"x" * 32, index, size, proof, ALL_ROOTS[size])
    with pytest.raises(EvidenceBroken):
        merkle.verify_inclusion(LEAVES[index], index, size, [*proof, b"x" * 32], ALL_ROOTS[size])
    if proof:
        with pytest.raises(EvidenceBroken):
            merkle.verify_inclusion(LEAVES[index], index, size, proof[:-1], ALL_ROOTS[size])
        at = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:at], b"x" * 32, *proof[at + 1 :]]
        with pytest.raises(EvidenceBroken):
            merkle.verify_inclusion(LEAVES[index], index, size, changed, ALL_ROOTS[size])
    if other != index:
        with pytest.raises(EvidenceBroken):
            merkle.verify_inclusion(LEAVES[index], other, size, proof, ALL_ROOTS[size])


@given(st.data())
def test_a_changed_consistency_proof_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, MOST))
    old = data.draw(st.integers(1, new - 1))
    proof = merkle.consistency_proof(old, new, nodes(LEAVES))
    at = data.draw(st.integers(0, len(proof) - 1))
    roots = ALL_ROOTS[old], ALL_ROOTS[new]
    for changed in ([*proof[:at], b"x" * 32, *proof[at + 1 :]], proof[:-1], [*proof, b"x" * 32], []):
        with pytest.raises(EvidenceBroken):
            merkle.verify_consistency(old, new, changed, *roots)
    with pytest.raises(EvidenceBroken):
        merkle.verify_consistency(old, new, proof, b"x" * 32, roots[1])
    with pytest.raises(EvidenceBroken):
        merkle.verify_consistency(old, new, proof, roots[0], b"x" * 32)


def test_trees_that_are_not_prefixes_are_refused() -> None:
    for old, new, old_root, new_root in (
        (0, 5, b"x" * 32, ALL_ROOTS[5]),
        (5, 5, ALL_ROOTS[4], ALL_ROOTS[5]),
        (6, 5, ALL_ROOTS[6], ALL_ROOTS[5]),
        (-1, 5, ALL_ROOTS[5], ALL_ROOTS[5]),
    ):
        with pytest.raises(EvidenceBroken):
            merkle.verify_consistency(old, new, [], old_root, new_root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (6, 5), (-1, 5)])
def test_there_is_no_proof_for_an_entry_outside(index: int, size: int) -> None:
    with pytest.raises(BadRequest, match="no entry"):
        merkle.inclusion_proof(index, size, nodes(LEAVES))
    with pytest.raises(EvidenceBroken):
        merkle.verify_inclusion(LEAVES[0], index, size, [], ALL_ROOTS[1])


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5)])
def test_there_is_no_proof_backwards(old: int, new: int) -> None:
    with pytest.raises(BadRequest):
        merkle.consistency_proof(old, new, nodes(LEAVES))
