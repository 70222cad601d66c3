"""Cosignatures: what a witness signs under a checkpoint, and when (C2SP tlog-cosignature).

A cosignature says: at this time, this was the largest tree of that log that I had seen, and it extends all that I saw
before. It is a signature line under the checkpoint's note whose bytes are a time (POSIX seconds, 8 bytes) and a
signature by Ed25519 (``cosignature/v1``, key type 4) or by ML-DSA-44 (``subtree/v1``, key type 6).
"""

from __future__ import annotations

import base64
import binascii
import struct
from hashlib import sha256
from typing import Any, NoReturn, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from riad.errors import BadRequest, EvidenceBroken
from riad.ledger.note import Checkpoint, Note, check_name
from riad.texts import N_

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
except ImportError:  # a cryptography before it knew the algorithm
    MLDSA44PrivateKey = MLDSA44PublicKey = None  # type: ignore[assignment,misc]

ED25519 = 4
ML_DSA_44 = 6
_PUBLIC_BYTES = {ED25519: 32, ML_DSA_44: 1312}
_SIGNATURE_BYTES = {ED25519: 64, ML_DSA_44: 2420}
_SEED_BYTES = 32
_PRIVATE = "PRIVATE+KEY+"


class _Public(Protocol):
    def verify(self, signature: bytes, data: bytes, /) -> None: ...


class CosignatureVerifier:
    """A witness's public key. ``vkey`` is its text form: ``name+hash+base64(type || key)``."""

    def __init__(self, name: str, kind: int, public: bytes) -> None:
        _check_name(name)
        self.name = name
        self.kind = kind
        self.public = public
        data = bytes([kind]) + public
        self.key_id = sha256(name.encode() + b"\n" + data).digest()[:4]
        self.vkey = f"{name}+{self.key_id.hex()}+{base64.b64encode(data).decode()}"
        self._key = _public_key(kind, public)

    def __repr__(self) -> str:
        return f"<CosignatureVerifier {self.name}+{self.key_id.hex()}>"

    @classmethod
    def parse(cls, vkey: str) -> CosignatureVerifier:
        """Read a witness key's text form. Raises ``BadRequest``."""
        name, kind, public = _parse(vkey.strip(), _PUBLIC_BYTES)
        verifier = cls(name, kind, public)
        if verifier.vkey != vkey.strip():
            _bad_key()
        return verifier

    def time(self, raw: str) -> int | None:
        """When this witness cosigned the checkpoint in a note, in POSIX seconds; None where it did not.

        Where it did so several times, the earliest. The log's own signature is not looked at. Raises ``EvidenceBroken``
        for a note that is no checkpoint and for a signature in this key's name that is not one.
        """
        note = Note.parse(raw)
        checkpoint = Checkpoint.parse(note.text)
        times = [
            self._verified(signature, note.text, checkpoint)
            for name, key_id, signature in note.signatures
            if (name, key_id) == (self.name, self.key_id)
        ]
        return min(times, default=None)

    def _verified(self, stamped: bytes, text: str, checkpoint: Checkpoint) -> int:
        if len(stamped) != 8 + _SIGNATURE_BYTES[self.kind]:
            _broken(N_("The cosignature by {name} has not the length it must have."), name=self.name)
        time = int.from_bytes(stamped[:8])
        if time >= 1 << 63:
            _broken(N_("The cosignature by {name} carries no usable time."), name=self.name)
        try:
            self._key.verify(stamped[8:], message(self.kind, self.name, text, checkpoint, time))
        except InvalidSignature:
            _broken(N_("The cosignature by {name} does not fit the checkpoint."), name=self.name)
        return time


