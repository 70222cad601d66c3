"""What an engine says: the texts of a choice, of a whole answer or of one event, and where each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from riad.gateway.delivered import Delivered
from riad.privacy.walk import JsonText

TEXT_FIELDS = ("content", "reasoning", "reasoning_content", "refusal", "text")
_MARKS = frozenset({"role", "type", "id", "object", "name", "tool_call_id", "finish_reason", "stop_reason"})
"""Members of a choice that are no text."""
KEPT = 256 * 1024
"""Characters of a stream that are kept to be scanned at its end."""

Key = tuple[Any, ...]
Wrap = Callable[[str], dict[str, Any]]


class Slot(msgspec.Struct, gc=False):
    """A text in a choice: ``holder[field]``.

    ``key`` is the same for the pieces of one text in the events of a stream; ``is_json`` for the arguments of a tool
    call; ``wrap`` gives the member of a delta (or of a completion's choice) that says some more of this text.
    """

    holder: dict[str, Any]
    field: str
    key: Key
    wrap: Wrap
    is_json: bool = False

    @property
    def text(self) -> str:
        text: str = self.holder[self.field]
        return JsonText(text) if self.is_json else text


def said_in(choice: dict[str, Any]) -> dict[str, Any]:
    """Where a choice's texts stand: its delta, its message, or, in a completion, itself."""
    for field in ("delta", "message"):
        if type(said := choice.get(field)) is dict:
            return said
    return choice


def slots(choice: dict[str, Any], index: Any) -> Iterator[Slot]:
    """Every text of a choice. What is not of the shape an API promises is passed over."""
    said = said_in(choice)
    for field, value in list(said.items()):
        if type(value) is str and field not in _MARKS:  # also what no API knows: an engine may say it anywhere
            yield Slot(said, field, (index, field), _member(field))
        elif type(value) is list and field in TEXT_FIELDS:
            yield from _parts(value, (index, field, ()), lambda part, field=field: {field: [part]})  # type: ignore[misc]
    call = said.get("function_call")
    if type(call) is dict and type(call.get("arguments")) is str:
        yield Slot(call, "arguments", (index, "function_call"), _function_call, True)
    calls = said.get("tool_calls")
    for place, call in enumerate(calls) if type(calls) is list else ():
        function = call.get("function") if type(call) is dict else None
        if type(function) is dict and type(function.get("arguments")) is str:
            number = call.get("index", place)
            number = number if type(number) is int else place
            yield Slot(function, "arguments", (index, "tool_calls", number), _tool_call(number), True)


def _parts(parts: list[Any], key: Key, wrap: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[Slot]:
    """The texts of content that comes in parts; Mistral's thinking is parts within a part."""
    for part in parts:
        if type(part) is not dict:
            continue
        kind = part.get("type", "text")
        if type(part.get("text")) is str:
            slot_key = (*key[:-1], (*key[-1], "text"))
            yield Slot(part, "text", slot_key, lambda text, kind=kind: wrap({"type": kind, "text": text}))  # type: ignore[misc]
        elif type(part.get("thinking")) is list:
            yield from _parts(
                part["thinking"],
                (*key[:-1], (*key[-1], "thinking")),
                lambda inner: wrap({"type": "thinking", "thinking": [inner]}),
            )


def _member(field: str) -> Wrap:
    return lambda text: {field: text}


def _function_call(text: str) -> dict[str, Any]:
    return {"function_call": {"arguments": text}}


def _tool_call(number: Any) -> Wrap:
    return lambda text: {"tool_calls": [{"index": number, "function": {"arguments": text}}]}


def add(choice: dict[str, Any], more: dict[str, Any]) -> None:
    """Say some more in a choice that may say something already: texts and lists grow."""
    if "text" not in more and type(choice.get("delta")) is not dict:
        choice["delta"] = {}
    said = said_in(choice)
    for field, value in more.items():
        had = said.get(field)
        same = type(had) is type(value) and isinstance(value, str | list)
        said[field] = had + value if same else value


# What passes unchanged is only listened to


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, gc=False):
    index: int | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    delta: _Delta | None = None
    text: str | None = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_any = msgspec.json.Decoder().decode


class Heard:
    """The texts of a stream that passes by, put together, up to ``KEPT`` characters; ``delivered`` hears it too."""

    def __init__(self, delivered: Delivered) -> None:
        self.size = 0
        self._delivered = delivered
        self._pieces: dict[Key, list[str]] = {}

    def event(self, data: bytes) -> None:
        """One event as it came. What cannot be read has nothing to say."""
        try:
            event = _decode_event(data)
        except msgspec.ValidationError:
            self._odd(data)
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        for place, choice in enumerate(event.choices or ()):
            index = place if choice.index is None else choice.index
            delta = choice.delta
            if delta is None:
                self._delivered.text(index, choice.text)
                if choice.text:
                    self.add((index, "text"), choice.text)
                continue
            self._delivered.text(index, delta.content)
            if delta.content:
                self.add((index, "content"), delta.content)
            if delta.tool_calls:
                self._calls(index, delta.tool_calls)
            for field in ("reasoning", "reasoning_content", "refusal"):
                if text := getattr(delta, field):
                    self.add((index, field), text)

    def _calls(self, index: int, calls: list[_Call]) -> None:
        for place, call in enumerate(calls):
            if (function := call.function) is not None:
                number = place if call.index is None else call.index
                self._delivered.call(index, number, function.name, function.arguments)
                if function.arguments:
                    self.add((index, "tool_calls", number), function.arguments)

    def choice(self, choice: dict[str, Any], index: Any) -> None:
        """One choice of an event that was decoded already."""
        if self.size < KEPT:
            for slot in slots(choice, index):
                self.add(slot.key, slot.text)

    def add(self, key: Key, text: str) -> None:
        if self.size >= KEPT:
            return
        pieces = self._pieces.get(key)
        if pieces is None:
            pieces = self._pieces[key] = []
        pieces.append(text)
        self.size += len(text)

    def texts(self) -> list[str]:
        """What was heard, a text each."""
        return [
            JsonText("".join(pieces)) if key[1] in ("tool_calls", "function_call") else "".join(pieces)
            for key, pieces in self._pieces.items()
        ]

    def _odd(self, data: bytes) -> None:
        """An event of another shape than engines usually send."""
        try:
            body = _decode_any(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        choices = body.get("choices") if type(body) is dict else None
        self._delivered.choices(choices, "delta")
        for choice in choices if type(choices) is list else ():
            if type(choice) is dict and type(choice.get("index", 0)) is int:
                self.choice(choice, choice.get("index", 0))
