"""Names among names: the everyday words that are persons because they stand in a list of persons."""

from __future__ import annotations

import re

from riad.privacy.identifiers import Hit

_COMPANY = re.compile(r"[ \t]?(?:,|;|&|/|\bet\b|\band\b|\by\b|\bou?\b|\bw\b|\bd\b|و)?[ \t]?(?:\bet\b|\band\b|و)?[ \t]?")
"""What stands between the names of a list."""


def among(text: str, maybe: list[Hit], found: list[Hit]) -> list[Hit]:
    """The everyday words that stand in a list of persons: "Saïda, Mounia et Abdelfettah"."""
    ends, starts = {hit.end for hit in found}, {hit.start for hit in found}
    chosen: list[Hit] = []
    for hit in (*maybe, *reversed(maybe)):
        if hit.start not in starts and (
            any(hit.start - gap in ends and _joined(text, hit.start - gap, hit.start) for gap in range(1, 8))
            or any(hit.end + gap in starts and _joined(text, hit.end, hit.end + gap) for gap in range(1, 8))
        ):
            ends.add(hit.end)
            starts.add(hit.start)
            chosen.append(hit)
    return chosen


def _joined(text: str, end: int, start: int) -> bool:
    between = text[end:start]
    return _COMPANY.fullmatch(between) is not None and between.strip() != ""
