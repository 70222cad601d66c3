"""Text as the scanner reads it, with the way back to the text as it was written.

People, keyboards and those who wish to slip past a scanner write the same number in many ways. Most odd characters
have a plain twin of the same length (a digit, a space, a dash), and offsets do not move. Some vanish (zero-width and
bidirectional marks, Arabic short vowels) and some are written as several characters (``\\u0663``, ``&#51;``, ``%40``):
then an ``Offsets`` leads every position back. Text without any of this is returned as it is, unexamined but for one
look at its characters.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right

from riad.privacy.cues import BARRIER

SEPARATOR = f" {BARRIER} "
"""Stands between texts scanned in one pass; no identifier, name or cue spans it."""


def _span(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


_LOOK_ALIKE = {
    **dict(zip("АВЕКМНОРСТХУІЅЈаеорсухіѕјһԁԛԝ", "ABEKMHOPCTXYISJaeopcyxisjhdqw", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιν", "ABEZHIKMNOPTYXoiv", strict=True)),
}
"""Letters of other scripts drawn as Latin ones."""
_TWINS = {
    **_LOOK_ALIKE,
    **dict.fromkeys("\xa0\u1680\u202f\u205f\u3000" + _span(0x2000, 0x200A), " "),
    **dict.fromkeys("\x85\u2028\u2029", "\n"),
    **dict.fromkeys(_span(0x2010, 0x2013) + "\u2212\ufe58\ufe63\uff0d\u2043", "-"),
    **dict.fromkeys("\u2014\u2015\u2022\u00b7\u2026\u066c", " "),
    **dict.fromkeys("\u2018\u2019\u02bc\uff07\u02bb\u02bf\u02be", "'"),
    **dict.fromkeys("«»“”„‟‹›", '"'),
    **dict(zip("،؛؟٫：／．＠＋＿", ",;?,:/.@+_", strict=True)),
    **{chr(base + n): str(n) for base in (0x660, 0x6F0, 0xFF10) for n in range(10)},
    **{chr(0xFF21 + n): chr(0x41 + n) for n in range(26)},
    **{chr(0xFF41 + n): chr(0x61 + n) for n in range(26)},
}
_VANISHING = (
    "\xad\u034f\u061c\u0640\u0670\u180e\ufeff\ufe0e\ufe0f"
    + _span(0x300, 0x36F)
    + _span(0x64B, 0x652)
    + _span(0x200B, 0x200F)
    + _span(0x202A, 0x202E)
    + _span(0x2060, 0x2064)
    + _span(0x2066, 0x2069)
)
_VANISHES = frozenset(_VANISHING)
_ODD = re.compile(f"[{re.escape(''.join(_TWINS))}{re.escape(_VANISHING)}]")
_LONG = re.compile(
    rf"[{re.escape(_VANISHING)}]+"
    r"|\\{1,8}u([0-9a-fA-F]{4})|\\{1,8}([nrtbf\"/])|&(#[0-9]{2,7}|#[xX][0-9a-fA-F]{2,6}|[a-zA-Z]{2,8});"
    r"|%(40|20|2[bB]|3[aAdD]|22)"
)
_NONE: set[str] = set()
_ESCAPES = {"n": "\n", "r": "\n", "t": "\t", "b": " ", "f": " ", '"': '"', "/": "/"}


class Offsets:
    """Leads positions of a shortened text back to the original's, both in code points."""

    __slots__ = ("_clean", "_original", "_width")

    def __init__(self) -> None:
        self._clean = [0]  # where each segment starts in the shortened text
        self._original = [0]  # where it starts in the original
        self._width = [1]  # how many original characters one of its characters stands for

    def add(self, clean: int, original: int, width: int) -> None:
        self._clean.append(clean)
        self._original.append(original)
        self._width.append(width)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original span of the non-empty span ``[start, end)``; what vanished at its edges stays outside."""
        first = bisect_right(self._clean, start) - 1
        last = bisect_right(self._clean, end - 1) - 1
        return (
            self._original[first] + start - self._clean[first],
            self._original[last] + end - 1 - self._clean[last] + self._width[last],
        )


def normalise(text: str) -> tuple[str, Offsets | None]:
    """The text to scan, and its offsets' way back (``None`` when they did not move)."""
    offsets = None
    odd = _NONE if text.isascii() else set(_ODD.findall(text))
    if "\\" in text or "&" in text or "%" in text or (odd and not odd.isdisjoint(_VANISHES)):
        text, offsets = _shorten(text)
    for character in odd:
        twin = _TWINS.get(character)
        if twin is not None:
            text = text.replace(character, twin)
    return text, offsets


def _shorten(text: str) -> tuple[str, Offsets | None]:
    offsets: Offsets | None = None
    pieces: list[str] = []
    length = done = 0
    for match in _LONG.finditer(text):
        offsets = offsets or Offsets()
        start, end = match.span()
        pieces.append(text[done:start])
        length += start - done
        done = end
        character = _character(match)
        if character:
            pieces.append(character)
            offsets.add(length, start, end - start)
            length += 1
        offsets.add(length, end, 1)
    if offsets is None:
        return text, None
    pieces.append(text[done:])
    return "".join(pieces), offsets


def _character(match: re.Match[str]) -> str:
    """The one character an escape stands for, plain if it has a plain twin; empty for what only vanishes."""
    code, letter, entity, percent = match.groups()
    if code:
        character = chr(int(code, 16))
    elif letter:
        character = _ESCAPES[letter]
    elif entity:
        character = html.unescape(f"&{entity};")[:1]
    elif percent:
        character = chr(int(percent, 16))
    else:
        return ""
    return "" if character in _VANISHES else _TWINS.get(character, character)
