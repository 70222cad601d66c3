"""The last checkpoint, kept apart from the database, so that an old backup put in its place is noticed.

The file holds two slots, written in turn and in place: a crash in the middle of a write spoils the slot being written
and never the other, which is a little older. Slots are checkpoint notes padded with newlines: text to read
and to copy. Writing in place costs one ``fdatasync`` and no directory update.
"""

from __future__ import annotations

import os
from pathlib import Path

from riad.errors import EvidenceBroken, RiadError
from riad.ledger.files import write_new
from riad.ledger.note import Checkpoint, Verifier
from riad.texts import N_

SLOT = 4096
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Anchor:
    """The file ``ledger.checkpoint``. One process, the log's owner, writes it."""

    def __init__(self, path: Path, verifier: Verifier) -> None:
        self.path = path
        self._verifier = verifier
        self._next = 0
        self._descriptor = -1

    def create(self, note: str) -> None:
        """Write the file anew, both slots the same. Raises ``OSError``."""
        self.close()
        self._next = 0
        write_new(self.path, _slot(note) * 2, 0o644)

    def read(self) -> Checkpoint | None:
        """The newest checkpoint kept, or None without a file. Raises ``EvidenceBroken`` if no slot verifies."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            data = b""
        # A file that an operator wrote with one plain note in it is a file with one slot.
        slots = [data[:SLOT], data[SLOT : 2 * SLOT]]
        kept = [self._open(slot) for slot in slots]
        sizes = [-1 if checkpoint is None else checkpoint.size for checkpoint in kept]
        checkpoint = kept[sizes.index(max(sizes))]
        if checkpoint is None:
            raise EvidenceBroken(
                N_("{name} holds no checkpoint that this ledger's key signed."),
                remedy=N_("Put back the file that belongs to this ledger; see docs/reference/ledger.md."),
                name=self.path.name,
            )
        return checkpoint

    def write(self, note: str) -> None:
        """Keep ``note`` as the newest, durably. Raises ``OSError``."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_WRONLY)
        # A crash here leaves the other slot, a little older: the next start finds the log ahead of it and goes on.
        os.pwrite(self._descriptor, _slot(note), self._next * SLOT)
        _sync(self._descriptor)
        self._next = 1 - self._next

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self, slot: bytes) -> Checkpoint | None:
        try:
            return Checkpoint.parse(self._verifier.open(slot.decode().rstrip("\n") + "\n"))
        except (UnicodeDecodeError, RiadError):
            return None


def _slot(note: str) -> bytes:
    data = note.encode().ljust(SLOT, b"\n")
    if len(data) != SLOT:
        raise ValueError("a checkpoint with one signature fits its slot")
    return data
