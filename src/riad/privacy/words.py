"""The words of a text that may matter: what the automaton saw, less what a glance rules out.

Ordinary prompts are full of words that could announce a name or a number ("bonjour", "client", "nom") and mostly
announce nothing. A glance at the bytes that follow, before anything is decoded, keeps the clean prompt cheap.
"""

from __future__ import annotations

import re

from riad.privacy.fold import fold_word
from riad.privacy.identifiers import table
from riad.privacy.lexicon import FOLD, STRONG, WEAK, Word, lexicon
from riad.privacy.likeness import likeness

_DIGITS = re.compile(rb"[^\n]{0,40}?\d[\d./-]")
_HEADS = re.compile(rb"[\"'* ]{0,3}[,;\t|\r\n]")
_NUMBER = re.compile(rb"\d[\d./-]")
_CAPITAL = re.compile(rb"[\s.:,\"'(*-]{1,6}(?:[A-Z\x80-\xff]|[lL][ea] |l')")
_ASCII_CAPITAL = re.compile(
    rb"[\s.:,\"'(*-]{1,6}(?:[A-Z]|\xc3[\x80-\x9e]|\xc6\x90|\xe1\xb8|\xe1\xb9|\xe2\xb4|\xe2\xb5)"
)
_VALUE = re.compile(rb"[\"'*)\] \t]{0,7}[:=|>\t]")
_COLUMN = re.compile(rb"[\"' ]{0,2}(?:[,;|][^ \n]|\r?\n[^\n]{0,60}[,;|])")
_LINE = re.compile(rb"[ \t]{0,4}[,.!;:]?[ \t]{0,8}\r?\n|[,:] ")
_HOUSE = re.compile(rb"(?<![0-9])[0-9]{1,5}(?![0-9])")
_STRONG = str(STRONG)


_CAPITALS = bytes(0x41 if 0x41 <= byte <= 0x5A else byte for byte in range(256))
_SMALL = bytes((0x2E, *range(0x61, 0x7B), *range(0x80, 0x100)))
_PAIRS = re.compile(
    rb"[A-Z\xc3\xc6\xe1](?<![\w@/#.\x80-\xff-].)(?:(?<=[A-Z])|(?<=\xe1)[\xb8\xb9][\x80-\xbf]|(?<=\xc3)[\x80-\x9e]|(?<=\xc6)\x90)(?:[a-z\x80-\xff'-]+|\.)"
    rb"(?:[ -]?(?<=[. -])(?:(?:de|da|di|van|von|el|al|ben|du|dos|le|la) ){0,2}"
    rb"(?:[A-Z](?:[a-z\x80-\xff'-]+(?:[A-Z][a-z]+)?|\.)|(?:\xc3[\x80-\x9e]|\xc6\x90|\xe1[\xb8\xb9][\x80-\xbf])[a-z\x80-\xff'-]+)){1,8}"
)
"""Words in a row with their capitals, or initials. It starts with what ``re`` can leap to."""

Seen = tuple[Word, int, int]
"""A word, where it starts and where it ends."""
_LATER = ("title", "honorific", "kin", "called")
"""Kinds of cues that, before a word that no list knows, wait for something else to make the text worth reading."""
_ON = (b" ", b"\t", b":")
_FAMILY = ("بو", "بن", "او", "ايت", "ben", "bou", "ait")
"""How family names begin."""
PAIR = Word("name cue", "capitals", "capitals")
"""Stands for words in a row that each have their capital: perhaps a name that no list knows."""


