"""Writes a log as static files at the C2SP paths, for any web server: ``riad ledger export``.

Tiles first, the checkpoint last: whenever it stops, the published checkpoint is served by the tiles. What is written
is verified first, so that nothing damaged is published under a signature. Running it again adds what is new.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from riad.errors import BadRequest, EvidenceBroken, LedgerUnavailable, RiadError
from riad.ledger import mark, merkle
from riad.ledger.files import sync_directory, write_new
from riad.ledger.merkle import HASH_SIZE
from riad.ledger.note import Checkpoint
from riad.ledger.ranges import RANGE, Fault, Tree, check_tile, read_range
from riad.ledger.recovery import REMEDY
from riad.ledger.source import Export, Source, StaticFiles, head, nodes
from riad.ledger.tiles import HEIGHT, WIDTH, Tile, bundle, width
from riad.texts import N_

Progress = Callable[[int, int], None]  # entries done, entries in all

SYNC = 16 * RANGE  # entries between two marks from which an interrupted export goes on

README = """\
This is a copy of the transparency log {origin}: a Merkle tree of signed, append-only records, in static files as
https://c2sp.org/tlog-tiles describes them.

checkpoint          the newest signed tree head: origin, size, root
tile/L/N            hashes of the tree         tile/entries/N      the records, 256 a file
ledger.vkey         the log's public key: compare it with the one that its operator publishes elsewhere

