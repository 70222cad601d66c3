"""``riad ledger``: verify receipts, read the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riad.cli import ledger_forms, ledger_keeping, ledger_reading, ledger_search, output
from riad.cli.ledger_common import Config, DataDir, Shard, all_shards, open_reader, print_facts
from riad.cli.ledger_erase import erase
from riad.errors import BadRequest, Erased
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.verify import Report

app = typer.Typer(help=_("The evidence: verify receipts, read the log."), no_args_is_help=True)


def _policy(data_dir: Path | None, config: Path | None, shard: int = 0, receipt: bytes = b"") -> bytes:
    """The policy of a shard: C2SP lets no file name one key under two years' names. A receipt says whose it is."""
    from riad import settings
    from riad.ledger import policy

    if receipt:
        signed = {line.split(b" ")[1] for line in receipt.splitlines() if line.startswith("— ".encode())}
        readers = all_shards(data_dir, config).items()
        shard = next((year for year, reader in readers if reader.vkey().partition("+")[0].encode() in signed), 0)
    return policy.text(open_reader(data_dir, config, shard).vkeys(), settings.load(config).ledger).encode()


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
        # A key given alone is a stranger's question: witnesses are this platform's own, and not looked at.
        rule = output.read(policy) if policy is not None else None
        if policy is None and key is None:
            rule = _policy(data_dir, config, receipt=receipt)
        report = ledger_forms.verify(receipt, entry, key, rule)
        if (text := prompt if prompt is not None else answer) is not None:
            what = "answer" if prompt is None else "prompt"
            opener = record_key or _record_key(report, data_dir, config)
            verifier.open_commitment(report, what, output.read(text), opener)
    except verifier.BadPolicy as error:
        raise BadRequest(str(error), remedy=N_("`riad ledger policy` prints one.")) from None
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


def _record_key(report: Report, data_dir: Path | None, config: Path | None) -> str:
    """The key of a record of this platform. Raises ``Erased`` or ``NotFound``."""
    from riad import settings
    from riad.ledger import place
    from riad.ledger.record_keys import RecordKeys

    chosen, entry = settings.load(config, data_dir=data_dir), report.facts() or {}
    shard, index, data = place.shard_of(chosen.ledger.origin, report.origin) or 0, report.index, report.entry
    if entry.get("kind") == "outcome":  # its key is its decision's
        shard, index = entry.get("decision_shard", 0), entry["decision"]
        with open_reader(data_dir, config, shard) as reader:
            data = reader.entry(index)
    with RecordKeys(chosen.keys_dir) as keys:
        return keys.key(place.pack(shard, index), data).hex()


@app.command(help=_("Print what a stranger verifies by: the log's key, its witnesses, their quorum."))
def policy(
    shard: Shard = 0, data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False
) -> None:
    text = _policy(data_dir, config, shard).decode()
    print_facts({"policy": text}, text.rstrip("\n"), as_json)


@app.command(help=_("Print the public key that receipts verify with; publish it where your users look."))
def key(
    form: Annotated[
        str, typer.Option("--format", help=_("vkey for notes, pem for most tools, cose for a COSE_Key."))
    ] = "vkey",
    to: ledger_forms.Output = None,
    shard: Shard = 0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    vkey = open_reader(data_dir, config, shard).vkey()
    facts = {"origin": vkey.partition("+")[0]}
    ledger_forms.deliver(ledger_forms.keys(vkey, form), to, facts, "key", as_json=as_json)


@app.command(help=_("Print the newest checkpoint, a signed note."))
def checkpoint(
    shard: Shard = 0, data_dir: DataDir = None, config: Config = None, as_json: output.JsonOption = False
) -> None:
    from riad.ledger.note import Checkpoint, Verifier

    with open_reader(data_dir, config, shard) as reader:
        note = reader.checkpoint()
        head = Checkpoint.parse(Verifier.parse(reader.vkey()).open(note))
    facts = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "checkpoint": note}
    print_facts(facts, note.rstrip("\n"), as_json)


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
    print_facts(facts, f"{says}\n{verifier.vkeys}\n{then}", as_json)


app.command(help=_("Show an entry of the log, and what belongs to it, once their proofs are verified."))(
    ledger_reading.show
)
app.command(help=_("Show the newest entries, one a line, each once its proof is verified."))(ledger_reading.tail)
app.command(help=_("Find attempts by what the log says of them, newest first."))(ledger_search.search)
app.command(help=_("Show how large the log is, and count its attempts."))(ledger_search.stats)
app.command(help=_("Write the log as static files that any web server can publish."))(ledger_keeping.export)
app.command(help=_("Re-read the whole log and say what is wrong where."))(ledger_keeping.audit)
app.command(help=_("Let the oldest entries go."))(ledger_keeping.prune)
app.command(help=_("Destroy record keys, so that nothing opens what those records commit to; a record says so."))(erase)
