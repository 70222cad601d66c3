"""Numbers with their spread: a median alone says nothing about how sure it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TypedDict


class Spread(TypedDict):
    """Repeated measures of one thing."""

    median: float
    min: float
    max: float
    values: list[float]


def spread(values: Iterable[float]) -> Spread | None:
    """Median, extremes and the values themselves; None of nothing."""
    kept = [float(value) for value in values if math.isfinite(value)]
    if not kept:
        return None
    return Spread(median=statistics.median(kept), min=min(kept), max=max(kept), values=kept)


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Spread | None:
    """Ours over theirs, round by round: both sides of a round saw the same noise. Rounds that lack a side are left out.

    Raises ``ValueError`` when the two do not have the same number of rounds.
    """
    pairs = zip(ours, theirs, strict=True)
    return spread(mine / peer for mine, peer in pairs if mine is not None and peer)


def quantile(values: Sequence[float], share: float) -> float:
    """The value under which ``share`` of the sorted ``values`` lie (nearest rank); NaN of nothing."""
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not {share}")
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def show(value: Spread | None, digits: int = 0, unit: str = "") -> str:
    """``median (min–max)`` for a table, or a dash."""
    if value is None:
        return "–"
    middle, low, high = (f"{value[key]:,.{digits}f}" for key in ("median", "min", "max"))
    suffix = f" {unit}" if unit else ""
    return f"{middle}{suffix}" if low == high else f"{middle}{suffix} ({low}–{high})"
