"""Text for people, in French, Arabic and English.

The English sentence is the key. ``_()`` translates now, for a terminal; ``N_()`` only marks a sentence that the
door will translate later, in the language its caller asked for. Placeholders are named: ``{model}``.
Catalogues are gettext files under ``locale/``; ``make messages`` refreshes them and ``make check`` refuses a gap.
"""

from __future__ import annotations

import gettext
import os
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "fr", "ar")
_LOCALE = Path(__file__).parent / "locale"


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("riad", _LOCALE, [language], fallback=True)


class Message(str):
    """A sentence of ours, or a part of one, that waits to be translated; any other text is somebody's own."""

    __slots__ = ()


def N_(message: str) -> Message:  # noqa: N802  (gettext's own name)
    """Mark a sentence for translation without translating it."""
    return Message(message)


def translate(message: str, language: str = "en", **values: object) -> str:
    """The sentence in that language, its ``{placeholders}`` filled; English where a language is unknown."""
    text = str(_catalogue(language).gettext(message)) if message else ""
    return text.format(**values) if values else text


def choose(header: str) -> str:
    """The best of our languages for an ``Accept-Language`` header (RFC 9110, 12.5.4)."""
    best, best_weight = "en", 0.0
    for part in header.split(",")[:20]:
        tag, _, parameters = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        weight = 1.0
        if parameters.strip().startswith("q="):
            try:
                weight = float(parameters.strip()[2:])
            except ValueError:
                weight = 0.0
        if name in LANGUAGES and weight > best_weight:
            best, best_weight = name, weight
    return best


@cache
def terminal_language() -> str:
    """The language of this terminal: ``RIAD_LANG``, then ``LC_ALL``, ``LC_MESSAGES`` and ``LANG``."""
    for variable in ("RIAD_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        name = os.environ.get(variable, "").partition("_")[0].partition(".")[0].lower()
        if name:
            return name if name in LANGUAGES else "en"
    return "en"


def _(message: str, **values: object) -> str:
    """Translate now, into the terminal's language."""
    return translate(message, terminal_language(), **values)
