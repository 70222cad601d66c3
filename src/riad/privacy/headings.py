"""Names in a table: the cells below a heading that announces them ("nom;prénom;cin", "name,email", "الاسم,المدينة")."""

from __future__ import annotations

import re
from collections.abc import Iterator

from riad.privacy.cues import BARRIER
from riad.privacy.fold import fold_word
from riad.privacy.lexicon import lexicon

_DELIMITERS = (";", ",", "\t", "|")
_QUOTES = " \"'"
_WIDEST = 1000
"""Code points of a heading line, at most."""
_CELL = re.compile(r"[ \t\"']*(.*?)[ \t\"'\r]*")
_PERSONAL = re.compile(r"(?:pr[eé]nom|first|last|cin|tel|phone|gsm|e-?mail|mail|age|naissance|birth|هاتف|بطاقة)", re.I)


def heading(text: str, start: int, end: int) -> tuple[int, str] | None:
    """The end of the line a cue stands in, and its delimiter, when that line is the heading of a table."""
    begin = _line_start(text, max(0, start - _WIDEST), start)
    stop = text.find("\n", end, end + _WIDEST)
    if stop < 0 or text.find(BARRIER, end, stop) >= 0 or (begin == 0 and start > _WIDEST):
        return None
    for delimiter in _DELIMITERS:
        behind, before = text[end : end + 3].lstrip(_QUOTES), text[max(0, start - 3) : start].rstrip(_QUOTES)
        if behind[:1] == delimiter or before[-1:] == delimiter:
            cells = text[begin:stop].split(delimiter)
            if len(cells) > 1 and all(0 < len(cell.strip()) <= 32 and len(cell.split()) < 5 for cell in cells):
                return stop, delimiter
    return None


_PRICED = re.compile(
    r"(?:price|prix|precio|الثمن|السعر|taman|sku|stock|quantit|الكمية|الوزن|poids|weight|currency)", re.I
)
_OBJECT = 300
"""Code points of a JSON object that are looked at, each side of a key."""


def is_product(text: str, start: int, end: int) -> bool:
    """The key that stands there is a thing's in JSON: its object has a price or a weight, and nothing of a person."""
    if text[start - 1 : start] != '"' or text[end : end + 1] != '"':
        return False
    left, right = max(0, start - _OBJECT), end + _OBJECT
    begin, stop = text.rfind("{", left, start), text.find("}", end, right)
    if begin < 0:
        return False
    stop = stop if stop >= 0 else right
    return _PRICED.search(text, begin, stop) is not None and not _PERSONAL.search(text, begin, stop)


def _line_start(text: str, floor: int, position: int) -> int:
    return max(text.rfind("\n", floor, position), text.rfind(BARRIER, floor, position)) + 1


def _is_company(cell: str) -> bool:
    known = lexicon()
    return any(word in known.institutions or word in known.places for word in map(fold_word, cell.split()))


def cells(text: str, stop: int, delimiter: str) -> Iterator[tuple[int, int, bool, int]]:
    """The cells below a heading line that ends at ``stop``: start, end, whether surely a person's, end of its line."""
    begin = _line_start(text, max(0, stop - 2 * _WIDEST), stop)
    titles = [title.strip(" \"'\r\t").casefold() for title in text[begin:stop].split(delimiter)]
    kinds = lexicon().headings
    chosen = {
        index: kinds.get(" ".join(fold_word(word) for word in title.replace("_", " ").split()), "")
        for index, title in enumerate(titles)
    }
    personal = _PERSONAL.search(text, begin, stop) is not None
    start = stop + 1
    while start < len(text):
        line_end = text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        border = text.find(BARRIER, start, line_end)
        line_end = line_end if border < 0 else border
        row = text[start:line_end].split(delimiter)
        if len(row) != len(titles):
            return
        for index, cell in enumerate(row):
            if chosen[index] and (match := _CELL.fullmatch(cell)) and match[1] and not _is_company(match[1]):
                yield start + match.start(1), start + match.end(1), chosen[index] == "field" or personal, line_end
            start += len(cell) + 1
        if border >= 0:
            return
        start = line_end + 1
