"""What a word costs in each language it could be: the model's weights, and a memory of the words seen lately.

A word, in small letters between ``<`` and ``>``, is the sum of its n-grams. The model (``data/language.msgpack``, made
by ``tools/privacy_language.py``) is a msgpack map of two tables, ``latin`` and ``arabic``, each with

- ``languages``: the languages of the script; ``und`` is any other language in it,
- ``bits``: how many bits of a gram's CRC-32 (of its UTF-16, little-endian) choose its row,
- ``weights``: the rows, one byte a language: 128 says nothing, more speaks for the language,
- ``scale``: what a step of these bytes is worth, in nats.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from riad.errors import RiadError
from riad.texts import N_

MODEL: Final = Path(__file__).parent / "models" / "language.msgpack"
UND: Final = "und"
MOST: Final = 6.9
"""What one word can cost at most, in nats."""
LATIN, ARABIC, PLAIN = 0, 1, 2
"""Which table a word has its costs from; ``PLAIN`` words have none."""

BREAK: Final = "\n"
_LONGEST_CHUNK, _LONGEST_WORD = 128, 24
_REMEMBERED = 1 << 15  # chunks, about 11 MB
_EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum()) + (
    "«»“”„‟‹›‘’‚…–—―•·¿¡´¨°§©®™€£→←،؛؟٪٫٬۔"
    "\xad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
_ENDS = (".", "!", "?", ":", ";", "…", "؟", "؛", "۔", BREAK)
_CLOSING = "\"'»”)]*"
_CODE = re.compile(r"[_@\\{}()\[\]<>=#$%^*|~`+&]|[A-Za-z]\.[A-Za-z0-9]|[0-9]\.[A-Za-z]|:/")
_SYNTAX = re.compile(r"[(){}\[\];,]*[{}\[\]][(){}\[\];,]*|[()]+;?|[=!+-]=|={1,3}|!==|[=-]>|&&|\|\||//|/\*|\*/")
_CAPITAL = 2  # a word with a capital may be a name, whose language is not the text's: it says half as much
_SYNTAX_LETTERS = 6  # how many letters of code a sign of syntax on its own counts for
_L = "A-Za-z0-9À-ÖØ-öø-ʯʷḀ-ỿ"
_RUN = re.compile(
    rf"(?P<latin>[{_L}]+(?:['’ʼ-][{_L}]+)*['’]?)|(?P<arabic>[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff]+)"
    r"|(?P<tifinagh>[\u2d30-\u2d7f]+)|(?P<other>[^\W\d_]+)"
)
_MARKS = re.compile("[\u0600-\u061f\u0640\u064b-\u0670\u06d4\u06d6-\u06ed\u06f0-\u06f9]")  # and digits
_ARABIZI = re.compile(r"[235-9]?[a-z](?:[a-z'-]|(?<=[a-z'-])[235-9](?![0-9]))*")
_DIGIT = re.compile("[0-9]")
_LENGTHENED = re.compile(r"(.)\1\1+")
_BY_SCRIPT = {"tifinagh": "zgh", "other": UND}


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The weights of a script."""

    languages: tuple[str, ...]
    bits: int
    scale: float
    weights: bytes

    def steps(self, nats: float) -> int:
        """Nats in the unit of the costs."""
        return round(nats / self.scale)

    def scores(self, word: str) -> list[int]:
        """What the word's n-grams say, in steps: the more above the others, the likelier."""
        width, mask, weights, crc = len(self.languages), (1 << self.bits) - 1, self.weights, zlib.crc32
        rows = [weights[(at := (crc(gram) & mask) * width) : at + width] for gram in grams(word)]
        return list(map(sum, zip(*rows, strict=True)))


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    latin: Table
    arabic: Table


class Word(NamedTuple):
    """What is known of a chunk of text between spaces."""

    script: int
    letters: int
    costs: tuple[int, ...]  # in the languages of its table, 0 for the cheapest; at the end 1, which no language costs
    lead: int  # of the cheapest language over the next
    language: str  # when the script alone says it, else empty
    ends: bool  # a sentence or a line


_memory: dict[str, Word] = {}


@cache
def tables() -> tuple[Table, Table]:
    """The packaged tables, by script."""
    return load(MODEL)


