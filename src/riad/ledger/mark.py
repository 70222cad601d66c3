"""A mark: up to which size, and which root, long work on a log has come. A file that may be deleted.

It is believed only where the log still has that root at that size, so that a restored or another log begins anew.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from riad.errors import RiadError
from riad.ledger import merkle
from riad.ledger.source import Source, nodes


class Mark(NamedTuple):
    """The first ``size`` entries, whose root is ``root`` (hexadecimal), are done."""

    origin: str
    size: int
    root: str


def load(path: Path, source: Source, origin: str, size: int) -> Mark | None:
    """The mark in a file, if it fits the log of that origin and size; None otherwise."""
    try:
        mark = msgspec.convert(msgspec.json.decode(path.read_bytes()), Mark, strict=True)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None
    if mark.origin != origin or not 0 < mark.size <= size:
        return None
    try:
        return mark if merkle.root(mark.size, nodes(source, size)).hex() == mark.root else None
    except RiadError:
        return None


def save(path: Path, source: Source, origin: str, done: int, size: int) -> None:
    """Mark ``done`` entries of the log of ``size``. A crash leaves the old mark or this one; a failure, the old one."""
    try:
        mark = Mark(origin, done, merkle.root(done, nodes(source, size)).hex())
    except RiadError:
        return  # what is broken or pruned there is not marked
    temporary = path.with_name(path.name + ".new")
    with contextlib.suppress(OSError):
        temporary.write_bytes(msgspec.json.encode(mark) + b"\n")
        os.replace(temporary, path)
