"""``make baddays``: kill −9 at every step, then the whole platform again and again. Takes some minutes.

``python -m tests.baddays [--wires N] [--rounds N] [--seed N]``; ``--wires`` spreads so many over all lines. Prints what
it does, and at the end what was done, how often, and what was seen. Exit status 0, or 1 at the first broken promise,
whose data directory is kept.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.baddays.owner_kills import kill_owners
from tests.baddays.platform_kills import kill_platforms

ROUNDS = 20  # of the platform, each with every victim once


def spread(seconds: Sequence[float]) -> str:
    """A distribution in a few words."""
    ordered = sorted(seconds)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99)]
    return f"p50 {at[0]:.2f} s, p99 {at[1]:.2f} s, max {ordered[-1]:.2f} s ({len(ordered)} restarts)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.baddays", description=__doc__)
    parser.add_argument("--wires", type=int)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="riad-baddays-"))
    for part in ("owner", "platform"):
        (directory / part).mkdir()
    try:
        owner = kill_owners(directory / "owner", options.wires, say=True, seed=options.seed)
        whole = kill_platforms(directory / "platform", options.rounds, say=True, seed=options.seed)
    except BaseException:
        print(f"baddays: FAILED; what it left is in {directory}", file=sys.stderr)
        raise
    shutil.rmtree(directory)
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    print(f"owner: {dict(owner.kills)}, {len(owner.places)} lines, {owner.missed} wires missed")
    print(f"owner: {owner.acknowledged} entries acknowledged, none lost; restart {spread(owner.restarts)}")
    print(f"platform: {dict(whole.kills)}; asked {whole.asked}, answers {dict(whole.answers)}")
    print(f"platform: {whole.crossings} crossings, {whole.unanswered_crossings} of them unanswered, none undecided")
    for victim, seconds in sorted(whole.restarts.items()):
        print(f"platform: {victim} killed, served again after {spread(seconds)}")
    print(f"baddays: GOOD after {owner.total + whole.total} kills; the ledger restarts in {spread(owner.restarts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
