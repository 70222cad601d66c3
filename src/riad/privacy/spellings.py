"""Known values in a text, however it spells them: what a surrogate looks like when a model gives it back.

A value is compared by its letters and digits alone, folded: ``KARIM ALAOUI``, ``Karim  Alaoui`` and ``Karim-Alaoui``
are one name, ``06 83 11 22 33`` and ``0683112233`` one number, with whatever digits. Between its words may stand what
stood there in the value, a space or two, a dash, between digits a dot or a slash too. It starts and ends where a word
does; in Arabic script it may also follow a clitic (``لكريم``). Escapes of JSON are read as what they stand for.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import NamedTuple

from riad.privacy.fold import fold_word

_UNIT = re.compile(r"\\u[0-9a-fA-F]{4}|\\[\"\\/bfnrt]|[^\W_]+")
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_MARKS = r"[\u0300-\u036f\u064b-\u0652\u0670\u200b-\u200f\u202a-\u202e\u2066-\u2069]{0,3}"
_LOOSE = re.compile(rf"{_MARKS}(?:[ \xa0\u202f\u2009]{{0,2}}|[-\u2010-\u2013]){_MARKS}")
CLITICS = frozenset("وفبلك")
"""And, so, with, to, like: written joined to what follows."""
_DIGITS = {base + n: str(n) for base in (0x660, 0x6F0, 0xFF10) for n in range(10)}


Word = tuple[int, int, str]
"""Letters and digits in one piece: where they start and end, and folded."""


class Known(NamedTuple):
    """A value that is looked for."""

    text: str
    value: str


class Match(NamedTuple):
    """A known value found at ``[start, end)``."""

    start: int
    end: int
    known: Known


_PENDING = Match(-1, -1, Known("", ""))
"""More text decides."""


class Reading(NamedTuple):
    """What a text holds, where its undecided end starts, and its words."""

    matches: list[Match]
    end: int
    words: list[Word]


def fold(word: str) -> str:
    """A word without case, accents, and forms of its digits and letters."""
    if word.isascii():
        return word.lower()
    if not unicodedata.is_normalized("NFKC", word):
        word = unicodedata.normalize("NFKC", word)
    folded = fold_word(word).lower() if word else ""
    return folded if folded.isalpha() else folded.translate(_DIGITS)


def words(text: str, start: int = 0, end: int | None = None) -> list[Word]:
    """The words of ``text[start:end]``."""
    found: list[Word] = []
    for match in _UNIT.finditer(text, start, len(text) if end is None else end):
        unit = match[0]
        folded = _read(unit) if unit[0] == "\\" else unit.lower() if unit.isascii() else fold(unit)
        if folded:
            found.append((match.start(), match.end(), folded))
    return found


def vocabulary(text: str) -> set[str]:
    """The words of a text, each once."""
    if "\\" not in text:
        return set(map(fold, set(_UNIT.findall(text))))
    found: list[str] = []
    done = -1
    for start, end, folded in words(text):
        if start == done:
            folded = found.pop() + folded
        found.append(folded)
        done = end
    return set(found)


def _read(escape: str) -> str:
    """The letter or digit that an escape stands for, folded; empty for anything else."""
    character = chr(int(escape[2:], 16)) if len(escape) == 6 else ""
    return fold(character) if character.isalnum() else ""


def _certain(text: str, start: int) -> int:
    """Where an escape starts that the end of the text cuts; else its length."""
    cut = _CUT_ESCAPE.search(text, max(start, len(text) - 5))
    if cut is None:
        return len(text)
    before = text[start : cut.start()]
    escaped = (len(before) - len(before.rstrip("\\"))) % 2  # the second of a pair escapes nothing
    return len(text) if escaped else cut.start()


def whole_unit(text: str, start: int, end: int) -> int:
    """``end``, or where the word or escape starts that it would cut; ``start`` cuts none."""
    for match in _UNIT.finditer(text, start) if end < len(text) else ():
        if match.end() > end:
            return min(end, match.start())
    return end


def squashed(text: str) -> str:
    """The letters and digits of a value, folded, in one piece."""
    if "\\" in text:
        return "".join([folded for _, _, folded in words(text)])
    return "".join(map(fold, _UNIT.findall(text)))


class Spellings:
    """Finds the values of one request."""

    def __init__(self) -> None:
        self._whole: dict[str, Known] = {}
        self._begun: set[str] = set()  # every beginning of every value, squashed, and each in whole
        self._longer: set[str] = set()  # those that are not in whole
        self._between: dict[str, set[str]] = defaultdict(set)

    def __bool__(self) -> bool:
        return bool(self._whole)

    def __contains__(self, squash: str) -> bool:
        return squash in self._whole

    def add(self, text: str, value: str) -> None:
        """Look for ``text``, which stands for ``value``."""
        squash = ""
        done = 0
        for start, end, folded in words(text):
            if squash and start > done:
                self._between[squash].add(_plain(text[done:start]))
            squash += folded
            done = end
        beginnings = [squash[:length] for length in range(1, len(squash))]
        self._longer.update(beginnings)
        self._begun.update((*beginnings, squash))
        self._whole[squash] = Known(text, value)

    def pop(self, squash: str) -> Known | None:
        """Look no longer for the text that is squashed so."""
        return self._whole.pop(squash, None)

    def read(self, text: str, start: int = 0, *, in_word: bool = False, final: bool = True) -> Reading:
        """Every known value from ``start`` on; without ``final``, only those that no more text could change.

        ``in_word``: what stands before ``start`` ends in a word, which goes on there.
        """
        size = len(text) if final else _certain(text, start)
        found = words(text, start, size)
        cut = None if final else size
        matches: list[Match] = []
        done = start  # where the last word or value ends
        glued = in_word  # a word that starts there goes on with it
        for index, word in enumerate(found):
            first, last, folded = word
            if first < done:
                continue
            if (folded in self._begun or folded[0] in CLITICS) and not (glued and first == done):
                match = self._at(text, found, index, cut)
                if match is _PENDING:
                    size = first
                    break
                if match:
                    matches.append(match)
                    last = match.end
            done, glued = last, True
        return Reading(matches, size, found)

    def _at(self, text: str, found: list[Word], index: int, cut: int | None) -> Match | None:
        """The value that starts with that word, or behind the clitic that the word starts with."""
        start, end, folded = found[index]
        match = self._walk(text, found, index, start, folded, cut)
        if match is not None or folded[0] not in CLITICS:
            return match
        if len(folded) == end - start > 1:
            return self._walk(text, found, index, start + 1, folded[1:], cut)
        if len(folded) == 1:  # alone, so far, or written as an escape
            if end == cut:
                return _PENDING
            if index + 1 < len(found) and found[index + 1][0] == end:
                return self._walk(text, found, index + 1, *found[index + 1][::2], cut)
        return None

    def _walk(self, text: str, found: list[Word], index: int, start: int, folded: str, cut: int | None) -> Match | None:
        """The longest value that starts at ``start`` with ``folded``, which ends the word at ``index``."""
        best = None
        squash = folded
        while squash in self._begun:
            end = found[index][1]
            if end == cut:
                return _PENDING
            index += 1
            after, _, folded = found[index] if index < len(found) else (-1, 0, "")
            if after != end and squash in self._whole:
                best = Match(start, end, self._whole[squash])
            if squash not in self._longer:
                return best
            if after < 0:
                return _PENDING if cut is not None and self._may_stand(squash, text[end:cut], "") else best
            if after > end and not self._may_stand(squash, text[end:after], folded):
                return best
            squash += folded
        return best

    def _may_stand(self, squash: str, between: str, after: str) -> bool:
        """Whether that may stand between the part of a value read so far and the word after it, if there is one yet."""
        if _LOOSE.fullmatch(between) and (between or not after):
            return True
        between = _plain(between)
        if squash[-1].isdigit() and between in (".", "/") and (not after or after[0].isdigit()):
            return True
        return any(one.startswith(between) if not after else one == between for one in self._between.get(squash, ()))


def _plain(between: str) -> str:
    """What stands between words, its escapes read and its apostrophes made one."""
    if "\\" in between:
        between = _ESCAPE.sub(lambda e: chr(int(e[1], 16)) if e[1] else _LETTERS.get(e[2], e[2]), between)
    return between.replace("’", "'")
