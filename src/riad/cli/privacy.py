"""``riad privacy``: what the scanner sees, the text with it masked or restored, and how good it is."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad import settings
from riad.cli import output
from riad.cli.output import JsonOption
from riad.cli.privacy_files import Sources
from riad.cli.up import ConfigOption
from riad.errors import BadRequest
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.privacy import Finding

app = typer.Typer(
    help=_("Personal data in text: find it, mask it, restore it, measure how well."), no_args_is_help=True
)

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
REVERSIBLE = ("placeholders", "surrogates")


@app.command()
def scan(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help=_("Text files, or folders of them; - is standard input.")),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help=_("Read {id, text} lines, write {id, spans, class, lang} lines."))
    ] = False,
    check: Annotated[bool, typer.Option("--check", help=_("Exit with 1 when something is found."))] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find personal data: types, places, scores and reasons, and the class of the text."""
    from riad.privacy import categories, persons_class
    from riad.privacy import scan as scan_text

    use_packs(config)
    named = files or ["-"]
    if jsonl:
        statuses = [_scan_lines(output.read(file), check=check) for file in named]
        raise typer.Exit(max(statuses))
    if len(named) > 1 or Path(named[0]).is_dir():
        raise typer.Exit(_scan_files(Sources(named), check=check, as_json=as_json))
    text = _text(named[0])
    findings = scan_text(text)
    about = categories(findings)
    if as_json:
        output.document({"class": persons_class(findings), "categories": about, "findings": findings})
    else:
        _print(text, findings, about)
    raise typer.Exit(1 if check and findings else 0)


