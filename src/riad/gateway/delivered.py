"""An answer as the caller got it, put together: what is committed to. Whole answers and streams read alike.

Of each choice its text (``content``; of content in parts, their ``text``; of a completion, ``text``) and its tool calls
(name and arguments). What is empty is left out. Reasoning and refusals are not part of it. docs/reference/ledger.md,
Commitments, is the definition; ledger/verify.py reads a saved answer by it.
"""

from __future__ import annotations

from typing import Any

MOST = 4 * 1024 * 1024
"""Characters kept; a longer answer has no commitment."""


class Delivered:
    """The choices of an answer, by their index. ``size`` counts characters."""

    def __init__(self) -> None:
        self.size = 0
        self._texts: dict[int, list[str]] = {}
        self._calls: dict[int, dict[int, tuple[list[str], list[str]]]] = {}

    def text(self, index: int, text: str | None) -> None:
        """Some text of a choice; none shows that the choice is there."""
        pieces = self._texts.get(index)
        if pieces is None:
            pieces = self._texts[index] = []
        if text and self.size <= MOST:
            pieces.append(text)
            self.size += len(text)

    def call(self, index: int, number: int, name: str | None, arguments: str | None) -> None:
        """Some more of a choice's tool call."""
        names, pieces = self._calls.setdefault(index, {}).setdefault(number, ([], []))
        if self.size <= MOST:
            names.append(name or "")
            pieces.append(arguments or "")
            self.size += len(names[-1]) + len(pieces[-1])

    def choices(self, choices: Any, member: str) -> None:
        """Choices as they were decoded: of an event (``member`` is ``delta``) or of a whole answer (``message``)."""
        for place, choice in enumerate(choices if type(choices) is list else ()):
            if type(choice) is dict:
                self._choice(choice, _number(choice.get("index"), place), member)

    def _choice(self, choice: dict[str, Any], index: int, member: str) -> None:
        said = choice.get(member)
        if type(said) is not dict:
            self.text(index, text if type(text := choice.get("text")) is str else None)
            return
        self.text(index, _content(said.get("content")))
        calls = said.get("tool_calls")
        for place, call in enumerate(calls if type(calls) is list else ()):
            function = call.get("function") if type(call) is dict else None
            if type(function) is dict:
                name, arguments = function.get("name"), function.get("arguments")
                self.call(
                    index,
                    _number(call.get("index"), place),
                    name if type(name) is str else None,
                    arguments if type(arguments) is str else None,
                )

    def whole(self) -> list[dict[str, Any]] | None:
        """The choices as they are committed to; None where none was delivered, or too much."""
        if self.size > MOST:
            return None
        return [self._said(index) for index in sorted(self._texts)] or None

    def _said(self, index: int) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if text := "".join(self._texts[index]):
            said["content"] = text
        if calls := self._calls.get(index):
            said["tool_calls"] = [_called(*calls[number]) for number in sorted(calls)]
        return said


def _called(names: list[str], arguments: list[str]) -> dict[str, str]:
    call = {"name": "".join(names), "arguments": "".join(arguments)}
    return {field: text for field, text in call.items() if text}


def _content(content: Any) -> str | None:
    """A message's text; of content that comes in parts, what is text in them."""
    if type(content) is str:
        return content
    if type(content) is not list:
        return None
    texts = [part.get("text") for part in content if type(part) is dict]
    return "".join(text for text in texts if type(text) is str)


def _number(value: Any, place: int) -> int:
    return value if type(value) is int else place
