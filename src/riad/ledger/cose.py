"""COSE receipts: the log's second form of proof, RFC 9942 over the same tree (vds 1, RFC9162_SHA256).

A receipt is a tagged COSE_Sign1 (RFC 9052) with the inclusion proof in its unprotected header and no payload: what was
signed is the root, and whoever verifies computes it from the entry, which the receipt does not carry.

RFC 9942 signs the root alone. A proof says the tree's size and the entry's index beside the signature, and some pairs
of them lead to the same root (the last of three entries looks like the last of two). So the protected header says the
log and its size too, as CWT claims (RFC 9597) that verifiers hand on: ``iss`` is the origin, ``sub`` the size.

The algorithm is written EdDSA (-8), which RFC 9864 has deprecated in favour of Ed25519 (-19), for verifiers in use know
only the former. A signature here cannot pass for a note's: what is signed begins with a byte that no UTF-8 text holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from riad.errors import EvidenceBroken, NotFound
from riad.ledger import cbor, merkle
from riad.ledger.merkle import HASH_SIZE
from riad.ledger.note import Checkpoint, Signer, Verifier
from riad.ledger.tiles import MAX_ENTRY
from riad.ledger.verify import BadReceipt, Policy, Report
from riad.texts import N_

MEDIA_TYPE = 'application/cose; cose-type="cose-sign1"'  # RFC 9052, section 11; RFC 9942 registers none of its own
MAX_RECEIPT = 1 << 14  # bytes; 63 hashes and an origin of 255 characters take less than 4 KiB

_ALG, _KID, _CLAIMS, _VDS, _VDP = 1, 4, 15, 395, 396
_ISS, _SUB = 1, 2
_EDDSA, _RFC9162_SHA256, _INCLUSION = -8, 1, -1
_SIGN1 = 18
_OKP, _ED25519 = 1, 6  # a COSE_Key's type and curve (RFC 9053, section 7)


def sign_root(signer: Signer, head: Checkpoint) -> bytes:
    """The signature, 64 bytes, that receipts for this tree head carry: kept beside the checkpoint."""
    return signer.sign_bytes(_signed(_protected(signer.verifier, head), head.root))


def compose(
    verifiers: Sequence[Verifier], head: Checkpoint, index: int, proof: Sequence[bytes], signature: bytes
) -> bytes:
    """The receipt of an entry from its inclusion proof and the ``sign_root`` of the tree head. Needs no private key.

    ``verifiers`` are the log's keys, of which one signed. Raises ``EvidenceBroken`` if none did, ``NotFound`` where
    there is no receipt yet: the head was signed by a version that kept no such signature (``b""``), or the log has one
    entry only, whose proof is empty, which RFC 9942, section 5.2, does not allow.
    """
    if not proof or not signature:
        raise NotFound(
            N_("There is no COSE receipt yet: it takes a second entry, recorded by this version of Riad."),
            remedy=N_("Ask again after the next request, or take the text receipt."),
        )
    verifier = next((one for one in verifiers if _fits(one, _protected(one, head), head.root, signature)), None)
    if verifier is None:
        raise EvidenceBroken(
            N_("The ledger's COSE signature does not fit its checkpoint."),
            remedy=N_("Restore the ledger's newest copy; see docs/reference/ledger.md, When the ledger refuses."),
        )
    content = cbor.encode([head.size, index, list(proof)])
    unprotected = {_VDP: {_INCLUSION: [content]}}
    return cbor.encode(cbor.Tag(_SIGN1, [_protected(verifier, head), unprotected, None, signature]))


def is_receipt(data: bytes) -> bool:
    """Whether a file means to be a COSE receipt: no text begins with this byte."""
    return data[:1] == bytes([6 << 5 | _SIGN1])


def verify(receipt: bytes, entry: bytes, verifiers: Sequence[Verifier], policy: Policy | None = None) -> Report:
    """Check a COSE receipt for an entry. Raises ``BadReceipt`` at the first step that fails.

    The steps are those of RFC 9942, section 5.2.1: first the proof, then the signature. A policy that asks for
    witnesses is never met: a COSE receipt has none.
    """
    report = Report(entry=entry)

    # (1) The file has exactly the form that this log gives a receipt.
    parts = _split(receipt)
    report.index = parts.leaf
    report.add(
        N_("The file is a COSE receipt (RFC 9942) for entry {index}."),
        N_("Only that it is whole and well formed."),
        index=parts.leaf,
    )

    # (2) Of the keys given, it names one.
    verifier = next((one for one in verifiers if one.key_id == parts.key_id), None)
    if verifier is None:
        raise BadReceipt(2, N_("The receipt names the key {id}, which is none of those given."), id=parts.key_id.hex())
    report.add(
        N_("The key is {name}, id {id}."),
        N_("Nothing by itself. That it is the platform's key you must know from elsewhere than this receipt."),
        name=verifier.name,
        id=verifier.key_id.hex(),
    )

    # (3) The proof leads from the entry to a root.
    root = _climb(report, parts, entry)

    # (4) The key signed that root, under a header that says which log it is of, and how large.
    _check_signature(report, parts, verifier, root)

    # (5) The log is the one the key is named after.
    if parts.origin != verifier.name:
        raise BadReceipt(
            5, N_("The checkpoint is of {origin}, not of {name}."), origin=parts.origin, name=verifier.name
        )
    report.add(
        N_("The checkpoint is of the log {origin}."), N_("It is not borrowed from another log."), origin=parts.origin
    )

    # (6) Witnesses sign checkpoints, which are notes; a COSE receipt has no place for them.
    if policy is not None and not policy.reached(()):
        raise BadReceipt(
            6,
            N_(
                "The policy asks for witnesses, and a COSE receipt carries none: verify the text receipt, or this one "
                "by the log's key alone, unwitnessed."
            ),
        )
    report.add(
        N_("The receipt is unwitnessed: a COSE receipt carries no witness's signature, the text receipt may."),
        N_("Nothing: only the operator vouches for it."),
    )
    return report


def keys(verifiers: Sequence[Verifier]) -> bytes:
    """The public key as a COSE_Key (RFC 9052, section 7), whose ``kid`` receipts name; several as a COSE_KeySet."""
    cards = [{1: _OKP, 2: one.key_id, 3: _EDDSA, -1: _ED25519, -2: one.public} for one in verifiers]
    return cbor.encode(cards[0] if len(cards) == 1 else cards)


def pem(verifier: Verifier) -> str:
    """The public key as most tools take it: PEM of a SubjectPublicKeyInfo (RFC 8410)."""
    public = Ed25519PublicKey.from_public_bytes(verifier.public)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class _Parts(NamedTuple):
    """What a receipt holds. Nothing in it is verified but its form."""

    protected: bytes
    key_id: bytes
    origin: str
    size: int
    leaf: int
    proof: list[bytes]
    signature: bytes


def _split(receipt: bytes) -> _Parts:
    if len(receipt) > MAX_RECEIPT:
        _malformed(N_("it is too large"))
    try:
        match cbor.decode(receipt):
            case cbor.Tag(18, [bytes(protected), {396: {-1: [bytes(proof)]} as vdp} as loose, None, bytes(signature)]):
                pass
            case _:
                _malformed(N_("it is not a COSE_Sign1 with one inclusion proof and no payload"))
        header, inclusion = cbor.decode(protected), cbor.decode(proof)
    except ValueError:
        _malformed(N_("it is not CBOR in its deterministic form"))
    match header:
        case {1: -8, 4: bytes(key_id), 15: {1: str(origin), 2: str(subject)} as claims, 395: 1}:
            pass
        case _:
            _malformed(N_("its header is not that of a log's receipt"))
    match inclusion:
        case [int(size), int(index), [_, *_] as hashes] if 0 <= index < size and all(map(_is_hash, hashes)):
            pass
        case _:
            _malformed(N_("its proof is not a list of hashes"))
    if (len(loose), len(vdp), len(header), len(claims)) != (1, 1, 4, 2):
        _malformed(N_("it says more than a receipt does"))
    if subject != str(size):
        _malformed(N_("its header and its proof are of logs of two sizes"))
    return _Parts(protected, key_id, origin, size, index, hashes, signature)


def _climb(report: Report, parts: _Parts, entry: bytes) -> bytes:
    """Step 3: the root that proof and entry lead to."""
    if not 0 < len(entry) <= MAX_ENTRY:
        raise BadReceipt(3, N_("The entry is empty or larger than an entry can be."))
    try:
        root = merkle.inclusion_root(merkle.leaf_hash(entry), parts.leaf, parts.size, parts.proof)
    except EvidenceBroken:
        raise BadReceipt(3, N_("The proof has not the length it must have.")) from None
    report.root = root.hex()
    report.add(
        N_("{count} hashes lead from the entry to the root {root}."),
        N_("Nothing yet: proof and entry are not signed, the root is."),
        count=len(parts.proof),
        root=report.root,
    )
    return root


def _check_signature(report: Report, parts: _Parts, verifier: Verifier, root: bytes) -> None:
    """Step 4."""
    if not _fits(verifier, parts.protected, root, parts.signature):
        raise BadReceipt(
            4,
            N_(
                "The signature does not fit the root: the entry, the proof or the signature was changed, if only by a "
                "line feed at the entry's end, or they do not belong together."
            ),
        )
    report.origin, report.size = parts.origin, parts.size
    report.add(
        N_("The key signed the root: {size} entries of the log {origin}."),
        N_("This entry, to the last bit, is number {index} of that log: to change it is to change that root."),
        size=report.size,
        origin=report.origin,
        index=report.index,
    )


def _is_hash(item: Any) -> bool:
    return isinstance(item, bytes) and len(item) == HASH_SIZE


def _fits(verifier: Verifier, protected: bytes, root: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public).verify(signature, _signed(protected, root))
    except InvalidSignature:
        return False
    return True


def _malformed(reason: str) -> NoReturn:
    raise BadReceipt(1, N_("The file is no COSE receipt, or was damaged: {reason}."), reason=reason)


def _protected(verifier: Verifier, head: Checkpoint) -> bytes:
    claims = {_ISS: head.origin, _SUB: str(head.size)}
    return cbor.encode({_ALG: _EDDSA, _KID: verifier.key_id, _CLAIMS: claims, _VDS: _RFC9162_SHA256})


def _signed(protected: bytes, root: bytes) -> bytes:
    """The bytes under the signature: RFC 9052, section 4.4, with the root as the payload that is not sent."""
    return cbor.encode(["Signature1", protected, b"", root])
