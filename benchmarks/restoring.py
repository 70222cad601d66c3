"""What restoring adds to a streamed answer: microseconds a token, and how much text it holds back, for how long.

The answers are masked texts cut as models stream them: words with their leading space, digits and signs apart, so that
every placeholder comes in pieces (`` [``, ``PERSON``, ``_``, ``1``, ``],``). Some write it otherwise (``[person 1]``,
``[**PERSON_1**]``), some begin what turns out to be none (``[1]``, ``[PERSONNE``).
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.spread import quantile
from benchmarks.texts import DENSE, FRENCH
from riad.privacy import Masker, Restorer, restore, scan

_TOKEN = re.compile(r" ?[^\W\d_]{1,8}|\d{1,3}| ?[^\w\s]+|\s+|_+")
_NONE = "Voir la note [1], le tableau [PERSONNE, 3] et `liste[i]`. "
_TIMES = 40  # each answer, so that a token's time is its median, not one cold look


def tokens(text: str) -> list[str]:
    """The text in pieces as a model would stream them."""
    return _TOKEN.findall(text)


def answers() -> tuple[list[list[str]], Mapping[str, str]]:
    """Streams of tokens, and the placeholders they hold with their values."""
    masker = Masker()
    masked = masker.mask(DENSE, scan(DENSE))
    written = [
        masked,
        masked.lower(),
        re.sub(r"\[([A-Z]+)_(\d+)\]", r"[**\1_\2**]", masked),
        re.sub(r"\[([A-Z]+)_(\d+)\]", r"[\1 \2]", masked),
        _NONE * 3,
        FRENCH,
    ]
    return [tokens(text) for text in written], masker.mapping


def times(stream: Sequence[str], mapping: Mapping[str, str]) -> list[float]:
    """Microseconds of each token: the median of many runs over the same stream."""
    runs: list[list[int]] = [[] for _token in stream]
    for _run in range(_TIMES):
        restorer = Restorer(mapping)
        for place, token in enumerate(stream):
            began = time.perf_counter_ns()
            restorer.feed(token)
            runs[place].append(time.perf_counter_ns() - began)
    return [sorted(run)[len(run) // 2] / 1000 for run in runs]


def held(stream: Sequence[str], mapping: Mapping[str, str]) -> list[int]:
    """Characters held back after each token: the shortest end without which what was fed reads as what came out."""
    restorer = Restorer(mapping)
    fed = given = ""
    found = []
    for token in stream:
        fed += token
        given += restorer.feed(token)
        found.append(next(back for back in range(len(fed) + 1) if restore(fed[: len(fed) - back], mapping) == given))
    return found


def longest(back: Sequence[int]) -> int:
    """The most tokens in a row after which something was held back."""
    return max((len(list(run)) for waits, run in itertools.groupby(back, bool) if waits), default=0)


def measure() -> dict[str, Any]:
    """Over all answers: time a token with and without something to restore, and what was held back."""
    streams, mapping = answers()
    with_mapping = [one for stream in streams for one in times(stream, mapping)]
    without = [one for stream in streams for one in times(stream, {})]
    back = [one for stream in streams for one in held(stream, mapping)]
    return {
        "tokens": len(back),
        "characters_a_token": round(sum(len(token) for stream in streams for token in stream) / len(back), 2),
        "restored_us_p50": round(quantile(with_mapping, 0.5), 3),
        "restored_us_p99": round(quantile(with_mapping, 0.99), 3),
        "nothing_to_restore_us_p50": round(quantile(without, 0.5), 3),
        "nothing_to_restore_us_p99": round(quantile(without, 0.99), 3),
        "tokens_held_share": round(sum(one > 0 for one in back) / len(back), 4),
        "tokens_held_in_a_row_max": max(longest(held(stream, mapping)) for stream in streams),
        "characters_held_mean": round(sum(back) / len(back), 3),
        "characters_held_p99": quantile(back, 0.99),
        "characters_held_max": max(back),
    }
