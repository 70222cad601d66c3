"""``riad privacy``: what the scanner sees in a text, and the text with it masked."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import output
from riad.cli.output import JsonOption
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.privacy import Finding

app = typer.Typer(help=_("Personal data in text: find it, mask it."), no_args_is_help=True)

FileArgument = Annotated[str, typer.Argument(help=_("A text file; - is standard input."), show_default=False)]
STYLES = {
    "PERSON": "bold magenta",
    "EMAIL": "cyan",
    "PHONE": "cyan",
    "RIB": "yellow",
    "IBAN": "yellow",
    "CARD": "yellow",
}
CLASSES = {
    "none": N_("No personal data found."),
    "personal": N_("Personal data (law 09-08, article 1(1))."),
    "sensitive": N_("Sensitive personal data (law 09-08, article 1(3))."),
}


@app.command()
def scan(
    file: FileArgument = "-",
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help=_("Read {id, text} lines, write {id, spans, class} lines."))
    ] = False,
    check: Annotated[bool, typer.Option("--check", help=_("Exit with 1 when something is found."))] = False,
    as_json: JsonOption = False,
) -> None:
    """Find personal data: types, places, scores and reasons, and the class of the text."""
    from riad.privacy import categories, persons_class
    from riad.privacy import scan as scan_text

    if jsonl:
        raise typer.Exit(_scan_lines(output.read(file), check=check))
    text = _text(file)
    findings = scan_text(text)
    about = categories(findings)
    if as_json:
        output.document({"class": persons_class(findings), "categories": about, "findings": findings})
    else:
        _print(text, findings, about)
    raise typer.Exit(1 if check and findings else 0)


@app.command()
def mask(file: FileArgument = "-", as_json: JsonOption = False) -> None:
    """Replace personal data by placeholders such as [PERSON_1]; with --json, also say what each stands for."""
    from riad.privacy import Masker
    from riad.privacy import scan as scan_text

    text = _text(file)
    masker = Masker()
    masked = masker.mask(text, scan_text(text))
    if as_json:
        output.document({"text": _encodable(masked), "mapping": {k: _encodable(v) for k, v in masker.mapping.items()}})
    else:
        sys.stdout.buffer.write(masked.encode("utf-8", "replace"))
        sys.stdout.flush()


def _text(file: str) -> str:
    """The file as text, one U+FFFD for what is not UTF-8."""
    return output.read(file).decode("utf-8-sig", "replace")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _scan_lines(data: bytes, *, check: bool) -> int:
    """Answer every line; 2 when one was not understood, 1 when asked to and something was found."""
    from riad.privacy import persons_class, scan_many

    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    found = wrong = False
    for first in range(0, len(lines), 256):
        read = [(number, _line(line)) for number, line in lines[first : first + 256]]
        answers = iter(scan_many([entry["text"] for _number, entry in read if entry]))
        for number, entry in read:
            if entry is None:
                wrong = True
                message = _("Line {line} is not a JSON object with a text.", line=number)
                answer: dict[str, Any] = {"line": number, "error": {"code": "invalid_request", "message": message}}
            else:
                findings = next(answers)
                found = found or bool(findings)
                answer = {"id": entry.get("id"), "spans": _spans(findings), "class": persons_class(findings)}
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.flush()
    return 2 if wrong else 1 if check and found else 0


def _line(line: bytes) -> dict[str, Any] | None:
    """A line's object, if it has a text."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("text"), str) else None


def _spans(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {"start": one.start, "end": one.end, "type": one.type, "score": one.score, "why": one.why} for one in findings
    ]


def _print(text: str, findings: Sequence[Finding], about: Sequence[str]) -> None:
    """The text with what was found coloured and named, then a line for each finding, then the class."""
    from rich.text import Text

    from riad.privacy import persons_class

    shown = Text()
    done = 0
    for one in findings:
        shown.append(_encodable(text[done : one.start]))
        shown.append(_encodable(text[one.start : one.end]), STYLES.get(one.type, "green") + " underline")
        shown.append(f" {one.type}", "dim")
        done = one.end
    shown.append(_encodable(text[done:]).rstrip("\n"))
    output.console.print(shown)
    rows = [(one.type, f"{one.start}-{one.end}", f"{one.score:.2f}", one.persons, one.why) for one in findings]
    if rows:
        output.console.print()
        output.table((_("type"), _("place"), _("score"), _("class"), _("why")), rows, empty="")
    output.console.print()
    summary = _(CLASSES[persons_class(findings)])
    if about:
        summary += " " + _("Categories: {categories}.", categories=", ".join(about))
    output.console.print(summary, markup=False, style="bold")
