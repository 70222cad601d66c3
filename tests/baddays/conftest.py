"""A ledger of three levels of tiles, made once; each test does its worst to a copy of it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from riad.ledger.log import Log
from tests.ledger.ledger_parts import ORIGIN, OwnerProcess

SIZE = 66_000  # entries: 257 full tiles and an unfinished one, a full and an unfinished one above, one at the top


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a ledger that was stopped in good order. Not to be touched."""
    data_dir = tmp_path_factory.mktemp("ledger") / "data"
    log = Log.open(data_dir, ORIGIN)
    for start in range(0, SIZE, 6_000):
        log.append([entry(index) for index in range(start, start + 6_000)])
    log.settle()
    log.close()
    return data_dir


def entry(index: int) -> bytes:
    """A decision as the platform writes it, with fewer facts."""
    return b'{"id":"%032x","kind":"decision","outcome":"allow","site":"rabat","time":1790000000012,"v":1}' % index


@pytest.fixture
def data_dir(ledger: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ledger, tmp_path / "data"))


@pytest.fixture
def start_owner(tmp_path: Path) -> Iterator[Callable[..., OwnerProcess]]:
    """Starts owners; whatever the test leaves running is killed."""
    started: list[OwnerProcess] = []

    def start(data_dir: Path = tmp_path / "data", **options: object) -> OwnerProcess:
        started.append(OwnerProcess(data_dir, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for owner in started:
        owner.end(signal.SIGKILL)