To check all of it with Riad (https://c2sp.org tools read it too):

    riad ledger audit DIRECTORY --key 'KEY'

A record holds facts and counts about a request, never its content.
"""


class Exported(NamedTuple):
    """What an export did. ``before`` entries were published already; ``minimum`` is the first that the files hold."""

    head: Checkpoint
    before: int
    minimum: int
    files: int
    bytes: int


def export(source: Source, directory: Path, progress: Progress = lambda done, total: None) -> Exported:
    """Write or bring up to date the static files of a log.

    Raises ``BadRequest`` for a directory that is not this log's export, ``EvidenceBroken`` where the log does not
    verify or is behind what was exported, ``LedgerUnavailable`` where the files cannot be written.
    """
    files = StaticFiles(directory)
    note, vkeys = source.checkpoint(), source.vkeys()
    tip = head(note, vkeys)
    if directory.exists() and not directory.is_dir():
        raise BadRequest(
            N_("{directory} is not a directory."),
            remedy=N_("Give one that is new, or that holds an earlier export of this log."),
            directory=directory,
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        before = _published(source, files, tip)
        return _Writer(source, files, tip, note, before, progress).run()
    except OSError as error:
        raise LedgerUnavailable(
            N_("{directory} cannot be written: {error}."),
            remedy=N_("Make room there, or give another directory; running it again goes on where it stopped."),
            directory=directory,
            error=error.strerror or str(error),
        ) from None


def _published(source: Source, files: StaticFiles, tip: Checkpoint) -> int:
    """How many entries the directory publishes already."""
    if not files.checkpoint.exists():
        names = {path.name for path in files.directory.iterdir()}
        if names and not (files.vkey.exists() and _origins(files) == {tip.origin}):
            _another(files)
        return 0
    try:
        old = head(Export(files.directory).checkpoint(), source.vkeys())
    except RiadError:
        _another(files)
    if old.size > tip.size:
        raise EvidenceBroken(
            N_("{directory} publishes {published} entries, this log has {size}: it is an older copy, or cut short."),
            remedy=REMEDY,
            directory=files.directory,
            published=old.size,
            size=tip.size,
        )
    if old.size < source.minimum():
        raise BadRequest(
            N_("{directory} ends at entry {published}, and the log was pruned beyond: the copy would have a gap."),
            remedy=N_("Keep it as it is, and export to a new directory."),
            directory=files.directory,
            published=old.size,
        )
    if merkle.root(old.size, nodes(source, tip.size)) != old.root:
        raise EvidenceBroken(
            N_("{directory} publishes another log under the same key: they differ within the first {size} entries."),
            remedy=N_("Keep both: together they prove a fork. See docs/reference/ledger.md, When the ledger refuses."),
            directory=files.directory,
            size=old.size,
        )
    return old.size


def _origins(files: StaticFiles) -> set[str]:
    return {vkey.partition("+")[0] for vkey in Export(files.directory).vkeys()}


def _another(files: StaticFiles) -> NoReturn:
    raise BadRequest(
        N_("{directory} holds something else than an export of this log."),
        remedy=N_("Give an empty or a new directory."),
        directory=files.directory,
    )


class _Writer:
    """One export of the log at ``tip`` over what is published."""

    def __init__(
        self, source: Source, files: StaticFiles, tip: Checkpoint, note: str, before: int, progress: Progress
    ) -> None:
        self._source, self._files, self._tip, self._note = source, files, tip, note
        self._before, self._progress = before, progress
        self._minimum = source.minimum() if before == 0 else Export(files.directory).minimum()
        self._made: set[Path] = set()
        self._count = self._bytes = 0

    def run(self) -> Exported:
        source, size = self._source, self._tip.size
        # (1) Who it is: written first, so that an interrupted export is known for this log's.
        if _text(self._files.vkey) != (keys := "".join(f"{vkey}\n" for vkey in source.vkeys())):
            write_new(self._files.vkey, keys.encode(), 0o644)
        if self._minimum:
            write_new(self._files.minimum, b"%d\n" % self._minimum, 0o644)
        if not self._files.readme.exists():
            write_new(self._files.readme, README.format(origin=self._tip.origin).encode(), 0o644)
        # (2) Full bundles, and the tiles above them, from where the last export ended or was interrupted.
        progressed = mark.load(self._files.progress, source, self._tip.origin, size)
        done = max(self._minimum, self._before, progressed.size if progressed else 0) // WIDTH * WIDTH
        tree = Tree(size, done, merkle.root(size, nodes(source, size)) == self._tip.root)
        if not tree.sound:
            self._refuse(Fault("checkpoint", N_("The unfinished tiles do not lead to its root.")))
        tops: dict[int, bytes | None] = {}
        for number in range(done // RANGE, -(-size // RANGE)):
            tops[number] = self._range(number, tree)
            end = min((number + 1) * RANGE, size)
            if end % SYNC == 0:
                # A crash of the machine before this leaves files of any length: they are written again.
                os.sync()
                mark.save(self._files.progress, source, self._tip.origin, end, size)
            self._progress(end - done, size - done)
        self._upper(tree, tops)
        # (3) The checkpoint, once everything it needs is on the disk.
        os.sync()
        if _text(self._files.checkpoint) != self._note:
            write_new(self._files.checkpoint, self._note.encode(), 0o644)
            sync_directory(self._files.directory)
        # (4) Partial tiles whose full ones are there now. A client of the old checkpoint falls back to those.
        self._tidy()
        self._files.progress.unlink(missing_ok=True)
        return Exported(self._tip, self._before, self._minimum, self._count, self._bytes)

    def _range(self, number: int, tree: Tree) -> bytes | None:
        read = read_range(self._source, number, tree)
        if read.faults:
            self._refuse(read.faults[0])
        for at in range(0, len(read.entries), WIDTH):
            entries = read.entries[at : at + WIDTH]
            tile = (read.start + at) // WIDTH
            self._write(Tile(None, tile, len(entries)), bundle(entries))
            self._write(Tile(0, tile, len(entries)), self._source.hashes(0, tile)[: len(entries) * HASH_SIZE])
        return read.top

    def _upper(self, tree: Tree, tops: dict[int, bytes | None]) -> None:
        """The tiles of level 1 and above that have grown, checked against those below."""
        size, level = self._tip.size, 1
        while size >> HEIGHT * level:
            count = size >> HEIGHT * level
            first = max(self._minimum, self._before) >> HEIGHT * (level + 1)
            for number in range(first, -(-count // WIDTH)):
                wide = width(level, number, size)
                self._write(Tile(level, number, wide), self._source.hashes(level, number)[: wide * HASH_SIZE])
            if level > 1:
                above: dict[int, bytes | None] = {}
                faults: list[Fault] = []
                for number in sorted({at // WIDTH for at in tops if at < count}):
                    below = [tops.get(number * WIDTH + at) for at in range(min(WIDTH, count - number * WIDTH))]
                    above[number] = check_tile(self._source, level, number, below, tree, faults)
                if faults:
                    self._refuse(faults[0])
                tops = above
            level += 1

    def _write(self, tile: Tile, data: bytes) -> None:
        path = self._files.directory / tile.path
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        temporary = path.with_name(path.name + ".new")
        temporary.write_bytes(data)
        os.replace(temporary, path)
        self._count += 1
        self._bytes += len(data)

    def _tidy(self) -> None:
        """Delete the partial tiles of those that have become full since the last export."""
        old, new = self._before, self._tip.size
        levels: list[int | None] = [None, *range(-(-old.bit_length() // HEIGHT))]
        for level in levels:
            step = level or 0
            number, partial = divmod(old >> HEIGHT * step, WIDTH)
            if partial and width(step, number, new) == WIDTH:
                path = self._files.directory / Tile(level, number).path
                shutil.rmtree(path.with_name(path.name + ".p"), ignore_errors=True)

    def _refuse(self, fault: Fault) -> NoReturn:
        raise EvidenceBroken(
            N_("The ledger does not verify, so nothing was published: {where}: {what}"),
            remedy=N_("See all that is wrong with `riad ledger audit`."),
            where=fault.where,
            what=fault.what.format(**fault.values),
        )


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""
