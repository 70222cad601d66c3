"""Every word the scanner knows, in one automaton over bytes: names, cues of names and identifiers, vocabulary.

The automaton reads text folded to lower-case words between single bytes of space (``FOLD`` keeps every length), so a
pattern with a space at both ends is a whole word, and matching costs about two nanoseconds a byte however many words
there are. It is built once a process, at the first scan (tens of milliseconds).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from riad.privacy.fold import fold_word
from riad.privacy.identifiers import table
from riad.privacy.knowledge import languages, lines, remembered

STRONG, WEAK = 2, 1
"""How much a listed name says: a weak one is an everyday word too."""

FOLD = bytes(
    byte if byte >= 0x80 or byte == 0x1E else ord(chr(byte).lower()) if chr(byte).isalnum() else 0x20
    for byte in range(256)
)
"""ASCII capitals to small letters, ASCII punctuation and controls to spaces; the separator of texts stays."""

_CLITICS = "وفبل"  # and, so, with, to: written joined to the word that follows
_JOINED = "وف"
_JOINING = ("self", "title", "honorific", "kin", "called", "role")
"""Kinds of cues in front of which "and" is written joined."""
_ALIFS = "اأإآ"
_ENDINGS = {"ه": "هة", "ي": "يى"}
_HAMZAS = (("اي", "ائ"), ("وا", "ؤا"), ("وم", "ؤم"), ("وي", "ؤي"))
"""Letters that lists fold and texts write with their hamza: "عائشة", "فؤاد"."""


_DIAERESIS = re.compile("(?<=[aeo])i")
_GRAVE = re.compile("e(?=[lnsvt]e$)")
UNSPOKEN = ("near", "verb", "story")
"""Kinds of ``[names]`` that announce nothing by themselves: asked about a name that is already there."""
ADDRESS_ROLES = ("way", "way_after", "quarter", "unit", "floor", "country")
"""Words of addresses that are looked for; the rest of ``[address]`` is grammar (``address.py``)."""


class Word(NamedTuple):
    """What a pattern of the automaton means."""

    role: str  # "given", "name cue", "cue", "not", "vocabulary"
    value: str  # the cue's kind, the identifier's type, the vocabulary's category
    text: str  # the word itself, as the data has it
    skip: int = 0  # code points of a clitic in front


class Lexicon(NamedTuple):
    automaton: BytesAhoCorasick
    words: list[tuple[Word, ...]]  # by pattern
    given: dict[str, int]
    surnames: dict[str, int]
    not_names: frozenset[str]
    particles: frozenset[str]
    places: frozenset[str]  # what stands before a street's or a school's name
    institutions: frozenset[str]  # and after a company's
    skips: frozenset[str]
    known: frozenset[str]  # public figures and towns, as folded words joined by spaces
    known_words: frozenset[str]  # the words of those
    near: frozenset[str]  # words that one says of persons: "dis à", "m3a", "على"
    ambiguous: frozenset[str]  # given names that are no everyday words, but do not stand alone either
    verbs: frozenset[str]  # and that persons do: behind a given name
    story: re.Pattern[str]  # what a text is about that speaks of nobody in particular: a sura, a film, a king
    headings: dict[str, str]  # folded titles of columns of names, and their kind


def _words(name: str) -> Iterator[tuple[str, bool]]:
    """The entries of a word list, and whether ``?`` marks them as everyday words."""
    for line in lines(name):
        for word in line.split():
            yield word.removesuffix("?"), word.endswith("?")


def _names(role: str, common: frozenset[str]) -> dict[str, int]:
    """Names and their strength; a hand-written entry decides over a derived one, the first over the second."""
    written: dict[str, int] = {}
    for word, weak in _words(f"{role}.txt"):
        written.setdefault(fold_word(word), WEAK if weak else STRONG)
    derived: dict[str, int] = {}
    for word, rare in _words(f"{role}_derived.txt"):
        derived.setdefault(word, WEAK if rare or word in common else STRONG)
    return derived | written


def _cues() -> dict[str, list[str]]:
    """The cues of names in every language, by kind."""
    cues: dict[str, list[str]] = defaultdict(list)
    for language in languages():
        for kind, said in language.get("names", {}).items():
            cues[kind] += said
    return cues


def _phrase(text: str) -> str:
    """A phrase as the automaton sees text: words and single spaces."""
    return " ".join(re.sub(r"[^\w]|_", " ", text).split()).lower()


def _spellings(phrase: str, endings: bool = True) -> set[bytes]:
    """The ways a phrase is typed: with and without accents, in capitals, with the alifs people mix."""
    if phrase.isascii():
        return {b" %b " % phrase.encode()}
    spelled = {phrase, " ".join(fold_word(word) for word in phrase.split()), phrase.upper()}
    if any("\u0600" <= letter <= "\u06ff" for letter in phrase):
        for word in phrase.split():
            firsts = _ALIFS if fold_word(word[0]) == "ا" else word[0]
            lasts = _ENDINGS.get(fold_word(word[-1]), word[-1]) if endings or word[-1] in "هة" else word[-1]
            spelled |= {phrase.replace(word, first + word[1:-1] + last) for first in firsts for last in lasts}
        for plain, written in _HAMZAS:
            if plain in phrase:
                spelled |= {spelling.replace(plain, written) for spelling in spelled}
    return {b" %b " % spelling.encode().lower() for spelling in spelled}


def _joined(phrase: str) -> set[bytes]:
    """The same, also joined as programs do (``dateNaissance``) and as Arabic does: ``والباسبور``, ``للبطاقة``."""
    spelled = _spellings(phrase)
    if " " in phrase and len(phrase) > 8:
        spelled |= _spellings(phrase.replace(" ", ""))
    if phrase[0] >= "\u0600" and len(phrase) > 3:
        for clitic in _CLITICS:
            spelled |= _spellings(clitic + phrase)
        if phrase.startswith("ال"):
            spelled |= _spellings("لل" + phrase[2:])
    return spelled


def _accented(name: str) -> set[str]:
    """The accents that people put on a Latin name that lists hold without: "Saïda", "Aurélie", "Hélène"."""
    found = {name, _DIAERESIS.sub("ï", name)}
    found |= {accented[:at] + "é" + accented[at + 1 :] for accented in found for at in _letters(accented)}
    return found | {_GRAVE.sub("è", accented) for accented in found}


def _letters(name: str) -> Iterator[int]:
    """Where an "é" may stand."""
    return (at for at, letter in enumerate(name) if letter == "e")


def _given(given: dict[str, int]) -> Iterator[tuple[bytes, Word]]:
    for name, strength in given.items():
        if name[0] < "\u0100":
            word = Word("given", str(strength), name)
            for accented in _accented(name):
                yield b" %b " % accented.encode(), word
        arabic = "\u0600" <= name[0] <= "\u06ff"
        for clitic in ("", *(_CLITICS if arabic and strength == STRONG else "ولب" if arabic else "")):
            # The last letter of an everyday word stays as it is: the name "علي" is not the word "على".
            for spelling in _spellings(name, endings=strength == STRONG):
                yield b" " + clitic.encode() + spelling[1:], Word("given", str(strength), name, len(clitic))
    for half in ("عبد", "abd", "3bd", "3abd", "وعبد", "لعبد"):
        for spelling in _spellings(half):
            yield spelling, Word("given", str(STRONG), half, int(half[0] in "ول"))  # the first half of a name


def _announcing(kind: str, cue: str) -> Iterator[tuple[bytes, Word]]:
    """A cue as it is written, in Arabic also with "and" and "to" joined to it."""
    word = Word("name cue", kind, cue)
    joins = kind in _JOINING and "\u0600" <= cue[0] <= "\u06ff"
    for clitic in ("", *(_JOINED if joins else "")):
        for spelling in _spellings(_phrase(cue)):
            yield b" " + clitic.encode() + spelling[1:], word
    if joins and cue.startswith("ال"):
        for spelling in _spellings(_phrase("لل" + cue[2:])):
            yield spelling, word


def _patterns(given: dict[str, int], cues: dict[str, list[str]]) -> Iterator[tuple[bytes, Word]]:
    yield from _given(given)
    for kind, said in cues.items():
        if kind not in ("particles", *UNSPOKEN):
            for cue in said:
                yield from _announcing(kind, cue)
    for role, entries in (("cue", table().cues), ("not", table().against)):
        for type_, cue in entries:
            for spelling in _joined(_phrase(cue)):
                yield spelling, Word(role, type_, cue)
    for language in languages():
        for category, entry in language.get("sensitive", {}).items():
            for vocable in entry["words"]:
                for spelling in _spellings(_phrase(vocable)):
                    yield spelling, Word("vocabulary", category, vocable)
    for language in languages():
        for role in ADDRESS_ROLES:
            for place in language.get("address", {}).get(role, ()):
                phrase = _phrase(place)
                arabic = phrase[0] >= "\u0600"
                for clitic in ("", *(_CLITICS if arabic and role in ("way", "quarter") else "")):
                    for spelling in _spellings(clitic + phrase):
                        yield spelling, Word("address", role, place, len(clitic))


def _conditions(given: dict[str, int]) -> frozenset[str]:
    """The single words of the sensitive vocabulary: what is said of a person ends their name."""
    entries = (entry for language in languages() for entry in language.get("sensitive", {}).values())
    words = {fold_word(word) for entry in entries for word in entry["words"] if " " not in word}
    return frozenset(word for word in words if word not in given)


def _known() -> Iterator[str]:
    for name in ("public.txt", "cities.txt"):
        for line in lines(name):
            yield from line.split("|")
    for line in lines("places.txt"):
        if line.startswith("town:"):
            yield from line.removeprefix("town:").split("|")


def _places(label: str) -> frozenset[str]:
    chosen = (line for line in lines("places.txt") if line.startswith(label + ":"))
    return frozenset(fold_word(word) for line in chosen for word in line.removeprefix(label + ":").split())


@remembered
def lexicon() -> Lexicon:
    """The words of every country and language, read and built once."""
    common = frozenset(fold_word(word) for word, _ in _words("common.txt"))
    given = _names("given", common)
    surnames = _names("surnames", common)
    cues = _cues()
    particles = frozenset(map(fold_word, cues["particles"]))
    announcing = (
        {fold_word(cue) for kind, words in cues.items() if kind not in UNSPOKEN for cue in words if " " not in cue}
        - particles
        - {name for names in (given, surnames) for name, strength in names.items() if strength == STRONG}
    )
    known = frozenset(" ".join(map(fold_word, name.split())) for name in _known())
    not_names = frozenset(fold_word(word) for word, _ in _words("notnames.txt")) | announcing | _conditions(given)
    never = particles | not_names
    by_pattern: dict[bytes, dict[Word, None]] = defaultdict(dict)
    for pattern, word in _patterns({n: s for n, s in given.items() if n not in never}, cues):
        by_pattern[pattern][word] = None
    automaton = BytesAhoCorasick(by_pattern, MatchKind.Standard, Implementation.ContiguousNFA)
    return Lexicon(
        automaton,
        [tuple(words) for words in by_pattern.values()],
        given,
        surnames,
        not_names,
        particles,
        _places("before"),
        _places("after"),
        _places("skip"),
        known,
        frozenset(word for name in known for word in name.split()),
        frozenset(map(fold_word, cues["near"])),
        frozenset(fold_word(word) for word, _ in _words("ambiguous.txt")),
        frozenset(map(fold_word, cues["verb"])),
        re.compile(rf"(?<!\w)[وفبل]?(?:{'|'.join(map(re.escape, cues['story']))})(?!\w)", re.IGNORECASE),
        {" ".join(map(fold_word, cue.split())): kind for kind in ("thing", "field") for cue in cues[kind]},
    )
