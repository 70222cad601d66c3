"""A source of choices that a key and a value determine: the same ones every time, and none that tells of the value."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_SPARE = 1 << 64
"""How much larger the pool is than what is drawn from it, so that no choice is likelier than another by 2⁻⁶⁴."""


def keyed(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 of the parts, each behind its length so that no two lists of parts read alike."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hmac.digest(key, b"".join(len(part).to_bytes(8) + part for part in encoded), "sha256")


class Draw:
    """Choices drawn from a seed, in order."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._drawn = 0
        self._pool = 0
        self._left = 1

    def below(self, limit: int) -> int:
        """A number from 0 up to ``limit``, without it."""
        while self._left < limit * _SPARE:
            block = hashlib.sha256(self._seed + self._drawn.to_bytes(8)).digest()
            self._drawn += 1
            self._pool = self._pool << 256 | int.from_bytes(block)
            self._left <<= 256
        self._pool, number = divmod(self._pool, limit)
        self._left //= limit
        return number

    def between(self, first: int, last: int) -> int:
        """A number from ``first`` to ``last``, both included."""
        return first + self.below(last - first + 1)

    def digits(self, count: int) -> str:
        """That many digits."""
        return str(self.below(10**count)).zfill(count) if count else ""

    def one(self, choices: Sequence[T]) -> T:
        """One of these."""
        return choices[self.below(len(choices))]
