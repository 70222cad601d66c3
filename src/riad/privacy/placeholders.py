"""Placeholders: ``[PERSON_1]``, as we write them and as models give them back.

Models change case, put a space or an escaped underscore for the underscore, make the inside bold, escape the brackets
for Markdown, take other brackets, leave them out, write ``١`` for ``1`` and translate the type (``placeholders.toml``).
All of that is read as the same placeholder:

- in square, curly, angle, lenticular or full-width brackets: in any case, with any small separator or none;
- bare: when an underscore joins type and number, and the type starts with a capital (``PERSON_1``; a variable such as
  ``person_1`` is code) or is in Arabic script (``شخص_١``). What surrounds it stays: ``(PERSON_1)``, ``**PERSON_1**``.

Nothing outside the brackets is read, but backslashes that escape both of them, so that text which happens to touch a
placeholder is never eaten.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from riad.privacy.fold import fold_word

LONGEST = 128
"""Characters of a placeholder in its longest spelling; every part of it is bounded."""

_BLANK = r" \t\xa0\u202f\u200b-\u200f\u202a-\u202e\u2066-\u2069"
_FILL = rf"[{_BLANK}*`\\]{{0,4}}"
_LETTER = r"[^\W\d_]"
_TYPE = rf"{_LETTER}(?:[{_BLANK}_'’\\-]{{0,2}}{_LETTER})"  # the words of a type may be joined by anything small
_SEPARATOR = rf"[{_BLANK}_*`\\-]{{0,4}}"
_NUMBER = "[1-9١-٩۱-۹][0-9٠-٩۰-۹]{0,7}"
_INSIDE = rf"{_FILL}{_TYPE}{{1,23}}{_SEPARATOR}{_NUMBER}"
_BRACKETS, _CLOSING = "[{<【［", "]}>】］"
_PAIRS = frozenset(zip(_BRACKETS, _CLOSING, strict=True))

_ARABIC = "\u0621-\u064a"
_LATIN = "A-Za-zÀ-ÖØ-öø-ÿŒœ"
_CAPITAL = "A-ZÀ-ÖØ-ÞŒ"
_CLITICS = "وفبلك"  # and, so, with, to, like: written joined to what follows
_ESCAPED = r"(?<=\\[nrt])"  # behind a line break inside a JSON string a word starts too
_ARABIC_START = rf"(?:(?<!\w)|(?<=(?<!\w)[{_CLITICS}])|{_ESCAPED})"
_UNDERSCORE = r"\\{0,2}_"
_BARE = (
    rf"(?:(?<![^\W{_ARABIC}])|{_ESCAPED})[{_CAPITAL}][{_LATIN}]{{0,23}}(?:{_UNDERSCORE}[{_LATIN}]{{1,23}}){{0,3}}",
    rf"{_ARABIC_START}[{_ARABIC}]{{1,24}}(?:{_UNDERSCORE}[{_ARABIC}]{{1,23}}){{0,3}}",
)

_IN_BRACKETS = re.compile(rf"[{re.escape(_BRACKETS)}]{_INSIDE}{_FILL}[{re.escape(_CLOSING)}]")
_ESCAPED_BRACKETS = re.compile(rf"\\{{1,2}}\[{_INSIDE}[{_BLANK}*`]{{0,4}}\\{{1,2}}\]")
_WORD = re.compile("|".join(rf"{bare}{_UNDERSCORE}{_NUMBER}(?!\w)" for bare in _BARE))
_BY_START = {"\\": _ESCAPED_BRACKETS, **dict.fromkeys(_BRACKETS, _IN_BRACKETS)}
_WORD_END = re.compile(rf"_{_NUMBER}(?!\w)")
_BEGUN = rf"{_FILL}(?:{_TYPE}{{0,23}}{_SEPARATOR}(?:{_NUMBER}[{_BLANK}*`\\]{{0,6}})?)?\Z"
_BEGUN_BY_START = {
    "\\": re.compile(rf"\\{{1,2}}(?:\[{_BEGUN})?\Z"),
    **dict.fromkeys(_BRACKETS, re.compile(f"[{re.escape(_BRACKETS)}]{_BEGUN}")),
}
_WORD_BEGUN = re.compile("|".join(rf"{bare}(?:\\{{1,2}}|{_UNDERSCORE}(?:{_NUMBER})?)?\Z" for bare in _BARE))
_DIGIT = re.compile(r"\d")


def written(type_: str, number: int) -> str:
    """A placeholder as we write it."""
    return f"[{type_}_{number}]"


def is_written(text: str) -> bool:
    """Whether something that stands for a value is a placeholder: a surrogate has no brackets around it."""
    return text[:1] == "[" and text[-1:] == "]"


def may_hold(text: str) -> bool:
    """Whether a text can hold what reads like a placeholder: a quick look."""
    return "[" in text or "_" in text or "{" in text or "<" in text or "【" in text or "［" in text


def candidates(text: str) -> list[tuple[int, int]]:
    """Whatever in a text may be a placeholder, by where it starts; ``meanings`` says which ones it may be."""
    found: list[tuple[int, int]] = []
    at = 0
    while match := _IN_BRACKETS.search(text, at):
        start, end = match.span()
        if (text[start], text[end - 1]) in _PAIRS:
            found.append((start, end))
        for first in range(max(start - 2, 0), start):
            if escaped := text[first] == "\\" and _ESCAPED_BRACKETS.match(text, first):
                found.append(escaped.span())
        at = start + 1
    done = 0
    for number in _WORD_END.finditer(text) if "_" in text else ():
        before = number.start()
        if text[max(before - 3, 0) : before].rstrip("\\")[-1:].isalpha():
            word = _WORD.search(text, max(done, before - LONGEST), number.end() + 1)
            if word:
                found.append(word.span())
        done = number.end()  # nothing but its own end in a word is a number
    found.sort()
    return found


def meanings(text: str) -> list[str]:
    """What one of the ``candidates`` may mean, as we write it: its own words first, then those it may translate."""
    letters, number = _read(text)
    return [written(type_, number) for type_ in (letters.upper(), *_words().get(letters, ()))]


def _read(text: str) -> tuple[str, int]:
    """The type, folded, and the number, 0 if there is none yet."""
    letters = "".join(filter(str.isalpha, text))
    digits = "".join(filter(str.isdecimal, text))
    return fold_word(letters) if letters else "", int(digits) if digits else 0


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    """The types that a folded word stands for."""
    words: dict[str, tuple[str, ...]] = {}
    data = tomllib.loads(Path(__file__).with_name("placeholders.toml").read_text("utf-8"))
    for type_, entries in data.items():
        for entry in entries:
            word = fold_word("".join(filter(str.isalpha, entry)))
            for form in (word, f"ال{word}") if "\u0621" <= word[0] <= "\u064a" else (word,):
                if type_ not in words.get(form, ()):
                    words[form] = (*words.get(form, ()), type_)
    return words


class _Grammar(NamedTuple):
    """What some types can be called."""

    names: frozenset[str]  # every beginning of every name, folded
    trigger: re.Pattern[str]  # the characters that a placeholder can start with
    start: re.Pattern[str]  # the same, and in Arabic script only where a word starts


@lru_cache(maxsize=256)
def _grammar(types: frozenset[str]) -> _Grammar:
    names = {type_.lower() for type_ in types} | {name for name, meant in _words().items() if types.intersection(meant)}
    first = {name[0] for name in names}
    capitals = "".join(c for c in map(chr, range(0x41, 0x100)) if c.isupper() and fold_word(c)[0] in first)
    arabic = "".join(c for c in map(chr, range(0x621, 0x64B)) if fold_word(c) in first)
    others = re.escape(_BRACKETS) + capitals + r"\\"
    return _Grammar(
        frozenset(name[:length] for name in names for length in range(len(name) + 1)),
        re.compile(f"[{others}{arabic}]"),
        re.compile(f"[{others}]" + (f"|{_ARABIC_START}[{arabic}]" if arabic else "")),
    )


_REMEMBERED = 256
"""Beginnings judged once and remembered: a model cuts the same placeholder at the same places again and again."""


class Placeholders:
    """Finds the placeholders of one request in a text, and the end that could still become one."""

    def __init__(self, known: Iterable[str]) -> None:
        self._whole = frozenset(known)
        self.prefixes = {one[:length] for one in self._whole for length in range(1, len(one))}
        types = frozenset(one[1:].rpartition("_")[0] for one in self._whole)
        self._names, self.trigger, self._start = _grammar(types)
        self._judged: dict[str, bool] = {}

    def first(self, text: str, trigger: re.Match[str], before: str) -> int:
        """Where in ``text``, which follows ``before``, the first of them could start; -1 if none could."""
        if not "\u0621" <= trigger[0] <= "\u064a":
            return trigger.start()
        before = before[-2:]
        start = self._start.search(before + text, len(before))
        return start.start() - len(before) if start else -1

    def find(self, text: str, start: int, end: int) -> list[tuple[int, int, str]]:
        """Every known placeholder in ``[start, end)``: its span, and how we write it."""
        found: list[tuple[int, int, str]] = []
        if _DIGIT.search(text, start, end) is None:
            return found
        while trigger := self.trigger.search(text, start, end):
            start = trigger.start()
            match = _BY_START.get(text[start], _WORD).match(text, start, end)
            known = match and self._known(match[0])
            if match and known:
                found.append((start, match.end(), known))
                start = match.end()
            else:
                start += 1
        return found

    def held(self, text: str, first: int) -> int:
        """Where the longest suffix starts that more text could complete, from ``first`` on; else the text's length."""
        first = max(first, len(text) - LONGEST, text.rfind("]") + 1)
        for trigger in self.trigger.finditer(text, first):
            at = trigger.start()
            begun = _BEGUN_BY_START.get(text[at], _WORD_BEGUN).match(text, at)
            if begun and self._may_become(begun[0]):
                return at
        return len(text)

    def _known(self, found: str) -> str | None:
        if found in self._whole:
            return found
        if found[0] in _BRACKETS and (found[0], found[-1]) not in _PAIRS:
            return None
        return next((meaning for meaning in meanings(found) if meaning in self._whole), None)

    def _may_become(self, beginning: str) -> bool:
        answer = self._judged.get(beginning)
        if answer is None:
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            answer = self._judged[beginning] = self._judge(beginning)
        return answer

    def _judge(self, beginning: str) -> bool:
        letters, number = _read(beginning)
        if not number:
            return letters in self._names
        if beginning[-1].isdecimal():
            return any(meaning[:-1] in self.prefixes for meaning in meanings(beginning))
        return any(meaning in self._whole for meaning in meanings(beginning))
