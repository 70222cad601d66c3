"""Identifiers written in digits: what a run of groups of digits holds.

People write several numbers side by side and group the digits of one as they were taught, so a run such as
``06 12 34 56 78 011 780 0000123400056789 74`` is read group by group: at each,
the longest identifier that starts there.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import NamedTuple

from riad.privacy.cues import Cues
from riad.privacy.identifiers import Hit, Kind, cued_score, table

LONGEST = 24
"""Digits of the longest number known, a RIB."""

GROUPS, CUED_GROUPS = 8, 12
"""Groups of one number, at most: a RIB dictated in pairs has twelve, and is believed behind a cue."""

_CALLING_CODES = """
1 20 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 233 234 235 236 237 240 241 242 243 244 250
251 254 255 256 257 27 30 31 32 33 34 351 352 353 354 355 356 357 358 359 36 370 371 372 373 374 375 376 377 380 381
385 386 387 39 40 41 420 421 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 7 81 82 84 852 86 880
90 91 92 93 94 95 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 98 994 995 998
"""
CALLING_CODES = frozenset(_CALLING_CODES.split())
"""Country codes of ITU-T E.164, those in use."""
_NATIONAL = {"1": 10, "33": 9, "34": 9, "212": 9}
"""Digits of a national number where every number of that country has as many."""
_JOINS = ("-", "/", ".", "_")
_GROUP = re.compile(r"\d+")
_MORE = re.compile(r"(?:[ .\-/\n]?\d){0,24}(?!\d)|")
_GLUED = re.compile(r"(?<!\d)(?<!\d[ ./-])(?:\d{1,4}[./_-]|0,)$")
_DATE = re.compile(r"\d\d[ ./-]\d\d[ ./-](?:19|20)\d\d\b|(?:19|20)\d\d[./-]\d\d[./-]\d\d")
_STEPS = re.compile(r"0?123456789|9876543210?|(\d)\1+")


class Run(NamedTuple):
    """A run of groups of digits."""

    text: str
    spans: list[tuple[int, int]]  # each group in the text
    lengths: str  # how long each is, as one character (``Kind.groups`` is written so too)
    digits: str  # all their digits
    at: list[int]  # where each group starts among them, and where the last ends
    hits: list[Hit]  # found so far


def read(text: str, start: int, end: int, cues: Cues) -> list[Hit]:
    """The identifiers in the run of digits at ``[start, end)``."""
    limit, end = end, _MORE.match(text, end).end()  # type: ignore[union-attr]  # it matches the empty string too
    spans = [match.span() for match in _GROUP.finditer(text, start, end)]
    lengths = [b - a for a, b in spans]
    if lengths.count(1) * 2 > len(spans) and not cues:
        return []  # a table of single digits
    digits = "".join(text[a:b] for a, b in spans)
    run = Run(
        text, spans, "".join(chr(48 + length) for length in lengths), digits, [0, *accumulate(lengths)], hits := []
    )
    index = 0
    while index < len(spans) and spans[index][0] < limit:
        hit = _best(run, index, cues) or _abroad(run, index, end)
        if hit:
            hits.append(hit)
            while index < len(spans) and spans[index][0] < hit.end:
                index += 1
        else:
            index += 1
    return hits


def international(text: str, start: int, end: int) -> Hit | None:
    """A telephone number with its country in front (E.164: 8 digits or more), less what only follows it."""
    value = text[start:end]
    if value[0] == "(" and ")" not in value:
        start, value = start + 1, value[1:]
    plus = "+" in value[:2]
    before = text[max(0, start - 2) : start]
    if before[-1:].isdigit() or (not plus and before[-1:] in _JOINS and before[:1].isalnum()):
        return None
    while value:
        digits = "".join(filter(str.isdigit, value))
        digits = digits if plus else digits[2:]
        code = next((digits[:length] for length in (3, 2, 1) if digits[:length] in CALLING_CODES), "")
        if not code or len(digits) < (8 if plus else 10):
            return None
        national = digits[len(code) :].removeprefix("0")
        if len(digits) <= 13 and len(national) == _NATIONAL.get(code, len(national)):
            return Hit(start, start + len(value), "PHONE", 0.9, "pattern")
        value = value.rpartition(" ")[0].rstrip(" .-/(")
    return None


def _abroad(run: Run, index: int, end: int) -> Hit | None:
    start = run.spans[index][0]
    return international(run.text, start, end) if run.text.startswith("00", start) else None


def _best(run: Run, index: int, cues: Cues) -> Hit | None:
    """The identifier that starts at that group: the surest, and of two nearly as sure the longer."""
    groups, by_length = table().groups, table().by_length
    at, lengths = run.at, run.lengths
    first = at[index]
    best: Hit | None = None
    for last in range(index, min(len(lengths), index + (CUED_GROUPS if cues else GROUPS))):
        total = at[last + 1] - first
        if total > LONGEST:
            break
        usual = groups.get(lengths[index : last + 1])
        for kind in usual or by_length.get(total, ()):
            if kind.starts and not kind.starts.match(run.digits, first):
                continue
            if usual or kind.any_groups or kind.type in cues:
                hit = _number(run, index, last, kind, cues, usual is not None)
                if hit and (best is None or hit.score >= best.score - 0.1):
                    best = hit
    return best


def _number(run: Run, index: int, last: int, kind: Kind, cues: Cues, usual: bool) -> Hit | None:
    """That kind of number in the groups from ``index`` to ``last``. ``usual``: it is often grouped so."""
    start, end = run.spans[index][0], run.spans[last][1]
    digits = run.digits[run.at[index] : run.at[last + 1]]
    holds = kind.check(digits) if kind.check else None
    cued = kind.type in cues and kind.cue > 0 and cues.before(kind.type, start, end)
    if not cued and ((not usual and not (holds and kind.any_groups)) or "\n" in run.text[start:end]):
        return None
    if _STEPS.fullmatch(digits) or _is_other(run, start, kind, index != last):
        return None
    why = "key" if holds else "pattern" if holds is None else "key wrong"
    if cued:
        return Hit(start, end, kind.type, cued_score(kind, holds), "cue" if holds is not False else "cue; key wrong")
    score = kind.valid if holds else kind.invalid or (kind.invalid_grouped if index != last else 0.0)
    return Hit(start, end, kind.type, score, why) if score else None


def _is_other(run: Run, start: int, kind: Kind, grouped: bool) -> bool:
    """The digits belong to a date, or to the end of a longer number, a path or a reference."""
    if kind.type == "PHONE" and grouped:
        return _DATE.match(run.text, start) is not None
    if run.hits and run.hits[-1].end == start - 1:
        return False
    glued = _GLUED.search(run.text, max(0, start - 8), start)
    return glued is not None and (kind.type == "PHONE" or glued[0][-1] == ".")
