"""Postal addresses: a street, a quarter or a part of a building, with its number, and what follows it to the city.

A street alone is no address ("la rue Mohammed V est en travaux"); with a number it is, and so is a street or a quarter
that a cue announces ("demeurant …", "العنوان: …"). Parts may come in any order and end where nothing more of an address
follows. The words are data: ``[address]`` of ``languages/*.toml``, and the ``cities.txt`` of each pack.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import NamedTuple

from riad.privacy.cues import Cues
from riad.privacy.fold import fold_word
from riad.privacy.identifiers import Hit
from riad.privacy.knowledge import languages, lines, remembered
from riad.privacy.lexicon import lexicon
from riad.privacy.words import Seen

LONGEST = 240
"""Code points of an address, at most."""
STARTS = ("way", "way_after", "quarter", "unit", "floor")
"""Roles of words that an address may start with."""
_FLOOR = re.compile(
    r"\d{1,2} ?(?:ième|ieme|ème|eme|er|re|e|è|ᵉ|st|nd|rd|th|\.?[ºª°])(?![a-z])"
    r"(?: (?:étage|etage|floor|piso|planta|izda|dcha|izquierda|derecha)\b\.?)?"
    r"(?: ?[a-z]\b(?!'))?(?: (?:izda|dcha|izquierda|derecha)\b\.?)?",
    re.IGNORECASE,
)
_POSTAL = re.compile(r"(?:(?:BP|B\.P\.?|CP|C\.P\.?) ?\d{1,6}|\d{5}|\d{4}(?= [A-ZÉ][a-zé]))(?![\w/]|[.,]\d)")
_BETWEEN = re.compile(r"(?:[ \t]{0,2}[,;/|\-][ \t]{0,2}\n?|[ \t]{0,2}\n)?[ \t]{0,4}")
_BEHIND_NUMBER = re.compile(r"(?: ?(?:bis|ter))?,? {1,2}")
_ENGLISH = re.compile(r"(?<![\w.,/])\d{1,5}[a-z]?,? (?:(?!\d)[\w'.-]+ ){1,3}$", re.IGNORECASE)
_WORD = re.compile(r"[ ]{0,2}[-']?(?P<word>[^\W\d_][^\W\d_'’.]*(?:['’-][^\W\d_]+)*)\.?")
_LETTERS = re.compile(r"[^\W\d_][^\W_]*")
_NEXT_LETTERS = re.compile(r"[ '-]([^\W_]+)")
_CAPITAL = re.compile(r"[A-Z\u0600-\u06ff\u2d30-\u2d7f]")
_VERBS = ("كي", "كت", "غا", "وأ", "وك")
"""How words begin that are no name of a street: Darija's present and future, "and I"."""


class Part(NamedTuple):
    """One part of an address: what it is, and where it ends."""

    kind: str  # "number", "way", "quarter", "unit", "floor", "postal", "city", "country", "name"
    end: int


class Grammar(NamedTuple):
    """The patterns and words that the languages give."""

    number: re.Pattern[str]  # a house number, with what says that it is one: "n° 12 bis"
    before: re.Pattern[str]  # the same right before a street's word
    value: re.Pattern[str]  # the number or letter behind a part of a building: "Imm B"
    named: re.Pattern[str]  # the number that is a street's name: "rue 14"
    king: re.Pattern[str]  # a king's, whose number is none of a house: "Mohammed 5"
    link: re.Pattern[str]  # what may stand between two parts: "à", "في"
    inner: frozenset[str]  # words inside names: "de", "بن"
    stops: frozenset[str]  # words that end a name


