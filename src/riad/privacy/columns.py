"""Tables as text: what the header of a column announces is announced in every cell below it.

CSV, TSV, semicolons and Markdown tables. A header cell counts when it holds a cue and nothing else (``birth_date``,
``N° CNSS``); rows are the lines behind it with as many cells.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from riad.privacy.cues import BARRIER
from riad.privacy.words import Seen

ROWS = 10_000
"""Rows read below a header, at most."""
_SEPARATORS = ",;\t|"
_TRIM = " \t\"'*_"
_END = re.compile(f"[\\n{BARRIER}]")
_RULE = re.compile(r"[\s|:\-+]+")


def announced(text: str, hits: list[Seen]) -> Iterator[tuple[str, int, int]]:
    """(type, start, end) of every cell below a header that is a cue. ``hits``: the text's cues with their span."""
    read = -1
    for first, (_, start, _end) in enumerate(hits):
        if start < read:
            continue
        line_start = max(text.rfind("\n", 0, start), text.rfind(BARRIER, 0, start)) + 1
        line_end = _line_end(text, start)
        if text[line_end : line_end + 1] != "\n":
            continue
        line = text[line_start:line_end]
        separator = max(_SEPARATORS, key=line.count)
        if line.count(separator) < 1 or line_end - line_start > 2000:
            continue
        cells = list(_cells(line, separator, line_start))
        columns: dict[int, str] = {}
        for word, at, end in hits[first:]:
            if at >= line_end:
                break
            for number, (left, right) in enumerate(cells):
                if (
                    left <= at
                    and end <= right
                    and text[left:at].strip(_TRIM + "n°N") == "" == text[end:right].strip(_TRIM)
                ):
                    columns.setdefault(number, word.value)
        read = line_end
        if columns:
            read = yield from _rows(text, line_end + 1, separator, len(cells), columns)


def _rows(
    text: str, position: int, separator: str, width: int, columns: dict[int, str]
) -> Generator[tuple[str, int, int], None, int]:
    """Each announced cell of the lines from ``position``; returns where the first line stands that is no row."""
    for _ in range(ROWS):
        end = _line_end(text, position)
        line = text[position:end]
        cells = list(_cells(line, separator, position))
        if len(cells) != width:
            return position
        if not _RULE.fullmatch(line):
            for number, type_ in columns.items():
                left, right = cells[number]
                if left < right:
                    yield type_, left, right
        if text[end : end + 1] != "\n":
            return end
        position = end + 1
    return position


def _line_end(text: str, position: int) -> int:
    """Where the line ends, and with it a text among several."""
    match = _END.search(text, position)
    return match.start() if match else len(text)


def _cells(line: str, separator: str, base: int) -> Iterator[tuple[int, int]]:
    """Where each cell of a line is, less quotes and spaces around it; a separator inside quotes separates nothing."""
    start, quoted = 0, False
    for position in range(len(line) + 1):
        character = line[position : position + 1]
        if character == '"':
            quoted = not quoted
        elif not character or (character == separator and not quoted):
            cell = line[start:position]
            left = start + len(cell) - len(cell.lstrip(_TRIM))
            yield base + left, base + max(left, start + len(cell.rstrip(_TRIM)))
            start = position + 1
