"""How much a word looks like a name: a small model of our own, for words that no list knows.

A logistic regression over the letters of one word: its beginnings, endings, pieces of two to five letters and the word
itself, each hashed into a table of one-byte weights, one table for Latin letters and one for Arabic ones (Tifinagh is
read in Latin letters). It is asked about a few candidates a text, never about every word: about five microseconds
each. How it was made, from what and how well it does: docs/models/names.md.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from riad.errors import BadSettings
from riad.privacy.knowledge import remembered
from riad.texts import N_

WEIGHTS = Path(__file__).parent / "models" / "names.bin"
DIGEST = "3cbfe00d7397a77556712460a95e05591590a7c4cea5248051deabece4cfbf06"
"""The weights this code was measured with: others are refused."""
MAGIC = b"riad-names-1\n\0\0\0"
SLOTS = 1 << 17
"""Weights a script: a power of two."""
LONGEST = 24
"""Letters of a word that are read."""
_HEAD = struct.Struct("<16sffff")  # magic, scale and bias of each script

TIFINAGH = str.maketrans(
    "ⴰⴱⴲⴳⴴⴵⴶⴷⴸⴹⴺⴻⴼⴽⴾⴿⵀⵁⵂⵃⵄⵅⵆⵇⵈⵉⵊⵋⵌⵍⵎⵏⵐⵓⵔⵕⵖⵗⵘⵙⵚⵛⵜⵝⵞⵟⵠⵡⵢⵣⵤⵥ",
    "abbgggjddddefkkkhhhh3xxqqijjjlmngurrghjsscttctbwyzzz",
)


class Likeness(NamedTuple):
    """The tables of one script."""

    table: memoryview
    scale: float
    bias: float


def pieces(word: str) -> list[bytes]:
    """The features of a folded word, before hashing."""
    text = f"<{word[:LONGEST]}>"
    step = 2 if text[1] >= "\u0100" else 1  # bytes a letter
    marked = text.encode("utf-16-be" if step == 2 else "utf-8", "surrogatepass")
    length = len(marked)
    found = [marked]
    for size in (2, 3, 4, 5):
        found += [marked[at : at + size * step] for at in range(0, length - size * step + 1, step)]
    return found


@remembered
def _tables() -> tuple[Likeness, Likeness]:
    """Latin and Arabic. Raises ``BadSettings`` when the file is not the one this code knows."""
    data = WEIGHTS.read_bytes()
    if sha256(data).hexdigest() != DIGEST:
        raise BadSettings(
            N_("{file} is damaged: its digest is not the expected one."), remedy=N_("Install Riad again."), file=WEIGHTS
        )
    _, latin_scale, latin_bias, arabic_scale, arabic_bias = _HEAD.unpack_from(data)
    view = memoryview(data)[_HEAD.size :].cast("b")
    return Likeness(view[:SLOTS], latin_scale, latin_bias), Likeness(view[SLOTS:], arabic_scale, arabic_bias)


def likeness(word: str) -> float:
    """The log-odds that a folded word is a name: above 0 rather a name, above 2 very likely, below -2 hardly."""
    latin, arabic = _tables()
    first = word[:1]
    if first >= "\u2d30" and first <= "\u2d7f":
        word = word.translate(TIFINAGH)
    chosen = arabic if "\u0600" <= first <= "\u06ff" else latin
    table, mask = chosen.table, SLOTS - 1
    return chosen.bias + chosen.scale * sum(table[crc32(piece) & mask] for piece in pieces(word))