@remembered
def grammar() -> Grammar:
    """What the languages say of addresses, compiled once."""
    said: dict[str, list[str]] = defaultdict(list)
    for language in languages():
        for role, found in language.get("address", {}).items():
            said[role] += found

    def either(role: str) -> str:
        return "|".join(re.escape(word) for word in sorted(dict.fromkeys(said[role]), key=len, reverse=True))

    announced = rf"(?:(?:{either('number')})\s{{0,2}}:?\s?)"
    again = rf"(?: ?(?:{either('again')})\b)"
    return Grammar(
        re.compile(
            rf"(?<!\w)(?P<said>{announced})?\d{{1,4}}(?:{again}|[a-z]\b| ?[-/] ?\d{{1,4}}\b)?(?![\w%€$]|[.,:/]\d)",
            re.IGNORECASE,
        ),
        re.compile(
            rf"(?<![\w.,/+-])[بفل]?(?P<number>{announced}?\d{{1,4}}(?:{again}|[a-z])?[ ,;\-]{{1,3}}"
            r"(?:(?:de )?(?:la |l')|d'|du )?)$",
            re.IGNORECASE,
        ),
        re.compile(
            rf"[ .:]{{0,3}}{announced}?"
            r"(?:\d{1,4}[a-z]?\b(?![.,]\d)|[a-z] ?\d{1,3}\b|[a-z]{1,2}\b|[أ-ي](?: ?\d{1,3})?\b)",
            re.IGNORECASE,
        ),
        re.compile(rf"[ .]{{1,2}}{announced}?\d{{1,4}}[a-z]?\b(?![.,:/]\d)", re.IGNORECASE),
        re.compile(rf" (?:{either('king')}) (?:[2-6]|[IV]{{1,3}}|الخامس|السادس|الثاني)\b", re.IGNORECASE),
        re.compile(rf"(?:(?:{either('link')}) {{1,2}}|[فب](?=[\u0621-\u064a]{{3}}))", re.IGNORECASE),
        frozenset(map(fold_word, said["inner"])),
        frozenset(map(fold_word, said["stop"])),
    )


@remembered
def _cities() -> dict[str, list[tuple[str, ...]]]:
    """The cities of every pack by their first word, longest first."""
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for line in lines("cities.txt"):
        for name in line.split("|"):
            folded = tuple(fold_word(word) for word in re.split(r"[\s'-]+", name.strip()) if word)
            found[folded[0]].append(folded)
    return {first: sorted(names, key=len, reverse=True) for first, names in found.items()}


def find(text: str, hits: list[Seen], cues: Cues) -> list[Hit]:
    """The addresses in ``text``. ``hits``: the words of ``words()`` seen there, with their span, in any order."""
    reader = _Reader(text, hits, cues)
    found: list[Hit] = []
    reached = free = 0
    for start in reader.starts:
        if start >= reached:
            hit = reader.read(start, free)
            if hit is None:
                continue
            reached = hit.end  # many parts that make no address as a whole make none in part
            if hit.score:
                found.append(hit)
                free = hit.end
    return found


