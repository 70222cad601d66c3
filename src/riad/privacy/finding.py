"""What a scan finds, and what class of data that makes a text."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

_NATIONAL = frozenset({"CIN", "NIR", "PASSPORT", "MASSAR"})


class Finding(msgspec.Struct, frozen=True):
    """A span that identifies a person, ``[start, end)`` in code points of the text as it was written.

    ``type`` one of docs/reference/privacy.md's · ``score`` 0.4 to 1 · ``why`` what was believed (pattern, key, cue,
    list, model) and, when the class is sensitive, the words that made it so · ``persons`` "personal" or "sensitive"
    (law 09-08, article 1(1) and 1(3)) · ``categories`` what the words near it are about: "health", "religion"…
    """

    type: str
    start: int
    end: int
    score: float
    why: str
    persons: str = "personal"
    categories: tuple[str, ...] = ()


def persons_class(findings: Iterable[Finding]) -> str:
    """The class of a text with these findings: "none", "personal" or "sensitive", the highest of theirs."""
    classes = {finding.persons for finding in findings}
    return "sensitive" if "sensitive" in classes else "personal" if classes else "none"


def categories(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The special categories of these findings, sorted: "national_id" (09-08 article 12(1)e) and those of the words."""
    found: set[str] = set()
    for finding in findings:
        found.update(finding.categories)
        if finding.type in _NATIONAL:
            found.add("national_id")
    return tuple(sorted(found))
