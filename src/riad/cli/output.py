"""What a command prints: one JSON document with ``--json``, a table or a line for a person without."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from riad.errors import RiadError
from riad.texts import _, terminal_language

JsonOption = Annotated[bool, typer.Option("--json", help=_("Print one JSON document."))]
console = Console(highlight=False, soft_wrap=True)


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