class _Reader:
    def __init__(self, text: str, hits: list[Seen], cues: Cues) -> None:
        self.text = text
        self.cues = cues
        self.grammar = grammar()
        self.at: dict[int, list[tuple[str, int]]] = defaultdict(list)  # word starts: what begins there, and its end
        for word, start, end in sorted(hits, key=lambda hit: (hit[1], -hit[2])):
            start += word.skip
            if word.text.endswith("/") and text[end : end + 1] != "/":
                continue
            self.at[start].append((word.value, end + word.text.endswith("/")))
        self.starts = sorted(
            start for start, kinds in self.at.items() if kinds[0][0] in ("way", "way_after", "quarter", "unit", "floor")
        )

    def read(self, start: int, floor: int) -> Hit | None:
        """What has a word of an address at ``start``, with score 0 if it is none; nothing of it is before ``floor``."""
        first = self._number_before(start, floor)
        kinds: list[str] = ["number"] if first < start else []
        after = [stop for kind, stop in self.at[start] if kind == "way_after"]
        english = self._english(start, floor) if after else None
        if english is not None:
            first, kinds, end = english, ["number", "way"], after[0]
        else:
            got = self._part(start, kinds)
            if got is None:
                return None
            kinds.append(got.kind)
            end = got.end
        while end - first < LONGEST:
            got = self._next(end, kinds)
            if got is None:
                break
            kinds.append(got.kind)
            end = got.end
        while kinds and kinds[-1] == "name":
            kinds.pop()
        score = self._score(kinds, first, end)
        if not score and len(kinds) < 5:
            return None
        return Hit(first, end, "ADDRESS", score, "cue" if self._announced(first, end) else "pattern")

    def _next(self, end: int, kinds: list[str]) -> Part | None:
        """The part behind the one that ends there, past a comma, a line break or a word that links."""
        position = _BETWEEN.match(self.text, end).end()  # type: ignore[union-attr]  # it matches the empty string too
        if position == end:
            return None
        got = self._part(position, kinds)
        link = None if got else self.grammar.link.match(self.text, position)
        if not link or self.text[link.end() : link.end() + 1].isdigit():
            return got
        return self._part(link.end(), kinds)

    def _score(self, kinds: list[str], start: int, end: int) -> float:
        """How sure these parts make an address; 0 if they make none."""
        placed = "way" in kinds or "quarter" in kinds
        numbered = "number" in kinds or "unit" in kinds or "postal" in kinds
        where = {"city", "postal", "country"}.intersection(kinds)
        if "way" in kinds and ("number" in kinds or "unit" in kinds):
            bare = len(kinds) == 2 and self.text[end - 1].isdigit()
            said = any(match["said"] for match in self.grammar.number.finditer(self.text, start, end))
            doubtful = not said and (self.text[start].isdigit() or not _CAPITAL.search(self.text, start, end))
            return 0 if bare and doubtful else 0.9  # "voiture 12, place 45", "la route nationale 7"
        if self._announced(start, end):
            return 0.8 if placed and len(kinds) > 1 else 0.75 if numbered and (where or len(kinds) > 1) else 0
        if (
            "quarter" in kinds
            and numbered
            and (where or kinds.count("unit") + kinds.count("number") > 1 or len(kinds) > 2)
        ):
            return 0.75
        return 0.7 if kinds.count("unit") + kinds.count("floor") > 1 and where else 0

    def _announced(self, start: int, end: int) -> bool:
        return self.cues.before("ADDRESS", start, end)

    def _number_before(self, start: int, floor: int) -> int:
        """Where the house number in front of a street's word starts; ``start`` if there is none."""
        base = max(floor, start - 24)
        match = self.grammar.before.search(self.text[base:start])
        return base + match.start("number") if match else start

    def _english(self, start: int, floor: int) -> int | None:
        """Where the number of "24 Baker Street" is, seen from its last word; with a unit in front of it, that."""
        base = max(floor, start - 48)
        before = self.text[base:start]
        match = _ENGLISH.search(before)
        if not match:
            return None
        named = match[0].split()[1:]
        shared = any(
            kind == "way" for kind, _ in self.at[start]
        )  # "boulevard" is French too, and stands in front there
        everyday = any(word.lower() in self.grammar.stops or fold_word(word) in lexicon().not_names for word in named)
        if (shared or everyday) and not all(word[0].isupper() for word in named):
            return None
        return base + match.start()

    def _part(self, position: int, kinds: list[str]) -> Part | None:
        """The part of an address at ``position``, if one is there."""
        text = self.text
        for kind, end in self.at.get(position, ()):
            part = self._worded(kind, end)
            if part:
                return part
        floor = _FLOOR.match(text, position)
        if floor and kinds and not floor[0].isdigit():
            return Part("floor", floor.end())
        postal = _POSTAL.match(text, position)
        if postal:
            return Part("postal", postal.end()) if kinds and "postal" not in kinds else None
        number = self.grammar.number.match(text, position)
        if number:
            street = self._street_with_number(number.end())
            if street:
                return street
            follows = kinds[-1:] == ["quarter"] or (kinds[-1:] == ["way"] and "number" not in kinds)
            wanted = kinds and (number["said"] or follows)
            return Part("number", number.end()) if wanted else None
        city = self._city(position)
        if city:
            return Part("city", city)
        return self._locality(position, kinds)

    def _street_with_number(self, end: int) -> Part | None:
        """Behind a unit: ``Flat 9, 118 Anfa Boulevard``, ``apt 4, 12 rue …``."""
        gap = _BEHIND_NUMBER.match(self.text, end)
        if not gap:
            return None
        position = gap.end()
        for kind, stop in self.at.get(position, ()):
            if kind == "way":
                return self._worded(kind, stop)
        for _ in range(3):
            word = _WORD.match(self.text, position)
            if not word:
                return None
            position = word.end() + 1
            for kind, stop in self.at.get(position, ()):
                if kind == "way_after":
                    return Part("way", stop)
        return None

    def _worded(self, kind: str, end: int) -> Part | None:
        if kind in ("country", "floor"):
            return Part(kind, end)
        if kind == "unit":
            value = self.grammar.value.match(self.text, end)
            return Part("unit", value.end()) if value else None
        if kind in ("way", "quarter"):
            named = self._name(end)
            return Part(kind, named) if named else None
        return None

    def _name(self, position: int) -> int | None:
        """Where the name of a street or a quarter that starts behind ``position`` ends."""
        text = self.text
        number = self.grammar.named.match(text, position)
        if number:
            return number.end()
        king = self.grammar.king.match(text, position)
        if king:
            return king.end()
        taken = counted = 0
        end: int | None = None
        position += text[position : position + 1] == "."
        while taken < 7:
            match = _WORD.match(text, position)
            if not match or (taken == 0 and match.start("word") == position):
                break
            word, at = match["word"], match.start("word")
            folded = fold_word(word)
            link = folded.replace("’", "'").rstrip("'") in self.grammar.inner or len(word) == 1
            if self.at.get(at) and (taken or self.at[at][0][0] in ("unit", "floor")) and not link:
                break
            if (folded in self.grammar.stops and not word[0].isupper() and not (link and taken == 0)) or (
                counted and self._city(at)
            ):
                break
            if not link:
                limit = 5 if word[0].isupper() else 3 if word[0] >= "\u0600" else 2
                verb = word[:2] in _VERBS or (word[:2] != "ال" and folded in lexicon().not_names)
                if counted >= limit or (counted and not word[0].isupper() and verb):
                    break
                counted += 1
                end = match.start("word") + len(word)
            taken += 1
            position = match.start("word") + len(word)
            if text[position : position + 1] == "." and len(word) < 5:
                position += 1
        return end

    def _city(self, position: int) -> int | None:
        """Where the city named there ends."""
        match = _LETTERS.match(self.text, position)
        if not match:
            return None
        for name in _cities().get(fold_word(match[0]), ()):
            end: int | None = match.end()
            for expected in name[1:]:
                word = _NEXT_LETTERS.match(self.text, end)  # type: ignore[arg-type]
                if not word or fold_word(word[1]) != expected:
                    end = None
                    break
                end = word.end()
            if end and not self.text[end : end + 1].isalnum():
                return end
        return None

    def _locality(self, position: int, kinds: list[str]) -> Part | None:
        """A name nobody lists: between a street and a city, behind a postal code, or behind a comma at the end."""
        if not kinds:
            return None
        end = position
        for count in range(3):
            match = _WORD.match(self.text, end)
            if not match or (count == 0 and match.start("word") != position):
                break
            word, folded = match["word"], fold_word(match["word"])
            upper = word[0].isupper() and len(word) > 1
            if folded in self.grammar.stops or self.at.get(match.start("word")) or (count and not upper):
                break
            end = match.start("word") + len(word)
            if upper and kinds[-1] == "postal":
                following = _WORD.match(self.text, end)
                if not following or not following["word"][0].isupper() or self.text[end : end + 1] not in (" ", "-"):
                    return Part("city", end)
                continue
            behind = _BETWEEN.match(self.text, end).end()  # type: ignore[union-attr]  # as above
            if behind > end and (self._city(behind) or _POSTAL.match(self.text, behind)):
                return Part("name", end)
        last = upper and self._ends(position, end) if end > position else False
        return Part("city", end) if last and "number" in kinds and not self._is_named(position) else None

    def _ends(self, start: int, end: int) -> bool:
        """A comma stands before, and nothing of the same phrase behind."""
        return self.text[:start].rstrip(" ")[-1:] == "," and self.text[end : end + 1] in (
            "",
            ",",
            ".",
            ";",
            "\n",
            ")",
            '"',
            "|",
        )

    def _is_named(self, position: int) -> bool:
        match = _WORD.match(self.text, position)
        return bool(match) and fold_word(match["word"]) in lexicon().given  # type: ignore[index]
