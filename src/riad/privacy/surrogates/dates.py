"""Dates of birth, moved by a few years: the same form, so the same age to within four years."""

from __future__ import annotations

import re

from riad.privacy.spellings import fold
from riad.privacy.surrogates.data import months
from riad.privacy.surrogates.draw import Draw
from riad.privacy.surrogates.people import same_digits, styled

_TOKEN = re.compile(r"\d+|[^\W\d_]+")


def date(value: str, draw: Draw) -> str | None:
    """Another date, written in the same way."""
    tokens = list(_TOKEN.finditer(value))
    numbers = [index for index, token in enumerate(tokens) if token[0].isdecimal()]
    if not 1 <= len(numbers) <= 3 or any(len(tokens[index][0]) not in (1, 2, 4) for index in numbers):
        return None
    year = next((index for index in numbers if len(tokens[index][0]) == 4), numbers[-1])
    others = [index for index in numbers if index != year]
    named = any(fold(token[0]) in months() for token in tokens)
    month = None if named or len(others) < 2 else others[0] if year == numbers[0] else others[1]
    pieces: list[str] = []
    done = 0
    for index, token in enumerate(tokens):
        text = token[0]
        if index == year:
            new = _year(text, draw)
        elif index in others:
            new = f"{draw.between(1, 12 if index == month else 28):0{len(text)}}"
        else:
            new = _month(text, draw)
        pieces += (value[done : token.start()], same_digits(new, text))
        done = token.end()
    return "".join((*pieces, value[done:]))


def _year(text: str, draw: Draw) -> str:
    away = draw.between(1, 4) * draw.one((1, -1))
    year = int(text) + away
    return f"{year % 100:02}" if len(text) <= 2 else f"{min(max(year, 1900), 9999):04}"


def _month(text: str, draw: Draw) -> str:
    names, _number = months().get(fold(text), ((), 0))
    return styled(draw.one(names), text) if names else text
