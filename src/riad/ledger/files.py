"""Where a ledger's files lie in the data directory, and how they are written so that a crash leaves no half of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from riad.ledger.place import is_shard


class Files(NamedTuple):
    """The paths of one ledger; of one of its shards where a shard has its own: ``ledger.db``, ``ledger-2027.db``."""

    data_dir: Path
    shard: int = 0

    @property
    def database(self) -> Path:
        return self._named("db")

    @property
    def key(self) -> Path:
        return self.data_dir / "ledger.key"

    @property
    def next_key(self) -> Path:
        """The key that a rotation is about to begin with."""
        return self.data_dir / "ledger.key.next"

    @property
    def vkey(self) -> Path:
        return self._named("vkey")

    @property
    def anchor(self) -> Path:
        return self._named("checkpoint")

    @property
    def witnessed(self) -> Path:
        return self._named("witnessed")

    @property
    def witnesses(self) -> Path:
        return self.data_dir / "run" / "witnesses.json"

    @property
    def audited(self) -> Path:
        return self._named("audited")

    @property
    def searched(self) -> Path:
        return self.data_dir / "ledger-index.db"

    @property
    def lock(self) -> Path:
        return self.data_dir / "ledger.lock"

    @property
    def socket(self) -> Path:
        return socket_path(self.data_dir)

    def anchored(self) -> list[int]:
        """The shards that this directory has a checkpoint of, oldest first."""
        return self._shards("checkpoint")

    def databases(self) -> list[int]:
        """The shards that this directory has a database of, oldest first."""
        return self._shards("db")

    def _named(self, suffix: str) -> Path:
        return self.data_dir / (f"ledger-{self.shard}.{suffix}" if self.shard else f"ledger.{suffix}")

    def _shards(self, suffix: str) -> list[int]:
        years = {
            path.stem.removeprefix("ledger-") for path in self.data_dir.glob(f"ledger-[0-9][0-9][0-9][0-9].{suffix}")
        }
        first = [0] if self._replace(shard=0)._named(suffix).exists() else []
        return first + sorted(int(year) for year in years if is_shard(int(year)))


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
