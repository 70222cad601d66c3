"""Letters and digits of the same form."""

from __future__ import annotations

from riad.privacy.surrogates.draw import Draw

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def shape(plain: str, draw: Draw) -> str:
    """Letters for letters and digits for digits; zeros in front stay, and nothing else becomes one."""
    zeros = len(plain) - len(plain.lstrip("0"))
    made: list[str] = []
    for index, character in enumerate(plain):
        if character.isdecimal():
            made.append("0" if index < zeros else str(draw.between(1, 9) if index == zeros else draw.below(10)))
        elif character in LETTERS:
            made.append(draw.one(LETTERS))
        else:
            made.append(character)
    return "".join(made)
