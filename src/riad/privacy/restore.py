"""Restore: placeholders in an answer become the values they stand for, also while the answer streams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from json.encoder import encode_basestring, encode_basestring_ascii

from riad.privacy.placeholders import PLACEHOLDER, Beginnings, key


class Restorer:
    """Restores one stream of text, chunk by chunk.

    ``feed`` returns what is certain and holds back only the end that could still become a known placeholder (64
    characters at most); ``flush`` returns that end. What they return, put together, is ``restore`` of the whole,
    however it was cut. Placeholders nobody made stay as they are, and a restored value is never read again.

    ``escape_json=True`` is for the arguments of tool calls: values are escaped as inside a JSON string.
    """

    def __init__(self, mapping: Mapping[str, str], *, escape_json: bool = False) -> None:
        self._values = {known: _escape(value) for known, value in mapping.items()} if escape_json else mapping
        self._beginnings = Beginnings(mapping) if mapping else None
        self._held = ""

    def feed(self, text: str) -> str:
        """The next piece of the answer, restored as far as it is certain."""
        if self._beginnings is None:
            return text
        if self._held:
            text = self._held + text
        elif "[" not in text and not text.endswith("\\"):
            return text
        cut = self._beginnings.start(text)
        self._held = text[cut:]
        return PLACEHOLDER.sub(self._value, text[:cut])

    def flush(self) -> str:
        """The end that was held back: no more text will come."""
        held, self._held = self._held, ""
        return held

    def _value(self, match: re.Match[str]) -> str:
        return self._values.get(key(match), match[0])


def restore(text: str, mapping: Mapping[str, str], *, escape_json: bool = False) -> str:
    """The whole text with its placeholders replaced by their values."""
    if not mapping or "[" not in text:
        return text
    restorer = Restorer(mapping, escape_json=escape_json)
    return restorer.feed(text) + restorer.flush()


def _escape(value: str) -> str:
    """A value as it stands inside a JSON string (RFC 8259, section 7); lone surrogates are escaped, UTF-8 has none."""
    escaped = encode_basestring(value)
    if not escaped.isascii() and any("\ud800" <= character <= "\udfff" for character in escaped):
        escaped = encode_basestring_ascii(value)
    return escaped[1:-1]