@app.command()
def mask(
    file: FileArgument = "-",
    mode: Annotated[
        str,
        typer.Option(
            help=_("placeholders, surrogates, tokens or redaction. What the last two hide cannot be restored.")
        ),
    ] = "placeholders",
    key_file: Annotated[
        Path | None,
        typer.Option(help=_("A secret that surrogates and tokens are made with: the same key, the same tokens.")),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="OUT", help=_("Write what riad privacy restore needs to this new file."))
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace personal data, by placeholders such as [PERSON_1]; with --json, also say what each stands for."""
    from riad.privacy import Masker

    use_packs(config)
    if mapping is not None and mode not in REVERSIBLE:
        raise BadRequest(
            N_("What {mode} hides cannot be restored: there is no mapping."),
            remedy=N_("Leave --mapping out, or use --mode placeholders or surrogates."),
            mode=mode,
        )
    text = _text(file)
    masker = Masker(mode, key=_key(key_file, mode))
    masked = _encodable(_masked(text, masker))
    known = {stand_in: _encodable(value) for stand_in, value in masker.mapping.items()}
    if mapping is not None:
        _write_mapping(mapping, known)
    if as_json:
        output.document({"text": masked, "mapping": known})
    else:
        sys.stdout.buffer.write(masked.encode())
        sys.stdout.flush()


@app.command()
def restore(
    file: FileArgument = "-",
    mapping: Annotated[
        Path, typer.Option(metavar="FILE", help=_("The file that riad privacy mask wrote."), show_default=False)
    ] = ...,  # type: ignore[assignment]  # typer's word for "required"
    as_json: JsonOption = False,
) -> None:
    """Put back what riad privacy mask replaced, in its text or in another that speaks of it."""
    from riad.privacy import restore as restored
    from riad.privacy.walk import JsonText, replace, texts

    known = _read_mapping(mapping)
    text = _text(file)
    pieces = [restored(piece, known, escape_json=isinstance(piece, JsonText)) for piece in texts(text)]
    whole = _encodable(replace(text, iter(pieces)))
    if as_json:
        output.document({"text": whole})
    else:
        sys.stdout.buffer.write(whole.encode())
        sys.stdout.flush()


@app.command()
def evaluate(
    file: FileArgument,
    examples: Annotated[
        int, typer.Option(min=0, help=_("How many mistakes to show of each type and kind."), show_default=True)
    ] = 3,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the scanner on texts whose personal data is known: precision, recall and F1 by type and by language."""
    from riad.cli import privacy_report
    from riad.privacy import evaluate as evaluation

    use_packs(config)
    report = evaluation.evaluate(evaluation.read(output.read(file)))
    shown = privacy_report.some(report.mistakes, examples)
    if as_json:
        output.document(privacy_report.document(report, shown))
    else:
        privacy_report.show(report, shown)


def use_packs(config: Path | None) -> None:
    """Use the packs of the settings file, if there is one."""
    if settings.config_file(config) is not None:
        from riad.privacy import knowledge

        chosen = settings.load(config)
        knowledge.choose(chosen.platform.home, chosen.privacy.folders)


def _text(file: str) -> str:
    """The file as text, one U+FFFD for what is not UTF-8."""
    return output.read(file).decode("utf-8-sig", "replace")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


# Scanning


def _scan_lines(data: bytes, *, check: bool) -> int:
    """Answer every line; 2 when one was not understood, 1 when asked to and something was found."""
    from riad.privacy import persons_class, scan_many
    from riad.privacy.language import language

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
                answer["lang"] = language(entry["text"])
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


def _scan_files(sources: Sources, *, check: bool, as_json: bool) -> int:
    """Scan every text file; show the lines in which something was found, as ``grep`` would."""
    from riad.privacy import categories, persons_class
    from riad.privacy import scan as scan_text

    documents, scanned, holding = [], 0, 0
    for path, text in sources:
        findings = scan_text(text)
        scanned += 1
        holding += bool(findings)
        if as_json:
            about = categories(findings)
            found = {"class": persons_class(findings), "categories": about, "findings": findings}
            documents.append({"file": path} | found)
        elif findings:
            _print_lines(path, text, findings)
    if as_json:
        output.document({"files": documents, "skipped": sources.skipped})
    else:
        said = _("{scanned} text files scanned, personal data in {holding}.", scanned=scanned, holding=holding)
        if sources.skipped:
            said += " " + _("{n} files are no text and were not looked at.", n=len(sources.skipped))
        output.console.print(said, markup=False, style="bold")
    return 1 if check and holding else 0


def _print_lines(path: str, text: str, findings: Sequence[Finding]) -> None:
    """``path:line: text`` for each line that holds the beginning of a finding, coloured."""
    from rich.text import Text

    by_line: dict[int, list[Finding]] = {}
    number, counted = 1, 0
    for one in findings:
        number += text.count("\n", counted, one.start)
        counted = one.start
        by_line.setdefault(number, []).append(one)
    for number, inside in by_line.items():
        begin = text.rfind("\n", 0, inside[0].start) + 1
        end = text.find("\n", inside[-1].end)
        shown = Text(f"{path}:{number}: ", "dim")
        shown.append(_coloured(text, inside, begin, len(text) if end < 0 else end))
        output.console.print(shown)


def _coloured(text: str, findings: Sequence[Finding], begin: int, end: int) -> Any:
    """That part of the text with what was found in it coloured and named."""
    from rich.text import Text

    shown = Text()
    for one in findings:
        shown.append(_encodable(text[begin : one.start]))
        shown.append(_encodable(text[one.start : one.end]), STYLES.get(one.type, "green") + " underline")
        shown.append(f" {one.type}", "dim")
        begin = one.end
    shown.append(_encodable(text[begin:end]).rstrip("\n"))
    return shown


def _print(text: str, findings: Sequence[Finding], about: Sequence[str]) -> None:
    """The text with what was found coloured and named, then a line for each finding, then the class."""
    from riad.privacy import persons_class

    output.console.print(_coloured(text, findings, 0, len(text)))
    rows = [(one.type, f"{one.start}-{one.end}", f"{one.score:.2f}", one.persons, one.why) for one in findings]
    if rows:
        output.console.print()
        output.table((_("type"), _("place"), _("score"), _("class"), _("why")), rows, empty="")
    output.console.print()
    summary = _(CLASSES[persons_class(findings)])
    if about:
        summary += " " + _("Categories: {categories}.", categories=", ".join(about))
    output.console.print(summary, markup=False, style="bold")


# Masking and restoring


def _masked(text: str, masker: Any) -> str:
    """The text masked; JSON stays JSON, and base64 is masked inside."""
    from riad.privacy import scan_many
    from riad.privacy.everywhere import mask_everywhere
    from riad.privacy.walk import texts

    pieces = texts(text)
    masked, _clean = mask_everywhere(text, pieces, scan_many(pieces), masker)
    return str(masked)


def _key(file: Path | None, mode: str) -> bytes:
    """The key of that file. Surrogates need none of anybody's: what they stand for is in the mapping."""
    if file is None:
        return secrets.token_bytes(32) if mode == "surrogates" else b""
    return output.read(str(file)).strip()


def _write_mapping(path: Path, known: dict[str, str]) -> None:
    """A new file for its owner alone: who writes over a mapping can never restore the text it belonged to."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadRequest(
            N_("Cannot write {file}: {error}."),
            remedy=N_("Name a new file: writing over a mapping would make its text impossible to restore."),
            file=path,
            error=error.strerror,
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"mapping": known}, file, ensure_ascii=False, indent=1)
    warning = _("{file} holds the personal data that was replaced: keep it as you keep the text itself.", file=path)
    typer.echo(warning, err=True)


def _read_mapping(path: Path) -> dict[str, str]:
    try:
        known = json.loads(output.read(str(path)))["mapping"]
        if all(isinstance(value, str) for value in known.values()):
            return dict(known)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise BadRequest(
        N_("{file} is no mapping."), remedy=N_("Give the file that riad privacy mask --mapping wrote."), file=path
    )
