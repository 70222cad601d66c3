"""Fixtures of the ledger's tests."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger_parts import ORIGIN, OwnerProcess

from riad.ledger.log import Log


@pytest.fixture
def start_owner(tmp_path: Path) -> Iterator[Callable[..., OwnerProcess]]:
    """Starts owners; whatever the test leaves running is killed."""
    started: list[OwnerProcess] = []

    def start(data_dir: Path = tmp_path / "data", **options: Callable[[], None]) -> OwnerProcess:
        started.append(OwnerProcess(data_dir, **options))
        return started[-1]

    yield start
    for owner in started:
        owner.end(signal.SIGKILL)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = Log.open(tmp_path / "data", ORIGIN)
    yield opened
    opened.close()
