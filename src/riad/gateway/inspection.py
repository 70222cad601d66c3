"""What a request carries: every text a model would see, scanned, and the data class that follows.

The class is the highest of what was found and what the caller declared; never lower (DESIGN, step 3).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, cast

import msgspec

from riad.errors import BadRequest
from riad.gateway.calls import Call
from riad.law.case import Category
from riad.privacy import Finding, categories, persons_class, scan_many
from riad.privacy.attached import readable
from riad.privacy.walk import texts
from riad.texts import N_

Persons = Literal["none", "personal", "sensitive"]
State = Literal["none", "restricted", "sensitive"]
PERSONS = ("none", "personal", "sensitive")
STATES = ("none", "restricted", "sensitive")
TEXT_PARTS = ("text", "input_text", "output_text", "refusal", "thinking")  # what they hold is read as text


class Declared(msgspec.Struct, frozen=True):
    """The data class a caller declares in ``x-riad-data-class``.

    ``vouches``: it says in so many words that there is no personal data, which counts for what cannot be read.
    """

    persons: Persons = "none"
    state: State = "none"
    vouches: bool = False


NOTHING_DECLARED = Declared()


class Inspection(msgspec.Struct):
    """What was found in a call.

    ``findings`` has one list for each text of ``texts``, in the same order. ``maskable`` is false when the class
    does not come from findings alone: what was declared but not found, or cannot be read (an image, a sound),
    cannot be masked either.
    """

    texts: list[str]
    findings: list[list[Finding]]
    counts: dict[str, int]
    persons: Persons
    state: State
    categories: tuple[Category, ...]
    maskable: bool


def declared(header: str) -> Declared:
    """Read ``x-riad-data-class``: ``personal``, ``persons=sensitive, state=restricted``…

    A bare ``sensitive`` is refused: it could mean law 09-08's (about persons) or law 05-20's (about the State).
    """
    persons, state, vouches = "none", "none", False
    for part in header.split(","):
        scale, separator, value = part.strip().lower().partition("=")
        if not separator:
            scale, value = ("state" if scale == "restricted" else "persons"), scale
            if value == "sensitive":
                scale = "?"
        if scale == "persons" and value in PERSONS:
            persons = max(persons, value, key=PERSONS.index)
            vouches = persons == "none"
        elif scale == "state" and value in STATES:
            state = max(state, value, key=STATES.index)
        else:
            raise BadRequest(
                N_("The header x-riad-data-class is not understood."),
                remedy=N_("Write persons=none|personal|sensitive, state=none|restricted|sensitive, or both."),
                param="x-riad-data-class",
                code="invalid_data_class",
            )
    return Declared(cast(Persons, persons), cast(State, state), vouches)


def inspect(call: Call, said: Declared, *, trusted: bool = False) -> Inspection:
    """Scan every text of the body and classify it.

    An image, a sound or a file that cannot be read counts as personal, unless the caller vouches for it under a
    purpose that permits that (``trusted``).
    """
    body = call.body
    found_texts = texts(body)
    findings = scan_many(found_texts)
    flat = [finding for group in findings for finding in group]
    found: str = persons_class(flat) if flat else "none"
    unreadable = found_texts.unreadable > 0 or (call.endpoint.kind == "chat" and _has_unreadable_parts(body))
    if said.vouches and trusted:
        unreadable = False
    persons = max(found, said.persons, "personal" if unreadable else "none", key=PERSONS.index)
    return Inspection(
        texts=found_texts,
        findings=findings,
        counts=dict(Counter(finding.type for finding in flat)) if flat else {},
        persons=cast(Persons, persons),
        state=said.state,
        categories=cast(tuple[Category, ...], tuple(categories(flat))) if flat else (),
        maskable=found == persons and not unreadable and found != "none",
    )


def _has_unreadable_parts(body: dict[str, Any]) -> bool:
    """Whether a message holds an image, a sound or a file in which nothing can be found: by its address, its number…"""
    for message in body.get("messages") or ():
        content = message.get("content")
        if type(content) is list and any(part.get("type") not in TEXT_PARTS and not readable(part) for part in content):
            return True
    return False
