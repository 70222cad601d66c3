"""Medians, ratios, verdicts: what ends up in the table."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.promises import PROMISES, kept, verdict
from benchmarks.spread import quantile, ratios, show, spread


def test_spread_keeps_median_extremes_and_values() -> None:
    assert spread([3, 1, 2]) == {"median": 2.0, "min": 1.0, "max": 3.0, "values": [3.0, 1.0, 2.0]}


def test_spread_of_nothing_or_of_nan_is_none() -> None:
    assert spread([]) is None
    assert spread([math.nan]) is None


def test_ratios_are_taken_round_by_round() -> None:
    # Both slow in round 2: the ratio doesn't move, though the ratio of extremes would.
    assert ratios([100.0, 50.0], [200.0, 100.0]) == {"median": 0.5, "min": 0.5, "max": 0.5, "values": [0.5, 0.5]}


def test_ratios_leave_out_rounds_without_a_side() -> None:
    found = ratios([100.0, None, 30.0], [0.0, 5.0, 10.0])
    assert found is not None
    assert found["values"] == [3.0]


def test_ratios_of_different_numbers_of_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        ratios([1.0], [1.0, 2.0])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_with_its_share_at_or_below(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9 * len(values)


def test_quantile_refuses_a_percentage_and_knows_nothing_of_nothing() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1.0], 99)
    assert math.isnan(quantile([], 0.5))


def test_show_writes_the_spread_only_when_there_is_one() -> None:
    assert show(None) == "–"
    assert show(spread([1234.4])) == "1,234"
    assert show(spread([1.0, 2.0, 4.0]), 1, "ms") == "2.0 ms (1.0–4.0)"


@pytest.mark.parametrize(("value", "expected"), [(None, "not measured"), (0.1, "missed"), (0.2, "floor"), (0.5, "aim")])
def test_verdict_where_more_is_better(value: float | None, expected: str) -> None:
    assert verdict(PROMISES[0], value) == expected


@pytest.mark.parametrize(("value", "expected"), [(2.1, "missed"), (2.0, "floor"), (0.6, "aim")])
def test_verdict_where_less_is_better(value: float, expected: str) -> None:
    promise = next(promise for promise in PROMISES if promise.title == "added time to first token, p50")
    assert verdict(promise, value) == expected


def test_promises_of_an_empty_run_are_not_measured_rather_than_missed() -> None:
    assert {one["verdict"] for one in kept({})} == {"not measured"}
    assert {one["verdict"] for one in kept({"ratios": {"riad/nginx": None}, "contenders": {}})} == {"not measured"}
