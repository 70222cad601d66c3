"""What a log sends to a witness: C2SP tlog-witness, the body of ``add-checkpoint``. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple, NoReturn

from riad.errors import BadRequest, RiadError
from riad.ledger.merkle import HASH_SIZE
from riad.ledger.note import Checkpoint, Note
from riad.texts import N_

MAX_PROOF = 63  # hashes
MAX_SIZE = 1 << 63


class Submission(NamedTuple):
    """A checkpoint and the proof that it extends the tree of ``old`` entries. Nothing is verified yet."""

    old: int
    proof: list[bytes]
    note: str
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Submission:
        """Read a request's body. Raises ``BadRequest`` unless it has exactly the format's shape."""
        try:
            head, separator, note = body.decode().partition("\n\n")
        except UnicodeDecodeError:
            _malformed(N_("it is not UTF-8"))
        first, *lines = head.split("\n")
        label, _, digits = first.partition(" ")
        old = _number(digits)
        if not separator or label != "old" or old is None:
            _malformed(N_("it does not begin with the old size"))
        if len(lines) > MAX_PROOF:
            _malformed(N_("its proof has more than 63 hashes"))
        proof = [_hash(line) for line in lines]
        try:
            text = Note.parse(note).text
            checkpoint = Checkpoint.parse(text)
        except RiadError:
            _malformed(N_("it carries no checkpoint"))
        if checkpoint.size >= MAX_SIZE or len(checkpoint.origin.encode()) > 255:
            _malformed(N_("its checkpoint's size or origin is too large"))
        if old > checkpoint.size:
            _malformed(N_("the old size is larger than the checkpoint's"))
        return cls(old, proof, note, checkpoint)

    @property
    def body(self) -> bytes:
        """The request's body."""
        hashes = "".join(base64.b64encode(item).decode() + "\n" for item in self.proof)
        return f"old {self.old}\n{hashes}\n{self.note}".encode()


def _hash(line: str) -> bytes:
    try:
        data = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        _malformed(N_("its proof is not a list of hashes"))
    if len(data) != HASH_SIZE or base64.b64encode(data).decode() != line:
        _malformed(N_("its proof is not a list of hashes"))
    return data


def _number(digits: str) -> int | None:
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        return None
    value = int(digits)
    return value if str(value) == digits and value < MAX_SIZE else None


def _malformed(reason: str) -> NoReturn:
    raise BadRequest(
        N_("This is not an add-checkpoint request: {reason}."),
        remedy=N_("See c2sp.org/tlog-witness for its form."),
        reason=reason,
    )
