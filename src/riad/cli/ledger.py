"""``riad ledger``: verify receipts, read the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import output
from riad.cli.ledger_erase import erase
from riad.errors import BadRequest, Erased
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.reader import Reader
    from riad.ledger.verify import Report

app = typer.Typer(help=_("The evidence: verify receipts, read the log."), no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help=_("Where this platform keeps its data."))]
Config = Annotated[Path | None, typer.Option("--config", help=_("The settings file, riad.toml."))]


def _data_dir(data_dir: Path | None, config: Path | None) -> Path:
    from riad import settings

    return settings.load(config, data_dir=data_dir).data_dir


def _reader(data_dir: Path | None, config: Path | None) -> Reader:
    from riad.ledger.reader import Reader

    return Reader(_data_dir(data_dir, config))


@app.command(help=_("Verify a receipt: exit status 0 if it is good, 1 if it is not."))
def verify(
    file: Annotated[str, typer.Argument(help=_("The receipt's file, or - for standard input."))],
    key: Annotated[
        str | None, typer.Option("--key", help=_("The log's public key or its file (default: this platform's own)."))
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help=_("The request's JSON: is it what this decision commits to?"))
    ] = None,
    answer: Annotated[
        str | None, typer.Option("--answer", help=_("The answer, as JSON, stream or text: is it this outcome's?"))
    ] = None,
    record_key: Annotated[
        str | None, typer.Option("--record-key", help=_("The record's key (default: from this platform's key store)."))
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.ledger import verify as verifier

    if (prompt is not None and answer is not None) or (record_key is not None and prompt is None and answer is None):
        raise BadRequest(
            N_("A record key opens one text."),
            remedy=N_("Give --prompt with a decision's receipt, or --answer with an outcome's."),
        )
    receipt = output.read(file)
    destroyed = False
    try:
        vkey = verifier.find_key(key) if key is not None else _reader(data_dir, config).vkey()
        report = verifier.verify(receipt, vkey)
        if (text := prompt if prompt is not None else answer) is not None:
            what = "answer" if prompt is None else "prompt"
            opener = record_key or _record_key(report, data_dir, config)
            verifier.open_commitment(report, what, output.read(text), opener)
    except verifier.BadKey as error:
        raise BadRequest(str(error), remedy=N_("`riad ledger key` prints it.")) from None
    except verifier.BadText as error:
        raise BadRequest(str(error)) from None
    except Erased:
        destroyed = True
        report.add(
            N_("The record key was destroyed: nothing can be compared with what this record commits to."),
            N_("Nothing of any text. The receipt itself is as good as before."),
        )
    except verifier.BadReceipt as bad:
        if as_json:
            output.document({"ok": False, "step": bad.step, "error": verifier.failure(bad, _)})
        else:
            typer.echo(verifier.failure(bad, _))
        raise typer.Exit(1) from None
    if as_json:
        output.document(verifier.document(report, _))
    else:
        typer.echo("\n".join(verifier.describe(report, _)))
    if destroyed:
        raise typer.Exit(1)


app.command(help=_("Destroy record keys, so that nothing opens what those records commit to; a record says so."))(erase)


def _record_key(report: Report, data_dir: Path | None, config: Path | None) -> str:
    """The key of a record of this platform. Raises ``Erased`` or ``NotFound``."""
    from riad import settings
    from riad.ledger.record_keys import RecordKeys

    chosen, entry = settings.load(config, data_dir=data_dir), report.facts() or {}
    place, data = report.index, report.entry
    with _reader(data_dir, config) as reader, RecordKeys(chosen.keys_dir) as keys:
        if entry.get("kind") == "outcome":  # its key is its decision's
            place = entry["decision"]
            data = reader.entry(place)
        return keys.key(place, data).hex()


@app.command(help=_("Print the public key that receipts verify with; publish it where your users look."))
def key(data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False) -> None:
    vkey = _reader(data_dir, config).vkey()
    _print({"key": vkey, "origin": vkey.partition("+")[0]}, vkey, as_json)


@app.command(help=_("Print the newest checkpoint, a signed note."))
def checkpoint(data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False) -> None:
    from riad.ledger.note import Checkpoint, Verifier

    with _reader(data_dir, config) as reader:
        note = reader.checkpoint()
        head = Checkpoint.parse(Verifier.parse(reader.vkey()).open(note))
    facts = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "checkpoint": note}
    _print(facts, note.rstrip("\n"), as_json)


@app.command(help=_("Show an entry of the log, once its proof is verified."))
def show(
    index: Annotated[int, typer.Argument(help=_("Its place in the log, from 0."))],
    receipt: Annotated[bool, typer.Option("--receipt", help=_("Print its receipt instead."))] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.ledger import verify as verifier

    with _reader(data_dir, config) as reader:
        text = reader.receipt(index)
        report = verifier.verify(text.encode(), reader.vkey())
    entry = report.facts()
    if receipt:
        _print({"index": index, "receipt": text}, text.rstrip("\n"), as_json)
    else:
        sentences = verifier.words(entry, _) if entry is not None else [_("It is not JSON.")]
        _print({"index": index, "entry": entry}, "\n".join(sentences), as_json)


@app.command(help=_("Show how large the log is."))
def stats(data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False) -> None:
    from riad.ledger.files import Files

    with _reader(data_dir, config) as reader:
        size, origin = reader.size(), reader.vkey().partition("+")[0]
    database = Files(_data_dir(data_dir, config)).database
    files = [database, database.with_name(database.name + "-wal")]
    held = sum(file.stat().st_size for file in files if file.exists())
    facts = {"origin": origin, "entries": size, "bytes": held, "bytes_per_entry": held // size if size else None}
    if as_json:
        output.document(facts)
    else:
        rows = [
            (_("origin"), origin),
            (_("entries"), size),
            (_("bytes on disk"), held),
            (_("bytes per entry"), facts["bytes_per_entry"]),
        ]
        output.table(["", ""], rows, empty="")


def _print(facts: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        output.document(facts)
    else:
        typer.echo(text)
