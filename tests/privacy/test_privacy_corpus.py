"""Quality on written prompts: what was tuned on, and what was not looked at while tuning."""

from __future__ import annotations

import pytest
from corpus import count, f1, samples


@pytest.mark.parametrize(("name", "floor"), [("tune", 0.98), ("held", 0.93)])
def test_most_is_found_and_little_else(name: str, floor: float) -> None:
    counts, errors = count(samples(name))
    assert f1(counts) >= floor, "\n".join(errors)


@pytest.mark.parametrize("language", ["fr", "en", "ar", "ary", "ary_Latn"])
def test_in_every_language(language: str) -> None:
    chosen = [sample for name in ("tune", "held") for sample in samples(name) if sample.language == language]
    counts, errors = count(chosen)
    assert f1(counts) >= 0.9, "\n".join(errors)
