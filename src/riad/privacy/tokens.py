"""Words of a text, one at a time, forwards and backwards from a place: how names are read."""

from __future__ import annotations

import re
from typing import NamedTuple

from riad.privacy.fold import fold_word

_WORD = r"(?:\d?[^\W\d_](?:[^\W_]|['\-](?=[^\W_])){0,47})"
_HERE = re.compile(_WORD)
_NEXT = re.compile(rf"( {{1,2}}|\t|\.[ -]?(?=[^\W\d_])|[-_])({_WORD})")
_REACH = 26
"""Code points looked at in front of a word, for the one before."""


class Token(NamedTuple):
    """A word, where it stands, and as the lists hold it."""

    start: int
    end: int
    raw: str
    word: str


class Tokens:
    """The words of one text. Every reading is bounded, and remembered for as long as the text is scanned."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._after: dict[int, Token | None] = {}

    def at(self, position: int) -> Token | None:
        """The word that starts there."""
        match = _HERE.match(self.text, position)
        return _token(position, match[0]) if match else None

    def after(self, position: int) -> Token | None:
        """The word behind one that ends there: a space, a hyphen, an underscore or an initial's stop away."""
        if position in self._after:
            return self._after[position]
        match = _NEXT.match(self.text, position)
        if match and match[1][0] == "." and self.text[position - 2 : position - 1].isalnum():
            match = None  # a full stop
        token = self._after[position] = _token(match.start(2), match[2]) if match else None
        return token

    def before(self, start: int) -> Token | None:
        """The word in front of one that starts there, in the same phrase."""
        chunk = self.text[max(0, start - _REACH) : start]
        words = chunk.rstrip(" ")
        if not words or not 0 < len(chunk) - len(words) < 3:
            if chunk[-1:] not in ("-", "_"):
                return None
            words = chunk[:-1]
        if not words[-1:].isalnum():
            return None
        raw = words[max(map(words.rfind, _BREAKS)) + 1 :]
        return _token(start - len(chunk) + len(words) - len(raw), raw) if raw and not raw.isdigit() else None


_BREAKS = (" ", "\n", "\t", "(", '"', ",", ":", "]", "/", ".", "@", "_")


def caseless(word: str) -> bool:
    """Whether the word's script has no capitals: Arabic, Tifinagh."""
    letter = word[0] if word[0].isalpha() else word[1:2]
    return not (letter.islower() or letter.isupper())


def _token(start: int, raw: str) -> Token:
    """A token, without the 's of possession."""
    raw = raw.removesuffix("'s")
    return Token(start, start + len(raw), raw, fold_word(raw))
