"""What comes back: checked, searched for persons nobody asked about, its names restored, its tokens counted.

An answer in which nothing is restored or masked passes through byte for byte. ``streams.py`` has those that stream.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from secrets import token_hex
from typing import Any

import msgspec

from riad.errors import BadRequest, EngineFailed, LimitReached, RiadError
from riad.gateway.calls import Call, Endpoint, encode
from riad.gateway.delivered import Delivered
from riad.gateway.disclosures import Prompted, masked
from riad.gateway.spoken import slots
from riad.ledger import commitment
from riad.ledger.entry import Count
from riad.privacy import restore, scan_many
from riad.texts import N_


class Usage(msgspec.Struct):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class _Whole(msgspec.Struct):
    """The members of an answer that must be there for it to be one."""

    id: str | None = None
    usage: Any = None
    choices: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None


_decode_whole = msgspec.json.Decoder(_Whole).decode
_decode = msgspec.json.Decoder().decode


def bad_answer() -> EngineFailed:
    return EngineFailed(
        N_("The engine's answer is not what its API promises."),
        remedy=N_("riad sites check says what that engine answers."),
        code="engine_bad_response",
    )


def read(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises ``EngineFailed`` for anything else."""
    try:
        body = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_answer() from None
    if type(body) is not dict:
        raise bad_answer()
    return body


def index_of(holder: dict[str, Any]) -> int | None:
    """Which choice this is. Raises ``EngineFailed`` for what cannot be counted."""
    value = holder.get("index", 0)
    if value is not None and type(value) is not int:
        raise bad_answer()
    return value


class Answer:
    """What both kinds of answer know.

    ``mapping`` holds the originals of what was masked, as far as they may come back; ``new`` counts data about persons
    that the prompt did not hold (``prompted``), which is masked where ``masks``; ``delivered`` is what the caller got,
    ``commitment`` what the record says of it.
    """

    def __init__(self, mapping: dict[str, str], *, masks: bool = False) -> None:
        self.mapping = mapping
        self.prompted = Prompted()
        self.masks = masks
        self.new: Counter[str] = Counter()
        self.delivered = Delivered()
        self.commitment: str | None = None
        self.usage: Usage | None = None
        self.events = 0  # of a stream those with content, of a whole answer a fourth of its bytes: its tokens, about

    @property
    def changes(self) -> bool:
        """Whether the caller reads something else than the engine wrote."""
        return self.masks or bool(self.mapping)

    def tokens(self, call: Call) -> tuple[int, int] | None:
        """Prompt and completion tokens: the engine's own count, else an estimate from what passed by."""
        if self.usage is not None:
            return self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0
        if self.events:
            return max(1, len(call.raw) // 4), self.events
        return None

    def commit(self, key: bytes) -> None:
        """Commit to what was delivered until now, if anything was, under the record's key, if there is one."""
        if key and (choices := self.delivered.whole()) is not None:
            self.commitment = commitment.answer(key, choices)

    def count(self, usage: Any) -> None:
        """Take the engine's own count. One that miscounts has answered all the same: then it is estimated."""
        with contextlib.suppress(msgspec.ValidationError):
            self.usage = msgspec.convert(usage, Usage, strict=False)


class WholeAnswer(Answer):
    """An answer in one piece."""

    def finish(self, raw: bytes, endpoint: Endpoint) -> bytes:
        """The reply's bytes. Raises ``EngineFailed`` when this is no answer."""
        try:
            whole = _decode_whole(raw)
            if endpoint.kind == "embedding":
                return self._vectors(raw, whole)
            if whole.choices is None:
                raise bad_answer()
            self.events = max(1, len(raw) // 4)
            self.count(whole.usage)
            choices = [_decode(choice) for choice in whole.choices]
            self._search(choices)
            if not self.changes:
                self.delivered.choices(choices, "message")
                return raw if whole.id else encode(_named(read(raw), whole.id))
            body = {**read(raw), "choices": [_without_logprobs(choice) for choice in choices]}
            body = _restored(body, self.mapping)
            self.delivered.choices(body["choices"], "message")
            return encode(_named(body, whole.id))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise bad_answer() from None

    def _vectors(self, raw: bytes, whole: _Whole) -> bytes:
        if whole.data is None:
            raise bad_answer()
        self.events = 1
        self.count(whole.usage)
        return raw if whole.id else encode(_named(read(raw), whole.id))

    def _search(self, choices: list[Any]) -> None:
        """Count what is new about persons and, where the project asks, mask it."""
        said = [slot for choice in choices if type(choice) is dict for slot in slots(choice, 0)]
        texts = [slot.text for slot in said]
        for slot, text, findings in zip(said, texts, scan_many(texts), strict=True):
            if findings and (new := self.prompted.new(text, findings)):
                self.new.update(finding.type for finding in new)
                if self.masks:
                    slot.holder[slot.field] = masked(text, new)


def _named(body: dict[str, Any], known: str | None) -> dict[str, Any]:
    """Mistral's SDK insists on an id; some engines give none with embeddings."""
    return {**body, "id": known or f"riad-{token_hex(12)}"}


def _without_logprobs(choice: Any) -> Any:
    """They would tell the tokens of a placeholder, or of a name that was masked."""
    return {**choice, "logprobs": None} if type(choice) is dict and "logprobs" in choice else choice


def _restored(value: Any, mapping: dict[str, str]) -> Any:
    """A copy of a decoded answer with the originals back in its texts; tool arguments stay valid JSON."""
    if type(value) is str:
        return restore(value, mapping)
    if type(value) is list:
        return [_restored(item, mapping) for item in value]
    if type(value) is dict:
        return {
            name: restore(item, mapping, escape_json=True)
            if name == "arguments" and type(item) is str
            else _restored(item, mapping)
            for name, item in value.items()
        }
    return value


class _EngineError(msgspec.Struct):
    message: str = ""
    code: Any = None
    param: Any = None


class _EngineErrorBody(msgspec.Struct):
    error: _EngineError | str = ""


def engine_error(status: int, headers: dict[bytes, bytes], raw: bytes, answer: Answer) -> RiadError:
    """What an engine's error status means for the caller.

    Its 400, 413, 415 and 422 are about the request: the caller sees the engine's own message. Anything else is the
    site's problem: another lawful route is tried, then the caller gets a 502 or a 429.
    """
    if status in (400, 413, 415, 422):
        return BadRequest(
            N_("The engine refused the request: {reason}"),
            remedy="",
            code="engine_refused",
            reason=restore(_reason(raw), answer.mapping)[:2000],
        )
    if status == 429:
        after = headers.get(b"retry-after", b"1")
        return _Busy(
            N_("The site is at its limit."),
            remedy=N_("Try again after the time in retry-after."),
            code="site_at_limit",
            retry_after=float(after) if after.isdigit() else 1.0,
        )
    return EngineFailed(
        N_("The engine answered with status {status}."),
        remedy=N_("Try again; riad sites check says what that engine answers."),
        status=status,
    )


class _Busy(EngineFailed):
    """A site's own 429: another route may do; if none does, the caller sees a 429 too."""

    status = LimitReached.status
    type = LimitReached.type


def _reason(raw: bytes) -> str:
    try:
        error = msgspec.json.decode(raw, type=_EngineErrorBody).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "no reason given"
    return error if isinstance(error, str) else error.message