class Cosigner:
    """A witness's private key. ``skey`` is its text form: a secret."""

    def __init__(self, name: str, kind: int, seed: bytes) -> None:
        self._seed = seed
        self._key = _private_key(kind, seed)
        self.verifier = CosignatureVerifier(name, kind, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"<Cosigner {self.verifier.name}+{self.verifier.key_id.hex()}>"

    @property
    def skey(self) -> str:
        data = base64.b64encode(bytes([self.verifier.kind]) + self._seed).decode()
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.key_id.hex()}+{data}"

    @classmethod
    def generate(cls, name: str, kind: int = ED25519) -> Cosigner:
        """A new key. Raises ``BadRequest`` for a name or a kind that cannot be."""
        if kind == ML_DSA_44 and MLDSA44PrivateKey is not None:
            try:
                return cls(name, kind, MLDSA44PrivateKey.generate().private_bytes_raw())
            except UnsupportedAlgorithm:
                _no_ml_dsa()
        return cls(name, kind, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, skey: str) -> Cosigner:
        """Read a private key's text form. Raises ``BadRequest`` and never repeats what was given."""
        if not skey.startswith(_PRIVATE):
            _bad_key()
        name, kind, seed = _parse(skey.removeprefix(_PRIVATE), dict.fromkeys(_PUBLIC_BYTES, _SEED_BYTES))
        cosigner = cls(name, kind, seed)
        if cosigner.skey != skey:
            _bad_key()
        return cosigner

    def sign(self, text: str, time: int) -> str:
        """The signature line, with its newline, for a checkpoint's text at a time in POSIX seconds."""
        signed = message(self.verifier.kind, self.verifier.name, text, Checkpoint.parse(text), time)
        data = self.verifier.key_id + time.to_bytes(8) + self._key.sign(signed)
        return f"— {self.verifier.name} {base64.b64encode(data).decode()}\n"


def message(kind: int, name: str, text: str, checkpoint: Checkpoint, time: int) -> bytes:
    """What is signed. Ed25519 signs the checkpoint's whole text; ML-DSA-44 origin, size and root, and the witness's
    name."""
    if kind == ED25519:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    cosigner, origin = name.encode(), checkpoint.origin.encode()
    if len(cosigner) > 255 or len(origin) > 255 or checkpoint.size >= 1 << 64:
        _broken(N_("The checkpoint cannot be cosigned with ML-DSA-44: a name or its size is too large."))
    head = struct.pack(">12sB", b"subtree/v1\n\0", len(cosigner)) + cosigner
    head += struct.pack(">QB", time, len(origin)) + origin
    return head + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root


def _parse(text: str, lengths: dict[int, int]) -> tuple[str, int, bytes]:
    name, _, rest = text.partition("+")
    try:
        data = base64.b64decode(rest.partition("+")[2], validate=True)
    except (binascii.Error, ValueError):
        _bad_key()
    if not data or len(data) - 1 != lengths.get(data[0]):
        _bad_key()
    return name, data[0], data[1:]


def _public_key(kind: int, public: bytes) -> _Public:
    if kind == ED25519:
        return Ed25519PublicKey.from_public_bytes(public)
    if MLDSA44PublicKey is None:
        _no_ml_dsa()
    try:
        return MLDSA44PublicKey.from_public_bytes(public)
    except UnsupportedAlgorithm:
        _no_ml_dsa()


def _private_key(kind: int, seed: bytes) -> Any:
    if kind == ED25519:
        return Ed25519PrivateKey.from_private_bytes(seed)
    if MLDSA44PrivateKey is None:
        _no_ml_dsa()
    try:
        return MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm:
        _no_ml_dsa()


def _check_name(name: str) -> None:
    try:
        check_name(name)
        usable = len(name.encode()) <= 255
    except (BadRequest, UnicodeEncodeError):
        usable = False
    if not usable:
        raise BadRequest(
            N_("{name} cannot be the name of a witness."),
            remedy=N_("Use a name without spaces and plus signs, as witness.example.org/riad."),
            name=repr(name[:80]),
        )


def _no_ml_dsa() -> NoReturn:
    raise BadRequest(
        N_("The package cryptography on this machine does not know ML-DSA-44."),
        remedy=N_("Install a newer one, or use a witness key of the kind Ed25519."),
    )


def _bad_key() -> NoReturn:
    raise BadRequest(
        N_("This is not a key of a witness."),
        remedy=N_("Give the line that `riad witness key` prints: name+hash+key."),
    )


def _broken(message: str, **values: Any) -> NoReturn:
    raise EvidenceBroken(message, remedy=N_("Do not rely on it; ask for it again from its source."), **values)
