"""Words in a row that each have their capital and that no list knows: a name, if they look like one."""

from __future__ import annotations

from riad.privacy.fullname import LONGEST, Reader
from riad.privacy.identifiers import Hit
from riad.privacy.lexicon import STRONG
from riad.privacy.tokens import Token


class Capitals(Reader):
    """Reads names that only their capitals and their looks tell."""

    def from_capitals(self, start: int, end: int) -> list[Hit]:
        """The person named by words with capitals, if they look like names and nothing speaks against it."""
        lexicon = self.lexicon
        words: list[Token] = []
        token = self.tokens.at(start)
        while token and token.start < end and len(words) <= LONGEST + 2:
            words.append(token)
            token = self.tokens.after(token.end)
        while words and not self._begins(words[0]):
            words.pop(0)
        while words and not (self._closes(words[-1]) or self._ends(words[-1])):
            words.pop()
        if not 1 < len(words) <= LONGEST or not lexicon.places.isdisjoint(word.word for word in words):
            return []
        if any(not word.raw[0].isupper() and word.word not in lexicon.particles for word in words):
            return []
        if self._opens_sentence(words):
            words.pop(0)
        full = [word for word in words if len(word.raw) > 1 and word.word not in lexicon.particles]
        beliefs = [self.belief(word) for word in full]
        if not beliefs or self.is_place(words[0].start) or self.is_known(words) or self.is_king(words):
            return []
        if words[0].raw == "D" and len(words) > 2 and words[1].word in lexicon.given:
            words.pop(0)  # don
        low, mean = min(beliefs), sum(beliefs) / len(beliefs)
        if lexicon.given.get(words[0].word) == STRONG and low > -2.7:
            believed = len(full) > 1
        elif len(words[0].raw) == 1:
            believed = low > -1.0 and len(full[0].raw) > 3
        elif len(words[-1].raw) == 1:
            believed = low > 1.0
            words[-1] = words[-1]._replace(end=words[-1].end + 1)
        else:
            believed = len(full) > 1 and ((low > 0.5 and mean > 1.5) or (max(beliefs) == 5 and low > 0 and mean > 2))
        if not believed or any(len(word.raw) > 3 and word.raw.isupper() for word in full):
            return []
        return [Hit(words[0].start, words[-1].end, "PERSON", 0.5 + 0.05 * min(mean, 5), f"model: {mean:.1f}")]

    def _opens_sentence(self, words: list[Token]) -> bool:
        """The first word, unlisted, has a sentence's capital: a full name follows it."""
        first = words[0]
        unlisted = len(first.raw) > 1 and not self.strength(first.word) and not self.tokens.before(first.start)
        return unlisted and len(words) > 2 and self.lexicon.given.get(words[1].word) == STRONG

    def _begins(self, word: Token) -> bool:
        if len(word.raw) == 1:
            return word.raw != "M" and self._closes(word)
        return word.word not in self.lexicon.not_names or word.word in self.lexicon.places

    def _ends(self, word: Token) -> bool:
        return len(word.raw) > 1 and word.word not in self.lexicon.not_names and word.word not in self.lexicon.particles
