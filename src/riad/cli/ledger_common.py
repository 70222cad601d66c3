"""What the commands of ``riad ledger`` share: where the log is, how its facts look in a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import output
from riad.errors import BadRequest
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.reader import Reader

DataDir = Annotated[Path | None, typer.Option("--data-dir", help=_("Where this platform keeps its data."))]
Config = Annotated[Path | None, typer.Option("--config", help=_("The settings file, riad.toml."))]
Shard = Annotated[int, typer.Option("--shard", help=_("The year of a later log of this platform (0: the first)."))]

Progress = Callable[[int, int], None]

_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d|w)", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def find_data_dir(data_dir: Path | None, config: Path | None) -> Path:
    """The data directory that is meant."""
    from riad import settings

    return settings.load(config, data_dir=data_dir).data_dir


def open_reader(data_dir: Path | None, config: Path | None, shard: int = 0) -> Reader:
    """The reader of one shard of the platform's ledger."""
    from riad import settings
    from riad.ledger.place import is_shard
    from riad.ledger.reader import Reader

    if not is_shard(shard):
        raise BadRequest(N_("{shard} is no shard of a ledger."), remedy=N_("Use 0 or a year, as 2027."), shard=shard)
    return Reader.of(settings.load(config, data_dir=data_dir), shard)


def all_shards(data_dir: Path | None, config: Path | None) -> dict[int, Reader]:
    """The readers of every shard that is there, oldest first."""
    from riad import settings
    from riad.ledger.reader import Reader
    from riad.ledger.sources import shards

    chosen = settings.load(config, data_dir=data_dir)
    found = shards(chosen.data_dir, chosen.ledger_url) or [0]
    return {number: Reader.of(chosen, number) for number in found}


def print_facts(facts: dict[str, Any], text: str, as_json: bool) -> None:
    """One JSON document, or the text."""
    if as_json:
        output.document(facts)
    else:
        typer.echo(text)


def shown(value: object) -> str:
    """A value of an entry as text that cannot move the cursor or hide itself; empty for none."""
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value)
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)


def moment(milliseconds: object) -> str:
    """A time of the log, UTC, to the second."""
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return shown(milliseconds)


def instant(text: str | None, *, end: bool = False) -> int | None:
    """What a person wrote for a time, in Unix milliseconds: a date, an instant, or how long ago (``2h``); UTC.

    A date alone is its beginning, with ``end`` the end of that day. Raises ``BadRequest``.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return int((time.time() - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()) * 1000)
    try:
        read = datetime.fromisoformat(text)
        read = read if read.tzinfo else read.replace(tzinfo=UTC)
        if end and len(text) <= 10:
            read += timedelta(days=1)
        return int(read.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadRequest(
            N_("{text} is no time."),
            remedy=N_("Write 2026-11-24, 2026-11-24T18:00 (UTC), or how long ago: 90s, 30m, 2h, 7d, 4w."),
            text=shown(text[:40]),
        ) from None


@contextmanager
def progress(title: str, *, quiet: bool) -> Iterator[Progress]:
    """A progress bar over entries, on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
