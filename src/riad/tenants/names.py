"""What a person may write for a name, a purpose, a choice, a limit: checked here, and said clearly when it is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from riad.errors import BadRequest
from riad.texts import N_

_PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LONGEST_NAME = 80
_LARGEST_LIMIT = 10**15


def name(value: str, what: str) -> str:
    """A tenant's or project's name, in any script, trimmed and in NFC. ``what`` is the field's name."""
    text = unicodedata.normalize("NFC", value.strip())
    unprintable = any(unicodedata.category(character)[0] == "C" for character in text)
    if unprintable or len(text) > _LONGEST_NAME or not slug(text):
        raise BadRequest(
            N_("{value} cannot be the name of a {what}."),
            remedy=N_("Use 1 to {n} letters, digits and spaces, without control characters."),
            value=shown(value),
            what=what,
            n=_LONGEST_NAME,
        )
    return text


def slug(value: str) -> str:
    """A name as identifiers have it: lower case, ``-`` for anything but letters, marks and digits.

    ``Université Hassan II`` and ``université-hassan-ii`` are one tenant.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    kept = (c if unicodedata.category(c)[0] in "LMN" or c in "._" else "-" for c in folded)
    return re.sub("-+", "-", "".join(kept)).strip("-")


def purpose(value: str) -> str:
    """A purpose of processing, as law packs and ``x-riad-purpose`` write it: ``customer_support``."""
    text = value.strip().lower()
    if not _PURPOSE.fullmatch(text):
        raise BadRequest(
            N_("{value} is not a purpose."),
            remedy=N_("Use letters a to z, digits and _, beginning with a letter, at most 64: customer_support."),
            value=shown(value),
        )
    return text


def choice(value: str, allowed: Sequence[str], what: str) -> str:
    """One of the allowed words."""
    if value not in allowed:
        raise BadRequest(
            N_("{value} is not a {what}."),
            remedy=N_("Choose one of: {allowed}."),
            value=shown(value),
            what=what,
            allowed=", ".join(allowed),
        )
    return value


def limit(value: int | None, what: str) -> int | None:
    """A limit from 1 up; None for no limit."""
    if value is not None and not 1 <= value <= _LARGEST_LIMIT:
        raise BadRequest(
            N_("{value} cannot be the limit {what}."),
            remedy=N_("Use a whole number from 1 to {most}, or leave it out for no limit."),
            value=shown(str(value)),
            what=what,
            most=_LARGEST_LIMIT,
        )
    return value


def expiry(value: str) -> int:
    """When a key stops working, in seconds since 1970.

    A date (``2027-06-30``) is its whole day, UTC; a date and time (``2027-06-30T18:00+01:00``) is that instant, UTC
    where it names no zone.
    """
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            moment += timedelta(days=1)
        return int(moment.timestamp())
    except (ValueError, OverflowError):
        raise BadRequest(
            N_("{value} is not a date."), remedy=N_("Write it as 2027-06-30 or 2027-06-30T18:00Z."), value=shown(value)
        ) from None


def shown(value: str) -> str:
    """Somebody's text, safe to show: quoted, control characters escaped, cut at 60 characters."""
    text = ascii(value) if any(unicodedata.category(c)[0] in "CZ" and c != " " for c in value[:80]) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
