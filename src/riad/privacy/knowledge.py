"""What the scanner knows, as data: a folder a country (``packs/``), a file a language (``languages/``).

docs/reference/privacy.md says what each file holds. Countries are read most specific first: the home country, then the
others, then ``world``, which no country owns. Where two kinds of number read the same digits equally well, or two lists
disagree about a word, the first wins.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from riad.errors import BadSettings
from riad.texts import N_

PACKS = Path(__file__).parent / "packs"
LANGUAGES = Path(__file__).parent / "languages"
WORLD = "world"
T = TypeVar("T")

_folders: tuple[Path, ...] = ()
_forget: list[Callable[[], None]] = []


def remembered(build: Callable[[], T]) -> Callable[[], T]:
    """``build`` once, and again after ``choose``."""
    cached = functools.cache(build)
    _forget.append(cached.cache_clear)
    return cached


def choose(home: str, more: Iterable[Path] = ()) -> None:
    """Use these packs from now on: ``more`` are an operator's own folders, ``home`` the country that comes first.

    For the start of a process: what was built from other packs is built again at the next scan. Raises ``BadSettings``
    for a folder that is no pack.
    """
    global _folders
    own = tuple(more)
    for folder in own:
        if not (folder / "identifiers.toml").is_file() and not any(folder.glob("*.txt")):
            raise BadSettings(
                N_("{folder} is no privacy pack: it has neither identifiers.toml nor a list of names."),
                remedy=N_("See docs/reference/privacy.md, Adding a country."),
                folder=folder,
            )
    shipped = sorted(
        (folder for folder in PACKS.iterdir() if folder.is_dir() and not folder.name.startswith("_")),
        key=lambda folder: (folder.name == WORLD, folder.name != home.lower(), folder.name),
    )
    _folders = (*own, *shipped)
    for forget in _forget:
        forget()


def folders() -> tuple[Path, ...]:
    """The packs in use, most specific first."""
    if not _folders:
        choose("MA")
    return _folders


def tables(name: str, type_: type[T]) -> Iterator[tuple[Path, T]]:
    """That file of every pack that has it, and where it is. Raises ``BadSettings`` for one that is no ``type_``."""
    for folder in folders():
        path = folder / name
        if path.is_file():
            try:
                yield path, msgspec.convert(_toml(path), type_)
            except msgspec.ValidationError as error:
                raise unfit(path, str(error)) from None


def unfit(path: Path, error: str) -> BadSettings:
    """What to raise about a file of a pack that says something wrong."""
    return BadSettings(
        N_("{file}: {error}."),
        remedy=N_("See docs/reference/privacy.md, Adding a country."),
        file=path,
        error=error.rstrip("."),
    )


@remembered
def languages() -> tuple[dict[str, Any], ...]:
    """What every language says: the packs' own (``languages/*.toml`` in a pack) after ours. Read once."""
    directories = (LANGUAGES, *(folder / "languages" for folder in folders()))
    return tuple(_toml(path) for directory in directories for path in sorted(directory.glob("*.toml")))


def lines(name: str) -> Iterator[str]:
    """The lines of that list in every pack, without comments. ``name`` may be a pattern: ``given*.txt``."""
    for folder in folders():
        for path in sorted(folder.glob(name)):
            yield from (line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(
            N_("{file} is not valid TOML: {error}."), remedy=N_("Mend that line."), file=path, error=error
        ) from None