def look(data: bytes, shapes: bool) -> list[Seen]:
    """The listed words of ``data`` (UTF-8) that deserve a reading, with their span in bytes.

    ``shapes``: something in the text has the shape of an identifier. Without that, and without a word that can stand
    for a finding, nothing is returned: cues and vocabulary only speak of what they stand beside.
    """
    known = lexicon()
    meanings, after = known.words, table().after
    seen: list[Seen] = []
    weak: list[Seen] = []
    places: list[Seen] = []
    names = addressed = said = False
    alive = shapes
    for index, start, end in known.automaton.find_matches_as_indexes(b" %b " % data.translate(FOLD), overlapping=True):
        end -= 2
        if data[end : end + 1] == b"_" and data[start - 1 : start] == b"[":
            continue  # the type of a placeholder: "[PHONE_1]" announces no telephone
        for word in meanings[index]:
            role, value = word.role, word.value
            if role == "name cue":
                if value == "weak":
                    weak.append((word, start, end))
                    continue
                if not _announces(data, value, end):
                    if value in _LATER or (value == "role" and data[end + 1 : end + 2] >= b"\x80"):
                        weak.append((word, start, end))
                    continue
                alive = True
            elif role == "given":
                if value != _STRONG and not _stands(data, start, end):
                    weak.append((word, start, end))
                    continue
                names = True
            elif role == "address":
                places.append((word, start, end))
                addressed = addressed or _numbered(data, value, start, end)
                continue
            elif role == "cue" and value == "ADDRESS":
                said = True
            elif role == "cue" and not alive:
                alive = value in after and (_DIGITS.match(data, end) is not None or _heads(data, end))
            seen.append((word, start, end))
    if places and (addressed or said):
        alive = True
        seen += places
    # Two capitals with nothing but small letters and a space between: looked for only where there are any.
    if b"A A" in data.translate(_CAPITALS, _SMALL):
        pairs = [(PAIR, *match.span()) for match in _PAIRS.finditer(data)]
        if pairs:
            return seen + weak + pairs
    if names or (alive and weak):
        return seen + weak
    return seen if alive else []


def _heads(data: bytes, end: int) -> bool:
    """The cell that ends there may head a column with numbers in it."""
    line = data.find(b"\n", end, end + 400) if _HEADS.match(data, end) else -1
    return line >= 0 and _NUMBER.search(data, line, line + 400) is not None


def _numbered(data: bytes, role: str, start: int, end: int) -> bool:
    """A number stands near a word of an address: without one it is a street on a map."""
    if role == "country":
        return False
    return _HOUSE.search(data, max(0, start - 40), start) is not None or _HOUSE.search(data, end, end + 56) is not None


def _stands(data: bytes, start: int, end: int) -> bool:
    """An everyday word may be a name with its capital, or before a word that surely is one."""
    first = data[start]
    return 0x41 <= first <= 0x5A if first < 0x80 else _before_name(data, end)


def _before_name(data: bytes, end: int, strength: int = STRONG) -> bool:
    words = data[end : end + 48].lstrip(b" :").split(None, 1)
    if not words:
        return False
    word = fold_word(words[0].decode("utf-8", "ignore").rstrip(".,:;!?\"')") or " ")
    known = lexicon()
    return (
        known.surnames.get(word) == STRONG
        or known.surnames.get(word.removeprefix("ال")) == STRONG
        or known.given.get(word, 0) >= strength
        or word in known.particles
        or (word.startswith(_FAMILY) and len(word) > 4 and word not in known.not_names and likeness(word) > 1)
    )


def _announces(data: bytes, kind: str, end: int) -> bool:
    if kind == "short_title":
        return _CAPITAL.match(data, end) is not None or (data[end : end + 2] == b". " and _before_name(data, end + 1))
    if kind == "role":
        return _ASCII_CAPITAL.match(data, end) is not None
    if kind == "kin":
        if data[end : end + 1] not in _ON:
            return False
        return _ASCII_CAPITAL.match(data, end) is not None or _before_name(data, end, WEAK)
    if kind in ("title", "honorific"):
        return _CAPITAL.match(data, end) is not None or _before_name(data, end)
    if kind in ("thing", "field"):
        return _VALUE.match(data, end) is not None or _COLUMN.match(data, end) is not None
    if kind == "called":
        return _before_name(data, end) or _CAPITAL.match(data, end) is not None
    return kind != "closing" or _LINE.match(data, end) is not None
