"""Words made comparable: one folding for every name and cue, in lists and in text.

Latin script: case and accents go. Arabic script: the forms of alif, ya, ta marbuta and hamza that people write
interchangeably become one; short vowels and the tatweel go (``normalise`` has removed them from text already).
"""

from __future__ import annotations

import unicodedata

_ARABIC = str.maketrans("أإآٱىةؤئڭگ", "اااايهويكك", "ـًٌٍَُِّْٰ")


def fold_word(word: str) -> str:
    """One word as the lists hold it."""
    if word.isascii():
        return word.lower()
    if "\u0600" <= word[0] <= "\u06ff":
        return word.translate(_ARABIC)
    parts = unicodedata.normalize("NFD", word.casefold().replace("ɛ", "3").replace("ε", "3").replace("ɣ", "gh"))
    return "".join(part for part in parts if not unicodedata.combining(part))


def fold_words(text: str) -> frozenset[str]:
    """The words of a line, folded."""
    return frozenset(map(fold_word, text.split()))
