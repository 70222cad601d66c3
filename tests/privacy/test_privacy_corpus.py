"""Quality on written prompts: what was tuned on, and what was not looked at while tuning."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from riad.privacy.evaluate import Report, evaluate, read

LANGUAGES = ["fr", "en", "es", "arb", "ary", "ary_Latn", "tzm_Latn", "zgh", "mixed"]


@cache
def report(name: str) -> Report:
    return evaluate(read((Path(__file__).parent / f"corpus_{name}.txt").read_bytes()))


def test_the_unseen_texts_are_many_and_a_third_hold_nothing() -> None:
    samples = read((Path(__file__).parent / "corpus_held.txt").read_bytes())
    assert len(samples) >= 300
    assert sum(not sample.spans for sample in samples) * 3 >= len(samples)
    assert {sample.lang for sample in samples} == set(LANGUAGES)


@pytest.mark.parametrize(("name", "floor"), [("tune", 0.95), ("held", 0.85)])
def test_most_is_found_and_little_else(name: str, floor: float) -> None:
    assert report(name).total.f1 >= floor


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_every_language(language: str) -> None:
    assert report("held").by_language[language].f1 >= 0.85  # DESIGN's floor
