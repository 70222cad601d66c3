"""One witness as the feeder knows it: what it has seen, when it is asked again, what it says against this ledger."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import NamedTuple
from urllib.parse import quote

from riad.errors import EvidenceBroken, NotFound, RiadError, Unavailable
from riad.ledger import http, merkle
from riad.ledger.cosignature import CosignatureVerifier
from riad.ledger.note import Checkpoint, Note, Verifier
from riad.ledger.reader import Reader
from riad.ledger.submission import Submission
from riad.texts import N_, _, terminal_language

WITHIN = 10.0  # seconds for one request
MAX_PAUSE = 300.0  # seconds between two attempts at a witness that is away
TRIES = 3  # requests in one attempt: one tells the size it has, the next is right, one for a race
SIZE = "text/x.tlog.size"


class Target(NamedTuple):
    """A checkpoint on its way to the quorum, and the cosignature lines it has, by the witness's name."""

    note: str
    checkpoint: Checkpoint
    lines: dict[str, str]


class Contact:
    """A witness. ``name`` is its name in the policy; ``accuses`` is empty while it agrees with this ledger."""

    def __init__(self, name: str, url: str, vkey: str, reader: Reader, every: float) -> None:
        self.name = name
        self.accuses = ""
        self.proved = False  # it shows a checkpoint that this ledger's own key signed
        self._url = url.rstrip("/")
        self._verifier = CosignatureVerifier.parse(vkey)
        self._reader = reader
        self._every = every
        self._pause = 0.0
        self._next = 0.0
        self._seen = 0  # entries of this log it has seen, as far as is known
        self._cosigned: tuple[int, int] | None = None  # size, POSIX seconds
        self._failure = ""

    def due(self, target: Target) -> bool:
        """Whether to ask it now: it has not cosigned this checkpoint, and its pause is over."""
        return self.name not in target.lines and time.monotonic() >= self._next

    def status(self) -> dict[str, object]:
        """For a person: who, where, what was cosigned and when, what went wrong last."""
        size, at = self._cosigned or (None, None)
        return {
            "witness": self._verifier.name,
            "url": self._url,
            "size": size,
            "time": at,
            "failure": self._failure,
            "accuses": self.accuses,
            "proved": self.proved,
        }

    async def ask(self, target: Target) -> str | None:
        """Its cosignature lines for a checkpoint, verified; None where it gave none, for a reason it then knows."""
        try:
            lines, at = await self._cosign(target)
        except RiadError as error:
            reason = error.render(terminal_language())
            if reason != self._failure:
                self._tell(_("the witness {name} did not cosign: {reason}", name=self._verifier.name, reason=reason))
            self._failure = reason
            self._pause = min(max(self._every, self._pause * 2), MAX_PAUSE)
            self._next = time.monotonic() + self._pause
            return None
        if self._failure:
            self._tell(_("the witness {name} cosigns again.", name=self._verifier.name))
        self._failure, self.accuses, self.proved, self._pause = "", "", False, 0.0
        self._seen, self._cosigned = target.checkpoint.size, (target.checkpoint.size, at)
        return lines

    async def _cosign(self, target: Target) -> tuple[str, int]:
        size = target.checkpoint.size
        for _attempt in range(TRIES):
            old = min(self._seen, size)
            proof = await asyncio.to_thread(self._reader.consistency, old, size)
            body = Submission(old, proof, target.note, target.checkpoint).body
            answer = await http.request("POST", f"{self._url}/add-checkpoint", body, seconds=WITHIN)
            if answer.status == 200:
                return self._verified(target, answer.body)
            seen = _size(answer) if answer.status == 409 else None
            if seen is not None and seen != old and seen <= size:
                self._seen = seen
            elif seen is not None and seen > size:
                raise await self._accusation(
                    N_("The witness {name} has seen {seen} entries of this ledger, but it holds {held}."), seen
                )
            elif answer.status in (409, 422):
                raise await self._accusation(
                    N_("The witness {name} has cosigned another history of this ledger, of {seen} entries."), old
                )
            else:
                said = answer.body[:200].decode("utf-8", "replace").strip()
                said = "".join(c if c.isprintable() else " " for c in said)
                raise Unavailable(N_("it answered {status}: {said}"), status=answer.status, said=said)
        raise Unavailable(N_("its size changed with every request"))

    def _verified(self, target: Target, body: bytes) -> tuple[str, int]:
        """The lines by this witness's key alone, and their time. Raises ``EvidenceBroken``."""
        try:
            text = body.decode()
            note = Note.parse(target.note + text)
        except (UnicodeDecodeError, EvidenceBroken):
            raise EvidenceBroken(N_("it answered with something that is no cosignature")) from None
        ours = (self._verifier.name, self._verifier.key_id)
        every = [line for line in text.split("\n") if line]
        lines = [line for line, found in zip(every[::-1], note.signatures[::-1], strict=False) if found[:2] == ours]
        kept = "".join(line + "\n" for line in lines[::-1])
        at = self._verifier.time(target.note + kept) if kept else None
        if at is None:
            raise EvidenceBroken(N_("it answered with no cosignature by its own key"))
        return kept, at

    async def _accusation(self, message: str, seen: int) -> RiadError:
        """What to say of a witness that has seen something else; whether it proves it."""
        held = await asyncio.to_thread(self._reader.size)
        if self._seen < seen <= held:
            return Unavailable(N_("it has seen a newer checkpoint"))  # another machine's feeder was quicker
        self.proved = await self._proves(held)
        self.accuses = _(message, name=self._verifier.name, seen=seen, held=held)
        return EvidenceBroken(message, name=self._verifier.name, seen=seen, held=held)

    async def _proves(self, held: int) -> bool:
        """Whether the newest checkpoint it publishes is signed by this ledger's key and not of this ledger.

        ``/latest`` is what Riad's own witness has beside C2SP's protocol; another that lacks it proves nothing.
        """
        try:
            key = Verifier.parse(self._reader.vkey())
            origin = key.name
            answer = await http.request("GET", f"{self._url}/latest?origin={quote(origin)}", seconds=WITHIN)
            theirs = Checkpoint.parse(key.open(answer.body.decode()))
            if theirs.origin != origin:
                return False
            if theirs.size > held:
                return True
            ours = Checkpoint.parse(key.open(self._reader.checkpoint()))
            proof = await asyncio.to_thread(self._reader.consistency, theirs.size, ours.size)
        except (Unavailable, UnicodeDecodeError, EvidenceBroken, NotFound):
            return False
        try:
            merkle.verify_consistency(theirs.size, ours.size, proof, theirs.root, ours.root)
        except EvidenceBroken:
            return True
        return False

    def _tell(self, sentence: str) -> None:
        print(f"riad witnesses: {sentence}", file=sys.stderr, flush=True)


def _size(answer: http.Answer) -> int | None:
    digits = answer.body.removesuffix(b"\n")
    if answer.media_type != SIZE or not digits.isdigit() or len(digits) > 19:
        return None
    return int(digits)
