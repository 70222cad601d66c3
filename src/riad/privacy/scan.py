"""Find personal data in text: every identifier, name and cue of every text of a request in one pass.

(1) The texts are joined, and normalised only if they hold something odd (``normalise``). (2) Two automata read the
bytes: re2 for what has a shape, Aho-Corasick for words. Both are linear in the input whatever it holds. (3) Where
neither saw anything, that is all. Otherwise (4) each candidate is read in its context: digits and their check keys, the
words before, the names. (5) Overlaps are resolved, the words that make data sensitive are looked for near what was
found, and (6) every span goes back to the text it came from, in code points of the original.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import re2

from riad.privacy import identifiers, names, numbers
from riad.privacy.cues import Cues
from riad.privacy.finding import Finding
from riad.privacy.identifiers import Hit, table
from riad.privacy.normalise import SEPARATOR, normalise
from riad.privacy.words import Seen, look

FLOOR = 0.4
"""Findings below this score are not reported."""
NEAR = 200
"""Code points between a person and a word that makes what is said of them sensitive."""
_IMPERSONAL = frozenset({"ICE", "IF", "RC", "SIRET"})
"""Identifiers of companies: a sensitive word beside one says nothing of a person."""
_NOT_SENSITIVE = frozenset({"offences"})
"""Categories outside law 09-08 article 1(3)."""


@cache
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
    joined = SEPARATOR.join(texts)
    clean, offsets = normalise(joined)
    data = clean.encode("utf-8", "surrogatepass")
    shapes = [match.span() for match in _shapes().finditer(data)]
    seen = look(data, bool(shapes))
    if not shapes and not seen:
        return [[] for _ in texts]
    spans, hits = _positions(clean, data, shapes, seen)
    found = _read(clean, spans, hits)
    result: list[list[Finding]] = [[] for _ in texts]
    if not found:
        return result
    starts = [0, *accumulate(len(text) + len(SEPARATOR) for text in texts)]
    for finding in _classified(found, [hit for hit in hits if hit[0].role == "vocabulary"], clean):
        start, end = offsets.span(finding.start, finding.end) if offsets else (finding.start, finding.end)
        which = bisect_right(starts, start) - 1
        begin = starts[which]
        result[which].append(
            Finding(
                finding.type,
                start - begin,
                end - begin,
                finding.score,
                finding.why,
                finding.persons,
                finding.categories,
            )
        )
    return result


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
    """Every candidate in its context, without overlaps."""
    cues = Cues()
    people: list[Seen] = []
    found: list[Hit] = []
    for word, start, end in hits:
        role = word.role
        if role in ("given", "name cue"):
            people.append((word, start, end))
        elif role == "cue":
            if word.value in table().capitals and not clean[start:end].isupper():
                continue
            cues.add(word.value, start, end)
            if word.value in table().after:
                found += _one(identifiers.after(clean, end, word.value))
        elif role == "not":
            cues.add("not " + word.value, start, end)
    for start, end in spans:
        found += _shape(clean, start, end, cues)
    if people:
        people.sort(key=lambda hit: (hit[1], -hit[2]))
        found += names.find(clean, people)
    return _resolved(found)


def _shape(clean: str, start: int, end: int, cues: Cues) -> list[Hit]:
    """What a match of ``table().pattern`` turns out to be: nothing, one span or several."""
    first = clean[start]
    if first == "+" or (first == "0" and "(" in clean[start:end]):
        return _one(numbers.international(clean, start, end))
    hits = numbers.read(clean, start, end, cues) if first.isdigit() and "@" not in clean[start:end] else []
    return hits or _one(identifiers.code(clean, start, end, cues))


def _one(hit: Hit | None) -> list[Hit]:
    return [hit] if hit else []


def _resolved(found: list[Hit]) -> list[Hit]:
    """The same without overlaps: of two that touch, the longer, and of two as long, the surer."""
    found = [hit for hit in found if hit.score >= FLOOR]
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


def _classified(found: list[Hit], vocabulary: list[Seen], clean: str) -> list[Finding]:
    """Findings with their class: sensitive where a word near by, in the same text, says something sensitive."""
    if not vocabulary:
        return [Finding(hit.type, hit.start, hit.end, round(hit.score, 2), hit.why) for hit in found]
    vocabulary.sort(key=lambda entry: entry[1])
    ends = [end for _, _, end in vocabulary]
    findings = []
    for hit in found:
        about: dict[str, str] = {}
        first = bisect_left(ends, hit.start - NEAR) if hit.type not in _IMPERSONAL else len(ends)
        for index in range(first, len(vocabulary)):
            word, start, end = vocabulary[index]
            if start > hit.end + NEAR:
                break
            if word.value not in about:
                between = clean[end : hit.start] if end <= hit.start else clean[hit.end : start]
                if SEPARATOR not in between:
                    about[word.value] = word.text
        why = "; ".join((hit.why, *(f"{category}: {word}" for category, word in about.items())))
        persons = "sensitive" if about.keys() - _NOT_SENSITIVE else "personal"
        findings.append(Finding(hit.type, hit.start, hit.end, round(hit.score, 2), why, persons, tuple(sorted(about))))
    return findings
