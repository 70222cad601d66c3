"""``riad ledger``: verify receipts, read the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import output
from riad.errors import BadRequest
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.reader import Reader

app = typer.Typer(help=_("The evidence: verify receipts, read the log."), no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help=_("Where this platform keeps its data."))]
Config = Annotated[Path | None, typer.Option("--config", help=_("The settings file, riad.toml."))]


Shard = Annotated[int, typer.Option("--shard", help=_("The year of a later log of this platform (0: the first)."))]


def _reader(data_dir: Path | None, config: Path | None, shard: int = 0) -> Reader:
    from riad import settings
    from riad.ledger.place import is_shard
    from riad.ledger.reader import Reader

    if not is_shard(shard):
        raise BadRequest(N_("{shard} is no shard of a ledger."), remedy=N_("Use 0 or a year, as 2027."), shard=shard)
    return Reader.of(settings.load(config, data_dir=data_dir), shard)


@app.command(help=_("Verify a receipt: exit status 0 if it is good, 1 if it is not."))
def verify(
    file: Annotated[str, typer.Argument(help=_("The receipt's file, or - for standard input."))],
    key: Annotated[
        str | None, typer.Option("--key", help=_("The log's public key or its file (default: this platform's own)."))
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.ledger import verify as verifier

    receipt = output.read(file)
    try:
        vkey = verifier.find_key(key) if key is not None else _reader(data_dir, config).vkey()
        report = verifier.verify(receipt, vkey)
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


@app.command(help=_("Print the public key that receipts verify with; publish it where your users look."))
def key(shard: Shard = 0, data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False) -> None:
    vkey = _reader(data_dir, config, shard).vkey()
    _print({"key": vkey, "origin": vkey.partition("+")[0]}, vkey, as_json)


@app.command(help=_("Print the newest checkpoint, a signed note."))
def checkpoint(
    shard: Shard = 0, data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False
) -> None:
    from riad.ledger.note import Checkpoint, Verifier

    with _reader(data_dir, config, shard) as reader:
        note = reader.checkpoint()
        head = Checkpoint.parse(Verifier.parse(reader.vkey()).open(note))
    facts = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "checkpoint": note}
    _print(facts, note.rstrip("\n"), as_json)


@app.command(help=_("Show an entry of the log, once its proof is verified."))
def show(
    index: Annotated[int, typer.Argument(help=_("Its place in the log, from 0."))],
    receipt: Annotated[bool, typer.Option("--receipt", help=_("Print its receipt instead."))] = False,
    shard: Shard = 0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.ledger import verify as verifier

    with _reader(data_dir, config, shard) as reader:
        text = reader.receipt(index)
        report = verifier.verify(text.encode(), reader.vkey())
    entry = report.facts()
    if receipt:
        _print({"index": index, "receipt": text}, text.rstrip("\n"), as_json)
    else:
        sentences = verifier.words(entry, _) if entry is not None else [_("It is not JSON.")]
        _print({"index": index, "entry": entry}, "\n".join(sentences), as_json)


@app.command(help=_("Show how large the log is."))
def stats(
    shard: Shard = 0, data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False
) -> None:
    with _reader(data_dir, config, shard) as reader:
        size, origin, held = reader.size(), reader.vkey().partition("+")[0], reader.bytes_held()
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


@app.command(
    "rotate-key",
    help=_("Change the signing key: begin, so that both keys sign; later, with --finish, let the old one go."),
)
def rotate_key(
    finish: Annotated[bool, typer.Option("--finish", help=_("Let the old key go."))] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad import settings
    from riad.ledger import rotation

    chosen = settings.load(config, data_dir=data_dir)
    change = rotation.finish if finish else rotation.begin
    verifier = change(chosen.data_dir, chosen.ledger.origin, chosen.ledger_url)
    if finish:
        says = _("The old key is gone; publish this one alone, keep the old public key for old receipts:")
        then = _("Other machines of this ledger: copy ledger.key to each and restart it.")
    else:
        says = _("Both keys sign from now on; publish both:")
        then = _("Copy ledger.key to every other machine of this ledger and restart it; finish later with --finish.")
    facts = {"origin": verifier.name, "keys": verifier.vkeys.split("\n"), "finished": finish}
    _print(facts, f"{says}\n{verifier.vkeys}\n{then}", as_json)


def _print(facts: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        output.document(facts)
    else:
        typer.echo(text)
