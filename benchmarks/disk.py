"""What a disk was asked to do: the kernel's counters of the device that a path lies on (Linux).

They count for the whole machine: a measurement means something only while nobody else writes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

SECTOR = 512  # bytes, whatever the device's own sectors are (Documentation/block/stat.rst)


class Disk(NamedTuple):
    """Counted since the machine started, or between two moments."""

    reads: int
    read_bytes: int
    writes: int
    written_bytes: int
    flushes: int  # of the device's cache: what an fsync ends in

    @classmethod
    def now(cls, path: Path) -> Disk | None:
        """The counters of the device under ``path``; None where it is no block device with counters."""
        device = os.stat(path).st_dev
        try:
            text = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text()
        except OSError:
            return None
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Disk | None:
        """Read ``/sys/dev/block/…/stat``; None where the kernel is too old to count flushes (before 5.5)."""
        fields = [int(field) for field in text.split()]
        if len(fields) < 16:
            return None
        return cls(fields[0], fields[2] * SECTOR, fields[4], fields[6] * SECTOR, fields[15])

    def since(self, before: Disk) -> Disk:
        """What was counted after ``before``."""
        return Disk(*(mine - theirs for mine, theirs in zip(self, before, strict=True)))


def between(before: Disk | None, after: Disk | None) -> dict[str, int] | None:
    """The difference as a part of a JSON document."""
    return None if before is None or after is None else after.since(before)._asdict()


def forget(path: Path) -> None:
    """Ask the kernel to drop what it keeps in memory of a file, so that the next reading is from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def weight(folder: Path) -> int:
    """Bytes that the files under a folder take on disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * SECTOR
            except FileNotFoundError:  # a file that was removed meanwhile
                continue
    return total