def load(path: Path) -> tuple[Table, Table]:
    """The tables in ``path``, whose SHA-256 stands beside it (``.sha256``). RiadError when the two do not fit."""
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
    return model.latin, model.arabic


def chunks(text: str) -> list[str]:
    """What stands between spaces, and ``BREAK`` between lines."""
    lines = iter(text.split(BREAK))
    found = next(lines).split()
    for line in lines:
        found.append(BREAK)
        found += line.split()
    return found


def words(found: list[str]) -> list[Word]:
    """What each chunk says."""
    known = _memory.get
    return [known(chunk) or _learn(chunk) for chunk in found]


def forget() -> None:
    """Empty the memory of words seen, as a new process has it."""
    _memory.clear()


def _learn(chunk: str) -> Word:
    """What a chunk not seen lately says, from its core if that was."""
    core = chunk[:_LONGEST_CHUNK].strip(_EDGES)
    word = _memory.get(core) or _word(core)
    if len(core) < len(chunk):
        _remember(core, word)
        ends = chunk.rstrip(_CLOSING).endswith(_ENDS)
        code = _SYNTAX_LETTERS if not core and _SYNTAX.fullmatch(chunk) else word.letters
        word = word._replace(ends=ends, letters=code)
    _remember(chunk, word)
    return word


def _remember(chunk: str, word: Word) -> None:
    if len(chunk) <= _LONGEST_WORD:
        if len(_memory) >= _REMEMBERED:
            forget()
        _memory[chunk] = word


def _word(core: str) -> Word:
    """What a chunk without punctuation around it says: the pieces of its main script together."""
    found = pieces(core)
    if not found:
        return Word(PLAIN, len(core) if _CODE.search(core) else 0, (), 0, "", False)
    main, size = found[0][0], len(found[0][1])
    if len(found) > 1:
        letters: dict[str, int] = {}
        for kind, piece in found:
            letters[kind] = letters.get(kind, 0) + len(piece)
        main = max(letters, key=letters.__getitem__)
        size = letters[main]
    if main in _BY_SCRIPT:
        return Word(PLAIN, size, (), 0, _BY_SCRIPT[main], False)
    script = LATIN if main == "latin" else ARABIC
    table = tables()[script]
    most = table.steps(MOST)
    scores = [table.scores(piece) for kind, piece in found if kind == main]
    total = scores[0] if len(scores) == 1 else list(map(sum, zip(*scores, strict=True)))
    best = max(total)
    costs = [best - score if best - score < most else most for score in total]
    if core[0].isupper():
        costs = [cost // _CAPITAL for cost in costs]
    return Word(script, size, (*costs, 1), sorted(costs)[1], "", False)


def pieces(chunk: str) -> list[tuple[str, str]]:
    """The words of a chunk, each with its script before it, as the model knows them; none when it looks like code."""
    core = chunk.strip(_EDGES)
    if core.isalpha() and core.isascii():
        return [("latin", _LENGTHENED.sub(r"\1\1", core.lower()))]
    if _CODE.search(core):
        return []
    if not core.isascii():
        core = unicodedata.normalize("NFKC" if any(letter > "\ufaff" for letter in core) else "NFC", core)
    found = []
    for match in _RUN.finditer(core):
        kind, piece = str(match.lastgroup), match[0]
        if kind == "latin":
            piece = piece.lower().replace("’", "'").replace("ʼ", "'")
            if _DIGIT.search(piece) and (len(piece) < 3 or not _ARABIZI.fullmatch(piece)):
                continue  # 15h, mp3, covid19: no word of Arabizi, and nobody's
        elif kind == "arabic":
            piece = _MARKS.sub("", piece)
        if piece:
            found.append((kind, _LENGTHENED.sub(r"\1\1", piece)))
    return found


def grams(word: str) -> list[bytes]:
    """The n-grams of a word between ``<`` and ``>``: all of three and four letters, and the whole of it."""
    data = f"<{word[:_LONGEST_WORD]}>".encode("utf-16-le", "surrogatepass")
    size = len(data)
    found = [data[at : at + 6] for at in range(0, size - 4, 2)]
    found += [data[at : at + 8] for at in range(0, size - 6, 2)]
    if size > 8:
        found.append(data)
    return found
