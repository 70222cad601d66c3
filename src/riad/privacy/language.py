"""Which language a text is in, and which each of its parts, in the languages of Morocco.

The script says much: Tifinagh is ``zgh``, Arabic letters are ``arb`` or ``ary``, Latin ones the rest. Within a script
a word has a cost in each language, the lower the likelier, from its character n-grams (a linear model, trained by
``tools/privacy_language.py``; docs/models/language.md is its card). The labels of a text are the cheapest sequence
when changing language costs ``SWITCH``: words that are alike in two languages follow their neighbours, and one
borrowed word changes nothing. Latin and Arabic words are two sequences, so that neither interrupts the other.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from operator import add
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from riad.errors import RiadError
from riad.texts import N_

LANGUAGES: Final = ("fr", "en", "es", "arb", "ary", "ary_Latn", "zgh", "tzm_Latn")
MIXED: Final = "mixed"
UND: Final = "und"

SWITCH: Final = 3.5
"""What changing language between two words costs, in nats."""
WORD: Final = 6.9
"""What one word can cost at most. Below ``2 * SWITCH``, so no single word between two others changes the language."""
PAUSE: Final = 1.5
"""What it costs where a sentence or a line ends."""
MAIN: Final = 0.75
"""A language that holds less of a text's letters than this is not the text's language: the text is mixed."""
SURE: Final = 0.7
"""How many nats the best language must be ahead of the next for an answer."""

_MODEL = Path(__file__).parent / "data" / "language.msgpack"
_LONGEST_CHUNK = 128
_LONGEST_WORD = 24
_CACHED = 1 << 15
_READ_WHOLE, _PIECES, _PIECE = 1 << 16, 32, 1 << 10

_LATIN, _ARABIC, _PLAIN = 0, 1, 2
_EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum()) + (
    "«»“”„‟‹›‘’‚…–—―•·¿¡´¨°§©®™€£→←،؛؟٪٫٬۔\xad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067"
    "\u2068\u2069\ufeff"
)
_BREAK = "\n"
_ENDS = (".", "!", "?", ":", ";", "…", "؟", "؛", "۔", _BREAK)
_CLOSING = "\"'»”)]*"
_CODE = re.compile(r"[_@\\{}()\[\]<>=#$%^*|~`+&]|[A-Za-z0-9]\.[A-Za-z0-9]|:/")
_L = "A-Za-z0-9À-ÖØ-öø-ʯʷḀ-ỿ"
_RUN = re.compile(
    rf"(?P<latin>[{_L}]+(?:['’ʼ-][{_L}]+)*['’]?)|(?P<arabic>[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff]+)"
    r"|(?P<tifinagh>[\u2d30-\u2d7f]+)|(?P<other>[^\W\d_]+)"
)
_MARKS = re.compile("[\u0600-\u061f\u0640\u064b-\u0670\u06d4\u06d6-\u06ed\u06f0-\u06f9]")
_ARABIZI = re.compile(r"[235-9]?[a-z](?:[a-z'-]|(?<=[a-z'-])[235-9](?![0-9]))*")
_LENGTHENED = re.compile(r"(.)\1\1+")
_ONE = {"tifinagh": "zgh", "other": UND}


class Segment(msgspec.Struct, frozen=True):
    """A part of a text in one language: code points ``[start, end)`` of the text as given, ``score`` in 0..1."""

    start: int
    end: int
    language: str
    score: float


def grams(word: str) -> list[bytes]:
    """The n-grams of a word between ``<`` and ``>``: all of three and four letters, and the whole of it."""
    data = f"<{word[:_LONGEST_WORD]}>".encode("utf-16-le", "surrogatepass")
    size = len(data)
    found = [data[at : at + 6] for at in range(0, size - 4, 2)]
    found += [data[at : at + 8] for at in range(0, size - 6, 2)]
    if size > 8:
        found.append(data)
    return found


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The weights of a script: ``2 ** bits`` rows of one byte a language, 128 for nothing, ``scale`` nats a step."""

    languages: tuple[str, ...]
    bits: int
    scale: float
    weights: bytes

    def scores(self, word: str) -> list[int]:
        """What the word's n-grams say, in steps: the more, the likelier."""
        width, mask, weights, crc = len(self.languages), (1 << self.bits) - 1, self.weights, zlib.crc32
        rows = [weights[(at := (crc(gram) & mask) * width) : at + width] for gram in grams(word)]
        nothing = 128 * len(rows)
        return [sum(column) - nothing for column in zip(*rows, strict=True)]


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    latin: _Table
    arabic: _Table


