"""Names of persons: by what announces them, by the lists, and by how the words look.

A list of names alone marks everyday words by the dozen ("amal", "salam", "نور"). A name is believed when a cue
announces it ("smiti", "السيد", "nom et prénom :", the heading of a column), when a listed given name stands beside a
surname, when two words in capitals both look like names (``likeness``), or when a certain given name stands alone with
its capital or behind a word that one says of persons ("dis à", "m3a", "على") — and nothing says that it is a street, a
school, a company or a king.
"""

from __future__ import annotations

import re
from functools import cached_property

from riad.privacy import among, headings, speakers
from riad.privacy.announcing import DELIMITERS, GAPS, SCORES, TITLE_WORDS, TITLES
from riad.privacy.capitals import Capitals
from riad.privacy.fold import fold_words
from riad.privacy.fullname import LONGEST
from riad.privacy.identifiers import Hit
from riad.privacy.lexicon import STRONG, WEAK, Word
from riad.privacy.tokens import Token, caseless
from riad.privacy.words import PAIR, Seen

_ANNOUNCING = ("title", "short_title", "honorific", "role")
"""Kinds of cues behind which unknown words are rather names, besides those that are sure."""
_SPEAKS = fold_words("أنا انا ana معاك معاكم معك معكم m3ak m3akom")
_SIZES = fold_words("الكبير الكبيرة الصغير الصغيرة الوسطاني الوسطانية lkbir lkbira sghir sghira lkebir sseghir sghar")
"""What may stand behind "my brother" and be no name."""
_FROM = fold_words("من mn men min de from seg ⵙⴳ")
_DESCENT = fold_words("بن ابن بنت منت ben bin bent bint mint ould ولد أيت ait ⴱⵏ ⴰⵢⵜ")
_TOLD = fold_words(
    "yenna tenna inna tnna ynna yennad tennad yedda tedda idda tdda yusi-d yusa-d tusa-d yusad tusad yuḍen tuḍen "
    "yuḍn tuḍn yezdeɣ tezdeɣ izdɣ tzdɣ ira tra yebɣa tebɣa yefka tefka ifka tfka "
    "ⵉⵏⵏⴰ ⵜⵏⵏⴰ ⵉⴷⴷⴰ ⵜⴷⴷⴰ ⵢⵓⵙⴰ ⵜⵓⵙⴰ ⵢⵓⴹⵏ ⵜⵓⴹⵏ ⵉⵣⴷⵖ ⵜⵣⴷⵖ"
)
"""Amazigh verbs of what only persons do: before them "Tiziri" is no moonlight."""
_ACTING = tuple(fold_words("كيقول كتقول كيخدم كتخدم كيسكن كتسكن كيدير كتدير كيقرا كتقرا كيهضر كتهضر"))
"""How Darija says what persons do; objects may follow, joined."""
_WITH = tuple(fold_words("تزوج تزوجت تزوجات متزوج متزوجه تلاقي تلاقا تلاقات تلاقيت تلاقينا التقي التقيت اتصل اتصلت"))
"""Verbs of what one does with somebody, whom Arabic joins to "with"."""
_CLITICS = ("و", "ف", "ب", "ل")
"""Words of one letter that Arabic joins to the word behind them."""
_GLUE = ("@", "/", "_", ".", "#", "-")
"""What, right before a word, says that it is part of an address, a path or an identifier."""
_ADDRESS = re.compile(r"[._@/\\]\w|[(\[]\w*[)\]]")
"""What, right behind a word, says the same."""


def find(text: str, hits: list[Seen]) -> list[Hit]:
    """The persons named in ``text``. ``hits``: given names, name cues and capitals with their span, by start."""
    finder = _Finder(text)
    found: list[Hit] = []
    answered = -1
    finder.hits = hits
    for word, start, end in hits:
        # "je m'appelle" holds "m'appelle": of two cues that end together the longer comes first, and suffices.
        if word.role == "name cue" and word is not PAIR and end != answered:
            more = finder.after_cue(word, start, end)
            if more:
                answered = end
                found += more
    found += speakers.find(finder)
    found += _unannounced(finder, hits, sorted((hit.start, hit.end) for hit in found))
    found += among.persons(text, finder.maybe, found) if finder.maybe else ()
    return found + among.lines(finder, found) if len(found) > 1 and "\n" in text else found


