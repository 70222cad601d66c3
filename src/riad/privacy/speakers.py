"""Who speaks in a conversation that is written down: the words before the colon at the beginning of its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from riad.privacy.cues import BARRIER
from riad.privacy.fullname import Reader
from riad.privacy.identifiers import Hit

_LABEL = re.compile(
    rf"(?:^|(?<={BARRIER} ))[ \t*>\[-]{{0,4}}"
    r"([^\W\d_][^\W\d_'’-]{1,23}(?: [^\W\d_][^\W\d_'’-]{1,23}){0,2}) ?:(?=[ *])",
    re.MULTILINE,
)


def find(reader: Reader) -> list[Hit]:
    """The speakers of each text with at least two lines that begin with a label, when at least one label is a listed
    name and no label announces a field or a section."""
    text = reader.text
    if text.count(":") < 2 or "\n" not in text:
        return []
    found: list[Hit] = []
    for _, labels in groupby(_LABEL.finditer(text), lambda match: reader.which(match.start())):
        found += _of_one(reader, labels)
    return found


def _of_one(reader: Reader, labels: Iterator[re.Match[str]]) -> list[Hit]:
    found: list[Hit] = []
    listed = False
    for match in labels:
        first = reader.tokens.at(match.start(1))
        if not first or first.word in reader.lexicon.not_names:
            return []
        words = match[1].split()
        if len(words) == 1 or all(word[0].isupper() for word in words):
            strength = reader.strength(first.word)
            listed = listed or (strength > 0 and first.word in reader.lexicon.given)
            if strength or reader.belief(first) > 1:
                found.append(Hit(*match.span(1), "PERSON", 0.7, "list: given name; cue: speaks"))
    return found if listed and len(found) > 1 else []
