"""The command line in this process, and two platforms: a laptop with real weights, and a crowd of two workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from riad.cli import main
from tests.cli.cli_parts import Crowd, Done, Laptop, Terminal, weights_or_skip
from tests.running import RunningRiad, ScriptedEngine, site


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Terminal:
    """Run ``riad`` with these arguments, in an empty folder and home, with no variable of Riad's but the language."""
    for variable in [name for name in os.environ if name.startswith(("RIAD_", "XDG_"))]:
        monkeypatch.delenv(variable)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("RIAD_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["riad", *arguments])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        status = ended.value.code
        return Done(status if isinstance(status, int) else 0, out.decode(), err.decode())

    return run


@pytest.fixture(scope="package")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    weights_or_skip()
    riad = Laptop(tmp_path_factory.mktemp("laptop"), "", workers=1, environment={"RIAD_LANG": "en"})
    yield riad
    riad.stop()


@pytest.fixture(scope="package")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    engine = ScriptedEngine()
    riad = RunningRiad(tmp_path_factory.mktemp("crowd"), site("rabat", "MA", engine.url, ["echo", "slow"]))
    yield Crowd(riad, engine, riad.key())
    riad.stop()
    engine.stop()
