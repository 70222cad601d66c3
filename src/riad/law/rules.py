"""What a decision says: its outcome, the rules that made it, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

Outcome = Literal["allow", "human_review", "file_first", "deny"]
Masking = Literal["surrogates", "placeholders", "tokens", "redaction"]
MASKINGS: tuple[Masking, ...] = get_args(Masking)
"""Ways to mask, the strictest last: by what the reader of the masked text still learns, and who can turn it back.

A surrogate keeps kind, gender and script; a placeholder only the kind; a token is like one, and nobody gets the value
back; redaction does not even tell two persons apart.
"""
GRAVITY: dict[str, int] = {"allow": 0, "human_review": 1, "file_first": 2, "deny": 3}


class Rule(msgspec.Struct, frozen=True):
    """One rule of a pack, as its annotations describe it.

    ``mark``: V1 the text was seen, V2 a secondary source only, R recalled. ``reading``: ``text`` the article says so,
    ``inference`` drawn from it, ``careful`` uncertain and read protectively. ``quote`` is the article's own French.
    ``masking`` is how the rule asks that data be masked where it is masked at all.
    """

    id: str
    law: str
    article: str
    outcome: Outcome
    title: dict[str, str]
    quote: str
    source: str
    mark: str
    reading: str
    masking: Masking | None = None


class Decision(msgspec.Struct, frozen=True):
    """The law's answer to one case. Never "compliant": an outcome under the packs named, no legal advice.

    ``rules`` are the rules that determined it, gravest first; a denial that no rule pronounced (nothing permits the
    case) has none, and ``would_permit`` names the rules that would allow it if the facts were otherwise.
    ``obligations`` are facts an allowed decision rests on or leaves to check. ``warnings`` are codes:
    ``unknown:FACT`` (read protectively), ``expired:FACT``, ``list_due:LIST``, ``list_stale:LIST``.
    """

    outcome: Outcome
    rules: tuple[Rule, ...]
    obligations: tuple[str, ...]
    packs: Mapping[str, str]
    warnings: tuple[str, ...]
    crossing: bool
    would_permit: tuple[Rule, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.outcome == "allow"

    @property
    def masking(self) -> Masking | None:
        """The strictest masking that a determining rule asks for."""
        return strictest(*(rule.masking for rule in self.rules))

    @property
    def articles(self) -> tuple[str, ...]:
        """``09-08 art. 43, 44``, once each, in the order of the rules."""
        cited = (f"{rule.law} art. {rule.article}" for rule in self.rules or self.would_permit)
        return tuple(dict.fromkeys(cited))


def strictest(*asked: Masking | None) -> Masking | None:
    """The strictest of several ways to mask; None asks for nothing."""
    return max((masking for masking in asked if masking), key=MASKINGS.index, default=None)


class Remedy(msgspec.Struct, frozen=True):
    """Something that would make the case lawful: found by asking the same policies again with changed facts."""

    code: str
    text: dict[str, str]
    site: str | None = None
