"""What the fixtures and the tests here share."""

from __future__ import annotations

import subprocess
from typing import Protocol

ORIGIN = "foreign.example/ledger"
OLD = 1000, 256 * 1000 + 300  # sizes with a checkpoint kept: a few tiles, and tiles at every kind of path


class Go(Protocol):
    """Runs the Go verifier."""

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]: ...
