"""Notices that this machine's clock was set back. Entries are told their time by it; their order is their place."""

from __future__ import annotations

import time
from pathlib import Path

TOLERATED = 2.0  # seconds; time services correct smaller errors by running slower


class Clock:
    """The latest time that this machine is known to have told: when a file of the ledger was last written, at first."""

    def __init__(self, written: Path) -> None:
        """A file that is not there says nothing."""
        try:
            self._latest = written.stat().st_mtime
        except OSError:
            self._latest = 0.0

    def went_back(self) -> float:
        """By how many seconds the clock has gone back since the latest time known; 0 where it has not. Told once."""
        now = time.time()
        behind = self._latest - now
        if 0 < behind <= TOLERATED:
            return 0.0
        self._latest = now
        return max(0.0, behind)
