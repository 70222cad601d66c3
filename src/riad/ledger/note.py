"""Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint, with Ed25519 keys.

A note is text that ends in a newline, an empty line, then signature lines ``— name base64(key id || signature)``.
A checkpoint is a note whose text is the log's origin, its size and its root, a line each. Keys are written as Go's
``sumdb/note`` writes them: ``name+hash+base64(type || key)``, the private one after ``PRIVATE+KEY+``.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from riad.errors import BadRequest, EvidenceBroken
from riad.ledger.merkle import HASH_SIZE
from riad.texts import N_

ED25519 = b"\x01"
MAX_NOTE = 1 << 20  # characters; a note with the 16 signatures a verifier must accept stays far below
MAX_SIGNATURES = 100
_PRIVATE = "PRIVATE+KEY+"


class Signature(NamedTuple):
    """One signature line: the key's name, its 4-byte id, the signature's bytes. Nothing is verified yet."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A parsed note. ``text`` ends in a newline and must not be believed before ``Verifier.open`` returned it."""

    text: str
    signatures: list[Signature]

    @classmethod
    def parse(cls, raw: str) -> Note:
        """Split a note. Raises ``EvidenceBroken`` unless it has exactly the format's shape."""
        text, separator, lines = raw.rpartition("\n\n")
        if not separator or not text or not lines.endswith("\n") or len(raw) > MAX_NOTE:
            _broken(N_("This is not a signed note."))
        if any(character < " " and character != "\n" for character in raw):
            _broken(N_("The signed note holds control characters."))
        signatures = [_signature(line) for line in lines[:-1].split("\n")]
        if len(signatures) > MAX_SIGNATURES:
            _broken(N_("The signed note has too many signatures."))
        return cls(text + "\n", signatures)


class Verifier:
    """A public key that verifies notes. ``vkey`` is its text form, to publish: a line.

    While a log changes its key it has two at once: ``also`` holds the others, each of the same name, and ``vkeys`` is
    a line for each.
    """

    def __init__(self, name: str, public: bytes, also: tuple[Verifier, ...] = ()) -> None:
        check_name(name)
        self.name = name
        self.public = public
        self.also = also
        self.key_id = _key_id(name, public)
        self._key = Ed25519PublicKey.from_public_bytes(public)

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_b64(ED25519 + self.public)}"

    @property
    def vkeys(self) -> str:
        return "\n".join(key.vkey for key in (self, *self.also))

    @classmethod
    def parse(cls, vkeys: str) -> Verifier:
        """Read a key's text form, or that of several of one name, a line each. Raises ``BadRequest``."""
        parsed = [_parse_key(line) for line in vkeys.split("\n") if line.strip()]
        if not parsed or {name for name, _ in parsed} != {parsed[0][0]}:
            _bad_key()
        name, public = parsed[0]
        return cls(name, public, tuple(cls(name, other) for _, other in parsed[1:]))

    def open(self, raw: str) -> str:
        """The text of a note that this key signed, or one of ``also``.

        Raises ``EvidenceBroken`` if none did, or one not rightly. Signatures by other keys are ignored, as the format
        asks: they are somebody else's to check.
        """
        note = Note.parse(raw)
        if not any(self.signed(note)):
            _broken(N_("The note carries no signature by {name}."), name=self.name)
        return note.text

    def signed(self, note: Note) -> list[bool]:
        """Which of the keys, this one first, signed a note. Raises ``EvidenceBroken`` where one did not rightly."""
        return [key._signed(note) for key in (self, *self.also)]

    def _signed(self, note: Note) -> bool:
        message = note.text.encode()
        ours = [line.signature for line in note.signatures if line[:2] == (self.name, self.key_id)]
        for signature in ours:
            try:
                self._key.verify(signature, message)
            except InvalidSignature:
                _broken(N_("The signature by {name} does not fit the note."), name=self.name)
        return bool(ours)


