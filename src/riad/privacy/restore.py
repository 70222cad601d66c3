"""Restore: what stands for a value in an answer becomes that value again, also while the answer streams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from json.encoder import encode_basestring, encode_basestring_ascii

from riad.privacy.pieces import unescaped
from riad.privacy.placeholders import Placeholders, is_written, may_hold
from riad.privacy.spellings import Known, Spellings, whole_unit

_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_AROUND_JSON = frozenset(("", *" \t\r\n,:[]{}"))

_Found = tuple[int, int, "str | Known"]
"""Where something known stands, and its value, or what it is known by."""


class Restorer:
    """Restores one stream of text, chunk by chunk.

    ``feed`` returns what is certain and holds back only the end that could still become a known placeholder or
    surrogate; ``flush`` returns that end. What they return, put together, is ``restore`` of the whole, however it was
    cut. Placeholders nobody made stay as they are, and a restored value is never read again.

    Placeholders are known in every spelling that ``placeholders`` lists, surrogates in those of ``spellings``: a name
    is restored in the case the model chose, also one name of several where it tells whose it is.

    ``escape_json=True`` is for the arguments of tool calls: values are escaped as inside a JSON string, and a surrogate
    that the model wrote as a number is restored as one, or in quotes.
    """

    def __init__(self, mapping: Mapping[str, str], *, escape_json: bool = False) -> None:
        placeholders = {known: value for known, value in mapping.items() if is_written(known)}
        self._values = {known: _escape(value) for known, value in placeholders.items()} if escape_json else placeholders
        self._placeholders = Placeholders(placeholders) if mapping else None
        self._surrogates = _Surrogates(mapping, escape_json=escape_json) if len(placeholders) < len(mapping) else None
        self._held = ""
        self._before = ""

    def feed(self, text: str) -> str:
        """The next piece of the answer, restored as far as it is certain."""
        if self._placeholders is None or not text:
            return text
        known = self._placeholders
        if self._surrogates:
            return self._feed_all(self._surrogates, text, final=False)
        out = ""
        first = 0
        if self._held:
            text = self._held + text
            whole = text[: text.find("]") + 1]
            if whole in self._values:  # as we write it, and nothing else starts before it
                out = self._values[whole]
                text = text[len(whole) :]
                self._held, self._before = "", "]"
        if not self._held:
            trigger = known.trigger.search(text)
            first = known.first(text, trigger, self._before) if trigger else -1
            if first < 0:
                self._before = text if len(text) > 1 else self._before[-1:] + text
                return out + text
        if text[first:] in known.prefixes:
            self._held = text[first:]
            self._before = self._before[-2:] + text[:first]
            return out + text[:first]
        start = 0
        if first < 2:
            before = self._before[-2:]
            start = len(before)
            text = before + text
        cut = known.held(text, start + first)
        self._held = text[cut:]
        self._before = text[:cut]
        return out + self._restored(text, start, cut) if cut > start else out

    def flush(self) -> str:
        """The end that was held back: no more text will come."""
        if self._surrogates:
            return self._feed_all(self._surrogates, "", final=True)
        before, held = self._before[-2:], self._held
        self._before = self._held = ""
        return self._restored(before + held, len(before), len(before + held)) if held else ""

    def _restored(self, text: str, start: int, end: int) -> str:
        found = self._placeholders.find(text, start, end) if self._placeholders else ()
        if not found:
            return text[start:end]
        pieces: list[str] = []
        done = start
        for first, last, known in found:
            pieces += (text[done:first], self._values[known])
            done = last
        pieces.append(text[done:end])
        return "".join(pieces)

    def _feed_all(self, surrogates: _Surrogates, text: str, *, final: bool) -> str:
        """The same where surrogates are known too."""
        before = self._before[-2:]
        start = len(before)
        text = before + self._held + text
        end = len(text)
        if self._placeholders and not final:
            end = self._placeholders.held(text, start)
        matches, end = surrogates.read(text, start, end, final=final)
        placeholders = self._placeholders.find(text, start, end) if self._placeholders else ()
        found: list[_Found] = [(first, last, self._values[known]) for first, last, known in placeholders]
        self._held, self._before = text[end:], text[:end]
        return surrogates.restored(text, start, end, sorted([*found, *matches], key=_start))


class _Surrogates:
    """The surrogates of one stream, and where in it we are."""

    def __init__(self, mapping: Mapping[str, str], *, escape_json: bool) -> None:
        self._spellings = Spellings()
        for known, value in mapping.items():
            if not is_written(known):
                self._spellings.add(known, value)
        self._in_json = escape_json
        self._in_word = False
        self._in_string = False

    def read(self, text: str, start: int, end: int, *, final: bool) -> tuple[list[_Found], int]:
        """The surrogates from ``start`` to ``end`` or to where more text decides, and that place."""
        reading = self._spellings.read(text, start, in_word=self._in_word, final=final)
        end = whole_unit(text, start, min(end, reading.end))
        for match in reading.matches:
            if match.start < end < match.end:
                end = match.start
        if end > start:
            self._in_word = any(last == end for _, last, _ in reading.words)
        return [(match.start, match.end, match.known) for match in reading.matches if match.end <= end], end

    def restored(self, text: str, start: int, end: int, found: list[_Found]) -> str:
        """``text[start:end]`` with what was found in it replaced, each by its value."""
        pieces: list[str] = []
        done = start
        for first, last, known in found:
            if first < done:
                continue
            self._pass(text, done, first)
            value = known if isinstance(known, str) else self._value(text, first, last, known)
            pieces += (text[done:first], value)
            done = last
        self._pass(text, done, end)
        return "".join((*pieces, text[done:end]))

    def _pass(self, text: str, start: int, end: int) -> None:
        """Keep in mind whether we are inside a string of JSON."""
        if self._in_json:
            for match in _QUOTE.finditer(text, start, end):
                self._in_string ^= match[0] == '"'

    def _value(self, text: str, start: int, end: int, known: Known) -> str:
        found = text[start:end]
        value = _in_case(known, unescaped(found) if self._in_json else found)
        if not self._in_json:
            return value
        if self._in_string:
            return _escape(value)
        around = {text[start - 1 : start], text[end : end + 1]}
        if not found.isdecimal() or not around <= _AROUND_JSON:
            return found  # in the middle of a number, or no JSON at all
        return value if _JSON_NUMBER.fullmatch(value) else f'"{_escape(value)}"'


def _start(found: _Found) -> int:
    return found[0]


def restore(text: str, mapping: Mapping[str, str], *, escape_json: bool = False) -> str:
    """The whole text with what stands for values replaced by them."""
    if not mapping or (not may_hold(text) and all(known[:1] == "[" for known in mapping)):
        return text
    restorer = Restorer(mapping, escape_json=escape_json)
    return restorer.feed(text) + restorer.flush()


def _in_case(known: Known, found: str) -> str:
    """The value of a name in capitals, in small letters or with capitals in front, as the model wrote the surrogate."""
    text, value = known
    if found == text or "@" in text or any(map(str.isdigit, text)):
        return value
    if found.isupper() and not text.isupper():
        return value.upper()
    if found.islower() and not text.islower():
        return value.lower()
    if found.istitle() and (value.islower() or value.isupper()) and not text.istitle():
        return value.title()
    return value


def _escape(value: str) -> str:
    """A value as it stands inside a JSON string (RFC 8259, section 7); lone surrogates are escaped, UTF-8 has none."""
    escaped = encode_basestring(value)
    if not escaped.isascii() and any("\ud800" <= character <= "\udfff" for character in escaped):
        escaped = encode_basestring_ascii(value)
    return escaped[1:-1]
