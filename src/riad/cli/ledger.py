"""``riad ledger``: verify receipts, read the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riad.cli import ledger_forms, output
from riad.cli.ledger_common import Config, DataDir
from riad.cli.ledger_common import open_reader as _reader
from riad.cli.ledger_common import print_facts as _print
from riad.cli.ledger_keeping import audit, export, prune
from riad.cli.ledger_reading import show, tail
from riad.cli.ledger_search import search, stats
from riad.errors import BadRequest
from riad.texts import N_, _

app = typer.Typer(help=_("The evidence: verify receipts, read the log."), no_args_is_help=True)


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


for command in (show, tail, search, stats, export, audit, prune):
    app.command()(command)
