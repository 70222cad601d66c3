"""Pseudonymise: every finding of a request becomes a placeholder, typed and numbered by first appearance."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator

from riad.privacy.finding import Finding
from riad.privacy.identifiers import table
from riad.privacy.placeholders import PLACEHOLDER, key, written
from riad.privacy.walk import JsonText

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER = "0123456789+-.eE"


class Masker:
    """The placeholders of one request. Never share one between requests: its mapping is personal data.

    The same value has the same placeholder wherever it stands in the request: identifiers are compared without
    spaces, dashes and case, names without case and with single spaces. Restoring writes the value as it was first
    written; ``exact=True`` gives each spelling its own placeholder, so that ``restore(mask(text)) == text`` even for a
    text that spells one value in two ways.

    Something in the text that already looks like one of our placeholders is a value too, and gets one: ``[PERSON_1]``
    written by the user comes back as ``[PERSON_1]``, whoever the masker's own first person is.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self.mapping: dict[str, str] = {}
        self._exact = exact
        self._placeholders: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def mask(self, text: str, findings: Iterable[Finding], *, again: bool = False) -> str:
        """``text`` with its findings, in order and without overlaps as ``scan`` gives them, replaced.

        A ``JsonText`` stays valid JSON: values are kept unescaped, and a bare number becomes a string.

        ``again=True``: the text is this masker's own work, in which a second scan still found something (a shorter
        text can bring a cue within reach of a value). Its placeholders are left as they are.
        """
        is_json = isinstance(text, JsonText)
        spans = [(finding.start, finding.end, finding.type) for finding in findings]
        if not spans and "[" not in text:
            return text
        pieces: list[str] = []
        done = 0
        for start, end, type_, quoted in _in_json(text, spans) if is_json else ((*span, False) for span in spans):
            if start < done:
                continue
            value = text[start:end]
            if again and ("[" in value or "]" in value):
                continue  # never a placeholder inside a value: what is restored is not read again
            gap = text[done:start]
            pieces.append(gap if again else self._escaped(gap))
            placeholder = self._placeholder(type_, _unescaped(value) if is_json else value)
            pieces.append(f'"{placeholder}"' if quoted else placeholder)
            done = end
        pieces.append(text[done:] if again else self._escaped(text[done:]))
        return "".join(pieces)

    def _placeholder(self, type_: str, value: str, *, literal: bool = False) -> str:
        identity = (type_, f"[{value}" if literal else value if self._exact else _same(type_, value))
        placeholder = self._placeholders.get(identity)
        if placeholder is None:
            number = self._counts[type_] = self._counts.get(type_, 0) + 1
            placeholder = self._placeholders[identity] = written(type_, number)
            self.mapping[placeholder] = value
        return placeholder

    def _escaped(self, gap: str) -> str:
        """Text between findings, with what looks like a placeholder replaced by one that means it."""
        if "[" not in gap:
            return gap
        return PLACEHOLDER.sub(self._escape, gap)

    def _escape(self, match: re.Match[str]) -> str:
        type_ = key(match)[1:].rpartition("_")[0]
        ours = type_ == "PERSON" or type_ in table().types
        return self._placeholder(type_, match[0], literal=True) if ours else match[0]


def _unescaped(value: str) -> str:
    """What a part of a JSON string literal stands for."""
    if "\\" not in value:
        return value
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:  # cut in the middle of an escape
        return value


def _same(type_: str, value: str) -> str:
    """What two spellings of one value have in common."""
    if type_ == "PERSON":
        return " ".join(value.casefold().split())
    if type_ == "EMAIL":
        return value.casefold()
    plain = unicodedata.normalize("NFKC", value).casefold()
    return "".join(str(unicodedata.digit(c, c)) for c in plain if c.isalnum() or c in "+:,") or value


def _in_json(text: str, spans: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str, bool]]:
    """The spans, and whether the placeholder of each needs quotes because it stands for a bare number."""
    literals = _LITERAL.finditer(text)
    literal = next(literals, None)
    for start, end, type_ in spans:
        while literal and literal.end() <= start:
            literal = next(literals, None)
        if literal and literal.start() < start and end < literal.end():
            yield start, end, type_, False
            continue
        if not text[start].isdigit():
            continue  # a bare word of JSON: true, false, null
        while text[start - 1] in _NUMBER:
            start -= 1
        while text[end] in _NUMBER:
            end += 1
        yield start, end, type_, True
