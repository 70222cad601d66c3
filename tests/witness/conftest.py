"""Fixtures of the witness's tests: whatever a test starts is gone after it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from witness_parts import Feeder, Liar, WitnessProcess, grow, numbered


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A log of eleven entries."""
    grow(tmp_path / "data", numbered(11))
    return tmp_path / "data"


@pytest.fixture
def start_witness(tmp_path: Path) -> Iterator[Callable[..., WitnessProcess]]:
    started: list[WitnessProcess] = []

    def start(*options: str) -> WitnessProcess:
        number = len(started) + 1
        started.append(WitnessProcess(tmp_path / f"witness{number}", number, *options))
        return started[-1]

    yield start
    for witness in started:
        if witness.process.poll() is None:
            witness.stop(signal.SIGKILL)


@pytest.fixture
def witness(start_witness: Callable[..., WitnessProcess], data_dir: Path) -> WitnessProcess:
    """A witness that knows the log."""
    one = start_witness()
    one.add_log(data_dir)
    return one


@pytest.fixture
def start_feeder(tmp_path: Path) -> Iterator[Callable[..., Feeder]]:
    started: list[Feeder] = []

    def start(data_dir: Path, config: Path) -> Feeder:
        started.append(Feeder(data_dir, config))
        return started[-1]

    yield start
    for feeder in started:
        feeder.end(signal.SIGKILL)


@pytest.fixture
def lie() -> Iterator[Callable[..., Liar]]:
    started: list[Liar] = []

    def start(answer: object) -> Liar:
        started.append(Liar(answer))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for liar in started:
        liar.close()
