"""Other ways to write the same words: Tifinagh in Latin letters, Arabizi in Arabic ones, and what keyboards leave out.

The Latin letters are those of the standard orthography of Tamazight; ``informal`` is how people type without them.
"""

from __future__ import annotations

import re
import unicodedata
from random import Random

_TIFINAGH = str.maketrans("ⴰⴱⴳⴷⴹⴻⴼⴽⵀⵃⵄⵅⵇⵉⵊⵍⵎⵏⵓⵔⵕⵖⵙⵚⵛⵜⵟⵡⵢⵣⵥⵯ", "abgdḍefkhḥɛxqijlmnurṛɣsṣctṭwyzẓʷ")
_INFORMAL = {
    "ɣ": ("gh", "gh", "ɣ", "r"), "c": ("ch", "ch", "c", "sh"), "x": ("kh", "kh", "x"), "ɛ": ("3", "a", "ɛ", "â", "'"),
    "ḍ": ("d", "ḍ"), "ḥ": ("h", "7", "ḥ"), "ṛ": ("r",), "ṣ": ("s", "ṣ"), "ṭ": ("t", "ṭ"), "ẓ": ("z", "ẓ"),
    "q": ("q", "9"), "u": ("u", "ou", "o"), "ʷ": ("", "w"), "y": ("y", "y", "i"),
}  # fmt: skip
_PAIRS = dict(zip(["kh", "gh", "ch", "sh", "th", "dh", "ou", "oo", "ee", "aa"], "خغششتدوويا", strict=True))
_LETTERS = dict(zip("abcdDefghHijklmnopqrsStTuvwxyz", (
    "ا", "ب", "س", "د", "ض", "", "ف", "گ", "ه", "ح", "ي", "ج", "ك", "ل", "م", "ن", "و", "پ", "ق", "ر", "س", "ص", "ت",
    "ط", "و", "ڤ", "و", "كس", "ي", "ز",
), strict=True)) | dict(zip("2356789éè", "ءعخطحهقيي", strict=True))  # fmt: skip
_HAMZA = str.maketrans("أإآىة", "ااايه")


def latin(tifinagh: str) -> str:
    return tifinagh.translate(_TIFINAGH)


def informal(line: str, random: Random) -> str:
    """A line of Tamazight in Latin letters as one person might type it: each letter's variant is theirs throughout."""
    words = [_with_schwas(word) if random.random() < 0.5 else word for word in line.split()]
    return " ".join(
        "".join(pick.get(letter, letter) for letter in word)
        for word in words
        for pick in [{letter: random.choice(variants) for letter, variants in _INFORMAL.items()}]
    )


def _with_schwas(word: str) -> str:
    """``tmzdayt`` → ``tmezdayt``: an *e* where three consonants meet."""
    out, consonants = "", 0
    for letter in word:
        if letter.isalpha() and letter not in "aeiou":
            if consonants == 2 and out[-1] != letter:
                out, consonants = out[:-1] + "e" + out[-1], 1
            consonants += 1
        else:
            consonants = 0
        out += letter
    return out


def arabic(line: str, random: Random) -> str:
    """A line of Arabizi (DODa's: capitals are emphatic) in Arabic letters, one of the ways people write it."""
    words = (_arabic(word, random) for word in re.findall(r"[A-Za-z0-9éè]+", line) if not word.isdigit())
    return " ".join(word for word in words if word)


def _arabic(word: str, random: Random) -> str:
    word = "".join(letter if letter in "DSTH" else letter.lower() for letter in word)
    word = re.sub(r"([bcdfgjklmnpqrstvwyzDST379])\1", r"\1", word)
    out, at = "", 0
    if word[0] == "l" and len(word) > 3 and random.random() < 0.5:
        out, at = "ال", 1
    if word[0] in "eiou" and len(word) > 1:
        out = "ا"
    while at < len(word):
        pair = word[at : at + 2]
        if pair in _PAIRS:
            out, at = out + _PAIRS[pair], at + 2
        else:
            out, at = out + (random.choice("كگ") if word[at] == "g" else _LETTERS.get(word[at], "")), at + 1
    if word.endswith("a") and out.endswith("ا") and random.random() < 0.35:
        out = out[:-1] + "ة"
    return out


def careless(word: str) -> str:
    """Without accents; Arabic without hamza and with the endings people mix."""
    if word[0] >= "\u0600":
        return word.translate(_HAMZA)
    return "".join(part for part in unicodedata.normalize("NFD", word) if not unicodedata.combining(part))
