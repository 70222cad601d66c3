"""A text in pieces: which parts of it are replaced and by what, and where those parts are in what comes of it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """A part of a text that is to be replaced, and what it means: without the escapes of JSON."""

    start: int
    end: int
    type: str
    value: str
    bare: bool = False  # a number of JSON, without quotes


class Piece(NamedTuple):
    """What stands for a part of a text, as it is written there."""

    span: Span
    text: str
    surrogate: bool
    quoted: bool = False


class Assembled(NamedTuple):
    """A text with its pieces in place, and where each of them is, without its quotes."""

    text: str
    bounds: list[tuple[int, int]]

    def within(self, pieces: Sequence[Piece], start: int, end: int) -> tuple[list[int], list[tuple[int, int]]]:
        """Which pieces touch ``[start, end)``, and the parts of the original text that stand there unreplaced."""
        first = index = bisect_right(self.bounds, start, key=_end)
        source: list[tuple[int, int]] = []
        at = start
        while at < end:
            shift = pieces[index - 1].span.end - self.bounds[index - 1][1] - pieces[index - 1].quoted if index else 0
            begin, stop = self.bounds[index] if index < len(pieces) else (end, end)
            if at < min(begin, end):
                source.append((at + shift, min(begin, end) + shift))
            if begin >= end:
                break
            at, index = stop, index + 1
        return list(range(first, index)), source


def _end(bounds: tuple[int, int]) -> int:
    return bounds[1]


def assembled(text: str, pieces: Sequence[Piece]) -> Assembled:
    """``text`` with the pieces, which are in order and apart, in place of what they stand for."""
    out: list[str] = []
    bounds: list[tuple[int, int]] = []
    done = length = 0
    for piece in pieces:
        gap = text[done : piece.span.start]
        out += (gap, piece.text)
        length += len(gap) + len(piece.text)
        bounds.append((length - len(piece.text) + piece.quoted, length - piece.quoted))
        done = piece.span.end
    return Assembled("".join((*out, text[done:])), bounds)


def outside(text: str, spans: Iterable[Span], covered: Sequence[tuple[int, int]]) -> Iterator[Span]:
    """What letters and digits those spans hold outside of what is covered; both are in order and apart."""
    first = 0
    for span in spans:
        while first < len(covered) and covered[first][1] <= span.start:
            first += 1
        at, index = span.start, first
        while at < span.end:
            start, end = covered[index] if index < len(covered) else (span.end, span.end)
            stop = min(start, span.end)
            rest = text[at:stop]
            if stop - at == span.end - span.start:
                yield span
            elif any(map(str.isalnum, rest)):
                escaped = text[span.start : span.end] != span.value
                yield Span(at, stop, span.type, unescaped(rest) if escaped else rest)
            at, index = end, index + 1


def unescaped(value: str) -> str:
    """What a part of a JSON string literal stands for."""
    if "\\" not in value:
        return value
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:  # cut in the middle of an escape
        return value
