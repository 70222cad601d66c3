"""Find personal data in text: every identifier, name and cue of every text of a request in one pass.

(1) The texts are joined, and normalised only if they hold something odd (``normalise``). (2) Two automata read the
bytes: re2 for what has a shape, Aho-Corasick for words. Both are linear in the input whatever it holds. (3) Where
neither saw anything, that is all. Otherwise (4) each candidate is read in its context: digits and their check keys, the
words before, the names. (5) Overlaps are resolved, the words that make data sensitive are looked for near what was
found, and (6) every span goes back to the text it came from, in code points of the original.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Any

import re2

from riad.privacy import address, columns, identifiers, mrz, names, numbers
from riad.privacy.cues import Cues
from riad.privacy.finding import Finding
from riad.privacy.identifiers import Hit, table
from riad.privacy.knowledge import remembered
from riad.privacy.normalise import SEPARATOR, normalise
from riad.privacy.sensitive import finding, said_near
from riad.privacy.words import Seen, look

FLOOR = 0.4
"""Findings below this score are not reported."""
_ROUNDS = 3
_RUN = re.compile(identifiers.RUN)
_AHEAD = 40
_NUMBER = re.compile(r"(?: ?n°| ?num| ?nmra)?[ :]{1,3}\d{5,8}\b(?! ?[=<>+*/]|[.,]\d)")
_PLATE = frozenset("|-/")
_APART = frozenset(("", *" \n\t\r.,;:!?()\"'"))
"""What may stand beside a finding without hiding another."""
_BLANK = "]"
"""What stands for a finding in a second reading: no part of a word, as in the placeholder that will replace it."""


@remembered
def _shapes() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = 64 << 20
    return re2.compile(table().pattern.encode(), options)


def scan(text: str) -> list[Finding]:
    """The personal data in ``text``, in order, without overlaps. Any text will do: nothing is refused."""
    return scan_many((text,))[0]


def scan_many(texts: Sequence[str]) -> list[list[Finding]]:
    """The same for several texts at once, in one pass: a list of findings for each."""
    clean, offsets = normalise(SEPARATOR.join(texts))
    found, vocabulary = _find(clean)
    result: list[list[Finding]] = [[] for _ in texts]
    if not found:
        return result
    starts = [0, *accumulate(len(text) + len(SEPARATOR) for text in texts)]
    for hit, about in zip(found, said_near(found, vocabulary, clean), strict=True):
        start, end = offsets.span(hit.start, hit.end) if offsets else (hit.start, hit.end)
        which = bisect_right(starts, start) - 1
        result[which].append(finding(hit, start - starts[which], end - starts[which], about))
    return result


def _find(clean: str) -> tuple[list[Hit], list[Seen]]:
    """What a normalised text holds, in order and apart, and its sensitive words."""
    found, hits, settled = _pass(clean)
    for _ in range(_ROUNDS):
        if settled:
            break
        # What was found may hide something that touches it: look once more, without it.
        more, _, settled = _pass(_without(clean, found))
        found = sorted((*found, *more))
    return found, [hit for hit in hits if hit[0].role == "vocabulary"] if found else []


def _pass(clean: str) -> tuple[list[Hit], list[Seen], bool]:
    """One reading: candidates that do not overlap, the words that may matter, and whether that was certainly all."""
    data = clean.encode("utf-8", "surrogatepass")
    shapes = [match.span() for match in _shapes().finditer(data)]
    seen = look(data, bool(shapes))
    if not shapes and not seen:
        return [], [], True
    spans, hits = _positions(clean, data, shapes, seen)
    candidates = _read(clean, spans, hits)
    found = _resolved(candidates)
    return found, hits, _is_settled(clean, spans, candidates, found)


def _without(clean: str, found: list[Hit]) -> str:
    """The text with its findings blanked, every offset kept."""
    pieces: list[str] = []
    done = 0
    for hit in found:
        pieces += (clean[done : hit.start], _BLANK * (hit.end - hit.start))
        done = hit.end
    return "".join((*pieces, clean[done:]))


def _is_settled(clean: str, spans: list[tuple[int, int]], candidates: list[Hit], found: list[Hit]) -> bool:
    """What was found stands apart, and nothing that gave way, shape or candidate, reaches beyond it."""
    for hit in found:
        if clean[max(hit.start - 1, 0) : hit.start] not in _APART or clean[hit.end : hit.end + 1] not in _APART:
            return False
    starts = [hit.start for hit in found]
    for start, end in spans:
        first, last = bisect_left(starts, start), bisect_left(starts, end) - 1
        inside = found[first : last + 1]
        if inside and (inside[0].start > start or inside[-1].end < end):
            return False
        if any(behind.start - before.end > 2 for before, behind in pairwise(inside)):
            return False
    for candidate in candidates if len(candidates) > len(found) else ():
        index = bisect_right(starts, candidate.start) - 1
        if index < 0 or candidate.end > found[index].end:
            return False
    return True


def _positions(
    clean: str, data: bytes, shapes: list[tuple[int, int]], seen: list[Seen]
) -> tuple[list[tuple[int, int]], list[Seen]]:
    """Byte offsets as code points: spans of shapes, and words with theirs."""
    if len(clean) == len(data):
        return shapes, seen
    wanted = {offset for span in shapes for offset in span}
    for _, start, end in seen:
        wanted.update((start, end))
    at: dict[int, int] = {}
    position = previous = 0
    for offset in sorted(wanted):
        position += len(data[previous:offset].decode("utf-8", "surrogatepass"))
        at[offset] = position
        previous = offset
    return (
        [(at[start], at[end]) for start, end in shapes],
        [(word, at[start], at[end]) for word, start, end in seen],
    )


def _read(clean: str, spans: list[tuple[int, int]], hits: list[Seen]) -> list[Hit]:
    """Every candidate, read in its context."""
    cues = Cues(clean)
    people: list[Seen] = []
    places: list[Seen] = []
    announcing: list[Seen] = []
    said: list[Hit] = []
    for word, start, end in hits:
        role = word.role
        if role in ("given", "name cue"):
            people.append((word, start, end))
        elif role == "cue":
            if (
                word.value in table().capitals
                and _is_lower(word.text, clean[start:end])
                and not _NUMBER.match(clean, end)
            ):
                continue
            cues.add(word.value, start, end)
            announcing.append((word, start, end))
            if word.value in table().after:
                said += identifiers.after(clean, end, word.value)
        elif role == "address":
            places.append((word, start, end))
        elif role == "not":
            cues.add("not " + word.value, start, end)
    if announcing and "\n" in clean:
        for type_, start, end in columns.announced(clean, announcing):
            cues.add(type_, start, start)
            if type_ in table().after:
                said += identifiers.after(clean, start, type_, end)
        cues.sort()
    found = [hit for hit in said if not cues.denied(hit.type, hit.start, hit.end)]
    found += mrz.find(clean)
    for start, end in spans:
        found += _shape(clean, start, end, cues)
    if places:
        found += address.find(clean, places, cues)
    if people:
        people.sort(key=itemgetter(2), reverse=True)
        people.sort(key=itemgetter(1))  # by start, the longest first
        found += names.find(clean, people)
    return [hit for hit in found if hit.score >= FLOOR]


def _is_lower(cue: str, written: str) -> bool:
    """An abbreviation such as IF or RC in small letters: an everyday word."""
    return len(cue.replace(" ", "")) < 4 and written.isascii() and not written.isupper()


def _shape(clean: str, start: int, end: int, cues: Cues) -> list[Hit]:
    """What a match of ``table().pattern`` turns out to be: nothing, one span or several."""
    if clean[start].isdigit() and "(" not in clean[start:end] and "@" not in clean[start:end]:
        hits = numbers.read(clean, start, end, cues) or _one(identifiers.code(clean, start, end, cues))
        if not hits and (clean.count(".", start, end) > 2 or clean[end : end + 1] in _PLATE):
            hits = identifiers.codes(clean, start, end + _AHEAD, cues)  # an address or a plate, behind other digits
        return hits
    if clean[start] in "(+0":
        hits = _one(numbers.international(clean, start, end))
    else:
        hits = _one(identifiers.code(clean, start, end, cues))
    # The match may have swallowed the beginning of a number that follows: read on from where the span ends.
    rest = hits[-1].end if hits else start + 1
    if rest < end:
        for match in _RUN.finditer(clean, rest, end + _AHEAD):
            hits += numbers.read(clean, *match.span(), cues)
    return hits


def _one(hit: Hit | None) -> list[Hit]:
    return [hit] if hit else []


def _resolved(found: list[Hit]) -> list[Hit]:
    """The same without overlaps: of two that touch, the longer, and of two as long, the surer."""
    if len(found) < 2:
        return found
    kept: list[Hit] = []
    for hit in sorted(found, key=lambda hit: (hit.start, -hit.end)):
        if kept and hit.start < kept[-1].end:
            other = kept[-1]
            if (hit.end - hit.start, hit.score) > (other.end - other.start, other.score):
                kept[-1] = hit
        else:
            kept.append(hit)
    return kept