class Signer:
    """A private key that signs notes. ``skey`` is its text form: a secret, a line.

    While a log changes its key, ``also`` holds the others, of the same name: all of them sign every note.
    """

    def __init__(self, name: str, seed: bytes, also: tuple[Signer, ...] = ()) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        self.also = also
        others = tuple(signer.verifier for signer in also)
        self.verifier: Verifier = Verifier(name, self._key.public_key().public_bytes_raw(), others)

    def __repr__(self) -> str:
        return f"<Signer {self.verifier.vkey}>"

    @property
    def skey(self) -> str:
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.key_id.hex()}+{_b64(ED25519 + self._seed)}"

    @classmethod
    def generate(cls, name: str) -> Signer:
        """A new key. Raises ``BadRequest`` for a name the format does not allow."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def skeys(self) -> str:
        return "\n".join(signer.skey for signer in (self, *self.also))

    @classmethod
    def parse(cls, skeys: str) -> Signer:
        """Read a private key's text form, or that of several of one name, a line each.

        Raises ``BadRequest`` and never repeats what was given.
        """
        lines = [line for line in skeys.split("\n") if line.strip()]
        if not lines or not all(line.startswith(_PRIVATE) for line in lines):
            _bad_key()
        parsed = [_parse_key(line.removeprefix(_PRIVATE), private=True) for line in lines]
        if {name for name, _ in parsed} != {parsed[0][0]}:
            _bad_key()
        name, seed = parsed[0]
        return cls(name, seed, tuple(cls(name, other) for _, other in parsed[1:]))

    def under(self, name: str) -> Signer:
        """The same keys under another name: a log's next shard has its own origin."""
        return Signer(name, self._seed, tuple(signer.under(name) for signer in self.also))

    def beside(self, other: Signer) -> Signer:
        """These keys and one more."""
        return Signer(self.verifier.name, self._seed, (*self.also, other))

    def sign(self, text: str) -> str:
        """The note of ``text``, which ends in a newline, with a signature by each key."""
        return text + "\n" + "".join(signer._line(text) for signer in (self, *self.also))

    def _line(self, text: str) -> str:
        signature = self._key.sign(text.encode())
        return f"— {self.verifier.name} {_b64(self.verifier.key_id + signature)}\n"

    def sign_bytes(self, message: bytes) -> bytes:
        """This key's bare signature, 64 bytes. The caller sees to it that the message can be no note's text."""
        return self._key.sign(message)


class Checkpoint(NamedTuple):
    """A tree head: the log's origin, its size in entries, its root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note text (C2SP tlog-checkpoint, Note text)."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a verified note's text; extension lines are allowed and dropped. Raises ``EvidenceBroken``."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            _broken(N_("The note is not a checkpoint."))
        origin, size, root = lines[:3]
        if not (size.isascii() and size.isdecimal()) or str(int(size[:20])) != size:
            _broken(N_("The checkpoint has no usable size."))
        digest = _unb64(root)
        if digest is None or len(digest) != HASH_SIZE:
            _broken(N_("The checkpoint has no usable root."))
        return cls(origin, int(size), digest)


def check_name(name: str) -> None:
    """Refuse a key name or origin that C2SP signed-note does not allow. Raises ``BadRequest``."""
    if not name or len(name) > 255 or not name.isprintable() or any(c.isspace() or c == "+" for c in name):
        raise BadRequest(
            N_("{name} cannot be the origin of a ledger."),
            remedy=N_("Use a name without spaces and plus signs, as example.org/ledger."),
            name=repr(name[:80]),
        )


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    data = _unb64(encoded)
    if dash != "—" or not name or any(c.isspace() or c == "+" for c in name) or data is None or len(data) < 5:
        _broken(N_("The signed note has a line that is no signature."))
    return Signature(name, data[:4], data[4:])


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def _parse_key(text: str, *, private: bool = False) -> tuple[str, bytes]:
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = _unb64(encoded)
    if data is None or len(data) != 33 or data[:1] != ED25519:
        _bad_key()
    check_name(name)
    public = data[1:]
    if private:
        public = Ed25519PrivateKey.from_private_bytes(public).public_key().public_bytes_raw()
    if key_id != _key_id(name, public).hex():
        _bad_key()
    return name, data[1:]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes | None:
    """Strict base64 (RFC 4648, section 4): no other alphabet, no missing padding, no spare bits."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _b64(data) == text else None


def _bad_key() -> NoReturn:
    raise BadRequest(
        N_("This is not an Ed25519 key of a ledger."),
        remedy=N_("Give the line that `riad ledger key` prints: name+hash+key."),
    )


def _broken(message: str, **values: Any) -> NoReturn:
    raise EvidenceBroken(message, remedy=N_("Do not rely on it; ask for it again from its source."), **values)
