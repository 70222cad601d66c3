"""Which language a text is in, and which each of its parts, in the languages of Morocco.

The script says much: Tifinagh is ``zgh``, Arabic letters are ``arb`` or ``ary``, Latin ones the rest. Within a script
a word has a cost in each language, the lower the likelier, from its character n-grams (a linear model, trained by
``tools/privacy_language.py``; docs/models/language.md is its card). The labels of a text are the cheapest sequence
when changing language costs ``SWITCH``: words that are alike in two languages follow their neighbours, and one
borrowed word changes nothing. Latin and Arabic words are two sequences, so that neither interrupts the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import add
from typing import Final

import msgspec

from riad.privacy.language_words import BREAK, PLAIN, UND, Table, Word, chunks, tables, words

LANGUAGES: Final = ("fr", "en", "es", "arb", "ary", "ary_Latn", "zgh", "tzm_Latn")
MIXED: Final = "mixed"

SWITCH: Final = 3.5
"""What changing language between two words costs, in nats. More than half of what one word can cost (``MOST``), so no
single word between two others changes the language."""
PAUSE: Final = 1.5
"""What it costs where a sentence or a line ends."""
MAIN: Final = 0.75
"""A language that holds less of a text's letters than this is not the text's language: the text is mixed."""
SURE: Final = 1.0
"""How many nats the best language of a text of one word must be ahead of the next for an answer; of two words, half."""
UNKNOWN: Final = 1.5
"""What a language that is none of ours costs at first: it is the less likely one."""

_SHORT = 64  # chunks
_READ_WHOLE, _PIECES, _PIECE = 1 << 16, 32, 1 << 10  # code points


class Segment(msgspec.Struct, frozen=True):
    """A part of a text in one language: code points ``[start, end)`` of the text as given.

    ``score``: how surely its words are in that language and no other of their script, 0 to 1; of ``und`` always 0.
    """

    start: int
    end: int
    language: str
    score: float


def language(text: str) -> str:
    """The language of a text: one of ``LANGUAGES``, ``mixed`` when none holds most of it, ``und`` when nothing tells.

    A text longer than 64 K code points is judged by 32 pieces of 1 K, evenly spread.
    """
    if len(text) > _READ_WHOLE:
        step = (len(text) - _PIECE) // (_PIECES - 1)
        text = " ".join(text[at : at + _PIECE] for at in range(0, step * _PIECES, step))
    read = words(chunks(text))
    labels = _labels(read)
    letters: dict[str, int] = {}
    for word, label in zip(read, labels, strict=True):
        letters[label] = letters.get(label, 0) + word.letters
    code = letters.pop("", 0)
    if not letters:
        return UND
    best = max(letters, key=letters.__getitem__)
    total = sum(letters.values())
    if code > total:
        return UND
    if letters[best] < MAIN * total:
        return MIXED
    spoken = [word for word, label in zip(read, labels, strict=True) if label == best]
    return best if len(read) > _SHORT or best == UND or _ahead(spoken, best) >= SURE / len(spoken) else UND


def languages(text: str) -> list[Segment]:
    """The parts of a text by language, in order. What says nothing (numbers, code) belongs to the part before it."""
    found = chunks(text)
    read = words(found)
    labels = _settle(_labels(read))
    segments: list[Segment] = []
    first = start = end = 0
    for index, chunk in enumerate(found):
        if chunk == BREAK:
            continue
        begin = text.index(chunk, end)
        if end and labels[index] != labels[first]:
            segments.append(_segment(start, end, read[first:index], labels[first]))
            first, start = index, begin
        elif not end:
            start = begin
        end = begin + len(chunk)
    if end:
        segments.append(_segment(start, end, read[first:], labels[first]))
    return segments


def _segment(start: int, end: int, read: Sequence[Word], language: str) -> Segment:
    if language == UND:
        return Segment(start, end, language, 0)
    return Segment(start, end, language, 1 / (1 + math.exp(min(99, max(-99, -_ahead(read, language))))))


def _settle(labels: list[str]) -> list[str]:
    """A lone word of another script goes with the language around it, and so does what says nothing."""
    said = [index for index, label in enumerate(labels) if label]
    for before, at, after in zip(said, said[1:], said[2:], strict=False):
        if labels[before] == labels[after]:
            labels[at] = labels[before]
    language = labels[said[0]] if said else UND
    for index, label in enumerate(labels):
        language = labels[index] = label or language
    return labels


def _ahead(read: Sequence[Word], language: str) -> float:
    """By how many nats the words, all in that language, would cost more in the next one of its script."""
    script = _script(language)
    if script == PLAIN:
        return math.inf
    table = tables()[script]
    own = table.languages.index(language)
    costs = [sum(column) for column in zip(*(word.costs for word in read if word.script == script), strict=True)]
    costs[table.languages.index(UND)] += table.steps(UNKNOWN)
    steps: int = min(costs[:own] + costs[own + 1 : -1]) - costs[own]
    return steps * table.scale


def _script(language: str) -> int:
    """The script whose words can be in that language, ``PLAIN`` when a script alone says it."""
    for script, table in enumerate(tables()):
        if language in table.languages:
            return script
    return PLAIN


def _labels(read: Sequence[Word]) -> list[str]:
    """The language of each word, empty for what says nothing: a cheapest sequence for each script."""
    sequences = [_Sequence(table) for table in tables()]
    labels = [""] * len(read)
    for index, word in enumerate(read):
        if word.script == PLAIN:
            labels[index] = word.language
        else:
            sequence = sequences[word.script]
            if word.costs[sequence.held]:
                sequence.hear(index, word, labels)
            else:
                labels[index] = sequence.language
        if word.ends:
            for sequence in sequences:
                sequence.pause()
    for sequence in sequences:
        sequence.finish(labels)
    return labels


class _Sequence:
    """The cheapest labels of one script's words, found as they come (Viterbi's algorithm, by cost).

    While the best language stays ahead, its lead over the others is enough to know, and words are only collected.
    When they are a whole ``SWITCH`` behind, the words so far are settled whatever follows, and the language is *held*:
    a word that costs nothing in it changes nothing. Most words of most texts are such. When the lead is used up, the
    words collected are counted one by one.
    """

    __slots__ = (
        "_behind",
        "_best",
        "_came",
        "_collected",
        "_languages",
        "_lead",
        "_pause",
        "_switch",
        "held",
        "language",
    )

    def __init__(self, table: Table) -> None:
        self._languages = table.languages
        self._switch, self._pause = table.steps(SWITCH), table.steps(PAUSE)
        # What each has cost more than the best, before the collected words.
        self._behind = [table.steps(UNKNOWN) if name == UND else 0 for name in table.languages]
        self._came: list[tuple[int, list[int]]] = []  # an unsettled word (-1: a pause), and where each came from
        self._best = 0
        self._lead = 0  # the others are at least so far behind, after the collected words
        self._collected: list[tuple[int, tuple[int, ...]]] = []
        self.held = -1  # the sentinel of the costs: nothing is held
        self.language = ""

    def hear(self, index: int, word: Word, labels: list[str]) -> None:
        """The next word and its place among the labels."""
        self._collected.append((index, word.costs))
        self._lead -= word.costs[self._best] or -word.lead
        if self._lead >= self._switch:
            self.finish(labels)
            self._behind = [self._switch] * len(self._behind)
            self._behind[self._best] = 0
            self._lead = self._switch
            self.held, self.language = self._best, self._languages[self._best]
        else:
            self.held = -1
            if self._lead < 0:
                self._count()

    def pause(self) -> None:
        """A sentence or a line ends: what another language has cost more counts less from here."""
        if not self._collected or self._collected[-1][0] >= 0:
            self._collected.append((-1, ()))
            self._lead = min(self._lead, self._pause)
            self.held = -1

    def finish(self, labels: list[str]) -> None:
        """Settle all words so far, from the last one back."""
        at = self._best
        for index, _ in self._collected:
            if index >= 0:
                labels[index] = self._languages[at]
        for index, came in reversed(self._came):
            if index >= 0:
                labels[index] = self._languages[at]
            at = came[at]
        self._collected.clear()
        self._came.clear()

    def _count(self) -> None:
        """Add the collected words to what each language has cost."""
        behind = self._behind
        for index, costs in self._collected:
            best, most = behind.index(0), self._switch if costs else self._pause
            self._came.append((index, [best if late > most else own for own, late in enumerate(behind)]))
            behind = [late if late < most else most for late in behind]
            if costs:
                total = list(map(add, behind, costs))
                least = min(total)
                behind = [cost - least for cost in total]
        self._collected.clear()
        self._behind, self._best = behind, behind.index(0)
        self._lead = min(self._switch, *behind[: self._best], *behind[self._best + 1 :])
