"""Appends to a log and ends as by kill -9 right after the n-th call of a step: DIR ORIGIN URL STEP:N TIME."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from riad.ledger.anchor import Anchor
from riad.ledger.log import Log
from riad.ledger.postgres import Postgres
from riad.ledger.sqlite import Sqlite


def die_after(owner: type, method: str, calls: int) -> None:
    real, left = getattr(owner, method), [calls]

    def counted(*arguments: Any, **named: Any) -> Any:
        result = real(*arguments, **named)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, counted)


def main() -> None:
    directory, origin, url, step, seconds = sys.argv[1:]
    log = Log.open(Path(directory), origin, url, now=lambda: float(seconds))
    method, _, calls = step.partition(":")
    owner = Anchor if method == "create" else Postgres if url else Sqlite
    die_after(owner, method, int(calls))
    log.append([b'{"time":0}'])
    raise SystemExit("it should have died")


main()
