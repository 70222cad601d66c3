"""Where the words that speak for a type of identifier, or against it, stand in a text."""

from __future__ import annotations

import re
from bisect import bisect_right

_PLACEHOLDER = re.compile(r"_\d+\]")
FAR = 48
"""Code points from a cue to what it announces, at most."""
_BEHIND = 10
"""Code points from an identifier to a cue that follows it (``AB123456 (CIN)``), at most."""


BARRIER = "\x1e"
"""Ends a text among those scanned together: no cue speaks beyond it."""


class Cues:
    """The cues of one text: added in the order they end, then asked for the nearest."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._ends)

    def __contains__(self, type_: str) -> bool:
        """Whether there is any cue of that type."""
        return type_ in self._ends

    def add(self, type_: str, start: int, end: int) -> None:
        """A word at ``[start, end)`` that speaks for ``type_``; against it, under the name ``not <type>``."""
        self._starts.setdefault(type_, []).append(start)
        self._ends.setdefault(type_, []).append(end)

    def sort(self) -> None:
        """Put in order what was added out of it."""
        for type_, ends in self._ends.items():
            pairs = sorted(zip(ends, self._starts[type_], strict=True))
            self._ends[type_] = [end for end, _ in pairs]
            self._starts[type_] = [start for _, start in pairs]

    def _reaches(self, start: int, end: int) -> bool:
        """Nothing stands between a cue and a value that the cue spoke of, or that ends the text."""
        between = self._text[start:end]
        return BARRIER not in between and not _PLACEHOLDER.search(between)

    def distance(self, type_: str, start: int, end: int) -> int:
        """How far before the span the nearest cue ends; ``FAR`` if none does. One right behind it is nearly as far."""
        ends = self._ends.get(type_)
        if not ends:
            return FAR
        index = bisect_right(ends, start)
        if index and start - ends[index - 1] < FAR and self._reaches(ends[index - 1], start):
            return start - ends[index - 1]
        starts = self._starts[type_]
        while index < len(starts) and starts[index] < end:
            index += 1
        if index == len(starts) or starts[index] - end >= _BEHIND or not self._reaches(end, starts[index]):
            return FAR
        return FAR - 1

    def denied(self, type_: str, start: int, end: int) -> bool:
        """A word that speaks against the type stands near, and nearer than any cue."""
        distance = self.distance("not " + type_, start, end)
        return distance < FAR and distance < self.distance(type_, start, end)

    def before(self, type_: str, start: int, end: int) -> bool:
        """A cue stands near, and no farther than any word that speaks against the type."""
        distance = self.distance(type_, start, end)
        return distance < FAR and distance <= self.distance("not " + type_, start, end)
