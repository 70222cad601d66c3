"""The ledger's owner with a tripwire in it: ``python tripwire.py WIRE``, then the owner's own options.

The interpreter is asked (``sys.settrace``) to tell each line of ``riad/ledger`` as it runs, so that the owner can be
killed at any of them and needs no hook of ours. A wire is JSON: ``{"survey": FILE}`` writes how often each line ran, by
thread; ``{"place": "log.py:90", "hit": 3}`` dies at the third time that line is about to run; with ``"after": 0.0005``
that many seconds later, which is inside a system call when the line led to one.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import riad.ledger
from riad.ledger.owner import main

LEDGER = str(Path(riad.ledger.__file__).parent) + os.sep


class Tripwire:
    """Counts the lines that run; dies at one of them if told to."""

    def __init__(self, place: str = "", hit: int = 0, after: float = 0.0) -> None:
        self.ran: Counter[tuple[str, str]] = Counter()  # (place, thread)
        self._place, self._left, self._after = place, hit, after
        self._names: dict[CodeType, str | None] = {}

    def call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """A function begins: follow it if it is the ledger's."""
        code = frame.f_code
        if code not in self._names:
            ours = code.co_filename.startswith(LEDGER) and code.co_flags & inspect.CO_OPTIMIZED  # no class bodies
            self._names[code] = code.co_filename.removeprefix(LEDGER) if ours else None
        return self.line if self._names[code] else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            place = f"{self._names[frame.f_code]}:{frame.f_lineno}"
            if not self._place:
                self.ran[place, threading.current_thread().name] += 1
            elif place == self._place:
                self._left -= 1
                if self._left == 0:
                    self._die()
        return self.line

    def _die(self) -> None:
        if not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        # Nobody handles SIGALRM: the kernel ends the process then, wherever it is, as it does for SIGKILL.
        signal.setitimer(signal.ITIMER_REAL, self._after)


def run() -> int:
    wire = json.loads(sys.argv.pop(1))
    report = wire.pop("survey", None)
    tripwire = Tripwire(**wire)
    threading.settrace(tripwire.call)
    sys.settrace(tripwire.call)
    status = main()
    sys.settrace(None)
    if report:
        Path(report).write_text(json.dumps([[*key, count] for key, count in tripwire.ran.items()]))
    return status


if __name__ == "__main__":
    sys.exit(run())
