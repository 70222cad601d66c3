"""The peer of the ledger: pymerkle's tree in SQLite, in an environment and a process of its own.

It is under the GPL: nothing of ours imports it. In its favour: its callers are as many as ours, but their entries come
ready in one batch, in its own process, with no socket in between; nothing is signed and no tiles are kept; a proof is
asked of a tree whose inner hashes it has in memory; and one of its two files uses SQLite's write-ahead log, as ours
does, which it would not by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.asked import Asked
from benchmarks.environments import python_peer
from benchmarks.spread import quantile

TITLE = "pymerkle 7.0.0"
REQUIREMENTS = ("pymerkle==7.0.0",)


class Pymerkle(Asked):
    """Its process, with a tree in ``file``."""

    def __init__(self, file: Path, *, wal: bool = False) -> None:
        """Raises ``Unavailable`` when it cannot be installed or does not start."""
        super().__init__(python_peer("pymerkle", *REQUIREMENTS), "pymerkle_tree.py")
        self.file = file
        self.ask({"open": str(file), "wal": wal})

    def append(self, entry: bytes, batch: int, seconds: float) -> dict[str, float]:
        """A round of durable batches, a root after each: entries/s and how long a batch takes."""
        answer = self.ask({"append": entry.decode(), "batch": batch, "seconds": seconds})
        return {"entries_per_s": answer["entries"] / answer["seconds"], **_waits(answer["waits_ms"])}

    def grow(self, size: int, seconds: float) -> int:
        """Append small entries until there are ``size``, or the time is over; how many there are."""
        return int(self.ask({"grow": size, "seconds": seconds})["size"])

    def prove(self, what: str, times: int, seconds: float) -> dict[str, float]:
        """Proofs (``inclusion``, ``consistency``) of a tree just opened: the first, then the others."""
        self.ask({"again": True})
        waits = self.ask({"prove": what, "times": times, "seconds": seconds})["waits_ms"]
        return {"first_ms": waits[0], "proofs": len(waits), **_waits(waits[1:] or waits)}

    def verify_us(self, times: int) -> float:
        """Microseconds to verify an inclusion proof, in memory, against a root, which nobody signed."""
        return float(self.ask({"verify": times})["us"])


def _waits(waits: list[float]) -> dict[str, Any]:
    return {"p50_ms": quantile(waits, 0.5), "p99_ms": quantile(waits, 0.99)}
