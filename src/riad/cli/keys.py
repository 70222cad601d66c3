"""``riad keys``: who may ask, for which purpose, within which limits."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from riad import settings
from riad.cli.output import JsonOption, console, document, table
from riad.cli.up import ConfigOption, DataDirOption
from riad.texts import _

if TYPE_CHECKING:
    from riad.tenants.keys import KeyRecord, KeyStore

app = typer.Typer(help=_("Keys: who may ask, for which purpose, within which limits."), no_args_is_help=True)


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help=_("The organisation; made now if there is none of that name."))],
    project: Annotated[str, typer.Option(help=_("Its project; made now if there is none of that name."))],
    purpose: Annotated[str, typer.Option(help=_("What the data is processed for, as customer_support."))],
    tenant_kind: Annotated[
        str | None, typer.Option(help=_("The kind of a tenant made now (default: company). See riad tenants create."))
    ] = None,
    legal_basis: Annotated[
        str | None,
        typer.Option(
            help=_(
                "consent, legal_obligation, contract, vital_interest, public_mission or legitimate_interest "
                "(default: not declared)."
            )
        ),
    ] = None,
    max_persons: Annotated[
        str, typer.Option(help=_("The most sensitive personal data it may send: none, personal or sensitive."))
    ] = "personal",
    max_state: Annotated[
        str, typer.Option(help=_("The most sensitive State data it may send: none, restricted or sensitive."))
    ] = "none",
    locality: Annotated[
        str, typer.Option(help=_("national: nothing leaves the country. any: wherever the law allows."))
    ] = "any",
    requests_per_minute: Annotated[int | None, typer.Option(help=_("Requests a minute (default: no limit)."))] = None,
    tokens_per_day: Annotated[int | None, typer.Option(help=_("Tokens a day, UTC (default: no limit)."))] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DATE", help=_("Its last day, or an instant (default: never)."))
    ] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key. It is shown once."""
    from riad.tenants import names

    with opened(config, data_dir) as (keys, chosen):
        token, record = keys.create(
            tenant=tenant,
            project=project,
            purpose=purpose,
            tenant_kind=tenant_kind,
            legal_basis=legal_basis,
            max_persons=max_persons,
            max_state=max_state,
            locality=locality,
            requests_per_minute=requests_per_minute,
            tokens_per_day=tokens_per_day,
            expires_at=None if expires is None else names.expiry(expires),
        )
    if json:
        document({"key": token} | record_document(record))
    else:
        _introduce(token, record, chosen)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help=_("Only this tenant's."))] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List keys. What opens the door is never shown again."""
    with opened(config, data_dir) as (keys, _settings):
        records = keys.records(tenant)
    if json:
        document({"keys": [record_document(record) for record in records]})
        return
    now = time.time()
    table(
        # Few columns: an id that a narrow terminal cuts short is of no use. --json has the rest.
        (_("id"), _("tenant"), _("project"), _("purpose"), _("state")),
        ((record.id, record.tenant, record.project, record.purpose, record.state(now)) for record in records),
        empty=_("No key yet. Make one: riad keys create --tenant T --project P --purpose X"),
    )


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help=_("The key's id, its beginning, or the whole key."))],
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke a key, everywhere, within a second. Revoking it again changes nothing."""
    with opened(config, data_dir) as (keys, _settings):
        record = keys.revoke(key)
    if json:
        document(record_document(record))
    else:
        console.print(_("Key {id} is revoked: every worker refuses it within a second.", id=record.id), markup=False)


@contextmanager
def opened(config: Path | None, data_dir: Path | None) -> Iterator[tuple[KeyStore, settings.Settings]]:
    """The key store of the chosen installation, closed at the end; works beside a running platform."""
    from riad.tenants.keys import KeyStore

    chosen = settings.load(config, data_dir=data_dir)
    keys = KeyStore.open(chosen.database_url, chosen.data_dir)
    try:
        yield keys, chosen
    finally:
        keys.close()


def record_document(record: KeyRecord) -> dict[str, Any]:
    """A key's record as ``--json`` shows it: all of it, and its state now."""
    return msgspec.structs.asdict(record) | {"state": record.state(time.time())}


def moment(seconds: int) -> str:
    """A time, UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _introduce(token: str, record: KeyRecord, chosen: settings.Settings) -> None:
    host = chosen.server.host if chosen.server.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104  (compared)
    lines = (
        token,
        "",
        _("This is the only time it is shown: keep it where secrets are kept. Its id is {id}.", id=record.id),
        _("Use it with any OpenAI-compatible program:"),
        "",
        f"  export OPENAI_API_KEY={shlex.quote(token)}",
        f"  export OPENAI_BASE_URL=http://{host}:{chosen.server.port}/v1",
    )
    for line in lines:
        console.print(line, markup=False)
