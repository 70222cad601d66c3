"""Where people are, moved: addresses to another town, coordinates to the open sea."""

from __future__ import annotations

import re
from collections.abc import Sequence

from riad.privacy.spellings import fold
from riad.privacy.surrogates.data import COUNTRIES, Stock, script, stock, words
from riad.privacy.surrogates.draw import Draw
from riad.privacy.surrogates.people import same_digits, styled

_TOKEN = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]{2,})*")
_DEGREES = re.compile(r"(\d+)(?:\.(\d+))?")
_LONGEST_CITY = 3


def address(value: str, draw: Draw) -> str | None:
    """An address of the same form in another town: kinds of street stay, names and numbers change."""
    tokens = list(_TOKEN.finditer(value))
    folded = [fold(token[0]) for token in tokens]
    written = next((name for token in tokens if (name := script(token[0]))), "")
    section = _section(written, folded)
    if section is None or not section.streets:
        return None
    city, postal = draw.one(section.cities)
    pieces: list[str] = []
    done = index = 0
    street = ""
    while index < len(tokens):
        token = tokens[index]
        text, end = token[0], token.end()
        length = _city(section, folded, index)
        if text.isdecimal():
            digits = postal if len(text) == len(postal) else str(draw.between(1, 9)) + draw.digits(len(text) - 1)
            new = same_digits(digits, text)
        elif length:
            index += length - 1
            end, new = tokens[index].end(), styled(city, text)
        elif len(text) == 1 or folded[index] in words("places") or script(text) != written:
            new = text
        else:
            street = draw.one([name for name in section.streets if name != street])
            new = styled(street, text)
        pieces += (value[done : token.start()], new)
        done = end
        index += 1
    return "".join((*pieces, value[done:]))


def _section(written: str, folded: Sequence[str]) -> Stock | None:
    """The names of the country that a town of the address is in."""
    for country in COUNTRIES:
        section = stock(country, written)
        if section and any(_city(section, folded, index) for index in range(len(folded))):
            return section
    return stock(COUNTRIES[0], written)


def _city(section: Stock, folded: Sequence[str], index: int) -> int:
    """How many words the town has whose name starts there; 0 if none does."""
    for length in range(_LONGEST_CITY, 0, -1):
        name = " ".join(folded[index : index + length])
        if any(name == " ".join(map(fold, city.split())) for city, _postal in section.cities):
            return min(length, len(folded) - index)
    return 0


def coordinates(value: str, draw: Draw) -> str | None:
    """Degrees, as precise, far from any coast whatever their signs: the tropics of the Atlantic, the Indian Ocean."""
    found = list(_DEGREES.finditer(value))
    if len(found) != 2:
        return None
    west = value[found[0].end() : found[1].start()].rstrip(" ").endswith(("-", "−")) or "W" in value.upper()
    pieces: list[str] = []
    done = 0
    where = draw.between(21, 22), draw.between(34, 35) if west else draw.between(64, 65)
    for degrees, match in zip(where, found, strict=True):
        digits = str(degrees) + ("." + draw.digits(len(match[2])) if match[2] else "")
        pieces += (value[done : match.start()], same_digits(digits, match[0]))
        done = match.end()
    return "".join((*pieces, value[done:]))
