"""Placeholders: ``[PERSON_1]``, as we write them and as models give them back.

Models change case, put a space or an escaped underscore for the underscore, make the inside bold, or escape the
brackets for Markdown. All of that is read as the same placeholder. Nothing outside the brackets is, but backslashes
that escape both of them, so that text which happens to touch a placeholder is never eaten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 64
"""Characters of a placeholder in its longest spelling; every part of it is bounded."""

_FILL = r"[ \t\xa0*`\\]{0,4}"
_SEPARATOR = r"[ \t\xa0_*`\\-]{0,4}"
_NUMBER = r"[1-9][0-9]{0,5}"


def _inside(n: int) -> str:
    return rf"{_FILL}(?P<type{n}>[A-Za-z]{{2,16}}){_SEPARATOR}(?P<number{n}>{_NUMBER})"


PLACEHOLDER = re.compile(rf"\\{{1,2}}\[{_inside(1)}[ \t\xa0*`]{{0,4}}\\{{1,2}}\]|\[{_inside(2)}{_FILL}\]")
_BEGINNING = re.compile(
    rf"\[{_FILL}(?P<type>[A-Za-z]{{0,16}})(?P<separator>{_SEPARATOR})(?:(?P<number>{_NUMBER})(?P<end>{_FILL}))?\Z"
)


def written(type_: str, number: str | int) -> str:
    """A placeholder as we write it."""
    return f"[{type_.upper()}_{number}]"


def key(match: re.Match[str]) -> str:
    """What a match of ``PLACEHOLDER`` means, as we write it."""
    return written(match["type1"] or match["type2"], match["number1"] or match["number2"])


class Beginnings:
    """Tells how much of the end of a text could still become one of some placeholders."""

    def __init__(self, placeholders: Iterable[str]) -> None:
        self._prefixes: set[str] = set()
        self._types: set[str] = set()
        self._whole: set[str] = set()
        for placeholder in placeholders:
            inside = placeholder[1:-1]
            self._whole.add(inside)
            self._types.add(inside.rpartition("_")[0])
            self._prefixes.update(inside[:length] for length in range(len(inside) + 1))

    def start(self, text: str) -> int:
        """Where the longest suffix starts that more text could complete; the length of ``text`` if there is none."""
        bracket = text.rfind("[", -LONGEST)
        end = bracket if bracket >= 0 and self._may_begin(text, bracket) else len(text)
        # One or two backslashes before it may escape the bracket, come or to come.
        return end - (text[:end].endswith("\\") + text[:end].endswith("\\\\"))

    def _may_begin(self, text: str, bracket: int) -> bool:
        match = _BEGINNING.match(text, bracket)
        if not match:
            return False
        type_ = match["type"].upper()
        if match["number"]:
            inside = f"{type_}_{match['number']}"
            return inside in (self._whole if match["end"] else self._prefixes)
        return type_ in (self._types if match["separator"] and type_ else self._prefixes)
