"""Identifiers: what the data files say of each, and how sure a match is.

Three families (docs/reference/privacy.md). A *number* is read out of a run of digits (``numbers``), a *code* has a
shape of its own, and an *after* is a value that means something only behind a cue. A wrong check key lowers the score;
it drops a span only where the shape alone says nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from riad.privacy.checks import IBAN_LENGTHS, iban, named
from riad.privacy.cues import Cues
from riad.privacy.knowledge import languages, remembered, tables

RUN = r"\b\d(?:[ .\-/]?\d){8,63}\b"
INTERNATIONAL = r"(?:\+|\b00)[1-9](?:[ .\-/()]{0,3}\d){6,14}\b"
_BEFORE_RUNS = ("EMAIL", "IBAN", "GPS")
"""Types whose shape a run of digits would cut short."""
AGAINST = 24
"""Code points from a word that speaks against a type to what it disqualifies, at most."""
_REACH = 64
"""Code points behind a cue in which its value is looked for."""


class Kind(NamedTuple):
    """One way to write one type of identifier: an entry of ``identifiers.toml``."""

    type: str
    lengths: frozenset[int]
    starts: re.Pattern[str] | None
    groups: frozenset[str]
    any_groups: bool
    check: Callable[[str], bool] | None
    shape: re.Pattern[str] | None
    form: re.Pattern[str] | None
    separators: dict[int, None]
    prefixes: frozenset[str]
    alone: bool
    after: re.Pattern[str] | None
    valid: float
    invalid: float
    invalid_grouped: float
    cue: float


class Hit(NamedTuple):
    """A candidate span, in code points of the text scanned."""

    start: int
    end: int
    type: str
    score: float
    why: str


class Table(NamedTuple):
    """Every kind, by the way it is found."""

    by_length: dict[int, tuple[Kind, ...]]  # numbers, by how many digits
    groups: dict[str, tuple[Kind, ...]]  # numbers, by how their digits are grouped: a character a group
    codes: tuple[Kind, ...]
    digit_codes: tuple[Kind, ...]  # those that a run of digits could swallow
    after: dict[str, tuple[Kind, ...]]
    cues: tuple[tuple[str, str], ...]  # (type, cue)
    against: tuple[tuple[str, str], ...]  # (type, word that speaks against it)
    capitals: frozenset[str]  # types whose cues count only in capitals
    types: frozenset[str]
    pattern: str  # one alternation of all shapes, for re2


def _kind(entry: dict[str, Any]) -> Kind:
    def compiled(key: str, wrap: str = "{}") -> re.Pattern[str] | None:
        return re.compile(wrap.format(entry[key]), re.IGNORECASE) if key in entry else None

    return Kind(
        entry["type"],
        frozenset(entry.get("lengths", ())),
        compiled("starts"),
        frozenset("".join(chr(48 + int(size)) for size in way.split()) for way in entry.get("groups", ())),
        entry.get("any_groups", False),
        named(entry["check"]) if "check" in entry else None,
        compiled("shape"),
        compiled("form"),
        dict.fromkeys(map(ord, entry.get("separators", " .-"))),
        frozenset(entry.get("prefixes", "").split()),
        entry.get("alone", False),
        compiled("after", r"[^\d\n\x1e]{{0,32}}?(?<![^\W_])({})(?![^\W_])"),
        *(entry.get(score, 0.0) for score in ("valid", "invalid", "invalid_grouped", "cue")),
    )


@remembered
def table() -> Table:
    """The kinds of every country, read once. Raises ``BadSettings`` for a pack that is not well formed."""
    by_length: dict[int, list[Kind]] = defaultdict(list)
    groups: dict[str, list[Kind]] = defaultdict(list)
    after: dict[str, list[Kind]] = defaultdict(list)
    codes: list[Kind] = []
    cues: dict[tuple[str, str], None] = {}
    against: dict[tuple[str, str], None] = {}
    entries = [entry for pack in tables("identifiers.toml") for entry in pack["kind"]]
    for entry in entries:
        kind = _kind(entry)
        for length in kind.lengths:
            by_length[length].append(kind)
        for way in kind.groups:
            groups[way].append(kind)
        if kind.shape:
            codes.append(kind)
        if kind.after:
            after[kind.type].append(kind)
        cues.update(dict.fromkeys((kind.type, cue) for cue in entry.get("cues", ())))
        against.update(dict.fromkeys((kind.type, word) for word in entry.get("not_after", ())))
    for language in languages():
        for type_, said in language.get("types", {}).items():
            cues.update(dict.fromkeys((type_, cue) for cue in said.get("cues", ())))
            against.update(dict.fromkeys((type_, word) for word in said.get("not_after", ())))
    shapes = [(kind.type in _BEFORE_RUNS, kind.shape.pattern) for kind in codes if kind.shape]
    return Table(
        {length: tuple(kinds) for length, kinds in by_length.items()},
        {way: tuple(kinds) for way, kinds in groups.items()},
        tuple(codes),
        tuple(kind for kind in codes if kind.shape and kind.shape.pattern.startswith((r"\b\d", r"\b(?:\d"))),
        {type_: tuple(kinds) for type_, kinds in after.items()},
        tuple(cues),
        tuple(against),
        frozenset(entry["type"] for entry in entries if entry.get("case") == "upper"),
        frozenset(entry["type"] for entry in entries),
        "|".join((*(s for first, s in shapes if first), RUN, INTERNATIONAL, *(s for first, s in shapes if not first))),
    )


def code(text: str, start: int, end: int, cues: Cues) -> Hit | None:
    """The identifier whose shape ``[start, end)`` has, if it is one."""
    value = text[start:end]
    for kind in table().codes:
        if kind.shape and kind.shape.fullmatch(value):
            hit = _code(text, start, end, kind, cues)
            if hit:
                return hit
    return None


def codes(text: str, start: int, end: int, cues: Cues) -> list[Hit]:
    """The identifiers whose shape starts with a digit, anywhere in ``[start, end)``."""
    found = []
    for kind in table().digit_codes:
        for match in kind.shape.finditer(text, start, end) if kind.shape else ():
            hit = _code(text, *match.span(), kind, cues)
            if hit:
                found.append(hit)
    return found


def after(text: str, end: int, type_: str) -> Hit | None:
    """The value that a cue of that type, ending at ``end``, announces."""
    for kind in table().after.get(type_, ()):
        match = kind.after.match(text, end, end + _REACH) if kind.after else None
        if match:
            return Hit(*match.span(1), kind.type, kind.cue, "cue")
    return None


def cued_score(kind: Kind, holds: bool | None) -> float:
    """How sure a value behind its cue is: less where its check key is wrong."""
    return kind.cue - (0.25 if holds is False else 0)


def _code(text: str, start: int, end: int, kind: Kind, cues: Cues) -> Hit | None:
    if kind.check is iban:
        end = start + _iban_length(text[start:end])
    compact = text[start:end].translate(kind.separators).upper()
    if kind.form and not kind.form.fullmatch(compact):
        return None
    holds = kind.check(compact) if kind.check else None
    if holds is False and not kind.invalid:
        return None
    why = "key" if holds else "shape" if holds is None else "key wrong"
    if cues.before(kind.type, start, end):
        why = "cue; key wrong" if holds is False else "cue"
        return Hit(start, end, kind.type, cued_score(kind, holds), why)
    if kind.alone and not _stands_alone(text, start, end):
        return None
    if cues.distance("not " + kind.type, start, end) <= AGAINST:
        return None
    known = compact.rstrip("0123456789") in kind.prefixes or not kind.prefixes
    return Hit(start, end, kind.type, kind.valid if known and holds is not False else kind.invalid, why)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Without a cue, a code of a few letters and digits must be in capitals and no part of something longer."""
    before, behind = text[start - 1 : start], text[end : end + 1]
    if not text[start:end].isupper() or before in tuple("#-/\\=&_.@") or behind in tuple("-_/=@"):
        return False
    return not (behind == "." and text[end + 1 : end + 2].isalnum())


def _iban_length(value: str) -> int:
    """How much of a match is the IBAN: words of four letters may follow it."""
    wanted = IBAN_LENGTHS.get(value[:2].upper(), 0)
    total, seen = len(value), 0
    for position, character in enumerate(value):
        seen += character.isalnum()
        if seen == wanted:
            value = value[: position + 2]
            compact = "".join(filter(str.isalnum, value[: position + 1])).upper()
            return position + 1 if iban(compact) or not value[position + 1 :].isalnum() else total
    return total
