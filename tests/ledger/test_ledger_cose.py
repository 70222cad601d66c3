"""``riad.ledger.cose`` and ``riad.ledger.cbor``: COSE receipts, and the CBOR they are written in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import assume, given
from hypothesis import strategies as st
from ledger_parts import ORIGIN

from riad.errors import EvidenceBroken, NotFound
from riad.ledger import cbor, cose, merkle
from riad.ledger.note import Checkpoint, Signer, Verifier
from riad.ledger.verify import BadReceipt, Policy, WitnessKey

SIGNER = Signer(ORIGIN, bytes(range(32)))
VERIFIER = SIGNER.verifier
ENTRIES = [b'{"n":%d}' % number for number in range(11)]


def head_of(entries: Sequence[bytes]) -> tuple[Checkpoint, merkle.Node]:
    levels = [[merkle.leaf_hash(entry) for entry in entries]]
    while len(levels[-1]) > 1:
        levels.append(merkle.pair(levels[-1]))

    def node(level: int, at: int) -> bytes:
        return levels[level][at]

    return Checkpoint(ORIGIN, len(entries), merkle.root(len(entries), node)), node


def receipt_of(index: int, entries: Sequence[bytes] = ENTRIES, signer: Signer = SIGNER) -> bytes:
    head, node = head_of(entries)
    proof = merkle.inclusion_proof(index, head.size, node)
    return cose.compose([signer.verifier], head, index, proof, cose.sign_root(signer, head))


def refused(receipt: bytes, entry: bytes, *verifiers: Verifier) -> BadReceipt:
    with pytest.raises(BadReceipt) as caught:
        cose.verify(receipt, entry, verifiers or [VERIFIER])
    return caught.value


# CBOR


@pytest.mark.parametrize(
    ("value", "encoded"),
    [  # RFC 8949, appendix A
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (100, "1864"),
        (1000, "1903e8"),
        (1000000, "1a000f4240"),
        (1000000000000, "1b000000e8d4a51000"),
        (18446744073709551615, "1bffffffffffffffff"),
        (-1, "20"),
        (-100, "3863"),
        (-18446744073709551616, "3bffffffffffffffff"),
        (None, "f6"),
        (b"", "40"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("", "60"),
        ("IETF", "6449455446"),
        ("\u6c34", "63e6b0b4"),
        ([], "80"),
        ([1, [2, 3], [4, 5]], "8301820203820405"),
        ({}, "a0"),
        ({1: 2, 3: 4}, "a201020304"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
        (cbor.Tag(32, "http://www.example.com"), "d82076687474703a2f2f7777772e6578616d706c652e636f6d"),
    ],
)
def test_the_standard_s_own_examples(value: Any, encoded: str) -> None:
    assert cbor.encode(value).hex() == encoded
    assert cbor.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "1800",  # not the shortest
        "190017",
        "1a0000ffff",
        "5801ff",
        "a203040102",  # not sorted
        "a201020102",  # twice
        "0000",  # more behind it
        "9f01ff",  # indefinite
        "5f4101ff",
        "f4",  # false
        "f90000",  # a float
        "f7",
        "1c",
        "44010203",  # cut short
        "82",
        "9bffffffffffffffff",  # announces more than there is
        "5bffffffffffffffff",
        "bbffffffffffffffff",
        "a1a00000",  # a map as a key
        "61ff",  # not UTF-8
        "81" * 5000 + "00",
    ],
)
def test_what_is_not_deterministic_cbor_of_ours(encoded: str) -> None:
    with pytest.raises(ValueError, match=r"CBOR|nested|short|simple|utf-8"):
        cbor.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize("value", [True, 1.5, (1, 2), {1}, [None, False], 1 << 64, bytearray(b"x")])
def test_what_has_no_form(value: Any) -> None:
    with pytest.raises(TypeError):
        cbor.encode(value)


SCALARS = st.none() | st.integers(-(1 << 64), (1 << 64) - 1) | st.binary(max_size=300) | st.text(max_size=300)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(SCALARS, inner, max_size=30)
        | st.builds(cbor.Tag, st.integers(0, (1 << 64) - 1), inner)
    ),
    max_leaves=6,
)


def depth(value: Any) -> int:
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + max(map(depth, [value.value] if isinstance(value, cbor.Tag) else inner), default=0)


@given(VALUES)
def test_cbor_round_trip(value: Any) -> None:
    assume(depth(value) <= cbor.MAX_DEPTH)
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_come_back_the_same(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except ValueError:
        return
    assert cbor.encode(value) == data


# Receipts


def test_the_bytes_of_a_receipt() -> None:
    """Against the structure written out by hand from RFC 9052 and RFC 9942."""
    entries = [b"a", b"b"]
    root = merkle.node_hash(merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b"))
    origin = bytes([0x60 + len(ORIGIN)]) + ORIGIN.encode()
    protected = b"\xa4\x01\x27\x04\x44" + VERIFIER.key_id + b"\x0f\xa2\x01" + origin + b"\x02\x612\x19\x01\x8b\x01"
    wrapped = b"\x58" + bytes([len(protected)]) + protected
    signed = b"\x84\x6aSignature1" + wrapped + b"\x40" + b"\x58\x20" + root
    proof = b"\x83\x02\x00\x81\x58\x20" + merkle.leaf_hash(b"b")
    assert receipt_of(0, entries) == (
        b"\xd2\x84" + wrapped + b"\xa1\x19\x01\x8c\xa1\x20\x81\x58" + bytes([len(proof)]) + proof + b"\xf6\x58\x40"
    ) + SIGNER.sign_bytes(signed)


@given(st.integers(2, 300), st.data())
def test_receipts_verify(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    entries = [b"%d" % number for number in range(size)]
    receipt = receipt_of(index, entries)
    assert cose.is_receipt(receipt)
    report = cose.verify(receipt, entries[index], [VERIFIER])
    assert (report.index, report.size, report.origin, report.entry) == (index, size, ORIGIN, entries[index])
    assert report.root == head_of(entries)[0].root.hex()
    assert len(report.steps) == 6
    assert refused(receipt, entries[index - 1]).step == 4


def test_no_changed_bit_passes() -> None:
    receipt = receipt_of(5)
    for at in range(len(receipt)):
        for bit in range(8):
            changed = bytearray(receipt)
            changed[at] ^= 1 << bit
            refused(bytes(changed), ENTRIES[5])


def test_no_part_or_addition_passes() -> None:
    receipt = receipt_of(5)
    for end in range(len(receipt)):
        assert refused(receipt[:end], ENTRIES[5]).step == 1
    assert refused(receipt + b"\x00", ENTRIES[5]).step == 1


def test_any_bytes_fail_at_the_first_step() -> None:
    for data in (b"", b"\xd2", b"c2sp.org/tlog-proof@v1\n", b"\xd2\x84", bytes(1 << 20), b"\xd2" + b"\x81" * (1 << 14)):
        assert refused(data, ENTRIES[0]).step == 1
    assert not cose.is_receipt(b"")
    assert not cose.is_receipt(b"c2sp.org/tlog-proof@v1\n")


@given(st.binary(max_size=400))
def test_random_bytes_after_the_tag(data: bytes) -> None:
    assert refused(b"\xd2" + data, ENTRIES[0]).step == 1


def test_another_key() -> None:
    receipt = receipt_of(5)
    assert refused(receipt, ENTRIES[5], Signer.generate(ORIGIN).verifier).step == 2
    # Both of an overlap: the one that the receipt names is taken.
    both = [Signer.generate(ORIGIN).verifier, VERIFIER]
    assert cose.verify(receipt, ENTRIES[5], both).steps[1].values["id"] == VERIFIER.key_id.hex()
    # Nobody composes a receipt from another key's signature; who forges one is found out.
    head, node = head_of(ENTRIES)
    proof, foreign = merkle.inclusion_proof(5, head.size, node), cose.sign_root(Signer.generate(ORIGIN), head)
    for signature in (foreign, foreign[:-1]):
        with pytest.raises(EvidenceBroken, match="does not fit"):
            cose.compose([VERIFIER], head, 5, proof, signature)
    forged = receipt.replace(cose.sign_root(SIGNER, head), foreign)
    assert refused(forged, ENTRIES[5]).step == 4


def test_while_two_keys_overlap_either_may_have_signed() -> None:
    head, node = head_of(ENTRIES)
    proof, both = merkle.inclusion_proof(5, head.size, node), [Signer.generate(ORIGIN).verifier, VERIFIER]
    assert cose.compose(both, head, 5, proof, cose.sign_root(SIGNER, head)) == receipt_of(5)


def test_a_policy_that_asks_for_witnesses_is_never_met() -> None:
    witness = WitnessKey("witness.example", b"\x01\x02\x03\x04", 4, bytes(32))
    named = {"w": witness}
    cose.verify(receipt_of(5), ENTRIES[5], [VERIFIER], Policy([VERIFIER.vkey], named))
    with pytest.raises(BadReceipt) as caught:
        cose.verify(receipt_of(5), ENTRIES[5], [VERIFIER], Policy([VERIFIER.vkey], named, quorum="w"))
    assert caught.value.step == 6


@pytest.mark.parametrize("entry", [b"", b"x" * 65536, ENTRIES[5] + b"\n", ENTRIES[4]])
def test_another_entry(entry: bytes) -> None:
    assert refused(receipt_of(5), entry).step in (3, 4)


def test_a_size_and_index_that_lead_to_the_same_root() -> None:
    """The last of three entries looks like the last of two: only the signed size tells."""
    entries = [b"a", b"b", b"c"]
    receipt = receipt_of(2, entries)
    changed = receipt.replace(b"\x83\x03\x02", b"\x83\x02\x01")
    assert changed != receipt
    assert refused(changed, b"c").step == 1
    both = changed.replace(b"\x02\x613", b"\x02\x612")
    assert both != changed
    assert refused(both, b"c").step == 4


def test_a_log_it_is_not_of() -> None:
    """A platform that signs another log's head with the same key says so."""
    other, node = head_of(ENTRIES)
    other = other._replace(origin="other.example/ledger")
    receipt = cose.compose(
        [VERIFIER], other, 5, merkle.inclusion_proof(5, other.size, node), cose.sign_root(SIGNER, other)
    )
    assert refused(receipt, ENTRIES[5]).step == 5


