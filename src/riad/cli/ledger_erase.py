"""``riad ledger erase``: destroy record keys, and say what that does and does not do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast, get_args

import typer

from riad.cli import output
from riad.cli.ledger_common import all_shards
from riad.errors import BadRequest, NotFound
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.entry import Basis, Scope
    from riad.ledger.erasing import Done, Read, Went
    from riad.ledger.record_keys import RecordKeys, Row
    from riad.tenants.keys import KeyStore

REMAINS = (
    N_("The entries stay: facts and counts, no content. A log from which something can be taken proves nothing."),
    N_("A key that its caller asked for (x-riad-commitment: reveal) is the caller's: ask for it to be destroyed too."),
    N_("Copies of the key store, in backups made against the advice, still open what they hold."),
    N_("Other machines of this platform hold the keys of the records they made: run this on each."),
)


def erase(
    subject: Annotated[
        str | None, typer.Option(help=_("A person, as the caller named her in user or safety_identifier."))
    ] = None,
    tenant: Annotated[str | None, typer.Option(help=_("The organisation; alone: all of its records."))] = None,
    project: Annotated[str | None, typer.Option(help=_("One of its projects: all of that project's records."))] = None,
    record: Annotated[str | None, typer.Option(help=_("One record, by its receipt's name."))] = None,
    basis: Annotated[str, typer.Option(help=_("Why: request, retention, authority or operator."))] = "request",
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only say what would be destroyed."))] = False,
    yes: Annotated[bool, typer.Option("--yes", help=_("Do it without asking."))] = False,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help=_("Where this platform keeps its data."))] = None,
    config: Annotated[Path | None, typer.Option("--config", help=_("The settings file, riad.toml."))] = None,
    as_json: output.JsonOption = False,
) -> None:
    from riad.cli.keys import opened
    from riad.ledger import erasing
    from riad.ledger.record_keys import RecordKeys

    scope = _scope(subject, tenant, project, record)
    ground = _basis(basis)
    with (
        opened(config, data_dir) as (store, settings),
        _reading(data_dir, config) as read,
        RecordKeys(settings.keys_dir, synchronous="FULL") as keys,
    ):
        rows = list(_rows(read, keys, store, subject=subject, tenant=tenant, project=project, record=record))
        outside = erasing.went(read, rows)
        done: list[Done] = []
        if not dry_run:
            if not yes:
                _confirm(len(rows), as_json)
            done = erasing.erase(
                keys,
                rows,
                erasing.erasure(scope, ground),
                settings.data_dir,
                settings.ledger.origin,
                settings.ledger_url,
            )
    _tell(scope, len(rows), outside, done, dry_run=dry_run, as_json=as_json)


@contextmanager
def _reading(data_dir: Path | None, config: Path | None) -> Iterator[Read]:
    """Reads the entry at a place, whichever shard that is in."""
    from riad.ledger import place

    logs = all_shards(data_dir, config)

    def read(at: int) -> bytes:
        shard, index = place.unpack(at)
        if shard not in logs:
            raise NotFound(N_("There is no shard {shard} of this ledger."), remedy=N_("Use 0."), shard=shard)
        return logs[shard].entry(index)

    try:
        yield read
    finally:
        for log in logs.values():
            log.close()


def _scope(subject: str | None, tenant: str | None, project: str | None, record: str | None) -> Scope:
    given = [
        name for name, value in (("subject", subject), ("project", project), ("record", record)) if value is not None
    ]
    if len(given) > 1 or (given == ["record"]) == (tenant is not None):
        raise BadRequest(
            N_("It is not clear whose records are meant."),
            remedy=N_("Give --subject with --tenant, --project with --tenant, --tenant alone, or --record alone."),
        )
    if "" in (subject, tenant, project, record):
        raise BadRequest(N_("An empty name means nobody."), remedy=N_("Give the name as the caller wrote it."))
    return cast("Scope", given[0] if given else "tenant")


def _basis(name: str) -> Basis:
    from riad.ledger.entry import Basis

    if name not in get_args(Basis):
        raise BadRequest(
            N_("{basis} is no ground for an erasure."),
            remedy=N_("Give one of: {known}. A name would stay in the log for good."),
            basis=repr(name[:100]),
            known=", ".join(get_args(Basis)),
        )
    return cast(Basis, name)


def _rows(
    read: Read,
    keys: RecordKeys,
    store: KeyStore,
    *,
    subject: str | None,
    tenant: str | None,
    project: str | None,
    record: str | None,
) -> Iterable[Row]:
    """The rows that are meant. Raises ``NotFound`` where there is no such tenant, project or record."""
    from riad.ledger import erasing, place

    if tenant is None:
        at, dash, request_id = (record or "").partition("-")
        if not dash:
            raise BadRequest(
                N_("This is not a receipt's name."), remedy=N_("It looks like 41-9f86d081884c7d659a2feaa0c55ad015.")
            )
        return erasing.of_record(read, keys, place.parse(at), request_id)
    owner = store.tenant(tenant)
    if subject is not None:
        return keys.rows(store.secret.subject(owner.slug, subject))
    slug = store.project(tenant, project).slug if project is not None else None
    return erasing.of_tenant(read, keys.rows(), owner.pseudonym, slug)


def _confirm(count: int, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        _unconfirmed()
    question = _("{count} record keys will be destroyed for good. Go on?", count=count)
    typer.confirm(question, abort=True, err=True)


def _unconfirmed() -> NoReturn:
    raise BadRequest(
        N_("Destroying keys cannot be undone, and nobody is there to be asked."),
        remedy=N_("Look at it with --dry-run, then give --yes."),
    )


def _tell(scope: str, count: int, outside: list[Went], done: list[Done], *, dry_run: bool, as_json: bool) -> None:
    from riad.ledger import place

    if as_json:
        output.document(
            {
                "scope": scope,
                "dry_run": dry_run,
                "keys": count,
                "entries": [
                    {"place": place.name(one.place), "id": one.erasure.id, "count": one.erasure.count} for one in done
                ],
                "sites": [one._asdict() for one in outside],
                "remains": [_(sentence) for sentence in REMAINS],
            }
        )
        return
    if not count:
        typer.echo(_("No record key is left that is meant by this. Is the name written as the caller wrote it?"))
    elif dry_run:
        typer.echo(_("{count} record keys would be destroyed; nothing was changed.", count=count))
    else:
        typer.echo(_("{count} record keys are destroyed: nothing opens those records any more.", count=count))
    for one in done:
        typer.echo(_("Recorded as entry {place}: {count} keys.", place=place.name(one.place), count=one.erasure.count))
    typer.echo(_("What this does not reach:"))
    for sentence in REMAINS:
        typer.echo("  " + _(sentence))
    for there in outside:
        days = _("unknown") if there.retention_days is None else _("{n} days", n=there.retention_days)
        sentence = N_("{n} requests went to {site} ({country}, crossing {crossing}); it keeps them: {days}. Ask there.")
        said = _(sentence, n=there.records, site=there.site, country=there.country, crossing=there.crossing, days=days)
        typer.echo("  " + said)
