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

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from riad.ledger import cbor
from riad.ledger.note import Checkpoint, Signer, Verifier

MEDIA_TYPE = 'application/cose; cose-type="cose-sign1"'  # RFC 9052, section 11.2; RFC 9942 registers none of its own
MAX_RECEIPT = 1 << 14  # bytes; 63 hashes and an origin of 255 characters take less than 3 KiB

_ALG, _KID, _CLAIMS, _VDS, _VDP = 1, 4, 15, 395, 396
_ISS, _SUB = 1, 2
_EDDSA, _RFC9162_SHA256, _INCLUSION = -8, 1, -1
_SIGN1 = 18
_OKP, _ED25519 = 1, 6  # a COSE_Key's type and curve (RFC 9053, section 7)


def sign_root(signer: Signer, head: Checkpoint) -> bytes:
    """The signature, 64 bytes, that receipts for this tree head carry: kept beside the checkpoint."""
    return signer.sign_bytes(_signed(_protected(signer.verifier, head), head.root))


def signed_root(verifier: Verifier, head: Checkpoint, signature: bytes) -> bool:
    """Whether it is this key's ``sign_root`` of that tree head."""
    try:
        key = Ed25519PublicKey.from_public_bytes(verifier.public)
        key.verify(signature, _signed(_protected(verifier, head), head.root))
    except InvalidSignature:
        return False
    return True


def _protected(verifier: Verifier, head: Checkpoint) -> bytes:
    claims = {_ISS: head.origin, _SUB: str(head.size)}
    return cbor.encode({_ALG: _EDDSA, _KID: verifier.key_id, _CLAIMS: claims, _VDS: _RFC9162_SHA256})


def _signed(protected: bytes, root: bytes) -> bytes:
    """The bytes under the signature: RFC 9052, section 4.4, with the root as the payload that is not sent."""
    return cbor.encode(["Signature1", protected, b"", root])
