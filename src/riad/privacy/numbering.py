"""The placeholders of one request: which value has which, and which ones the text itself already uses."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from riad.privacy.placeholders import candidates, may_hold, meanings, written

_ASIDE = {code: None for code in range(128) if not chr(code).isalnum() and chr(code) not in "+:,"}
"""What two spellings of an identifier may differ in."""


class Numbering:
    """Gives placeholders, numbered by first appearance within their type.

    The text of a request may hold what reads like a placeholder. One that is nobody's stays as it is and its number is
    never given to anybody; one that already stands for a value gets a placeholder of its own, which stands for it.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self.mapping: dict[str, str] = {}
        self._exact = exact
        self._made: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._left: set[str] = set()

    def stand_in(self, type_: str, value: str) -> str:
        """The placeholder of that value."""
        return self._given(type_, value, value if self._exact else same(type_, value))

    def literal(self, type_: str, value: str) -> str:
        """The placeholder of something the text itself says, which only reads like what stands for a value."""
        return self._given(type_, value, f"[{value}")

    def taken(self, gap: str) -> Iterator[tuple[int, int, str]]:
        """Where ``gap``, text between findings, reads like placeholders of ours, and what means those words instead."""
        done = 0
        for start, end in candidates(gap) if may_hold(gap) else ():
            if start < done:
                continue
            meant = meanings(gap[start:end])
            ours = next((meaning for meaning in meant if meaning in self.mapping), "")
            if ours:
                done = end
                yield start, end, self.literal(ours[1:].rpartition("_")[0], gap[start:end])
            else:
                self._left.update(meant)

    def escaped(self, gap: str) -> str:
        """``gap`` with those replaced."""
        pieces: list[str] = []
        done = 0
        for start, end, placeholder in self.taken(gap):
            pieces += (gap[done:start], placeholder)
            done = end
        return "".join((*pieces, gap[done:])) if pieces else gap

    def _given(self, type_: str, value: str, identity: str) -> str:
        placeholder = self._made.get((type_, identity), "")
        if not placeholder:
            name = type_name(type_)
            number = self._counts.get(name, 0) + 1
            while (placeholder := written(name, number)) in self._left:
                number += 1
            self._counts[name] = number
            self._made[type_, identity] = placeholder
            self.mapping[placeholder] = value
        return placeholder


def type_name(type_: str) -> str:
    """A type as a placeholder can name it: two to twenty-four capitals; ``DATA`` for any that is not."""
    name = type_.upper()
    return name if name.isascii() and name.isalpha() and 2 <= len(name) <= 24 else "DATA"


def same(type_: str, value: str) -> str:
    """What two spellings of one value have in common."""
    if type_ == "PERSON":
        return " ".join(value.casefold().split())
    if type_ == "EMAIL":
        return value.casefold()
    if value.isascii():
        return value.translate(_ASIDE).lower() or value
    plain = unicodedata.normalize("NFKC", value).casefold()
    return "".join(str(unicodedata.digit(c, c)) for c in plain if c.isalnum() or c in "+:,") or value
