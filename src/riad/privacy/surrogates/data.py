"""What surrogates are made of: names, streets, towns, months and calling plans, read once from the ``.toml`` beside."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from riad.privacy.spellings import fold

COUNTRIES = ("ma", "fr", "es")
"""The first is where names are taken to be from that no list has."""

_SCRIPTS = (
    ("arabic", re.compile("[\u0600-\u06ff]")),
    ("tifinagh", re.compile("[\u2d30-\u2d7f]")),
    ("latin", re.compile("[A-Za-z\u00c0-\u024f]")),
)


class Stock(NamedTuple):
    """What names and addresses of one country and script are made of."""

    men: tuple[str, ...]
    women: tuple[str, ...]
    surnames: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]  # and their postal codes
    known_men: tuple[str, ...]  # everyday words too: recognised, never given
    known_women: tuple[str, ...]

    def given(self, gender: str) -> tuple[str, ...]:
        """Given names of that gender, "m" or "f"; of both for any other."""
        return self.men if gender == "m" else self.women if gender == "f" else self.men + self.women


class Plan(NamedTuple):
    """Telephone numbers of one country."""

    code: str
    length: int  # of a number without its trunk prefix
    trunk: str
    free: dict[str, tuple[str, ...]]  # beginnings that nobody has, by what a number begins with


def script(word: str) -> str:
    """The script of a word, "" for one of none that surrogates are made in."""
    return next((name for name, pattern in _SCRIPTS if pattern.search(word)), "")


@cache
def stock(country: str, script_: str) -> Stock | None:
    """What there is for a country and a script."""
    section = _read(country).get(script_)
    if section is None:
        return None
    cities = [line.strip().rsplit(" ", 1) for line in re.split(r"[|\n]", section.get("cities", "")) if line.strip()]
    return Stock(
        men=tuple(section["men"].split()),
        women=tuple(section["women"].split()),
        surnames=tuple(section["surnames"].split()),
        streets=tuple(section.get("streets", "").split()),
        cities=tuple((city, postal) for city, postal in cities),
        known_men=tuple(section.get("known_men", "").split()),
        known_women=tuple(section.get("known_women", "").split()),
    )


@cache
def genders() -> dict[str, str]:
    """Given names that are known to be a man's or a woman's, folded."""
    known: dict[str, set[str]] = {}
    for _country, section in _sections():
        for gender, names in (("m", section.men + section.known_men), ("f", section.women + section.known_women)):
            for name in names:
                known.setdefault(fold(name), set()).add(gender)
    return {name: gender.pop() for name, gender in known.items() if len(gender) == 1}


def home(names: Iterable[str]) -> str:
    """The country whose lists have most of these folded names; the first where none has any."""
    found = list(names)
    return max(COUNTRIES, key=lambda country: sum(name in _names(country) for name in found))


@cache
def words(name: str) -> frozenset[str]:
    """A list of words of ``world.toml``, folded."""
    return frozenset(map(fold, _read("world")[name].split()))


@cache
def months() -> dict[str, tuple[tuple[str, ...], int]]:
    """Each month's name, folded, with the list it stands in and which month it is, from 0."""
    found: dict[str, tuple[tuple[str, ...], int]] = {}
    for line in _read("world")["months"]:
        names = tuple(line.split())
        for number, name in enumerate(names):
            found.setdefault(fold(name), (names, number))
    return found


@cache
def plans() -> tuple[Plan, ...]:
    """The calling plans, longest country code first."""
    read = [
        Plan(
            one["code"],
            one["length"],
            one["trunk"],
            {start: tuple(free.split()) for start, free in one["free"].items()},
        )
        for one in _read("world")["plan"]
    ]
    return tuple(sorted(read, key=lambda plan: -len(plan.code)))


def _sections() -> list[tuple[str, Stock]]:
    found = ((country, stock(country, script_)) for country in COUNTRIES for script_, _pattern in _SCRIPTS)
    return [(country, section) for country, section in found if section]


@cache
def _names(country: str) -> frozenset[str]:
    return frozenset(
        fold(name)
        for here, section in _sections()
        if here == country
        for name in (*section.men, *section.women, *section.surnames)
    )


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text("utf-8"))