def rewritten(**changes: Any) -> bytes:
    """A receipt whose signature is right and whose form is not."""
    head, node = head_of(ENTRIES)
    header = {1: -8, 4: VERIFIER.key_id, 15: {1: ORIGIN, 2: "11"}, 395: 1} | changes.get("header", {})
    protected = changes.get("protected", cbor.encode({key: value for key, value in header.items() if value != "gone"}))
    content = changes.get("content", [11, 5, merkle.inclusion_proof(5, 11, node)])
    proof = cbor.encode(content) if isinstance(content, list) else content
    loose = changes.get("loose", {396: {-1: [proof]}})
    signed = cbor.encode(["Signature1", protected, b"", head.root])
    parts = [protected, loose, changes.get("payload"), SIGNER.sign_bytes(signed)]
    tag = changes.get("tag", 18)
    return cbor.encode(cbor.Tag(tag, parts) if tag else parts)


def test_rewriting_changes_nothing_by_itself() -> None:
    assert rewritten() == receipt_of(5)


@pytest.mark.parametrize(
    "changes",
    [
        {"header": {1: -7}},
        {"header": {1: -19}},
        {"header": {395: 2}},
        {"header": {395: "gone"}},
        {"header": {4: "gone"}},
        {"header": {4: "text"}},
        {"header": {2: [395]}},
        {"header": {15: {1: ORIGIN}}},
        {"header": {15: {1: ORIGIN, 2: "11", 6: 1790000000}}},
        {"header": {15: {1: ORIGIN, 2: 11}}},
        {"header": {15: {1: ORIGIN, 2: "12"}}},
        {"protected": b""},
        {"protected": b"\xa1\x01\x38\x07"},
        {"content": b""},
        {"content": [11, 5]},
        {"content": [11, 5, []]},
        {"content": [11, 5, [b"short"]]},
        {"content": [11, 5, [bytes(32), "text"]]},
        {"content": [11, 11, [bytes(32)]]},
        {"content": [11, -1, [bytes(32)]]},
        {"content": ["11", 5, [bytes(32)]]},
        {"content": [11, 5, [bytes(32)], 1]},
        {"loose": {}},
        {"loose": {396: {-1: []}}},
        {"loose": {396: {-2: [b""]}}},
        {"loose": {396: {-1: [b"\x80", b"\x80"]}}},
        {"loose": {396: [b"\x80"]}},
        {"payload": bytes(32)},
        {"tag": 0},
        {"tag": 98},
    ],
)
def test_signed_rightly_but_no_receipt_of_ours(changes: dict[str, Any]) -> None:
    assert refused(rewritten(**changes), ENTRIES[5]).step == 1


