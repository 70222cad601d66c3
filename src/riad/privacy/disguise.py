"""Surrogates for one request: which value has which, so that an answer can be restored and no two are confused.

A surrogate is given once it is no word and no number of the request's texts so far, and no other value has it or a name
in it; else another is drawn. And a text is masked only in a way that reads back: it is read as an answer would be, and
where that finds anything but the surrogates just put there, placeholders stand instead.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from json.encoder import encode_basestring

from riad.privacy.normalise import normalise
from riad.privacy.numbering import Numbering, same
from riad.privacy.pieces import Assembled, Piece, Span, assembled, outside, unescaped
from riad.privacy.spellings import CLITICS, Match, Spellings, fold, squashed, vocabulary, words
from riad.privacy.surrogates import Made, make
from riad.privacy.surrogates.draw import Draw, keyed
from riad.privacy.surrogates.people import is_particle, parsed, styled

_ATTEMPTS, _STRICT = 24, 16
"""Attempts in all, and those at a name no part of which another has; after them it is nobody else's only as a whole."""
_SHORTEST, _SHORTEST_NUMBER = 3, 6
"""Letters and digits of a surrogate, at least: a shorter one is too likely to stand in an answer by chance."""
_BEFORE = 24
"""Characters in front of a name in which a title is looked for."""
_GROUPS, _REMEMBERED = 8, 400_000
"""Groups of digits that may be one number, and how many numbers of a request are remembered: beyond, a surrogate could
be one of them by chance."""
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_NUMBERS = re.compile(r"(?<![^\W_])[^\W_]*\d[^\W_]*(?:[^\w\n]{1,3}[^\W_]*\d[^\W_]*)+")
_JSON_NUMBER = re.compile(r"0|[1-9][0-9]*")