def _unannounced(finder: _Finder, hits: list[Seen], sure: list[tuple[int, int]]) -> list[Hit]:
    """The persons that only their own names tell. ``sure``: the spans that cues announced, in order."""
    found: list[Hit] = []
    capitals: list[tuple[int, int]] = []
    at = reached = 0
    for word, start, end in hits:
        if word is PAIR:
            capitals.append((start, end))
        elif word.role == "given" and start >= reached:
            while at < len(sure) and sure[at][1] <= start:
                at += 1
            if at == len(sure) or sure[at][0] > start:
                if word.skip and finder.is_given(start):
                    continue  # "لحسن" is a name, not "to Hassan"
                hit, reached = finder.from_given(start + word.skip, end, int(word.value))
                found += hit
    spans = sorted((*sure, *((hit.start, hit.end) for hit in found)))
    at = 0
    for start, end in capitals:
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        if at == len(spans) or spans[at][0] >= end or finder.starts_before(start, spans[at][0]):
            found += finder.from_capitals(start, end)
    return found


class _Finder(Capitals):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.maybe: list[Hit] = []
        """Everyday words that are persons if they stand in a list of persons."""
        self._table_end = -1
        self.hits: list[Seen] = []

    @cached_property
    def _forms(self) -> frozenset[int]:
        return frozenset(self.which(start) for word, start, _ in self.hits if word.value == "field")

    def is_form(self, position: int) -> bool:
        """The text has a field that holds nothing but names: "name" is then a person's."""
        return self.which(position) in self._forms

    # -- what follows a cue ---------------------------------------------------------------------------------------

    def after_cue(self, cue: Word, start: int, end: int) -> list[Hit]:
        text, kind = self.text, cue.value
        if kind == "thing" and text[start - 1 : start] not in ("_", ".", "-") and self.is_form(start):
            kind = "field"
        if kind == "short_title" and not self._is_short_title(start, end):
            return []
        if kind == "honorific" and self.is_place(start):
            return []
        gap = GAPS[kind].match(text, end)
        if gap and kind in ("thing", "field") and gap[0].strip("\"' ") in DELIMITERS:
            column = self._in_column(cue, start, end)
            if column:
                return column
        if not gap:
            return self._in_column(cue, start, end) if kind in ("thing", "field") else []
        position = gap.end()
        first = self.tokens.at(position)
        if kind not in ("closing", "thing"):
            for _ in range(3):
                if first and first.word not in TITLE_WORDS and first.raw[1:2] != "'":
                    break
                title = TITLES.match(text, position)
                if not title:
                    break
                position = title.end()
                first = self.tokens.at(position)
        if not first or (first.word in self.lexicon.not_names and first.word not in self.lexicon.particles):
            return []
        if (kind == "kin" and first.word in _SIZES) or (cue.value == "thing" and headings.is_product(text, start, end)):
            return []
        if "-" in first.word and self.lexicon.not_names.issuperset(first.word.split("-")):
            return []  # a cue that is repeated
        sure = kind in ("self", "field")
        lower = sure or not first.raw[0].isupper()
        if lower and not sure and not self._may_begin(first, kind, gap[0]):
            return []
        if kind == "weak" and self.is_place(start):
            return []
        name = self.follow(first, announced=sure or kind in _ANNOUNCING, lower=lower)
        if not self._believe(name, kind) or (not sure and (self.is_known(name) or self.is_king(name))):
            return []
        if kind in ("thing", "field") and text[name[-1].end : name[-1].end + 1] in ("(", "_", "="):
            return []  # a call or a variable in code
        if kind == "closing" and text[name[-1].end : name[-1].end + 1] not in ("", "\n", "\r", ".", ",", " "):
            return []
        listed = any(self.strength(token.word) for token in name)
        if kind == "honorific":
            name = self.with_before(name, Token(start, end, text[start:end], text[start:end].casefold()), False)
        why = f"cue: {cue.text}" if listed else f"cue: {cue.text}; model: {self.like(name[0].word):.1f}"
        return [Hit(name[0].start, name[-1].end, "PERSON", SCORES[kind] - (0 if listed else 0.15), why)]

    def _may_begin(self, first: Token, kind: str, gap: str) -> bool:
        """Whether a word without a capital is worth reading as a name: most that follow a cue are not."""
        if kind == "weak":
            return first.word in self.lexicon.given and "," not in gap
        if kind in ("kin", "called", "role", "thing", "closing"):
            if first.word in self.lexicon.ambiguous and first.word not in self.lexicon.given:
                return False
            return self.belief(first) > -1 or first.word in self.lexicon.particles
        return True

    def _is_short_title(self, start: int, end: int) -> bool:
        """The abbreviations "M." and "Me", with their capital; not a middle initial, as in "John M. Smith"."""
        text = self.text
        if not (text[end : end + 1] == "." or text[start:end] == "Me"):
            return False
        if not text[start].isupper():  # "m. belghiti": not five metres
            behind = self.tokens.at(end + 2)
            listed = behind is not None and self.surname(behind.word) == STRONG
            return listed and not text[max(0, start - 2) : start].strip().isdigit()
        if text[max(0, start - 3) : start].rstrip(" ").endswith("]"):
            return False  # behind a placeholder, where a name was
        before = self.tokens.before(start)
        return before is None or not before.raw[0].isupper() or before.word in self.lexicon.not_names

    def _believe(self, name: list[Token], kind: str) -> bool:
        """Whether what follows a cue of that kind is a name."""
        first = name[0]
        if len(name) == 1 and (len(first.raw) < 3 or first.word in self.lexicon.not_names):
            return False
        beliefs = [self.belief(token) for token in name if len(token.raw) > 1]
        best, leads = max(beliefs, default=-9), self._leads(first)
        if first.word in self.lexicon.particles and len(name) > 1:
            leads = max(leads, self.belief(name[1]))
        capitals = all(token.raw[0].isupper() or token.word in self.lexicon.particles for token in name)
        capital = capitals and not (first.raw.isupper() and self.shouting(first.start, name[-1].end))
        several = len(name) > 1
        if kind == "self":
            return leads > (-6 if capital else -2.2)
        if kind == "field":
            if not self.lexicon.places.isdisjoint(token.word for token in name):
                return False
            return leads > (-4.5 if capitals else -2.2)
        if kind in ("title", "short_title"):
            if capital:
                return leads > -4.3 or best == 5
            enough = -2.5 if "\u2d30" <= first.raw[0] <= "\u2d7f" else 0.5
            return (kind == "title" and leads > enough) or (best == 5 and leads > -1.5)
        if any(token.word in _DESCENT for token in name[1:-1]) and leads > (-2 if kind == "kin" else 1) and best >= 1:
            return True
        if kind == "honorific":
            return leads >= (0 if capital else 1.0)
        if kind in ("kin", "called"):
            asked = WEAK if kind == "kin" or not capital else STRONG
            if self._says_who(first) and first.word in self.lexicon.given:
                return True
            doubtful = first.word in self.lexicon.ambiguous and not (kind == "kin" and caseless(first.raw))
            if self.lexicon.given.get(first.word, 0) >= asked and not doubtful:
                return True
            if kind == "kin" and several and best > 2 and leads > -0.5:
                return True
            return leads > (0.5 if capital and kind == "kin" else 1.5 if capital or several or kind == "kin" else 2.5)
        if kind == "thing" and not capital and several and leads >= 1 and best == 5:
            return True
        if kind == "weak":
            if capital:
                return leads > (0.5 if several else 2.2)
            given = self.lexicon.given.get(first.word, 0)
            behind = self.tokens.after(name[-1].end)
            if given and behind and behind.word in _FROM and self._says_who(first):
                return True
            return given == STRONG or (several and given == WEAK and best == 5)
        # role, thing, closing: somebody listed, or two capitals that are not ordinary words
        if capital and (best == 5 or leads > 1.5 or (kind == "closing" and first.word in self.lexicon.given)):
            return several or leads > 1.5 or kind == "closing"
        if capital and several:
            return kind != "thing" and min(beliefs) > -2.7
        if kind == "role" and not several and not caseless(first.raw):
            return self.lexicon.given.get(first.word) == STRONG and first.word not in self.lexicon.ambiguous
        whole = several or kind == "closing" or caseless(first.raw)
        return kind != "thing" and whole and best == 5 and leads > -1

    def _leads(self, first: Token) -> float:
        """How much the first word is believed; an initial may be anybody's, a small letter nobody's."""
        return self.belief(first) if len(first.raw) > 1 else 1.0 if first.raw.isupper() else -9.0

    def _says_who(self, first: Token) -> bool:
        """The word in front of it is "I": "أنا كريمة من ورزازات"."""
        before = self.tokens.before(first.start)
        return before is not None and before.word in _SPEAKS

    def _in_column(self, cue: Word, start: int, end: int) -> list[Hit]:
        """The names in the table whose heading holds the cue."""
        if start < self._table_end:
            return []
        table = headings.heading(self.text, start, end)
        if not table:
            return []
        found = []
        self._table_end = table[0]
        for begin, stop, sure, line_end in headings.cells(self.text, *table):
            self._table_end = line_end
            words = self.text[begin:stop].split()
            first = self.tokens.at(begin)
            if not first or len(words) > LONGEST or any(map(str.isdigit, self.text[begin:stop])):
                continue
            if self.belief(first) > (-3.5 if sure else 1) or any(self.strength(word.casefold()) for word in words):
                found.append(Hit(begin, stop, "PERSON", 0.8, f"cue: {cue.text} (column)"))
        return found

    # -- a given name on its own ----------------------------------------------------------------------------------

    def from_given(self, start: int, end: int, strength: int) -> tuple[list[Hit], int]:
        """The person whose listed given name starts there, if it is one, and how far the words were read."""
        first = self.tokens.at(start)
        if not first or first.word in self.lexicon.not_names:
            return [], end
        joined = caseless(first.raw) and self.text[start - 1 : start] in _CLITICS
        before = self.tokens.before(start - 1 if joined else start)
        capital = self.capital(first)
        name = self.follow(first, announced=False, lower=not capital)
        reached = name[-1].end
        if len(name) == 1 and first.word in self.lexicon.particles:
            return [], reached
        if before and not joined:
            name = self.with_before(name, before, capital)
        if self.is_king(name) or self.is_place(name[0].start) or self.is_known(name):
            return [], reached
        if len(name) == 1:
            return self._alone(first, before, capital, strength), reached
        others = [token for token in name if token.start != start]
        surnames = any(self.surname(token.word) == STRONG for token in others)
        best = max(self.belief(token) if len(token.raw) > 1 else 0.0 for token in others)
        if strength == WEAK and not (surnames or best == 5 or self._believes(first, others, before, capital, best)):
            return [], reached
        if surnames or name[0].start < start:
            score, why = 0.85, "list: given name, surname"
        elif any(token.word in self.lexicon.particles for token in name):
            score, why = 0.75, "list: given name, particle"
        else:
            score, why = 0.6 + 0.05 * min(max(best, 0), 4), f"list: given name; model: {best:.1f}"
        return [Hit(name[0].start, name[-1].end, "PERSON", score - (0.15 if strength == WEAK else 0), why)], reached

    def _believes(self, first: Token, others: list[Token], before: Token | None, capital: bool, best: float) -> bool:
        """Whether unlisted words beside an everyday word make a name of it."""
        if others[0].word in _DESCENT and len(others) > 1:
            return best >= 1
        if capital:
            return best > 1.5
        if caseless(first.raw):
            nisba = others[0].word.startswith("ال") and others[0].word[-1] == "ي"
            return best > 1.5 and (nisba or not others[0].word.startswith("ال"))
        return best > 2.5 and before is not None and before.word in self.lexicon.near

    def _alone(self, first: Token, before: Token | None, capital: bool, strength: int) -> list[Hit]:
        """A given name without a surname: with its capital, or behind a word that one says of persons."""
        start = first.start
        joined = self.text[start - 1 : start]
        if self.text[start - 1 : start] in _GLUE or _ADDRESS.match(self.text, first.end):
            return []
        hit = Hit(start, first.end, "PERSON", 0.45, "list: given name")
        behind = self._beyond_company(first)
        if strength == WEAK:
            if behind and behind.word in _TOLD and "=" not in behind.raw:
                return [hit._replace(why="list: given name; cue: what persons do")]
            self.maybe.append(hit._replace(score=0.4, why="list: given name among others"))
            return []
        doubtful = first.word in self.lexicon.ambiguous
        if capital and not (doubtful and (before is None or self.is_told(start))):
            brand = before and before.raw[0].isupper() and before.raw[1:].islower() and not self.strength(before.word)
            if brand and before and self._within_phrase(before) and self.like(before.word) < 0:
                return []
            return [hit]
        acts = behind is not None and (behind.word in self.lexicon.verbs or behind.word.startswith(_ACTING))
        said = before is not None and before.word.removeprefix("و") in self.lexicon.near
        if said and before and len(before.raw) < 3 and before.raw.isascii():
            said = self.is_darija(start)  # "l", "b", "o": words of Darija, and letters in other languages
        said = said or (joined in ("و", "ل") and len(first.word) > 3)
        said = said or (joined == "ب" and before is not None and before.word.endswith(_WITH))
        sure = not doubtful or "ئ" in first.raw or "ؤ" in first.raw
        told = self.is_told(start)
        if (said or acts) and (sure or (said and acts)) and not told:
            return [hit._replace(why="list: given name; cue: a word said of persons")]
        self.maybe.append(hit._replace(score=0.4, why="list: given name among others"))
        return []

    def _beyond_company(self, first: Token) -> Token | None:
        """The word behind a name, or behind the names that are joined to it: "كمال ومنى شراو"."""
        behind = self.tokens.after(first.end)
        for _ in range(2):
            if not behind or behind.word[0] != "و" or behind.word[1:] not in self.lexicon.given:
                break
            behind = self.tokens.after(behind.end)
        return behind

    def _within_phrase(self, token: Token) -> bool:
        """A word before it in the phrase: its own capital is no sentence's."""
        return token.word not in self.lexicon.not_names and self.tokens.before(token.start) is not None

    def is_given(self, start: int) -> bool:
        """The word there is a given name as it stands."""
        token = self.tokens.at(start)
        return token is not None and self.lexicon.given.get(token.word) == STRONG

    def starts_before(self, start: int, found: int) -> bool:
        """Words with capitals begin a name before the one that was found among them."""
        first = self.tokens.at(start)
        return start < found and first is not None and first.word not in self.lexicon.not_names