class _Word(NamedTuple):
    """What is known of a chunk of text between spaces. ``costs`` of its script's languages, then a sentinel."""

    script: int
    letters: int
    costs: tuple[int, ...]
    lead: int  # of the cheapest language over the next
    language: str  # when the script alone says it, else empty
    ends: bool  # a sentence or a line


_cache: dict[str, _Word] = {}
_STEP = 1 / 16  # costs are whole sixteenths of a nat
_SWITCH, _PAUSE, _WORD = round(SWITCH / _STEP), round(PAUSE / _STEP), round(WORD / _STEP)
_SHORT = 64  # chunks: a longer text needs no second look


@cache
def _tables() -> tuple[_Table, ...]:
    """The model's tables, by script."""
    model = load(_MODEL)
    return model.latin, model.arabic


def load(path: Path) -> _Model:
    """The model in ``path``, whose SHA-256 stands beside it (``.sha256``). RiadError when the two do not fit."""
    try:
        data = path.read_bytes()
        digest = path.with_suffix(".sha256").read_text("ascii").split()[0]
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError
        model = msgspec.msgpack.decode(data, type=_Model)
        for table in (model.latin, model.arabic):
            if not 0 < table.bits < 21 or len(table.weights) != len(table.languages) << table.bits:
                raise ValueError
    except (OSError, ValueError, IndexError) as error:  # a msgspec.DecodeError is a ValueError
        raise RiadError(
            N_("The language model {name} is missing or damaged."), remedy=N_("Install Riad again."), name=path.name
        ) from error
    return model


def language(text: str) -> str:
    """The language of a text: one of ``LANGUAGES``, ``mixed`` when none holds most of it, ``und`` when nothing tells.

    A text longer than 64 K code points is judged by 32 pieces of 1 K, evenly spread.
    """
    if len(text) > _READ_WHOLE:
        step = (len(text) - _PIECE) // (_PIECES - 1)
        text = " ".join(text[at : at + _PIECE] for at in range(0, step * _PIECES, step))
    words = _words(_chunks(text))
    labels = _labels(words)
    letters: dict[str, int] = {}
    for word, label in zip(words, labels, strict=True):
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
    spoken = [word for word, label in zip(words, labels, strict=True) if label == best]
    return best if len(words) > _SHORT or best == UND or _ahead(spoken, best) >= SURE else UND


def languages(text: str) -> list[Segment]:
    """The parts of a text by language, in order. What says nothing (numbers, code) belongs to the part before it."""
    chunks = _chunks(text)
    words = _words(chunks)
    labels = _settle(_labels(words))
    segments: list[Segment] = []
    first = start = end = 0
    for index, chunk in enumerate(chunks):
        begin = text.index(chunk, end)
        if index and labels[index] != labels[first]:
            segments.append(_segment(start, end, words[first:index], labels[first]))
            first = index
        if first == index:
            start = begin
        if chunk != _BREAK:
            end = begin + len(chunk)
    if chunks:
        segments.append(_segment(start, end, words[first:], labels[first]))
    return segments


def _segment(start: int, end: int, words: Sequence[_Word], language: str) -> Segment:
    return Segment(
        start, end, language, 1 / (1 + math.exp(-min(_ahead(words, language), 99))) if language != UND else 0
    )


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


def _ahead(words: Sequence[_Word], language: str) -> float:
    """By how many nats the words, all in that language, would cost more in the next one of its script."""
    script = _script(language)
    if script == _PLAIN:
        return math.inf
    own = _tables()[script].languages.index(language)
    costs = [sum(column) for column in zip(*(word.costs for word in words if word.script == script), strict=True)]
    return (min(costs[:own] + costs[own + 1 : -1]) - costs[own]) * _STEP


def _script(language: str) -> int:
    """The script whose words can be in that language, ``_PLAIN`` when a script alone says it."""
    for script, table in enumerate(_tables()):
        if language in table.languages:
            return script
    return _PLAIN