class Disguise:
    """Gives surrogates, and knows them again."""

    def __init__(self, key: bytes, numbering: Numbering, *, exact: bool) -> None:
        self._key = key
        self._numbering = numbering
        self._exact = exact
        self._spellings = Spellings()
        self._made: dict[tuple[str, str], tuple[int, str, str]] = {}  # the attempt, what stood before, the surrogate
        self._names: dict[str, str] = {}  # what stands for a name within names, folded
        self._several: set[str] = set()  # names for which no one surrogate stands
        self._originals: dict[str, str] = {}  # those names as first written
        self._parts: set[str] = set()  # names in surrogates, and they themselves, squashed
        self._whole: set[str] = set()  # those that stand somewhere by themselves
        self._crowded = False  # there are more people than names
        self._seen: set[str] = set()  # words and numbers of the texts
        self._unread: list[str] = []  # texts whose words are not there yet
        self._numbers = 0
        self._fresh: list[Made] = []  # given for the text at hand

    def mask(self, text: str, spans: Iterable[Span], *, in_json: bool, again: bool) -> str:
        """``text`` with those spans replaced, which are in order and apart."""
        pieces: list[Piece] = []
        if again:
            ours = self._spellings.read(text).matches
            pieces = [Piece(_found(text, match), text[match.start : match.end], True) for match in ours]
            spans = list(_foreign(text, spans, ours))
        else:
            self._unread.append(text)
        pieces = sorted((*pieces, *(self._piece(text, span, in_json=in_json) for span in spans)))
        if not again:
            pieces = sorted((*pieces, *self._literals(text, pieces)))
        if not pieces and not self._spellings:
            return text
        while True:
            out = assembled(text, pieces)
            matches = self._spellings.read(out.text).matches
            amended = self._amended(text, pieces, out, matches, in_json=in_json)
            if amended is None:
                self._forget_unused(matches)
                return out.text
            pieces = amended

    def foreign(self, text: str, spans: Iterable[Span]) -> set[tuple[int, int]]:
        """Of the spans of a masked text, those that hold anything but surrogates."""
        matches = self._spellings.read(text).matches
        return {(span.start, span.end) for span in spans if any(_foreign(text, (span,), _near(matches, span)))}

    def _piece(self, text: str, span: Span, *, in_json: bool) -> Piece:
        """The surrogate for a span; a placeholder where there is none."""
        core = _EDGES.sub("", span.value)
        signed = span.bare and core != span.value
        if core and not signed and text[span.start : span.end] == span.value:  # a plus, an @, a bracket stays there
            start = span.start + span.value.index(core)
            span = Span(start, start + len(core), span.type, core, span.bare)
            alone = self._alone(core) if span.type == "PERSON" else None
            if alone:
                first, last, name = alone
                return Piece(Span(start + first, start + last, span.type, core[first:last]), name, True)
        surrogate = self._surrogate(span, core, text[max(0, span.start - _BEFORE) : span.start]) if core else None
        if surrogate is None:
            return self._placeholder(span)
        if span.bare:
            quoted = signed or not _JSON_NUMBER.fullmatch(surrogate)
            return Piece(span, f'"{surrogate}"' if quoted else surrogate, True, quoted)
        return Piece(span, encode_basestring(surrogate)[1:-1] if in_json else surrogate, True)

    def _placeholder(self, span: Span) -> Piece:
        placeholder = self._numbering.stand_in(span.type, span.value)
        return Piece(span, f'"{placeholder}"' if span.bare else placeholder, False)

    def _literals(self, text: str, pieces: list[Piece]) -> Iterator[Piece]:
        """What stands for placeholders that the text itself has, between those pieces."""
        done = 0
        for start, end in (*((piece.span.start, piece.span.end) for piece in pieces), (len(text), 0)):
            for first, last, placeholder in self._numbering.taken(text[done:start]):
                span = Span(done + first, done + last, "", text[done + first : done + last])
                yield Piece(span, placeholder, False)
            done = end

    def _alone(self, core: str) -> tuple[int, int, str] | None:
        """Where the only name in ``core`` stands, and what stands for it in another: "Ahmed", after "Ahmed Benali"."""
        units = [unit for unit in parsed(core) if unit.role != "particle"]
        folded = fold(units[0].text) if len(units) == 1 else ""
        surrogate = self._names.get(folded)
        if not surrogate or (self._exact and self._originals[folded] != units[0].text):
            return None
        self._whole.add(squashed(surrogate))
        return units[0].start, units[0].end, surrogate if self._exact else styled(surrogate, units[0].text)

    def _surrogate(self, span: Span, core: str, before: str) -> str | None:
        """What stands for a value: the same each time, written as it is written this time."""
        source = normalise(core)[0] if "&" in core or "%" in core or "\\" in core else core
        identity = (span.type, span.value if self._exact else same(span.type, span.value))
        known = self._made.get(identity)
        if known:
            attempt, before, first = known
            made = self._draw(identity, source, before, attempt)
            return made.text if made and squashed(made.text) == squashed(first) else first
        self._see()
        for attempt in range(_STRICT if self._crowded and span.type == "PERSON" else 0, _ATTEMPTS):
            self._crowded |= attempt >= _STRICT and span.type == "PERSON"
            made = self._draw(identity, source, before, attempt)
            if made is None:
                return None
            if self._is_free(made, core, strict=attempt < _STRICT):
                self._made[identity] = attempt, before, made.text
                self._fresh.append(made)
                self._keep(made, span.value, strict=attempt < _STRICT)
                return made.text
        return None

    def _draw(self, identity: tuple[str, str], source: str, before: str, attempt: int) -> Made | None:
        choices = Draw(keyed(self._key, "surrogate", *identity, str(attempt)))
        return make(identity[0], source, choices, before=before, known=self._names, attempt=attempt)

    def _is_free(self, made: Made, core: str, *, strict: bool) -> bool:
        squash = squashed(made.text)
        shortest = _SHORTEST_NUMBER if any(map(str.isdigit, squash)) else _SHORTEST
        if len(squash) < shortest or squash == squashed(core) or squash in self._spellings or squash in self._seen:
            return False
        names = [squashed(part.text) for part in made.parts if part.telling]
        taken = self._parts if strict else self._whole
        return not any(name in self._seen or name in taken for name in names)

    def _keep(self, made: Made, value: str, *, strict: bool) -> None:
        for part in made.parts:
            if part.text == made.text:
                continue
            if part.telling and strict:
                self._add(part.text, part.original)
            else:
                self._forget(part.text)  # two have that name now: it tells nothing
        for part in made.parts:
            folded = fold(part.original)
            if part.telling and strict and folded not in self._names and folded not in self._several:
                self._names[folded] = part.text
                self._originals[folded] = part.original
            else:
                self._names.pop(folded, None)
                self._several.add(folded)
        self._whole.add(squashed(made.text))
        self._parts.update(map(squashed, (made.text, *(part.text for part in made.parts))))
        self._add(made.text, value)

    def _add(self, surrogate: str, value: str) -> None:
        self._spellings.add(surrogate, value)
        self._numbering.mapping[surrogate] = value

    def _forget_unused(self, matches: Iterable[Match]) -> None:
        """Surrogates in whose place placeholders stand say nothing: a model's own word may be one of them."""
        used = {match.known.text for match in matches} if self._fresh else set()
        for made in self._fresh:
            if made.text not in used:
                for name in (made.text, *(part.text for part in made.parts)):
                    self._forget(name)
        self._fresh.clear()

    def _forget(self, name: str) -> None:
        if known := self._spellings.pop(squashed(name)):
            del self._numbering.mapping[known.text]

    def _amended(
        self, text: str, pieces: list[Piece], out: Assembled, matches: list[Match], *, in_json: bool
    ) -> list[Piece] | None:
        """The pieces with placeholders where reading them back goes wrong; None where it does not."""
        right = {bounds: index for index, bounds in enumerate(out.bounds) if pieces[index].surrogate}
        wrong = set(right.values()) - {right.get((match.start, match.end)) for match in matches}
        own: list[Piece] = []
        for match in matches:
            if (match.start, match.end) in right:
                continue
            touched, source = out.within(pieces, match.start, match.end)
            surrogates = [index for index in touched if pieces[index].surrogate]
            wrong.update(surrogates)
            for start, end in () if surrogates else source:  # the text's own words
                value = unescaped(text[start:end]) if in_json else text[start:end]
                if any(map(str.isalnum, value)):
                    span = Span(start, end, _type(value), value)
                    own.append(Piece(span, self._numbering.literal(span.type, value), False))
        if not wrong and not own:
            return None
        kept = (self._placeholder(piece.span) if index in wrong else piece for index, piece in enumerate(pieces))
        return sorted((*kept, *own))

    def _see(self) -> None:
        """Remember the words and numbers of the texts so far: no surrogate may be one of them."""
        for text in self._unread:
            found = vocabulary(text)
            self._seen |= found
            self._seen.update(word[1:] for word in found if word[:1] in CLITICS)
            for run in _NUMBERS.findall(text) if self._numbers < _REMEMBERED else ():
                groups = [folded for _, _, folded in words(run)]
                for first in range(len(groups)):
                    numbers = accumulate(groups[first : first + _GROUPS])
                    self._seen.update(numbers)
                    self._numbers += _GROUPS
        self._unread.clear()


def _type(value: str) -> str:
    """What to call a value of which no more is known."""
    return "DATA" if any(map(str.isdigit, value)) else "PERSON"


def _found(text: str, match: Match) -> Span:
    """A surrogate that stands in a text already, as what it stands for."""
    return Span(match.start, match.end, _type(text[match.start : match.end]), match.known.value)


def _near(matches: list[Match], span: Span) -> list[Match]:
    """The matches that a span may touch, of those in order."""
    return matches[bisect_right(matches, span.start, key=_end) : bisect_left(matches, span.end, key=_start)]


def _start(match: Match) -> int:
    return match.start


def _end(match: Match) -> int:
    return match.end


def _foreign(text: str, spans: Iterable[Span], matches: Iterable[Match]) -> Iterator[Span]:
    """What those spans hold beside surrogates, if that says anything: not the particles of a name."""
    for span in outside(text, spans, [(match.start, match.end) for match in matches]):
        names = parsed(span.value) if span.type == "PERSON" else []
        if not names or not all(is_particle(name.text) for name in names):
            yield span
