"""A platform whose log somebody else's code verifies: Go's checksum database client, and the package scitt-cose."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_parts import OLD, ORIGIN, Go

from riad.ledger.log import Log
from riad.ledger.reader import Reader
from tests.running import RunningRiad, ScriptedEngine, site

PROGRAM = Path(__file__).with_name("verify.go")
GO_PATH = Path("/usr/share/gocode")  # where Debian's golang-…-dev packages put their sources


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    """Runs the Go verifier: built from Debian's packages alone, without a network."""
    compiler = shutil.which("go")
    if compiler is None or not (GO_PATH / "src/golang.org/x/mod/sumdb").is_dir():
        pytest.skip("Go: the system packages golang-go and golang-golang-x-mod-dev are not installed")
    built = tmp_path_factory.mktemp("go")
    environment = {"GO111MODULE": "off", "GOFLAGS": "", "GOPATH": str(GO_PATH), "GOCACHE": str(built / "cache")}
    subprocess.run(
        [compiler, "build", "-o", built / "verify", PROGRAM],
        env=os.environ | environment | {"GOPROXY": "off", "GOTOOLCHAIN": "local"},
        check=True,
    )

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [built / "verify", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def old_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A log that had grown before the platform started, and what it signed on the way. Its data is beside them."""
    home = tmp_path_factory.mktemp("foreign")
    log = Log.open(home / "data", ORIGIN)
    kept, size = [], 0
    for mark in OLD:
        while size < mark:
            more = min(size + 8192, mark)
            log.append([b'{"n":%d}' % number for number in range(size, more)])
            log.settle()
            size = more
        with Reader(home / "data") as reader:
            kept.append(home / f"checkpoint-{mark}")
            kept[-1].write_text(reader.checkpoint())
    log.close()
    return kept


@pytest.fixture(scope="session")
def platform(old_checkpoints: list[Path]) -> Iterator[RunningRiad]:
    engine = ScriptedEngine()
    config = f'[ledger]\norigin = "{ORIGIN}"\n' + site("rabat", "MA", engine.url, ["echo"])
    riad = RunningRiad(old_checkpoints[0].parent, config, workers=1)
    yield riad
    riad.stop()
    engine.stop()


@pytest.fixture(scope="session")
def key(platform: RunningRiad) -> str:
    return platform.key()


@pytest.fixture(scope="session")
def receipt_name(platform: RunningRiad, key: str) -> str:
    """The receipt of a request that was just answered."""
    status, headers, _ = platform.chat(key, "rabat-echo", "Bonjour")
    assert status == 200
    return headers["x-riad-receipt"]
