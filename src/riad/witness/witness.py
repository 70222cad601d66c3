"""The witness's judgement of a checkpoint, in the order of C2SP tlog-witness, ``add-checkpoint``."""

from __future__ import annotations

import base64
import sys
from typing import NamedTuple

from riad.errors import BadRequest, EvidenceBroken
from riad.ledger import merkle
from riad.ledger.cosignature import Cosigner
from riad.ledger.note import Note, Verifier
from riad.ledger.submission import Submission
from riad.texts import N_, Message, _, translate
from riad.witness.memory import Fork, Memory, Seen, now

TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: str
    media_type: str = TEXT


class Witness:
    """Cosigns what extends what it has seen. Methods may be called from any thread and wait for the disk."""

    def __init__(self, cosigners: list[Cosigner], memory: Memory) -> None:
        self.cosigners = cosigners
        self.memory = memory

    @property
    def name(self) -> str:
        return self.cosigners[0].verifier.name

    def add_checkpoint(self, body: bytes) -> Answer:
        """Judge one request. Raises ``Unavailable`` where the memory does not work: then nothing was cosigned."""
        # (1) The body is a request, and its old size is not larger than its checkpoint's.
        try:
            submission = Submission.parse(body)
        except BadRequest as error:
            return Answer(400, error.render() + "\n")
        origin = submission.checkpoint.origin

        # (2) The log is known, and (3) one of its keys signed the checkpoint.
        trusted = self.memory.keys(origin)
        keys = trusted or self._of_a_year(origin)
        if not keys:
            return _refusal(404, N_("This witness does not know that log."))
        signers = [key for key in keys if _signed(key, submission.note)]
        if not signers:
            return _refusal(403, N_("No key this witness trusts for that log signed the checkpoint."))

        if not trusted:
            for key in signers:
                self.memory.trust(key)  # a year's log is listed from its first checkpoint on
        note = _signed_by(signers, submission.note)  # what strangers signed is neither kept nor published

        with self.memory.extending(origin) as (seen, extend):
            answer = self._conflict(seen, submission)
            if answer is None:
                # (6) The next checkpoint is stored with its cosignatures; they leave after the commit, when this
                # block has ended. The time is taken here, so that no later cosignature is of a smaller tree.
                at, checkpoint = now(), submission.checkpoint
                lines = "".join(cosigner.sign(Note.parse(note).text, at) for cosigner in self.cosigners)
                if checkpoint.size != seen.size or not seen.note:  # a repetition costs no write
                    extend(Seen(checkpoint.size, checkpoint.root, note + lines, at))
                answer = Answer(200, lines)
        if answer.status != 200:
            self._suspect(seen, submission, note, answer.status)
        return answer

    def _of_a_year(self, origin: str) -> list[Verifier]:
        """The keys of a ledger's yearly log, ``ORIGIN/2027``: those trusted for ``ORIGIN``, under the year's name."""
        parent, _, year = origin.rpartition("/")
        if not (len(year) == 4 and year.isascii() and year.isdecimal()):
            return []
        return [Verifier(origin, key.public) for key in self.memory.keys(parent)]

    def _conflict(self, seen: Seen, submission: Submission) -> Answer | None:
        checkpoint = submission.checkpoint
        # (4) The old size is that of the newest cosigned checkpoint; a tree of that size has that root.
        if submission.old != seen.size or (checkpoint.size == seen.size and checkpoint.root != seen.root):
            return Answer(409, f"{seen.size}\n", SIZE)
        # (5) The proof shows that the new tree only adds to the old one.
        try:
            merkle.verify_consistency(seen.size, checkpoint.size, submission.proof, seen.root, checkpoint.root)
        except EvidenceBroken:
            return _refusal(422, N_("The proof does not show that the checkpoint extends what this witness has seen."))
        return None

    def _suspect(self, seen: Seen, submission: Submission, note: str, status: int) -> None:
        """Say what was refused; keep it where it proves that the log's key signed two histories.

        Anybody may send a log's true checkpoint with a false proof, so that a proof that fails accuses nobody. What
        does: two roots for one size, and a proof that leads to the signed new root from another old one.
        """
        checkpoint, origin = submission.checkpoint, submission.checkpoint.origin
        same_size = checkpoint.size == seen.size and checkpoint.root != seen.root
        if seen.note and (same_size or (status == 422 and _from_another(seen, submission))):
            proof = "" if same_size else "".join(base64.b64encode(h).decode() + "\n" for h in submission.proof)
            if self.memory.accuse(Fork(origin, now(), seen.note, note, proof)):
                _tell(
                    _(
                        "{origin}: this log showed two histories: size {first}, root {first_root} and size {second}, "
                        "root {second_root}. Both signed checkpoints are kept; see `riad witness status`.",
                        origin=origin,
                        first=seen.size,
                        first_root=seen.root.hex(),
                        second=checkpoint.size,
                        second_root=checkpoint.root.hex(),
                    )
                )
        elif status == 422:
            _tell(
                _(
                    "{origin}: refused size {size}: its proof does not extend the {seen} entries seen. That alone "
                    "accuses nobody: anybody may send a wrong proof.",
                    origin=origin,
                    size=checkpoint.size,
                    seen=seen.size,
                )
            )
        elif checkpoint.size < seen.size:
            _tell(
                _(
                    "{origin}: refused size {size}: {seen} entries were seen before. An old copy of the log may be in "
                    "place.",
                    origin=origin,
                    size=checkpoint.size,
                    seen=seen.size,
                )
            )


def _signed(key: Verifier, note: str) -> bool:
    try:
        key.open(note)
    except EvidenceBroken:
        return False
    return True


def _signed_by(keys: list[Verifier], raw: str) -> str:
    """A note without the signatures of others."""
    note = Note.parse(raw)
    ours = [(key.name, key.key_id) for key in keys]
    lines = [
        f"— {line.name} {base64.b64encode(line.key_id + line.signature).decode()}\n"
        for line in note.signatures
        if line[:2] in ours
    ]
    return note.text + "\n" + "".join(lines)


def _from_another(seen: Seen, submission: Submission) -> bool:
    """Whether the proof leads to the signed new root from another root of the old size than the one seen.

    Such a proof binds the new root to an old root that is not the one the log's key signed before. Where the old size
    is a power of two the proof does not name the old root, and nothing can be told.
    """
    other = merkle.prefix_root(seen.size, submission.checkpoint.size, submission.proof, submission.checkpoint.root)
    return other is not None and other != seen.root


def _refusal(status: int, message: Message) -> Answer:
    return Answer(status, translate(message) + "\n")


def _tell(sentence: str) -> None:
    print(f"riad witness: {sentence}", file=sys.stderr, flush=True)
