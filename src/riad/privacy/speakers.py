"""Who speaks in a conversation that is written down: the words before the colon at the beginning of its lines."""

from __future__ import annotations

import re

from riad.privacy.fullname import Reader
from riad.privacy.identifiers import Hit
from riad.privacy.normalise import SEPARATOR

_WORD = r"[^\W\d_][^\W\d_'’-]{1,23}"
_LABEL = re.compile(rf"(?:^|(?<={SEPARATOR}))[ \t*>\[-]{{0,4}}({_WORD}(?: {_WORD}){{0,2}}) ?:(?=[ *])", re.MULTILINE)


def find(reader: Reader) -> list[Hit]:
    """The speakers of every text that is read: each text is judged alone, whatever it was joined with."""
    text = reader.text
    if text.count(":") < 2 or "\n" not in text:
        return []
    found: list[Hit] = []
    start = 0
    for part in text.split(SEPARATOR):
        found += _speakers(reader, start, start + len(part))
        start += len(part) + len(SEPARATOR)
    return found


def _speakers(reader: Reader, start: int, end: int) -> list[Hit]:
    """Those of a text with at least two lines that begin with a label, of which one at least is a listed given name.

    A label that is no name, as of a form or a section, speaks against the whole text.
    """
    found: list[Hit] = []
    listed = False
    for match in _LABEL.finditer(reader.text, start, end):
        first = reader.tokens.at(match.start(1))
        if not first or first.word in reader.lexicon.not_names:
            return []
        words = match[1].split()
        if len(words) == 1 or all(word[0].isupper() for word in words):
            strength = reader.strength(first.word)
            listed = listed or (strength > 0 and first.word in reader.lexicon.given)
            if strength or reader.belief(first) > 1:
                found.append(Hit(match.start(1), match.end(1), "PERSON", 0.7, "list: given name; cue: speaks"))
    return found if listed and len(found) > 1 else []
