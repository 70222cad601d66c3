"""``riad witness``: be the one who notices a second history of somebody else's log."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import output
from riad.errors import BadRequest, BadSettings
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.witness.witness import Witness

app = typer.Typer(
    help=_("A witness of somebody else's ledger: it notices when two histories are shown."), no_args_is_help=True
)

Directory = Annotated[
    Path | None,
    typer.Option("--dir", help=_("The witness's own directory (default: RIAD_WITNESS_DIR, else riad-witness).")),
]


def _directory(chosen: Path | None) -> Path:
    from riad.witness.keys import default_directory

    return (chosen or default_directory()).expanduser().absolute()


def _witness(chosen: Path | None) -> Witness:
    from riad.witness import keys
    from riad.witness.memory import Memory
    from riad.witness.witness import Witness

    directory = _directory(chosen)
    return Witness(keys.load(directory), Memory(directory))


@app.command(help=_("Make a witness: its own key in its own directory."))
def init(
    name: Annotated[str, typer.Option("--name", help=_("Its name, as witness.example.org/riad."))],
    ml_dsa: Annotated[
        bool,
        typer.Option("--ml-dsa", help=_("A second key, ML-DSA-44, that quantum computers do not break.")),
    ] = False,
    directory: Directory = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.witness import keys

    where = _directory(directory)
    vkeys = [cosigner.verifier.vkey for cosigner in keys.create(where, name, ml_dsa=ml_dsa)]
    if as_json:
        output.document({"witness": name, "vkeys": vkeys, "dir": str(where)})
        return
    typer.echo(_("The witness {name} is in {directory}. Keep a copy of witness.key.", name=name, directory=where))
    typer.echo(_("Give its public key to the logs it shall witness:"))
    typer.echo("\n".join(vkeys))


@app.command(help=_("Print its public keys: the logs it witnesses need one."))
def key(directory: Directory = None, as_json: output.JsonOption = False) -> None:
    witness = _witness(directory)
    vkeys = [cosigner.verifier.vkey for cosigner in witness.cosigners]
    if as_json:
        output.document({"witness": witness.name, "vkeys": vkeys})
    else:
        typer.echo("\n".join(vkeys))


@app.command("add-log", help=_("Witness a log from now on, by its public key; a running witness knows at once."))
def add_log(
    vkey: Annotated[str, typer.Argument(help=_("The log's public key, or a file that holds its keys, one a line."))],
    directory: Directory = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.ledger.note import Verifier

    witness = _witness(directory)
    verifiers = [Verifier.parse(line) for line in _lines(vkey)]
    added = [verifier.vkey for verifier in verifiers if witness.memory.trust(verifier)]
    if as_json:
        output.document({"origin": verifiers[0].name, "added": added})
    elif added:
        typer.echo(_("The log {origin} is witnessed.", origin=verifiers[0].name))
    else:
        typer.echo(_("The log {origin} was witnessed already.", origin=verifiers[0].name))


@app.command("remove-log", help=_("Stop witnessing a log; what was seen of it stays remembered."))
def remove_log(
    log: Annotated[str, typer.Argument(help=_("The log's origin, or one of its keys."))],
    directory: Directory = None,
    as_json: output.JsonOption = False,
) -> None:
    removed = _witness(directory).memory.distrust(log)
    origin = removed[0].partition("+")[0]
    if as_json:
        output.document({"origin": origin, "removed": removed})
    else:
        typer.echo(_("The log {origin} is not witnessed any more with {n} of its keys.", origin=origin, n=len(removed)))


@app.command(help=_("List the logs it witnesses, and what it has seen of them."))
def logs(directory: Directory = None, as_json: output.JsonOption = False) -> None:
    facts = _account(directory)["logs"]
    if as_json:
        output.document({"logs": facts})
    else:
        _table(facts)


@app.command(help=_("Show what it has seen; exit status 1 when a log showed two histories."))
def status(directory: Directory = None, as_json: output.JsonOption = False) -> None:
    facts = _account(directory)
    forks = facts["forks"]
    if as_json:
        output.document(facts)
    else:
        typer.echo(_("The witness {name}.", name=facts["witness"]))
        _table(facts["logs"])
        for fork in forks:
            typer.echo("")
            typer.echo(
                _(
                    "{time}: {origin} showed two histories. Both of these were signed by its key, and they cannot both "
                    "be true:",
                    time=_when(fork["time"]),
                    origin=fork["origin"],
                )
            )
            typer.echo("\n" + fork["first"] + "\n" + fork["second"].rstrip("\n"))
        if not forks:
            typer.echo(_("No log showed two histories."))
    if forks:
        raise typer.Exit(1)


@app.command(help=_("Serve in the foreground; Ctrl-C stops it."))
def up(
    host: Annotated[str, typer.Option("--host", help=_("The address to listen on."))] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=_("The port; 0 takes a free one."))] = 8081,
    behind_tls: Annotated[
        bool, typer.Option("--behind-tls", help=_("A reverse proxy in front ends TLS: allows a public address."))
    ] = False,
    directory: Directory = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.witness import server

    if not behind_tls and not _is_loopback(host):
        raise BadSettings(
            N_("Listening on {host} would let the network read and change what the witness says, without TLS."),
            remedy=N_("Put a TLS reverse proxy in front and give --behind-tls, or listen on 127.0.0.1."),
            host=host,
        )
    witness = _witness(directory)
    witness.memory.logs()  # a memory that cannot be used is said now, not to the first log
    listener = server.listen(host, port)
    address, chosen = listener.getsockname()[:2]
    url = f"http://{f'[{address}]' if ':' in address else address}:{chosen}"

    def serving() -> None:
        if as_json:
            output.document({"url": url, "witness": witness.name, "dir": str(_directory(directory))})
        else:
            output.console.print(_("The witness {name} serves at {url}. Ctrl-C stops it.", name=witness.name, url=url))

    server.serve(witness, listener, serving)


def _account(directory: Path | None) -> dict[str, Any]:
    from riad.witness.server import account

    return account(_witness(directory))


def _table(logs: list[dict[str, Any]]) -> None:
    rows = [(log["origin"], log["size"], log["root"][:16], _when(log["time"])) for log in logs]
    columns = [_("log"), _("entries"), _("root"), _("cosigned")]
    output.table(columns, rows, empty=_("It witnesses no log yet: `riad witness add-log KEY`."))


def _lines(given: str) -> list[str]:
    """The keys meant: the one given, or those in the file of that name."""
    lines = [given]
    if "+" not in given or (len(given) < 4096 and Path(given).is_file()):
        try:
            lines = [line for line in output.read(given).decode().splitlines() if line.strip()]
        except UnicodeDecodeError:
            lines = []
    if not lines:
        raise BadRequest(N_("{file} holds no key."), remedy=N_("`riad ledger key` prints a log's."), file=given)
    return lines


def _when(seconds: int | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "–"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
