"""Is a berth answering? Learned from the requests themselves, and from probes when there are none.

A berth is *down* after ``THRESHOLD`` failures in a row and is then left alone for a while that doubles up to
``MAX_REST``; the next probe that succeeds brings it back. Each worker keeps its own view: no shared state, and a
worker that sees a failure acts on it at once.
"""

from __future__ import annotations

import time

from riad.sites.catalogue import Berth

THRESHOLD = 3
FIRST_REST = 0.5  # seconds
MAX_REST = 15.0


class Health:
    """The state of one berth as this worker knows it."""

    __slots__ = ("failures", "known", "rest", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.rest = FIRST_REST
        self.until = 0.0
        self.known = False  # no probe and no answer yet: not ready, though it may be tried

    @property
    def up(self) -> bool:
        return self.failures < THRESHOLD

    @property
    def ready(self) -> bool:
        """A completion sent now would succeed, as far as is known."""
        return self.known and self.failures == 0

    def succeeded(self) -> None:
        self.known = True
        self.failures = 0
        self.rest = FIRST_REST

    def failed(self) -> None:
        self.failures += 1
        if self.failures >= THRESHOLD:
            self.until = time.monotonic() + self.rest
            self.rest = min(self.rest * 2, MAX_REST)


class Board:
    """The health of every berth."""

    def __init__(self, berths: list[Berth]) -> None:
        self._health = {berth.name: Health() for berth in berths}

    def of(self, berth: Berth) -> Health:
        return self._health[berth.name]
