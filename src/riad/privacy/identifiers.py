"""Identifiers: what the data files say of each, and how sure a match is.

Three families (docs/reference/privacy.md). A *number* is read out of a run of digits (``numbers``), a *code* has a
shape of its own, and an *after* is a value that means something only behind a cue. A wrong check key lowers the score;
it drops a span only where the shape alone says nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import msgspec
import re2

from riad.privacy.checks import IBAN_LENGTHS, iban, named
from riad.privacy.cues import Cues
from riad.privacy.knowledge import languages, remembered, tables, unfit

RUN = r"\b\d(?:[ .\-/\n]?\d){8,63}\b"
INTERNATIONAL = r"(?:\(?\+|\b00)[1-9](?:[ .\-/()]{0,3}\d){6,14}\b"
_BEFORE_RUNS = ("EMAIL", "IBAN", "GPS", "SECRET")
"""Types whose shape a run of digits would cut short."""
AGAINST = 24
"""Code points from a word that speaks against a type to what it disqualifies, at most."""
_TYPE = re.compile(r"[A-Z]{2,16}")
_SERIES = 8
"""Codes that one cue announces, at most."""
_BESIDE = 4
"""Code points in front of a code in which ``not_before`` is looked for."""
_REACH = 80
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
    value: re.Pattern[str] | None
    not_before: re.Pattern[str] | None
    not_behind: re.Pattern[str] | None
    not_values: frozenset[str]
    separators: dict[int, None]
    prefixes: frozenset[str]
    alone: bool
    after: re.Pattern[str] | None
    valid: float
    invalid: float
    invalid_grouped: float
    cue: float


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A ``[[kind]]`` as the file has it: docs/reference/privacy.md explains every key."""

    type: str
    lengths: tuple[int, ...] = ()
    starts: str = ""
    groups: tuple[str, ...] = ()
    any_groups: bool = False
    check: str = ""
    shape: str = ""
    form: str = ""
    value: str = ""
    not_before: str = ""
    not_behind: str = ""
    not_values: str = ""
    separators: str = " .-"
    prefixes: str = ""
    alone: bool = False
    international: bool = False
    after: str = ""
    valid: float = 0.0
    invalid: float = 0.0
    invalid_grouped: float = 0.0
    cue: float = 0.0
    cues: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()
    case: Literal["", "upper"] = ""


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An ``identifiers.toml``."""

    kind: tuple[Entry, ...]


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


def _kind(entry: Entry) -> Kind:
    """An entry, its patterns compiled. Raises ``ValueError`` for one that cannot be."""

    def compiled(pattern: str, wrap: str = "{}") -> re.Pattern[str] | None:
        try:
            return re.compile(wrap.format(pattern), re.IGNORECASE) if pattern else None
        except re.error as error:
            raise ValueError(f"{entry.type}: {pattern} is no pattern: {error}") from None

    if not _TYPE.fullmatch(entry.type):
        raise ValueError(f"{entry.type!r} is no type: write two to sixteen capital letters")
    if entry.shape:
        try:
            re2.compile(entry.shape.encode())
        except re2.error as error:
            raise ValueError(f"{entry.type}: {entry.shape} is no pattern of RE2: {error}") from None
    return Kind(
        entry.type,
        frozenset(entry.lengths),
        compiled(entry.starts),
        frozenset("".join(chr(48 + int(size)) for size in way.split()) for way in entry.groups),
        entry.any_groups,
        named(entry.check) if entry.check else None,
        compiled(entry.shape),
        compiled(entry.form),
        compiled(entry.value),
        compiled(entry.not_before, r"(?:{})\Z"),
        compiled(entry.not_behind),
        frozenset(entry.not_values.split()),
        dict.fromkeys(map(ord, entry.separators)),
        frozenset(entry.prefixes.split()),
        entry.alone,
        compiled(entry.after, r"[^\d\n\x1e]{{0,32}}?(?<![^\W_])({})(?![^\W_])"),
        entry.valid,
        entry.invalid,
        entry.invalid_grouped,
        entry.cue,
    )


def _read() -> Iterator[tuple[Entry, Kind]]:
    for path, pack in tables("identifiers.toml", Pack):
        for entry in pack.kind:
            try:
                yield entry, _kind(entry)
            except ValueError as error:
                raise unfit(path, str(error)) from None


@remembered
def table() -> Table:
    """The kinds of every country, read once. Raises ``BadSettings`` for a pack that is not well formed."""
    by_length: dict[int, list[Kind]] = defaultdict(list)
    groups: dict[str, list[Kind]] = defaultdict(list)
    after: dict[str, list[Kind]] = defaultdict(list)
    codes: list[Kind] = []
    cues: dict[tuple[str, str], None] = {}
    against: dict[tuple[str, str], None] = {}
    entries = list(_read())
    for entry, kind in entries:
        for length in kind.lengths:
            by_length[length].append(kind)
        for way in kind.groups:
            groups[way].append(kind)
        if kind.shape:
            codes.append(kind)
        if kind.after:
            after[kind.type].append(kind)
        cues.update(dict.fromkeys((kind.type, cue) for cue in entry.cues))
        against.update(dict.fromkeys((kind.type, word) for word in entry.not_after))
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
        frozenset(entry.type for entry, _ in entries if entry.case == "upper"),
        frozenset(entry.type for entry, _ in entries),
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


def after(text: str, end: int, type_: str, limit: int | None = None) -> list[Hit]:
    """The value that a cue of that type, ending at ``end``, announces; before ``limit``, where that is given.

    A code with a shape of its own may be followed by others: "les CIN AB123456 et J 91827".
    """
    found: list[Hit] = []
    for kind in table().after.get(type_, ()):
        while kind.after and len(found) < _SERIES:
            match = kind.after.match(text, end, end + _REACH if limit is None else limit)
            if not match or match[1].lower() in kind.not_values:
                break
            found.append(Hit(*match.span(1), kind.type, kind.cue, "cue"))
            if not kind.alone or limit is not None:
                return found
            end = match.end()
        if found:
            break
    return found


def cued_score(kind: Kind, holds: bool | None) -> float:
    """How sure a value behind its cue is: less where its check key is wrong."""
    return kind.cue - (0.25 if holds is False else 0)


def _code(text: str, start: int, end: int, kind: Kind, cues: Cues) -> Hit | None:
    if kind.check is iban:
        if text[start : start + 2].upper() not in IBAN_LENGTHS:
            return None
        end = start + _iban_length(text[start:end])
    compact = text[start:end].translate(kind.separators).upper()
    if kind.form and not kind.form.fullmatch(compact):
        return None
    if kind.not_before and kind.not_before.search(text[max(0, start - _BESIDE) : start]):
        return None
    if kind.not_behind and kind.not_behind.match(text, end):
        return None
    part = kind.value.search(text[start:end]) if kind.value else None
    if part:
        start, end = start + part.start(), start + part.end()
    if kind.not_values and text[start:end].lower() in kind.not_values:
        return None
    holds = kind.check(compact) if kind.check else None
    why = "key" if holds else "pattern" if holds is None else "key wrong"
    if cues.before(kind.type, start, end):
        why = "cue; key wrong" if holds is False else "cue"
        return Hit(start, end, kind.type, cued_score(kind, holds), why)
    if holds is False and not kind.invalid:
        return None
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
