"""The texts that ``riad privacy scan`` was given: files and folders, one after another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from riad.cli import output
from riad.texts import _

LOOK = 8192  # bytes in which a file that is no text shows it


class Sources:
    """The text files of some paths, those of folders in order, with a progress bar in a terminal.

    ``skipped`` names the files of folders that are no text; one that is named itself is read whatever it holds. Links
    to folders are not followed.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self.skipped: list[str] = []
        self._named = named

    def __iter__(self) -> Iterator[tuple[str, str]]:
        paths = [(path, name == path) for name in self._named for path in _files(name)]
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=len(paths) < 2 or not console.is_terminal) as bar:
            for path, is_named in bar.track(paths, description=_("Scanning")):
                data = output.read(path) if is_named else _read(path)
                if data is None or (not is_named and not _is_text(data)):
                    self.skipped.append(path)
                else:
                    yield path, data.decode("utf-8-sig", "replace")


def _files(name: str) -> list[str]:
    """A file, or every file below a folder."""
    if name == "-" or not Path(name).is_dir():
        return [name]
    found = []
    for folder, folders, files in os.walk(name):
        folders.sort()
        found += [os.path.join(folder, file) for file in sorted(files)]
    return found


def _read(path: str) -> bytes | None:
    """A file of a folder; None for what is no plain file (a socket, a pipe that would never end) or is not ours."""
    try:
        return Path(path).read_bytes() if Path(path).is_file() else None
    except OSError:
        return None


def _is_text(data: bytes) -> bool:
    """UTF-8 or an older 8-bit script, without the bytes that no text holds."""
    return b"\0" not in data[:LOOK]