def _labels(words: Sequence[_Word]) -> list[str]:
    """The language of each word, empty for what says nothing: a cheapest sequence for each script."""
    sequences = [_Sequence(table.languages) for table in _tables()]
    labels = [""] * len(words)
    for index, word in enumerate(words):
        if word.script == _PLAIN:
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

    __slots__ = ("_behind", "_best", "_came", "_collected", "_languages", "_lead", "held", "language")

    def __init__(self, languages: tuple[str, ...]) -> None:
        self._languages = languages
        self._behind = [0] * len(languages)  # what each has cost more than the best, before the collected words
        self._came: list[tuple[int, list[int]]] = []  # an unsettled word (-1: a pause), and where each came from
        self._best = 0
        self._lead = 0  # the others are at least so far behind, after the collected words
        self._collected: list[tuple[int, tuple[int, ...]]] = []
        self.held = -1  # the sentinel of the costs: nothing is held
        self.language = ""

    def hear(self, index: int, word: _Word, labels: list[str]) -> None:
        """The next word and its place among the labels."""
        self._collected.append((index, word.costs))
        self._lead -= word.costs[self._best] or -word.lead
        if self._lead >= _SWITCH:
            self.finish(labels)
            self._behind = [_SWITCH] * len(self._behind)
            self._behind[self._best] = 0
            self._lead = _SWITCH
            self.held, self.language = self._best, self._languages[self._best]
        else:
            self.held = -1
            if self._lead < 0:
                self._count()

    def pause(self) -> None:
        """A sentence or a line ends: what another language has cost more counts less from here."""
        if not self._collected or self._collected[-1][0] >= 0:
            self._collected.append((-1, ()))
            self._lead = min(self._lead, _PAUSE)
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
            best, most = behind.index(0), _SWITCH if costs else _PAUSE
            self._came.append((index, [best if late > most else own for own, late in enumerate(behind)]))
            behind = [late if late < most else most for late in behind]
            if costs:
                total = list(map(add, behind, costs))
                least = min(total)
                behind = [cost - least for cost in total]
        self._collected.clear()
        self._behind, self._best = behind, behind.index(0)
        self._lead = min(_SWITCH, *behind[: self._best], *behind[self._best + 1 :])


def _chunks(text: str) -> list[str]:
    """What stands between spaces, and ``_BREAK`` between lines."""
    lines = iter(text.split(_BREAK))
    chunks = next(lines).split()
    for line in lines:
        chunks.append(_BREAK)
        chunks += line.split()
    return chunks


def _words(chunks: list[str]) -> list[_Word]:
    known = _cache.get
    return [known(chunk) or _learn(chunk) for chunk in chunks]


def forget() -> None:
    """Empty the memory of words seen, as a new process has it."""
    _cache.clear()


def _learn(chunk: str) -> _Word:
    word = _word(chunk[:_LONGEST_CHUNK])
    if len(chunk) <= _LONGEST_WORD:
        if len(_cache) >= _CACHED:
            _cache.clear()
        _cache[chunk] = word
    return word


def _word(chunk: str) -> _Word:
    """What a chunk says: the pieces of its main script together."""
    ends = chunk.rstrip(_CLOSING).endswith(_ENDS)
    found = pieces(chunk)
    if not found:
        core = chunk.strip(_EDGES)
        return _Word(_PLAIN, len(core) if _CODE.search(core) else 0, (), 0, "", ends)
    letters: dict[str, int] = {}
    for kind, piece in found:
        letters[kind] = letters.get(kind, 0) + len(piece)
    main = max(letters, key=letters.__getitem__)
    if main in _ONE:
        return _Word(_PLAIN, letters[main], (), 0, _ONE[main], ends)
    script = _LATIN if main == "latin" else _ARABIC
    table = _tables()[script]
    scores = [
        sum(column) for column in zip(*(table.scores(piece) for kind, piece in found if kind == main), strict=True)
    ]
    best, scale = max(scores), table.scale / _STEP
    costs = [min(_WORD, round((best - score) * scale)) for score in scores]
    return _Word(script, letters[main], (*costs, 1), sorted(costs)[1], "", ends)


def pieces(chunk: str) -> list[tuple[str, str]]:
    """The words of a chunk, each with its script before it, as the model knows them; none when it looks like code."""
    core = chunk.strip(_EDGES)
    if _CODE.search(core):
        return []
    if not core.isascii():
        core = unicodedata.normalize("NFKC" if any(letter > "\ufaff" for letter in core) else "NFC", core)
    found = []
    for match in _RUN.finditer(core):
        kind, piece = str(match.lastgroup), match[0]
        if kind == "latin":
            piece = piece.lower().replace("’", "'").replace("ʼ", "'")
            if not piece.isalpha() and any(character.isdigit() for character in piece):
                if len(piece) < 3 or not _ARABIZI.fullmatch(piece):
                    continue
        elif kind == "arabic":
            piece = _MARKS.sub("", piece)
        if piece:
            found.append((kind, _LENGTHENED.sub(r"\1\1", piece)))
    return found
