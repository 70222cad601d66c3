"""Names of persons: by what announces them, and by a given name beside a surname.

A list of names alone marks everyday words by the dozen ("amal", "salam", "نور"). A name is believed when a cue
announces it ("smiti", "السيد", "nom et prénom :"), or when a listed given name stands beside a surname, or, in Latin
script, when a certain given name has its capital and nothing says that it is a street, a school or a king.
"""

from __future__ import annotations

import re

from riad.privacy.identifiers import Hit
from riad.privacy.lexicon import STRONG, WEAK, Lexicon, Word, lexicon
from riad.privacy.tokens import Token, Tokens
from riad.privacy.words import Seen

LONGEST = 6
"""Words of a name, at most: "Sidi Mohamed Ben Abdelkrim El Khattabi" has six."""

_TITLES = re.compile(
    r"(?:m|mr|mme|mlle|ms|mrs|dr|pr|me|monsieur|madame|mademoiselle|docteur|professeur|maître|si|ssi|le|la|l'|est|c'est|is|hiya|"
    r"howa|huwa|hya|السيد|السيدة|الأستاذ|الأستاذة|الدكتور|الدكتورة|الآنسة|هو|هي|:)(?:\.? |(?<=') ?|(?<=:) ?)",
    re.IGNORECASE,
)
_GAPS = {
    "self": re.compile(r"[ \t]{0,3}[:,\-=]?[ \t]{0,3}[\"'*(]{0,3}"),
    "field": re.compile(r"[\"'*)\]]{0,3}[ \t]{0,4}[:=|>\t][ \t]{0,4}[\"'*>]{0,3}"),
    "title": re.compile(r"\.? {1,2}"),
    "role": re.compile(r"[ \t]{0,2}[:,]?[ \t]{1,2}"),
    "weak": re.compile(r"[ \t]{0,2}[:,]?[ \t]{1,2}"),
    "closing": re.compile(r"[ \t]{0,4}[,.!;:]?[ \t]{0,8}(?:\r?\n[ \t\r\n]{0,8}|(?<=[,:] ))(?:-{1,2}[ \t]?)?"),
}
_GAPS["thing"] = _GAPS["field"]
_GAPS["short_title"] = _GAPS["honorific"] = _GAPS["title"]
_GAPS["called"] = _GAPS["self"]
_SCORES = {
    "self": 0.9,
    "field": 0.9,
    "thing": 0.75,
    "title": 0.85,
    "short_title": 0.85,
    "honorific": 0.8,
    "role": 0.75,
    "weak": 0.7,
    "called": 0.75,
    "closing": 0.75,
}
_LINKS = (
    "o w ou et and wa y e qui who li lli 3ndi 3ndo 3ndha sken saken sakna men mn f fi من و في اللي عندي عندو عندها ساكن"
)
_CONNECTORS = frozenset(_LINKS.split())
_ORDINALS = r"lkhamis|l5amis|ssadis|essadis|ttani|tani)\b| (?:الأول|الاول|الثاني|الثالث|الرابع|الخامس|السادس)(?!\w)"
_KINGS = re.compile(rf" (?:[IVX]{{1,4}}|1er|[1-9]|{_ORDINALS}")


_CLITICS = frozenset("وبلف")
_GLUE = ("@", "/", "_", ".", "#", "-")
"""What, right before a word, says that it is part of an address, a path or an identifier."""


def find(text: str, hits: list[Seen]) -> list[Hit]:
    """The persons named in ``text``. ``hits``: given names and name cues with their span, by start."""
    finder = _Finder(text)
    found: list[Hit] = []
    answered = -1
    for word, start, end in hits:
        # "je m'appelle" holds "m'appelle": of two cues that end together the longer comes first, and suffices.
        if word.role == "name cue" and end != answered:
            hit = finder.after_cue(word, start, end)
            if hit:
                answered = end
                found.append(hit)
    sure = sorted((hit.start, hit.end) for hit in found)
    at = 0
    reached = -1
    for word, start, end in hits:
        if word.role == "given" and start >= reached:
            while at < len(sure) and sure[at][1] <= start:
                at += 1
            if at < len(sure) and sure[at][0] <= start:
                continue
            hit, read = finder.from_given(start + word.skip, end, int(word.value))
            reached = max(reached, read)
            if hit:
                found.append(hit)
    return found


