"""What comes back: checked, its names restored, its tokens counted; whole, or as it streams.

An answer that needs no restoring passes through byte for byte. In a stream the only event ever withheld is the
usage that the caller did not ask for; ``[DONE]`` is passed on, never invented.
"""

from __future__ import annotations

import contextlib
from secrets import token_hex
from typing import Any

import msgspec

from riad.errors import BadRequest, EngineFailed, LimitReached, RiadError
from riad.gateway.calls import Call, Endpoint, encode
from riad.gateway.wire import error_body
from riad.ledger.entry import Count
from riad.privacy import Restorer, restore
from riad.sites.sse import Events, event
from riad.texts import N_

DONE = b"[DONE]"
TEXT_FIELDS = ("content", "reasoning", "reasoning_content", "refusal", "text")


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


def _bad_answer() -> EngineFailed:
    return EngineFailed(
        N_("The engine's answer is not what its API promises."),
        remedy=N_("riad sites check says what that engine answers."),
        code="engine_bad_response",
    )


def _read(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises ``EngineFailed`` for anything else."""
    try:
        body = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _bad_answer() from None
    if type(body) is not dict:
        raise _bad_answer()
    return body


def _index(holder: dict[str, Any]) -> int | None:
    value = holder.get("index", 0)
    if value is not None and type(value) is not int:
        raise _bad_answer()
    return value


class _Answer:
    """What both kinds of answer know: the originals of the placeholders, and the tokens used."""

    def __init__(self, mapping: dict[str, str]) -> None:
        self.mapping = mapping
        self.usage: Usage | None = None
        self.events = 0  # of a stream those with content, of a whole answer a fourth of its bytes: its tokens, about

    def tokens(self, call: Call) -> tuple[int, int] | None:
        """Prompt and completion tokens: the engine's own count, else an estimate from what passed by."""
        if self.usage is not None:
            return self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0
        if self.events:
            return max(1, len(call.raw) // 4), self.events
        return None

    def count(self, usage: Any) -> None:
        """Take the engine's own count. One that miscounts has answered all the same: then it is estimated."""
        with contextlib.suppress(msgspec.ValidationError):
            self.usage = msgspec.convert(usage, Usage, strict=False)


class WholeAnswer(_Answer):
    """An answer in one piece."""

    def finish(self, raw: bytes, endpoint: Endpoint) -> bytes:
        """The reply's bytes. Raises ``EngineFailed`` when this is no answer."""
        try:
            whole = _decode_whole(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _bad_answer() from None
        if (whole.data if endpoint.kind == "embedding" else whole.choices) is None:
            raise _bad_answer()
        self.events = 1 if endpoint.kind == "embedding" else max(1, len(raw) // 4)
        self.count(whole.usage)
        mapping = self.mapping if endpoint.kind != "embedding" else {}
        if whole.id and not mapping:
            return raw
        try:
            body = _restored(_read(raw), mapping)
            # Mistral's SDK insists on an id; some engines give none with embeddings.
            return encode({**body, "id": whole.id or f"riad-{token_hex(12)}"})
        except RecursionError:
            raise _bad_answer() from None


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


class StreamAnswer(_Answer):
    """An answer that arrives as server-sent events."""

    def __init__(self, mapping: dict[str, str], wants_usage: bool) -> None:
        super().__init__(mapping)
        self._wants_usage = wants_usage
        self._frames = Events()
        self._restorers: dict[tuple[Any, ...], Restorer] = {}
        self._done = False

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to pass on for these bytes from the engine; maybe none."""
        out = []
        for data in self._frames.feed(chunk):
            if data == DONE:
                self._done = True
                out.append(self._flush_all())
                out.append(event(DONE))
            elif passed := self._one(data):
                out.append(event(passed))
        return b"".join(out)

    def finish(self) -> bytes:
        """At the engine's end. Raises ``EngineFailed`` when the stream was cut before ``[DONE]``."""
        if not self._done or self._frames.pending:
            raise EngineFailed(
                N_("The engine stopped in the middle of its answer."),
                remedy=N_("Send the request again; what was received is incomplete."),
                code="engine_interrupted",
            )
        return b""

    @staticmethod
    def error_event(error: RiadError) -> bytes:
        """An error as the event that SDKs raise from (a stream's status cannot change any more)."""
        return event(error_body(error, "en"))

    def _one(self, data: bytes) -> bytes:
        """One event. The usage event has an empty list of choices; an event without choices is passed on."""
        if not self.mapping and b'"usage"' not in data and b'"error"' not in data:
            if not data.startswith(b"{"):
                raise _bad_answer()
            self.events += 1
            return data
        body = _read(data)
        if body.get("error"):
            raise EngineFailed(
                N_("The engine reported an error in the middle of its answer."),
                remedy=N_("Send the request again."),
                code="engine_interrupted",
            )
        choices = body.get("choices")
        usage = body.get("usage")
        if type(usage) is dict:
            self.count(usage)
            if not choices and not self._wants_usage:
                return b""
        if choices:
            self.events += 1
        if not self.mapping:
            return data
        if type(choices) is list:
            for choice in choices:
                self._restore_choice(choice)
        return encode(body)

    def _restore_choice(self, choice: Any) -> None:
        if type(choice) is not dict:
            raise _bad_answer()
        index = _index(choice)
        ending = choice.get("finish_reason") is not None
        delta = choice.get("delta")
        holder = delta if type(delta) is dict else choice
        for field in TEXT_FIELDS:
            text = holder.get(field)
            if type(text) is str or (ending and (index, field) in self._restorers):
                holder[field] = self._feed((index, field), text or "", ending, escape_json=False)
        calls = holder.get("tool_calls")
        if type(calls) is list:
            for call in calls:
                function = call.get("function") if type(call) is dict else None
                if type(function) is dict and type(function.get("arguments")) is str:
                    key = (index, "tool", _index(call))
                    function["arguments"] = self._feed(key, function["arguments"], ending, escape_json=True)
        if ending:
            held = self._held_tools(index)
            if held:
                holder["tool_calls"] = [*(calls or ()), *held]

    def _held_tools(self, index: Any) -> list[dict[str, Any]]:
        """What restorers of this choice's tool arguments still hold back, as further deltas."""
        held = []
        for key in [key for key in self._restorers if key[0] == index and key[1] == "tool"]:
            if rest := self._restorers.pop(key).flush():
                held.append({"index": key[2], "function": {"arguments": rest}})
        return held

    def _feed(self, key: tuple[Any, ...], text: str, ending: bool, *, escape_json: bool) -> str:
        restorer = self._restorers.get(key)
        if restorer is None:
            restorer = self._restorers[key] = Restorer(self.mapping, escape_json=escape_json)
        out = restorer.feed(text)
        if ending:
            out += restorer.flush()
            del self._restorers[key]
        return out

    def _flush_all(self) -> bytes:
        """An engine that sent ``[DONE]`` without a finish reason: what is held back goes out in one last event."""
        choices: list[dict[str, Any]] = []
        for (index, field, *rest), restorer in self._restorers.items():
            if held := restorer.flush():
                said: dict[str, Any] = {field: held}
                if field == "tool":
                    said = {"tool_calls": [{"index": rest[0], "function": {"arguments": held}}]}
                if field != "text":  # a completion's; all else stands in a delta
                    said = {"delta": said}
                choices.append({"index": index, **said, "finish_reason": None})
        self._restorers.clear()
        return event(encode({"object": "chat.completion.chunk", "choices": choices})) if choices else b""


class _EngineError(msgspec.Struct):
    message: str = ""
    code: Any = None
    param: Any = None


class _EngineErrorBody(msgspec.Struct):
    error: _EngineError | str = ""


def engine_error(status: int, headers: dict[bytes, bytes], raw: bytes, answer: _Answer) -> RiadError:
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
