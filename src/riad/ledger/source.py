"""What a log can be read from: the platform's own database, or a directory of static files that was exported.

A source hands out what is stored, unverified, so that an audit can say what is wrong with it; ``head`` and ``nodes``
are the ways to what is signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from riad.errors import EvidenceBroken, NotFound, RiadError
from riad.ledger.merkle import HASH_SIZE
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.recovery import REMEDY
from riad.ledger.tiles import MAX_ENTRY, WIDTH, Tile, TileNodes, end_index, unbundle, width
from riad.texts import N_

MAX_BUNDLE = WIDTH * (2 + MAX_ENTRY)


class Source(Protocol):
    """A log to read. All raise ``NotFound`` where there is none, ``LedgerUnavailable`` where it cannot be read."""

    def checkpoint(self) -> str:
        """The newest checkpoint, a signed note."""
        ...

    def vkeys(self) -> list[str]:
        """The public keys that its checkpoints verify with, in their text form."""
        ...

    def minimum(self) -> int:
        """The lowest index whose entry is still there (C2SP tlog-tiles, Pruning); 0 where nothing was pruned."""
        ...

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries from ``start`` up to ``end``, in order; fewer where some are missing."""
        ...

    def hashes(self, level: int, number: int) -> bytes:
        """The stored hashes of a tile, empty where there is none."""
        ...


class StaticFiles(NamedTuple):
    """The files of an export, beside the tiles."""

    directory: Path

    @property
    def checkpoint(self) -> Path:
        return self.directory / "checkpoint"

    @property
    def vkey(self) -> Path:
        return self.directory / "ledger.vkey"

    @property
    def minimum(self) -> Path:
        return self.directory / "ledger.pruned"

    @property
    def readme(self) -> Path:
        return self.directory / "README.txt"

    @property
    def progress(self) -> Path:
        return self.directory / ".export"


class Export:
    """A directory of static files at the C2SP paths, as ``riad ledger export`` writes it. Somebody else's, perhaps."""

    def __init__(self, directory: Path, vkeys: Sequence[str] | None = None) -> None:
        """``vkeys`` are the log's keys as its reader knows them from elsewhere; else the directory's own are taken."""
        self._files = StaticFiles(Path(directory))
        self._vkeys = list(vkeys) if vkeys is not None else None
        self._size: int | None = None

    def checkpoint(self) -> str:
        data = _read(self._files.checkpoint, 1 << 20)
        if data is None:
            raise NotFound(
                N_("There is no exported ledger in {directory}: it has no file named checkpoint."),
                remedy=N_("Give the directory that `riad ledger export` wrote."),
                directory=self._files.directory,
            )
        return data.decode("utf-8", "replace")

    def vkeys(self) -> list[str]:
        if self._vkeys is not None:
            return self._vkeys
        data = _read(self._files.vkey, 1 << 16)
        if data is None:
            raise NotFound(
                N_("{directory} holds no ledger.vkey."),
                remedy=N_("Give the log's public key with --key, as the platform publishes it."),
                directory=self._files.directory,
            )
        return data.decode("utf-8", "replace").split()

    def minimum(self) -> int:
        text = (_read(self._files.minimum, 100) or b"0").decode("ascii", "replace").strip()
        if not (text.isascii() and text.isdigit()):
            raise EvidenceBroken(N_("ledger.pruned holds no number."), remedy=REMEDY)
        return int(text)

    def entries(self, start: int, end: int) -> list[bytes]:
        found: list[bytes] = []
        for number in range(start // WIDTH, -(-end // WIDTH)):
            data = self._tile(None, number, MAX_BUNDLE)
            try:
                entries = unbundle(data)
            except EvidenceBroken:
                continue
            first = number * WIDTH
            found += entries[max(0, start - first) : max(0, end - first)]
        return found

    def hashes(self, level: int, number: int) -> bytes:
        return self._tile(level, number, WIDTH * HASH_SIZE)

    def _tile(self, level: int | None, number: int, limit: int) -> bytes:
        if self._size is None:
            self._size = unverified(self.checkpoint()).size
        wide = width(level or 0, number, self._size)
        path = self._files.directory / Tile(level, number, wide).path if wide else None
        return (_read(path, limit) if path else None) or b""


def unverified(note: str) -> Checkpoint:
    """What a checkpoint says, signed or not. Raises ``EvidenceBroken`` where it has not the form of one."""
    return Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")


def head(note: str, vkeys: Sequence[str]) -> Checkpoint:
    """The checkpoint of a note that one of the keys signed. Raises ``EvidenceBroken`` and ``BadRequest``."""
    failure: RiadError | None = None
    for vkey in vkeys:
        verifier = Verifier.parse(vkey)
        try:
            found = Checkpoint.parse(verifier.open(note))
        except EvidenceBroken as error:
            failure = failure or error
            continue
        if found.origin != verifier.name:
            raise EvidenceBroken(
                N_("The checkpoint is of {origin}, not of {name}."),
                remedy=REMEDY,
                origin=found.origin,
                name=verifier.name,
            )
        return found
    raise failure or EvidenceBroken(N_("There is no key to verify the checkpoint with."), remedy=REMEDY)


def nodes(source: Source, size: int) -> TileNodes:
    """The nodes of the tree of ``size`` entries, for ``merkle``. Raises ``NotFound`` where one was pruned."""

    def read(level: int, number: int) -> bytes:
        hashes = source.hashes(level, number)
        if not hashes and end_index(level, number) <= (minimum := source.minimum()):
            raise pruned(Tile(level, number).path, minimum)
        return hashes

    return TileNodes(size, read)


def no_entry(index: int, size: int) -> NotFound:
    """The answer for an index that the log has not reached."""
    return NotFound(
        N_("There is no entry {index} in a log of {size}."),
        remedy=N_("Entries count from 0 to one less than the log's size."),
        index=index,
        size=size,
    )


def not_logged(index: int, error: EvidenceBroken) -> EvidenceBroken:
    """What is said of a stored entry that does not lead to what was signed."""
    return EvidenceBroken(
        N_("Entry {index} of the ledger is not what was logged there: {error}"),
        remedy=REMEDY,
        index=index,
        error=error.render(),
    )


def pruned(what: int | str, minimum: int) -> NotFound:
    """The answer for an entry (its index) or a tile (its path) that is gone on purpose."""
    entry = N_("Entry {what} was pruned: this log keeps its entries from {minimum} on.")
    tile = N_("{what} was pruned: this log keeps its entries from {minimum} on.")
    return NotFound(
        entry if isinstance(what, int) else tile,
        remedy=N_("Receipts of pruned entries still verify. Ask the operator for an exported copy."),
        code="pruned",
        what=what,
        minimum=minimum,
    )


def _read(path: Path, limit: int) -> bytes | None:
    """A file's bytes; None where there is none. A longer one than can be ours is none of ours."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EvidenceBroken(
            N_("{path} cannot be read: {error}."), remedy=REMEDY, path=path, error=error.strerror
        ) from None
    return data if len(data) <= limit else None