class _Finder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = Tokens(text)
        self.lexicon: Lexicon = lexicon()

    # -- what follows a cue ---------------------------------------------------------------------------------------

    def after_cue(self, cue: Word, start: int, end: int) -> Hit | None:
        text, kind = self.text, cue.value
        if kind == "short_title" and not self._is_short_title(start, end):
            return None
        if kind == "honorific" and self._is_place(start):
            return None
        gap = _GAPS[kind].match(text, end)
        if not gap:
            return None
        position = gap.end()
        if kind not in ("closing", "thing"):
            for _ in range(3):
                title = _TITLES.match(text, position)
                if not title:
                    break
                position = title.end()
        first = self.tokens.at(position)
        if not first or first.word in self.lexicon.not_names:
            return None
        sure = kind in ("self", "field")
        lower = sure or first.raw[0].islower()
        name = self._follow(first, announced=sure or kind in ("title", "short_title", "honorific"), lower=lower)
        if not name or not self._believe(name, kind) or (not sure and self._is_known(name)):
            return None
        if kind == "closing" and text[name[-1].end : name[-1].end + 1] not in ("", "\n", "\r", ".", ",", " "):
            return None
        listed = any(self._listed(token.word) for token in name)
        return Hit(name[0].start, name[-1].end, "PERSON", _SCORES[kind] - (0 if listed else 0.15), f"cue: {cue.text}")

    def _is_short_title(self, start: int, end: int) -> bool:
        """The abbreviations "M." and "Me", with their capital; not a middle initial, as in "John M. Smith"."""
        text = self.text
        if not text[start].isupper() or not (text[end : end + 1] == "." or text[start:end] == "Me"):
            return False
        if text[max(0, start - 3) : start].rstrip(" ").endswith("]"):
            return False  # behind a placeholder, where a name was
        before = self.tokens.before(start)
        return before is None or not before.raw[0].isupper() or before.word in self.lexicon.not_names

    def _believe(self, name: list[Token], kind: str) -> bool:
        """Whether what follows a cue of that kind is a name."""
        first = name[0]
        known = [max(self.lexicon.given.get(t.word, 0), self._surname(t.word)) for t in name]
        capitals = sum(t.raw[0].isupper() for t in name)
        arabic = first.raw[0] >= "\u0600"
        if kind in ("self", "field"):
            return len(first.raw) > 2 and not (first.raw.isdigit())
        if kind in ("title", "short_title"):
            if arabic:
                if max(known) == STRONG or known[0]:
                    return True
                word = first.word
                return (
                    word[-1] == "ي"
                    if word.startswith("ال")
                    else len(word) > 2 and word[1:3] != "ال" and word[:2] != "لل"
                )
            unknown = first.raw[0].isupper() and len(first.raw) > 1 and not any(map(str.isdigit, first.raw))
            return unknown or (kind == "title" and max(known) == STRONG)
        if kind == "honorific":
            return known[0] == STRONG or (known[0] == WEAK and first.raw[0].isupper())
        if kind in ("weak", "called"):
            strength = self.lexicon.given.get(first.word, 0)
            if kind == "called" and strength != STRONG:
                return False
            if arabic or capitals == 0:
                return strength == STRONG or (strength == WEAK and len(name) > 1 and max(known[1:]) == STRONG)
            return first.raw[0].isupper() and (strength == STRONG or (strength == WEAK and len(name) > 1))
        # role, thing, closing: somebody listed, or two capitals that are not ordinary words
        if max(known) == STRONG and (arabic or capitals):
            return len(name) > 1 or known[0] == STRONG
        if kind == "thing":
            return max(known) == STRONG and len(name) > 1
        return not arabic and capitals == len(name) > 1 and not self._shouting(first.start, name[-1].end)

    # -- a given name on its own ----------------------------------------------------------------------------------

    def from_given(self, start: int, end: int, strength: int) -> tuple[Hit | None, int]:
        """The person whose listed given name starts there, if it is one, and how far the words were read."""
        text = self.text
        first = self.tokens.at(start)
        if not first or first.word in self.lexicon.not_names:
            return None, end
        before = self.tokens.before(start)
        capital = first.raw[0].isupper()
        if capital and first.raw.isupper() and len(first.raw) > 1 and self._shouting(start, end):
            capital = False
        name = self._follow(first, announced=False, lower=not capital)
        reached = name[-1].end
        if len(name) == 1 and first.word in self.lexicon.particles:
            return None, reached
        if before:
            name = self._with_before(name, before, capital)
        if (_KINGS.match(text, reached) and len(name) <= 2) or self._is_place(name[0].start) or self._is_known(name):
            return None, reached
        others = [token for token in name if token.start != start]
        surnames = any(self._surname(token.word) == STRONG for token in others)
        if len(name) == 1:
            alone = capital and strength == STRONG and first.raw[0] < "\u0600" and text[start - 1 : start] not in _GLUE
            return (Hit(start, first.end, "PERSON", 0.45, "list: given name") if alone else None), reached
        if strength == WEAK and not (surnames or any(self.lexicon.given.get(t.word) == STRONG for t in others)):
            return None, reached
        if surnames or name[0].start < start:
            score, why = 0.85, "list: given name, surname"
        elif any(token.word in self.lexicon.particles for token in name):
            score, why = 0.75, "list: given name, particle"
        else:
            score, why = 0.6, "list: given name, capital"
        return Hit(name[0].start, name[-1].end, "PERSON", score - (0.2 if strength == WEAK else 0), why), reached

    def _with_before(self, name: list[Token], before: Token, capital: bool) -> list[Token]:
        """The name with the surname or the honorific that stands in front of it."""
        word = before.word
        if word in self.lexicon.particles and before.raw[0].isupper() and word not in self.lexicon.not_names:
            return [before, *name]
        if word in ("moulay", "sidi", "lalla", "lala", "مولاي", "سيدي", "لاله", "للا") and (
            before.raw[0].isupper() or not capital
        ):
            return [before, *name]
        if capital and before.raw[0].isupper() and len(before.raw) > 2 and word not in self.lexicon.not_names:
            surname = self._surname(word) == STRONG and word not in self.lexicon.given
            shouted = before.raw.isupper() and not name[0].raw.isupper() and len(before.raw) > 3 and len(name) == 1
            if surname or shouted:
                further = self.tokens.before(before.start)
                if further and further.word in self.lexicon.particles and further.raw[0].isupper():
                    return [further, before, *name]
                return [before, *name]
        return name

    # -- words of a name ------------------------------------------------------------------------------------------

    def _follow(self, first: Token, *, announced: bool, lower: bool) -> list[Token]:
        """``first`` and the words after it that belong to the same name.

        ``announced``: a cue came before, unknown words may be names. ``lower``: so may words without a capital.
        """
        lexicon = self.lexicon
        name = [first]
        arabic = first.raw[0] >= "\u0600"
        shouting = first.raw.isupper() and len(first.raw) > 1 and self._shouting(first.start, first.end)
        pending: list[Token] = [first] if first.word in lexicon.particles and first.word not in lexicon.given else []
        position = first.end
        while len(name) < LONGEST:
            token = self.tokens.after(position)
            if not token or (token.raw[0] >= "\u0600") != arabic:
                break
            position = token.end
            if token.word in lexicon.particles and not (token.word in lexicon.not_names and token.raw[0].islower()):
                name.append(token)
                pending.append(token)
                continue
            if not self._continues(token, bool(pending), announced, lower, shouting, arabic):
                break
            name.append(token)
            pending.clear()
        while len(name) > 1 and len(name[-1].raw) == 1:
            name.pop()  # an initial ends no name
        while pending and len(name) > 1 and name[-1] is pending[-1] and not self._listed(name[-1].word):
            name.pop()  # a particle with nothing behind it
            pending.pop()
        return name

    def _continues(self, token: Token, led: bool, announced: bool, lower: bool, shouting: bool, arabic: bool) -> bool:
        lexicon, word = self.lexicon, token.word
        strength = max(self._surname(word), lexicon.given.get(word, 0))
        if len(word) == 1 and token.raw.isupper():
            return self.text[token.end : token.end + 1] == "."  # an initial
        if word in lexicon.not_names and not (strength == STRONG and token.raw[0].isupper()):
            return False
        if strength == STRONG or (led and len(word) > 2):
            return arabic or lower or token.raw[0].isupper() or led
        if arabic:
            if strength == WEAK:
                return word.startswith("ال") or announced
            if word.startswith("بن") and len(word) > 4:
                return True
            if announced and len(word) > 3 and (word.startswith("ال") or self._ends_phrase(token.end)):
                return True
            return word.startswith("ال") and word[-1] == "ي" and len(word) > 5
        if token.raw[0].isupper() and not shouting:
            return len(word) > 2 and not any(map(str.isdigit, word))
        return lower and announced and len(word) > 3 and strength != WEAK and self._ends_phrase(token.end)

    def _ends_phrase(self, position: int) -> bool:
        """Nothing more of a name follows: the end, punctuation, a number or a word that links."""
        token = self.tokens.after(position)
        return token is None or token.raw.casefold() in _CONNECTORS

    def _surname(self, word: str) -> int:
        surnames = self.lexicon.surnames
        return (
            surnames.get(word) or surnames.get(word.removeprefix("ال")) or surnames.get(word.removeprefix("el-")) or 0
        )

    def _listed(self, word: str) -> bool:
        return word in self.lexicon.given or self._surname(word) > 0

    # -- what is not a person -------------------------------------------------------------------------------------

    def _is_known(self, name: list[Token]) -> bool:
        """A public figure or a town; or a company, by the word behind the name."""
        lexicon = self.lexicon
        words = [token.word for token in name]
        if words[0] in lexicon.known_words:
            before = self.tokens.before(name[0].start)
            if before and f"{before.word} {words[0]}" in lexicon.known:
                return True
            for count in range(2, len(words) + 1):
                rest = words[count:]
                if " ".join(words[:count]) in lexicon.known and not any(lexicon.given.get(w) == STRONG for w in rest):
                    return True
        after = self.tokens.after(name[-1].end)
        return not lexicon.institutions.isdisjoint((*words[1:], after.word if after else ""))

    def _is_place(self, start: int) -> bool:
        """The name is a street's, a school's, a mosque's."""
        for _ in range(3):
            before = self.tokens.before(start)
            if not before:
                return self.text[start - 2 : start] == "d'" and self._is_place(start - 2)
            word = before.word.removeprefix("l'").removeprefix("d'")
            if word in self.lexicon.places or (word[:1] in _CLITICS and word[1:] in self.lexicon.places):
                return True
            if word not in self.lexicon.skips:
                return False
            start = before.start
        return False

    def _shouting(self, start: int, end: int) -> bool:
        """Capitals say nothing where everything around is in capitals."""
        around = self.text[max(0, start - 30) : start] + self.text[end : end + 30]
        letters = [letter for letter in around if letter.isalpha()]
        return len(letters) > 5 and sum(map(str.isupper, letters)) > 0.6 * len(letters)
