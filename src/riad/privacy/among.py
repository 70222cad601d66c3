"""Names among names: everyday words in a list of persons, and lines of a list that no list of names knows."""

from __future__ import annotations

import re
from itertools import groupby

from riad.privacy.cues import BARRIER
from riad.privacy.fullname import Reader
from riad.privacy.identifiers import Hit

_BETWEEN = re.compile(r"[ \t]?(?:,|;|&|/|\bet\b|\band\b|\by\b|\bou?\b|\bw\b|\bd\b|و)?[ \t]?(?:\bet\b|\band\b|و)?[ \t]?")
"""What stands between the names of a list."""
_LINE = re.compile(
    rf"(?:^|(?<=\n)|(?<={BARRIER} ))[ \t]*(?:[-*•]|\d{{1,2}}[.)\-])?[ \t]*([^\W\d_]+(?:[ '\-][^\W\d_]+){{1,3}})"
    rf"[ \t]*[,;]?(?=\n|$| {BARRIER})"
)
"""A line with nothing but two to four words, numbered perhaps."""
_NEAR = 4
"""Lines above and below in which two must be persons'."""


def persons(text: str, maybe: list[Hit], found: list[Hit]) -> list[Hit]:
    """Those of ``maybe``, everyday words, that stand in a list of persons: "Saïda, Mounia et Abdelfettah"."""

    def joined(end: int, start: int) -> bool:
        between = text[end:start]
        return _BETWEEN.fullmatch(between) is not None and between.strip() != ""

    ends, starts = {hit.end for hit in found}, {hit.start for hit in found}
    chosen: list[Hit] = []
    for hit in (*maybe, *reversed(maybe)):
        if hit.start not in starts and (
            any(hit.start - gap in ends and joined(hit.start - gap, hit.start) for gap in range(1, 8))
            or any(hit.end + gap in starts and joined(hit.end, hit.end + gap) for gap in range(1, 8))
        ):
            ends.add(hit.end)
            starts.add(hit.start)
            chosen.append(hit)
    return chosen


def lines(reader: Reader, found: list[Hit]) -> list[Hit]:
    """The lines beside a person's, among at least two such, whose words may well be names."""
    begins = {hit.end: hit.start for hit in found}
    spans = [match.span(1) for match in _LINE.finditer(reader.text)]
    chosen = []
    for _, group in groupby(spans, lambda span: reader.which(span[0])):
        listed = list(group)
        sure = [begins.get(end) == start for start, end in listed]
        for at, (start, end) in enumerate(listed):
            several = sure[max(0, at - _NEAR) : at + _NEAR + 1].count(True) > 1
            if several and not sure[at] and any(sure[max(0, at - 1) : at + 2]) and _may_be(reader, start, end):
                chosen.append(Hit(start, end, "PERSON", 0.5, "list: a line among persons"))
    return chosen


def _may_be(reader: Reader, start: int, end: int) -> bool:
    """The words of that line, taken together, look like a name."""
    token = reader.tokens.at(start)
    beliefs = []
    while token and token.end <= end:
        if token.word in reader.lexicon.not_names or token.word in reader.lexicon.places:
            return False
        if token.word not in reader.lexicon.particles:
            beliefs.append(reader.belief(token))
        token = reader.tokens.after(token.end)
    return len(beliefs) > 1 and min(beliefs) > -3.5 and sum(beliefs) / len(beliefs) > -0.5
