"""``riad ledger``: verify receipts, read the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import ledger_forms, output
from riad.errors import BadRequest
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.reader import Reader

app = typer.Typer(help=_("The evidence: verify receipts, read the log."), no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help=_("Where this platform keeps its data."))]
Config = Annotated[Path | None, typer.Option("--config", help=_("The settings file, riad.toml."))]


def _data_dir(data_dir: Path | None, config: Path | None) -> Path:
    from riad import settings

    return settings.load(config, data_dir=data_dir).data_dir


def _reader(data_dir: Path | None, config: Path | None) -> Reader:
    from riad.ledger.reader import Reader

    return Reader(_data_dir(data_dir, config))


def _policy(data_dir: Path | None, config: Path | None) -> bytes:
    from riad import settings
    from riad.ledger import policy

    return policy.text(_reader(data_dir, config).vkey().splitlines(), settings.load(config).ledger).encode()


@app.command(help=_("Verify a receipt: exit status 0 if it is good, 1 if it is not."))
def verify(
    file: Annotated[str, typer.Argument(help=_("The receipt's file, or - for standard input."))],
    key: Annotated[
        str | None, typer.Option("--key", help=_("The log's public key or its file (default: this platform's own)."))
    ] = None,
    entry: Annotated[
        str | None, typer.Option("--entry", help=_("The entry's file, where the receipt is a COSE receipt."))
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", help=_("A policy: log, witnesses, quorum (default: this platform's).")),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.ledger import verify as verifier

    receipt = output.read(file)
    try:
        # A key given alone is a stranger's question: witnesses are this platform's own, and not looked at.
        rule = output.read(policy) if policy is not None else None if key is not None else _policy(data_dir, config)
        report = ledger_forms.verify(receipt, entry, key, rule)
    except verifier.BadPolicy as error:
        raise BadRequest(str(error), remedy=N_("`riad ledger policy` prints one.")) from None
    except verifier.BadKey as error:
        raise BadRequest(str(error), remedy=N_("`riad ledger key` prints it.")) from None
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


@app.command(help=_("Print what a stranger verifies by: the log's key, its witnesses, their quorum."))
def policy(data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False) -> None:
    text = _policy(data_dir, config).decode()
    _print({"policy": text}, text.rstrip("\n"), as_json)


@app.command(help=_("Print the public key that receipts verify with; publish it where your users look."))
def key(
    form: Annotated[
        str, typer.Option("--format", help=_("vkey for notes, pem for most tools, cose for a COSE_Key."))
    ] = "vkey",
    to: ledger_forms.Output = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    vkey = _reader(data_dir, config).vkey()
    facts = {"origin": vkey.partition("+")[0]}
    ledger_forms.deliver(ledger_forms.keys(vkey, form), to, facts, "key", as_json=as_json)


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
    form: Annotated[
        str | None,
        typer.Option("--format", help=_("The receipt as text or cose, or the entry as it was logged: entry.")),
    ] = None,
    to: ledger_forms.Output = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.ledger import verify as verifier

    with _reader(data_dir, config) as reader:
        text = reader.receipt(index)
        report = verifier.verify(text.encode(), reader.vkey())
        if receipt or form or to:
            form = form or "text"
            data = ledger_forms.receipt(reader, index, form)
            name = "entry" if form == "entry" else "receipt"
            ledger_forms.deliver(data, to, {"index": index}, name, as_json=as_json)
            return
    entry = report.facts()
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
