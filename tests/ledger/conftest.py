"""Fixtures of the ledger's tests."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_parts import ORIGIN, OwnerProcess

from riad.ledger.log import Log
from tests.conftest import administer


@pytest.fixture
def start_owner(tmp_path: Path) -> Iterator[Callable[..., OwnerProcess]]:
    """Starts owners; whatever the test leaves running is killed."""
    started: list[OwnerProcess] = []

    def start(data_dir: Path = tmp_path / "data", **options: Any) -> OwnerProcess:
        started.append(OwnerProcess(data_dir, **options))
        return started[-1]

    yield start
    for owner in started:
        owner.end(signal.SIGKILL)


@pytest.fixture
def ledger_url(database_url: str) -> str:
    """Where a test's ledger is: once in files (empty), once in a new PostgreSQL database."""
    return "" if database_url.startswith("sqlite") else database_url


@pytest.fixture
def postgresql_url(postgresql_server: Path) -> Iterator[str]:
    """A new PostgreSQL database."""
    name = f"riad_{uuid.uuid4().hex}"
    administer(postgresql_server, f"CREATE DATABASE {name}")
    yield f"postgresql://postgres@/{name}?host={postgresql_server}"
    administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = Log.open(tmp_path / "data", ORIGIN)
    yield opened
    opened.close()
