"""The words of a full name: which of those beside a first one belong to it, and what says that it is nobody's.

The lists answer first. Of a word that no list knows, ``likeness`` says how much it looks like a name; a capital, the
end of the phrase and a cue before the name each lower what is asked of it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property

from riad.privacy.cues import BARRIER
from riad.privacy.fold import fold_words
from riad.privacy.language import language
from riad.privacy.lexicon import STRONG, WEAK, Lexicon, lexicon
from riad.privacy.likeness import TIFINAGH, likeness
from riad.privacy.tokens import Token, Tokens, caseless

LONGEST = 6
"""Words of a name, at most: "Sidi Mohamed Ben Abdelkrim El Khattabi" has six."""
_LINKS = (
    "o w ou et and wa y e qui who li lli 3ndi 3ndo 3ndha sken saken sakna men mn f fi d s seg zeg "
    "dyal mol moul mrat rah raha ghadi kan kant 3la l b bghit wach i ɣer g is ur de à a est was has 3end "
    "الى الي على عن ديال مول مولات هو هي راه غادي كان كانت أن لي ب ف ل لا حيت باش كي مرات من و في اللي "
    "عندي عندو عندها ساكن ⵙⴳ ⵖⵔ ⴳ ⴷ ⵏ"
)
_CONNECTORS = fold_words(_LINKS)
_CLITICS = frozenset("وبلف")
_HONOURS = fold_words("moulay mly sidi lalla lala lla مولاي سيدي لاله للا ⵍⴰⵍⵍⴰ")
"""Honorific words that are part of a name."""
_FAMILY = ("بو", "بن", "او", "ايت", "بل", "ben", "bou", "bn", "ait")
"""How family names begin."""
_VERB_STARTS = ("كي", "كت", "كن", "غاي", "غات", "غن", "kay", "kat", "kan", "gha")
"""How verbs begin in Darija."""
_VERBAL = ("اتو", "اتها", "ليا", "ليه", "ناه", "تني")
"""How verbs end that have an object."""
_OF = fold_words("de di da du del della van von der den dos do los las la le y e")
_CLOSING = fold_words("الدين الله الحاج zahra zahrae ezzahra zohra eddine eddin din dine allah haj hajj")
"""Particles with which a name may end: what follows needs its own reasons."""
_STREET = re.compile(r"(?:^|[\s,(])(?:r|av|bd|bld|blvd|pl|st|qu|rés|res|imm|lot|r[ée]s)\. ?$", re.IGNORECASE)
_SON = fold_words("u")
"""Amazigh: "son of". In other languages a word like any other."""
_AMAZIGH = re.compile("[ɣɛḥḍṭẓṣɖ]", re.IGNORECASE)
_AROUND = 160
"""Code points around a lone name that say in which language, and about what, the text is."""
_TRIBES = fold_words("ait aït ayt nait أيت نايت ⴰⵢⵜ")
"""Particles that only family names have: what follows belongs to the name, whatever it is."""
_FATHERS = fold_words("أبو أبي")
_ORDINALS = r"lkhamis|l5amis|ssadis|essadis|ttani|tani)\b| (?:الأول|الاول|الثاني|الثالث|الرابع|الخامس|السادس)(?!\w)"
_KINGS = re.compile(rf" (?:[IVX]{{1,4}}|1er|[1-9]|wis |{_ORDINALS}")


class Reader:
    """Reads names in one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = Tokens(text)
        self.lexicon: Lexicon = lexicon()
        self._likeness: dict[str, float] = {}
        self._strength: dict[str, int] = {}

    @cached_property
    def _borders(self) -> list[int]:
        """Where each text but the last ends: several are read at once, and none speaks for another."""
        return [match.start() for match in re.finditer(BARRIER, self.text)]

    def which(self, position: int) -> int:
        """Which of the texts that are read at once it is."""
        return bisect_left(self._borders, position)

    @cached_property
    def _amazigh(self) -> frozenset[int]:
        return frozenset(self.which(match.start()) for match in _AMAZIGH.finditer(self.text))

    def is_amazigh(self, position: int) -> bool:
        """The text has letters that only Amazigh is written with."""
        return self.which(position) in self._amazigh

    # -- one word ---------------------------------------------------------------------------------------------------

    def like(self, word: str) -> float:
        """``likeness``, remembered for as long as the text is read."""
        known = self._likeness.get(word)
        if known is None:
            known = self._likeness[word] = likeness(word)
        return known

    def surname(self, word: str) -> int:
        surnames = self.lexicon.surnames
        return (
            surnames.get(word) or surnames.get(word.removeprefix("ال")) or surnames.get(word.removeprefix("el-")) or 0
        )

    def strength(self, word: str) -> int:
        """The strength of a listed name, given or family; 0 for a word that no list knows."""
        found = self._strength.get(word)
        if found is None:
            found = max(self.lexicon.given.get(word, 0), self.surname(word))
            if not found and "3" in word:  # Arabizi and Tamazight: "sana3" is "sanaa"
                found = min(1, max(self.lexicon.given.get(word.replace("3", other), 0) for other in ("a", "", "e")))
            if not found and word[0] in "uⵓ" and len(word) > 3:
                found = self.lexicon.given.get(word[1:], 0)  # Amazigh: "son of"
            if not found and "\u2d30" <= word[0] <= "\u2d7f":
                found = self.strength(word.translate(TIFINAGH))
            self._strength[word] = found
        return found

    def belief(self, token: Token) -> float:
        """How much a word is believed to be a name, on the scale of ``likeness``."""
        strength = self.strength(token.word)
        if strength == STRONG:
            return 5.0
        if token.word in self.lexicon.not_names:
            return -9.0
        like = self.like(token.word)
        if token.word[1:2] == "'":  # O'Reilly, D'Amico
            like = max(like, self.like(token.word[2:]), 1.0)
        return max(like, 1.0) if strength == WEAK else like

    def capital(self, token: Token) -> bool:
        """A capital that says something: not one where everything is in capitals."""
        raw = token.raw
        return raw[0].isupper() and not (len(raw) > 1 and raw.isupper() and self.shouting(token.start, token.end))

    # -- its neighbours ---------------------------------------------------------------------------------------------

    def follow(self, first: Token, *, announced: bool, lower: bool) -> list[Token]:
        """``first`` and the words after it that belong to the same name.

        ``announced``: a cue came before, unknown words may be names. ``lower``: so may words without a capital.
        """
        lexicon = self.lexicon
        name = [first]
        plain = caseless(first.raw)
        shouting = first.raw.isupper() and len(first.raw) > 1 and self.shouting(first.start, first.end)
        pending: list[Token] = [first] if first.word in lexicon.particles and first.word not in lexicon.given else []
        position = first.end
        while len(name) < LONGEST:
            token = self.tokens.after(position) or self._line_below(name, shouting)
            if not token:
                break
            if caseless(token.raw) != plain:
                if self.surname(token.word) == STRONG and token.word not in lexicon.not_names:
                    name.append(token)  # "Karima بناني"
                break
            position = token.end
            if token.word in lexicon.particles and self._links(token, lower):
                name.append(token)
                pending.append(token)
                continue
            if pending and pending[-1].word in _TRIBES and len(token.raw) > 2 and not token.raw.isdigit():
                name.append(token)
                pending.clear()
                continue
            led = bool(pending) and pending[-1].word not in _CLOSING
            if not self._continues(token, led, announced, lower or shouting or plain, shouting, plain):
                break
            name.append(token)
            pending.clear()
        while len(name) > 1 and len(name[-1].raw) == 1 and not self._closes(name[-1]):
            name.pop()  # an initial ends a name only with its stop
        while pending and len(name) > 1 and name[-1] is pending[-1] and not self.strength(name[-1].word):
            name.pop()  # a particle with nothing behind it
            pending.pop()
        if len(name) > 1 and len(name[-1].raw) == 1:
            name[-1] = name[-1]._replace(end=name[-1].end + 1)
        return name

    def _links(self, particle: Token, lower: bool) -> bool:
        """A small "de" or "van" is part of a name only before a capital that may be a name's."""
        if particle.word in _SON:
            son = (
                self.tokens.after(particle.end)
                if particle.raw[0].islower() and self.is_amazigh(particle.start)
                else None
            )
            return son is not None and son.raw[0].isupper() and self.belief(son) > -1
        if particle.word not in self.lexicon.not_names or not particle.raw[0].islower():
            return True
        behind = None if lower or particle.word not in _OF else self.tokens.after(particle.end)
        return (
            behind is not None
            and behind.raw[0].isupper()
            and (behind.word in self.lexicon.particles or self.belief(behind) > 0.5)
        )

    def _closes(self, initial: Token) -> bool:
        """The last word is an initial with its stop, and the phrase goes on or ends there: "Mehdi B."."""
        return self.text[initial.end : initial.end + 1] == "." and initial.raw.isupper()

    def _line_below(self, name: list[Token], shouting: bool) -> Token | None:
        """The family name printed below the given name, each alone on its line in capitals, as on a card."""
        first, last, text = name[0], name[-1], self.text
        if first is not last or not first.raw.isupper() or len(first.raw) < 3 or text[last.end : last.end + 1] != "\n":
            return None
        if text[max(0, first.start - 1) : first.start] not in ("", "\n", " ") or not shouting:
            return None
        below = self.tokens.at(last.end + 1)
        if not below or not below.raw.isupper() or text[below.end : below.end + 1] not in ("", "\n"):
            return None
        return below if self.belief(below) > 1 else None

    def _continues(self, token: Token, led: bool, announced: bool, lower: bool, shouting: bool, plain: bool) -> bool:
        lexicon, word, raw = self.lexicon, token.word, token.raw
        if len(word) == 1 and raw.isupper():
            return self.text[token.end : token.end + 1] == "."  # an initial
        capital = raw[0].isupper() and not shouting
        strength = self.strength(word)
        if word in lexicon.verbs:
            return False
        if word in lexicon.not_names and not (strength == STRONG and capital):
            return led and plain and (word.startswith("ال") or word in lexicon.given)
        if len(word) < 3 and not (strength == STRONG or (capital and self.like(word) > 0)):
            return False
        if any(map(str.isdigit, raw)) and (capital or len(word) < 4):
            return False
        if strength == STRONG:
            return plain or lower or capital or led
        if led:
            return True
        if capital:
            return self.like(word) > (-5.5 if announced else -2.7)
        if not lower:
            return False
        asked = (0.8 if announced else 1.8) - (0.8 if self.ends_phrase(token.end) else 0)
        if word[0] == "و" and len(word) > 4:
            asked += 1.5  # rather "and" with the word it is written joined to
        if word.startswith(_FAMILY) and len(word) > 4:
            asked -= 1.5
        if word[0] in "uⵓ" and len(word) > 3:
            asked -= 2.0  # Amazigh: "son of"
        if word.endswith(_VERBAL):
            asked += 1.2
        if plain and word.startswith("ال") and word[-1] == "ي" and len(word) > 5:
            asked -= 2.5
        if word.startswith(_VERB_STARTS):
            asked += 2.0
        if plain and not announced and not word.startswith("ال"):
            asked += 0.5  # among words without capitals a name's next word is rather a verb
        if strength == WEAK:
            asked -= 1.0 if plain else 0.3
            behind = self.tokens.after(token.end)
            if word in lexicon.given and behind is not None and self.belief(behind) > 1.5:
                return True  # "محمد رضا الجامعي"
        return self.like(word) > asked

    def with_before(self, name: list[Token], before: Token, capital: bool) -> list[Token]:
        """The name with the surname, the particles, the initial or the honorific that stand in front of it."""
        for _ in range(3):
            more = self._fronted(name, before, capital)
            if not more:
                break
            name = [more, *name]
            further = self.tokens.before(more.start)
            if not further:
                break
            before = further
        return name

    def _fronted(self, name: list[Token], before: Token, capital: bool) -> Token | None:
        """The word in front, if it belongs to the name."""
        lexicon, word, raw = self.lexicon, before.word, before.raw
        upper = raw[0].isupper()
        if word in _HONOURS and (upper or not capital):
            return before
        if word in _FATHERS:
            return before
        if word[:1] in _CLITICS and word[1:] in _FATHERS:
            return Token(before.start + 1, before.end, raw[1:], word[1:])
        if word in lexicon.particles and upper and word not in lexicon.not_names:
            return before
        if len(raw) == 1 and upper and raw != "M" and self.text[before.end : before.end + 1] == ".":
            return before
        if not capital or not upper or len(raw) < 3 or word in lexicon.not_names:
            return None
        surname = self.surname(word) == STRONG and word not in lexicon.given
        shouted = raw.isupper() and not name[0].raw.isupper() and len(raw) > 3 and len(name) == 1
        return before if surname or shouted or self.like(word) > 1.5 else None

    def ends_phrase(self, position: int) -> bool:
        """Nothing more of a name follows: the end, punctuation, a number or a word that links."""
        token = self.tokens.after(position)
        return token is None or token.raw.casefold() in _CONNECTORS

    # -- what is not a person -----------------------------------------------------------------------------------------

    def is_king(self, name: list[Token]) -> bool:
        return len(name) <= 2 and _KINGS.match(self.text, name[-1].end) is not None

    def is_known(self, name: list[Token]) -> bool:
        """A public figure or a town; or a company, by the word behind the name."""
        lexicon = self.lexicon
        words = [token.word for token in name]
        if words[0] in lexicon.known_words:
            before = self.tokens.before(name[0].start)
            if before and f"{before.word.removeprefix('و')} {words[0]}" in lexicon.known:
                return True
            behind = self.tokens.after(name[-1].end)
            further = self.tokens.after(behind.end) if behind else None
            words += [token.word for token in (behind, further) if token]
            for count in range(1, len(words) + 1):
                rest = words[count : len(name)]
                if " ".join(words[:count]) in lexicon.known and not any(lexicon.given.get(w) == STRONG for w in rest):
                    return count > 1 or len(name) == 1
            words = words[: len(name)]
        after = self.tokens.after(name[-1].end)
        return not lexicon.institutions.isdisjoint((*words[1:], after.word if after else ""))

    def is_place(self, start: int) -> bool:
        """The name is a street's, a school's, a mosque's."""
        if self.text[start - 1 : start] in (" ", ".") and _STREET.search(self.text[max(0, start - 7) : start]):
            return True
        if self.text[start - 1 : start] in ("ل", "ب", "و", "ف"):
            start -= 1
        stepped = False
        for _ in range(3):
            before = self.tokens.before(start)
            if before and self.text[start : start + 1] == "و" and before.word in self.lexicon.given:
                start, before = before.start, self.tokens.before(before.start)  # "سورة ياسين ومريم"
            if not before:
                return self.text[start - 2 : start] == "d'" and self.is_place(start - 2)
            word = before.word.removeprefix("l'").removeprefix("d'")
            if word in self.lexicon.places or (word[:1] in _CLITICS and word[1:] in self.lexicon.places):
                return True
            if word not in self.lexicon.skips:
                if stepped or before.raw[0].islower() or caseless(before.raw) or self.strength(word):
                    return False
                stepped = True  # "Colegio Español Jacinto Benavente"
            start = before.start
        return False

    def around(self, start: int) -> tuple[int, int]:
        """Where the words around a place begin and end, in the same text."""
        begin = self.text.rfind(BARRIER, max(0, start - _AROUND), start) + 1 or max(0, start - _AROUND)
        end = self.text.find(BARRIER, start, start + _AROUND)
        return begin, end if end >= 0 else start + _AROUND

    def is_darija(self, start: int) -> bool:
        """The words around are in no language but Darija or Tamazight, as far as one can tell."""
        return language(self.text[slice(*self.around(start))]) not in ("fr", "en", "es")

    def is_told(self, start: int) -> bool:
        """What stands around is about nobody in particular: a sura, a tale, a film, a king of old."""
        return self.lexicon.story.search(self.text, *self.around(start)) is not None

    def shouting(self, start: int, end: int) -> bool:
        """Capitals say nothing where everything around is in capitals."""
        around = self.text[max(0, start - 30) : start] + self.text[end : end + 30]
        letters = [letter for letter in around if letter.isalpha()]
        return len(letters) > 5 and sum(map(str.isupper, letters)) > 0.6 * len(letters)
