"""Names of people nobody asked about: as many words, the same script, case, particles and, where it shows, gender."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from riad.privacy.spellings import fold
from riad.privacy.surrogates.data import COUNTRIES, Stock, genders, home, script, stock, words
from riad.privacy.surrogates.draw import Draw

_MARKS = "\u0300-\u036f\u064b-\u0652\u0670\u200c-\u200f"
_WORD = re.compile(rf"[^\W_][^\W_{_MARKS}]*(?:[{_MARKS}]+[^\W_]*)*(?:['’][^\W_]+)*")
_TITLE = re.compile(r"([^\W\d_]+)\.?[ \xa0]{0,2}\Z")
_FEMALE = re.compile(r"(?:[^aou]a|[ةه]|اء)\Z")


class Part(NamedTuple):
    """One name within a name: what stands for it, and whether it is enough to tell whose it is."""

    original: str
    text: str
    telling: bool


class Unit(NamedTuple):
    """A word of a name, or two that are one (``عبد الله``)."""

    start: int
    end: int
    text: str
    role: str  # "particle", "initial", "name"


def person(value: str, draw: Draw, before: str = "") -> tuple[str, list[Part]] | None:
    """A name in place of ``value``; ``before`` is what stands in front of it, where a title may be."""
    units = parsed(value)
    names = [unit for unit in units if unit.role == "name"]
    if not names and not any(unit.role == "initial" for unit in units):
        return None
    title = title_before(before)
    given = _given(names, alone_is_surname=bool(title) or any(unit.role == "initial" for unit in units))
    gender = _gender(units, given, title)
    country = home(fold(unit.text) for unit in names)
    pieces: list[str] = []
    parts: list[Part] = []
    done = 0
    for unit in units:
        text = unit.text
        section = stock(country, script(text)) or stock(COUNTRIES[0], script(text))
        if section is None and unit.role != "particle":
            return None
        if unit.role == "name" and section:
            text = styled(_name(section, unit in given, gender, draw, parts), unit.text)
            parts.append(Part(unit.text, text, True))
        elif unit.role == "initial":
            text = styled(_initial(text, draw), text)
            parts.append(Part(unit.text, text, False))
        pieces += (value[done : unit.start], text)
        done = unit.end
    return "".join((*pieces, value[done:])), parts


def is_particle(word: str) -> bool:
    """Whether a word of a name says nothing of whose it is."""
    return fold(word) in words("particles")


def title_before(before: str) -> str:
    """ "m" or "f" when a title says whose name follows, else ""."""
    match = _TITLE.search(before[-24:])
    word = fold(match[1]) if match else ""
    return "m" if word in words("men") else "f" if word in words("women") else ""


def parsed(value: str) -> list[Unit]:
    """The words of a name and their roles."""
    found = [(match.start(), match.end(), match[0]) for match in _WORD.finditer(value)]
    units: list[Unit] = []
    index = 0
    while index < len(found):
        start, end, text = found[index]
        folded = fold(text)
        if folded in words("halves") and index + 1 < len(found):
            index += 2 if is_particle(found[index + 1][2]) and index + 2 < len(found) else 1
            end = found[index][1]
            units.append(Unit(start, end, value[start:end], "name"))
        elif len(folded) == 1:
            units.append(Unit(start, end, text, "particle" if is_particle(text) else "initial"))
        else:
            units.append(Unit(start, end, text, "particle" if is_particle(text) else "name"))
        index += 1
    if units and all(unit.role == "particle" for unit in units):
        units[-1] = units[-1]._replace(role="name")
    return units


def _given(names: list[Unit], *, alone_is_surname: bool) -> list[Unit]:
    """Which of these are given names: all but the surname, which stands last, or first where it shows."""
    known = [fold(unit.text) in genders() for unit in names]
    if len(names) < 2:
        return [] if alone_is_surname and not any(known) else names
    shouted = not known[0] and names[0].text.isupper() and not names[-1].text.isupper() and len(names[0].text) > 1
    return names[1:] if shouted or (known[-1] and not known[0]) else names[:-1]


def _gender(units: Iterable[Unit], given: list[Unit], title: str) -> str:
    for unit in given:
        if fold(unit.text).startswith(tuple(words("halves"))):  # Abdellah, "عبد الله"
            return "m"
        if found := genders().get(fold(unit.text), ""):
            return found
    for unit in units:
        word = fold(unit.text)
        if unit.role == "particle" and (word in words("men")) != (word in words("women")):
            return "m" if word in words("men") else "f"
    return title or ("f" if given and _FEMALE.search(given[0].text.lower()) else "")


def _name(section: Stock, given: bool, gender: str, draw: Draw, parts: list[Part]) -> str:
    choices = section.given(gender) if given else section.surnames
    taken = {fold(part.text) for part in parts}
    for _ in range(4):
        name = draw.one(choices)
        if fold(name) not in taken:
            break
    return name


def _initial(letter: str, draw: Draw) -> str:
    alphabet = {"arabic": "أبتجحدرزسصطعفقكلمن", "tifinagh": "ⴰⴱⴷⴼⴳⵀⵃⵉⵍⵎⵏⵔⵙⵜⵢⵣ"}
    return draw.one(alphabet.get(script(letter), "ABCDEFGHIJKLMNOPRSTVYZ"))


def styled(name: str, like: str) -> str:
    """The name in capitals, small letters or as it is, as the other one is written."""
    return name.upper() if like.isupper() else name.lower() if like.islower() else name


def local(value: str, draw: Draw, known: Mapping[str, str]) -> str:
    """The words of an address or a handle replaced: by those that stand for them (``known``, folded), else by names."""
    section = stock(COUNTRIES[0], "latin")
    choices = [name for name in (*section.men, *section.surnames) if name.isascii()] if section else []

    def other(match: re.Match[str]) -> str:
        word = match[0]
        if word.isdecimal():
            return same_digits(draw.digits(len(word)), word)
        name = known.get(fold(word), "")
        if not name or not name.isascii() or not name.isalpha():
            name = draw.one(choices) if len(word) > 2 else "".join(draw.one("abdfghiklmnrstyz") for _ in word)
        return name.upper() if word.isupper() else name.lower()

    return re.sub(r"\d+|[^\W\d_]+", other, value)


def same_digits(digits: str, like: str) -> str:
    """ASCII digits, written with the digits of the other number."""
    zero = next((ord(c) - int(c) for c in like if c.isdecimal()), 48)
    return digits.translate({48 + n: zero + n for n in range(10)}) if zero != 48 else digits
