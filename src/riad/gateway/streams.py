"""An answer that streams: each event passed on, restored and masked as far as it is certain.

In a stream the only event ever withheld is the usage that the caller did not ask for; ``[DONE]`` is passed on, never
invented.
"""

from __future__ import annotations

from typing import Any

from riad.errors import EngineFailed, RiadError
from riad.gateway.answers import Answer, bad_answer, index_of, read
from riad.gateway.calls import encode
from riad.gateway.disclosures import Held
from riad.gateway.spoken import Heard, Key, Slot, Wrap, add, slots
from riad.gateway.wire import error_body
from riad.privacy import Restorer, scan_many
from riad.sites.sse import Events, event
from riad.texts import N_

DONE = b"[DONE]"


class _Text:
    """One text of a stream on its way: masked where the project asks, then its originals put back."""

    def __init__(self, answer: StreamAnswer, slot: Slot) -> None:
        self.wrap: Wrap = slot.wrap
        self.held = Held(answer.prompted, answer.new, is_json=slot.is_json) if answer.masks else None
        self._restorer = Restorer(answer.mapping, escape_json=slot.is_json)

    def feed(self, text: str) -> str:
        return self._restorer.feed(self.held.feed(text) if self.held is not None else text)

    def flush(self) -> str:
        rest = self._restorer.feed(self.held.flush()) if self.held is not None else ""
        return rest + self._restorer.flush()


class StreamAnswer(Answer):
    """An answer that arrives as server-sent events."""

    def __init__(self, mapping: dict[str, str], wants_usage: bool, *, masks: bool = False) -> None:
        super().__init__(mapping, masks=masks)
        self.heard = Heard(self.delivered)
        self._wants_usage = wants_usage
        self._frames = Events()
        self._texts: dict[Key, _Text] = {}
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

    def search(self) -> None:
        """Count what was new about persons in what passed; the caller has it already. Masking counted by itself."""
        if not self.masks:
            texts = self.heard.texts()
            for text, findings in zip(texts, scan_many(texts), strict=True):
                self.new.update(finding.type for finding in self.prompted.new(text, findings))

    @property
    def waiting(self) -> int:
        """Characters that will be scanned at once when the text they belong to is whole."""
        return sum(text.held.size for text in self._texts.values() if text.held is not None) if self.masks else 0

    @staticmethod
    def error_event(error: RiadError) -> bytes:
        """An error as the event that SDKs raise from (a stream's status cannot change any more)."""
        return event(error_body(error, "en"))

    def _one(self, data: bytes) -> bytes:
        """One event. The usage event has an empty list of choices; an event without choices is passed on."""
        if not self.changes and b'"usage"' not in data and b'"error"' not in data:
            if not data.startswith(b"{"):
                raise bad_answer()
            self.events += 1
            self.heard.event(data)
            return data
        body = read(data)
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
        for choice in choices if type(choices) is list else ():
            if type(choice) is dict:
                self._choice(choice)
            elif self.changes:
                raise bad_answer()
        self.delivered.choices(choices, "delta")
        return encode(body) if self.changes else data

    def _choice(self, choice: dict[str, Any]) -> None:
        """One choice of an event: heard, masked, restored."""
        if not self.changes:
            if type(index := choice.get("index", 0)) is int:
                self.heard.choice(choice, index)
            return
        index = index_of(choice)
        if not self.masks:
            self.heard.choice(choice, index)
        if "logprobs" in choice:
            choice["logprobs"] = None  # they would tell the tokens of a placeholder, or of a name that was masked
        for slot in slots(choice, index):
            text = self._texts.get(slot.key)
            if text is None:
                text = self._texts[slot.key] = _Text(self, slot)
            slot.holder[slot.field] = text.feed(slot.holder[slot.field])
        if choice.get("finish_reason") is not None:
            for more in self._flush(index):
                add(choice, more)

    def _flush(self, index: Any) -> list[dict[str, Any]]:
        """What this choice's texts still hold back, as members of a delta."""
        held = []
        for key in [key for key in self._texts if key[0] == index]:
            text = self._texts.pop(key)
            if rest := text.flush():
                held.append(text.wrap(rest))
        return held

    def _flush_all(self) -> bytes:
        """An engine that sent ``[DONE]`` without a finish reason: what is held back goes out in one last event."""
        choices: list[dict[str, Any]] = []
        for index in dict.fromkeys(key[0] for key in self._texts):
            for more in self._flush(index):
                said = more if "text" in more else {"delta": more}  # a completion's choice has no delta
                choices.append({"index": index, **said, "finish_reason": None})
        self.delivered.choices(choices, "delta")
        return event(encode({"object": "chat.completion.chunk", "choices": choices})) if choices else b""
