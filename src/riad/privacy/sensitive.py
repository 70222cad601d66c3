"""What makes personal data sensitive: words near a person that say something of their health, religion, politics…

Law 09-08, article 1(3). The words are data (``[sensitive]`` in ``languages/``): conditions and memberships, not topics,
and they count only near an identifier of a person. Their category is reported even where it is no matter of that
article ("offences", article 12): the law room decides what follows.
"""

from __future__ import annotations

from bisect import bisect_left

from riad.privacy.cues import BARRIER
from riad.privacy.finding import Finding
from riad.privacy.identifiers import Hit
from riad.privacy.words import Seen

NEAR = 200
"""Code points between a person and a word that speaks of them, at most."""
_IMPERSONAL = frozenset(
    {"ICE", "IF", "RC", "SIRET", "SIREN", "TVA", "VAT", "CIF", "BTW", "IVA", "MF", "NINEA", "TN", "SECRET"}
)
"""Identifiers of companies, and credentials: a sensitive word beside one says nothing of a person."""
_NOT_SENSITIVE = frozenset({"offences"})
"""Categories outside article 1(3)."""


def said_near(found: list[Hit], vocabulary: list[Seen], text: str) -> list[dict[str, str]]:
    """For each span the categories said of it, each with its word. ``vocabulary``: the words of ``text``, in order."""
    if not vocabulary:
        return [{}] * len(found)
    ends = [end for _, _, end in vocabulary]
    return [{} if hit.type in _IMPERSONAL else _near(hit, vocabulary, ends, text) for hit in found]


def finding(hit: Hit, start: int, end: int, about: dict[str, str]) -> Finding:
    """The finding at ``[start, end)`` of its own text, with its class and what made it so."""
    score = round(hit.score, 2)
    if not about:
        return Finding(hit.type, start, end, score, hit.why)
    why = "; ".join((hit.why, *(f"{category}: {word}" for category, word in about.items())))
    persons = "sensitive" if about.keys() - _NOT_SENSITIVE else "personal"
    return Finding(hit.type, start, end, score, why, persons, tuple(sorted(about)))


def _near(hit: Hit, vocabulary: list[Seen], ends: list[int], text: str) -> dict[str, str]:
    """The first word of each category near that span, in the same text."""
    about: dict[str, str] = {}
    for index in range(bisect_left(ends, hit.start - NEAR), len(vocabulary)):
        word, start, end = vocabulary[index]
        if start > hit.end + NEAR:
            break
        if word.value not in about:
            between = text[end : hit.start] if end <= hit.start else text[hit.end : start]
            if BARRIER not in between:
                about[word.value] = word.text
    return about
