"""How fast a whole log is read: audited, exported, indexed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.disk import weight
from riad.ledger.audit import audit
from riad.ledger.export import export
from riad.ledger.index import Index
from riad.ledger.source import Source

Open = Callable[[], Source]


def rates(source: Open, spare: Path, *, alone: bool = True) -> dict[str, Any]:
    """Of the log that ``source`` opens; ``spare`` is a folder to write to. Raises ``RuntimeError`` if it is bad.

    An audit takes every core; ``alone``: another takes one.
    """
    cores = len(os.sched_getaffinity(0))
    found: dict[str, Any] = {
        "audit": {str(many): _audited(source, many) for many in {1, cores} if alone or many == cores}
    }
    found["export"] = _exported(source, spare / "export")
    found["index"] = _indexed(source, spare / "ledger-index.db")
    return found


def _audited(source: Open, processes: int) -> dict[str, float]:
    began = time.perf_counter()
    report = audit(source, processes=processes)
    seconds = time.perf_counter() - began
    if report.faults or not report.complete:
        raise RuntimeError(f"the log is not sound: {report.faults[:1]}")
    return {"entries": report.read, "seconds": seconds, "entries_per_s": report.read / seconds}


def _exported(source: Open, directory: Path) -> dict[str, float]:
    began = time.perf_counter()
    done = export(source(), directory)
    seconds = time.perf_counter() - began
    on_disk = weight(directory)
    shutil.rmtree(directory)
    return {
        "entries": done.head.size,
        "seconds": seconds,
        "entries_per_s": done.head.size / seconds,
        "files": done.files,
        "bytes_an_entry": done.bytes / done.head.size,
        "disk_bytes_an_entry": on_disk / done.head.size,
    }


def _indexed(source: Open, file: Path) -> dict[str, float]:
    began = time.perf_counter()
    with Index(file) as index:
        taken = index.update(source())
    seconds = time.perf_counter() - began
    on_disk = sum(one.stat().st_size for one in file.parent.glob(file.name + "*"))
    for one in file.parent.glob(file.name + "*"):
        one.unlink()
    return {"entries": taken, "entries_per_s": taken / seconds, "bytes_an_entry": on_disk / taken}
