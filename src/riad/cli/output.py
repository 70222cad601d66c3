"""What a command reads and prints: a file or standard input; one JSON document, or a table or a line for a person."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from riad.errors import BadRequest, RiadError
from riad.texts import N_, _, terminal_language

JsonOption = Annotated[bool, typer.Option("--json", help=_("Print one JSON document."))]
console = Console(highlight=False, soft_wrap=True)


def read(file: str) -> bytes:
    """What a command was given to read: a file's bytes, or standard input's for ``-``. Raises ``BadRequest``."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise BadRequest(
            N_("Cannot read {file}: {error}."),
            remedy=N_("Give the path of a file, or - for standard input."),
            file=file,
            error=error.strerror,
        ) from None


def document(data: Any) -> None:
    """Print one JSON document."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")
    sys.stdout.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table, or the sentence ``empty`` when there is no row."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")  # a name that is cut cannot be copied
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(drawn if drawn.row_count else empty, markup=False)


def fail(error: RiadError, *, as_json: bool) -> None:
    """Print an error: its message and what to do, on standard error; with ``--json`` a document on standard output."""
    text = error.render(terminal_language())
    if as_json:
        document({"error": {"code": error.code, "message": text, **error.detail}})
    else:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"riad: {text}", markup=False, style="red")


def misused(error: typer.TyperException, *, as_json: bool) -> None:
    """Print what is wrong with the command line itself."""
    text = str(getattr(error, "message", "") or error)
    if as_json:
        document({"error": {"code": "usage", "message": text}})
    else:
        context = getattr(error, "ctx", None)
        hint = f"  ({context.command_path} --help)" if context is not None else ""
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"riad: {text}{hint}", markup=False, style="red")
