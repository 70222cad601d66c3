"""A share of the kills that ``make baddays`` does in full."""

from __future__ import annotations

from pathlib import Path

from tests.baddays.owner_kills import kill_owners
from tests.baddays.platform_kills import VICTIMS, kill_platforms


def test_the_owner_is_killed_at_its_steps(tmp_path: Path) -> None:
    tally = kill_owners(tmp_path, most=24)
    assert tally.total >= 40
    assert tally.acknowledged > 1000


def test_the_platform_is_killed_while_requests_flow(tmp_path: Path) -> None:
    tally = kill_platforms(tmp_path, rounds=1)
    assert set(tally.kills) == set(VICTIMS)
    assert tally.crossings > 50
    assert tally.answers["200"] > 100
    assert tally.answers["403"] > 10
