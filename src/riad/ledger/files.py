"""Where a ledger's files lie in the data directory, and how they are written so that a crash leaves no half of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Files(NamedTuple):
    """The paths of one ledger."""

    data_dir: Path

    @property
    def database(self) -> Path:
        return self.data_dir / "ledger.db"

    @property
    def key(self) -> Path:
        return self.data_dir / "ledger.key"

    @property
    def vkey(self) -> Path:
        return self.data_dir / "ledger.vkey"

    @property
    def anchor(self) -> Path:
        return self.data_dir / "ledger.checkpoint"

    @property
    def witnessed(self) -> Path:
        return self.data_dir / "ledger.witnessed"

    @property
    def witnesses(self) -> Path:
        return self.data_dir / "run" / "witnesses.json"

    @property
    def audited(self) -> Path:
        return self.data_dir / "ledger.audited"

    @property
    def searched(self) -> Path:
        return self.data_dir / "ledger-index.db"

    @property
    def lock(self) -> Path:
        return self.data_dir / "ledger.lock"

    @property
    def socket(self) -> Path:
        return socket_path(self.data_dir)


def socket_path(data_dir: Path) -> Path:
    """Where the owner of the ledger in a data directory listens."""
    return data_dir / "run" / "ledger.sock"


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Create a file whole and durable: after a crash it is there with all of ``data``, or not there."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # what a crash between the next two steps left
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make names created in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
