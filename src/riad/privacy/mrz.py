"""The machine-readable zone of passports and identity cards (ICAO Doc 9303, parts 4 and 5): holder, number, birth.

Lines of 44 characters (passports, TD3) or 30 (cards, TD1) in capitals, digits and ``<``. The check digits decide: a
field read badly is still believed, with a lower score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from riad.privacy.identifiers import Hit

MARK = "<<"
"""Without it there is no zone to look for."""
_NAMES = re.compile(r"(?:P[A-Z<][A-Z]{3}|(?<=\n)|^)(?P<name>[A-Z]+(?:<[A-Z]+){0,3}<<[A-Z]+(?:<[A-Z]+){0,4})<*")
_PASSPORT = re.compile(
    r"\b(?P<number>[A-Z0-9]{6,9})<{0,3}(?P<check>\d)[A-Z]{3}(?P<birth>\d{6})(?P<birth_check>\d)[MFX<]\d{7}(?P<card>[A-Z0-9]*)[A-Z0-9<]{2,}"
)
_CARD = re.compile(r"\bI[A-Z<][A-Z]{3}(?P<number>[A-Z0-9]{6,9})<{0,3}(?P<check>\d)(?P<card>[A-Z0-9]*)[A-Z0-9<]*")
_BIRTH = re.compile(r"(?<=\n)(?P<birth>\d{6})(?P<birth_check>\d)[MFX<]\d{7}[A-Z]{3}")
_CIN = re.compile(r"[A-Z]{1,2}\d{5,6}")
_WEIGHTS = (7, 3, 1)


def find(text: str) -> Iterator[Hit]:
    """The holder's name, number and birth date in every zone of ``text``."""
    if MARK not in text:
        return
    for match in _NAMES.finditer(text):
        yield Hit(*match.span("name"), "PERSON", 0.9, "pattern")
    for pattern, number in ((_PASSPORT, "PASSPORT"), (_CARD, "CIN"), (_BIRTH, "")):
        for match in pattern.finditer(text):
            if number:
                whole = match["number"].ljust(9, "<")
                yield Hit(*match.span("number"), number, *_belief(whole, match["check"]))
                personal = match["card"]
                if _CIN.fullmatch(personal):
                    yield Hit(*match.span("card"), "CIN", 0.8, "pattern")
            if "birth" in match.groupdict():
                yield Hit(*match.span("birth"), "DOB", *_belief(match["birth"], match["birth_check"]))


def _belief(value: str, check: str) -> tuple[float, str]:
    return (0.97, "key") if check_digit(value) == int(check) else (0.7, "key wrong")


def check_digit(value: str) -> int:
    """The check digit of a field: weights 7, 3, 1, letters from 10, ``<`` as 0, modulo 10 (Doc 9303-3, 4.9)."""
    return sum((0 if c == "<" else int(c, 36)) * _WEIGHTS[index % 3] for index, c in enumerate(value)) % 10