@pytest.mark.parametrize("count", [1, 3, 5, 63])
def test_a_proof_of_the_wrong_length(count: int) -> None:
    assert refused(rewritten(content=[11, 5, [bytes(32)] * count]), ENTRIES[5]).step == 3


def test_what_has_no_receipt_yet() -> None:
    with pytest.raises(NotFound, match="second entry"):
        receipt_of(0, [b"a"])
    head, node = head_of(ENTRIES)
    with pytest.raises(NotFound, match="this version"):
        cose.compose([VERIFIER], head, 5, merkle.inclusion_proof(5, head.size, node), b"")


def test_keys() -> None:
    assert cose.keys([VERIFIER]) == (
        b"\xa5\x01\x01\x02\x44" + VERIFIER.key_id + b"\x03\x27\x20\x06\x21\x58\x20" + VERIFIER.public
    )
    other = Signer.generate(ORIGIN).verifier
    assert cose.keys([VERIFIER, other]) == b"\x82" + cose.keys([VERIFIER]) + cose.keys([other])
    public = load_pem_public_key(cose.pem(VERIFIER).encode())
    assert public.public_bytes_raw() == VERIFIER.public  # type: ignore[union-attr]


def test_the_root_that_a_proof_leads_to() -> None:
    head, node = head_of(ENTRIES)
    proof = merkle.inclusion_proof(5, 11, node)
    assert merkle.inclusion_root(merkle.leaf_hash(ENTRIES[5]), 5, 11, proof) == head.root
    for index, size, hashes in ((11, 11, proof), (-1, 11, proof), (5, 11, proof[:-1]), (5, 11, [*proof, bytes(32)])):
        with pytest.raises(EvidenceBroken):
            merkle.inclusion_root(merkle.leaf_hash(ENTRIES[5]), index, size, hashes)
