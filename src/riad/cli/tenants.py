"""``riad tenants``: the organisations that use this platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from riad.cli.keys import moment, opened, record_document
from riad.cli.output import JsonOption, console, document, table
from riad.cli.up import ConfigOption, DataDirOption
from riad.texts import _

if TYPE_CHECKING:
    from riad.tenants.projects import Project

app = typer.Typer(help=_("The organisations that use this platform."), no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=_("The tenant's name."))]


@app.command()
def create(
    name: NameArgument,
    kind: Annotated[
        str,
        typer.Option(
            help=_("startup, company, university, ministry, public_body, local_authority, vital_infrastructure or ngo.")
        ),
    ] = "company",
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Add an organisation. The law may treat its data according to its kind."""
    with opened(config, data_dir) as (keys, _settings):
        tenant = keys.create_tenant(name, kind)
    if json:
        document(tenant)
    else:
        console.print(_("Tenant {tenant} ({kind}) is there.", tenant=tenant.slug, kind=tenant.kind), markup=False)


@app.command("list")
def list_(data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the organisations."""
    with opened(config, data_dir) as (keys, _settings):
        tenants = keys.tenants()
    if json:
        document({"tenants": tenants})
        return
    table(
        (_("tenant"), _("name"), _("kind"), _("projects"), _("since")),
        ((t.slug, t.name, t.kind, ", ".join(t.projects), moment(t.created_at)) for t in tenants),
        empty=_("No tenant yet. riad keys create makes one with its first key."),
    )


@app.command()
def show(
    name: NameArgument, data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Show an organisation: its projects and their choices, its keys, and its pseudonym in the evidence."""
    with opened(config, data_dir) as (keys, _settings):
        tenant, records, projects = keys.tenant(name), keys.records(name), keys.projects(name)
    if json:
        document(
            msgspec.structs.asdict(tenant)
            | {"project_choices": projects, "keys": [record_document(record) for record in records]}
        )
        return
    rows = (
        (_("tenant"), tenant.slug),
        (_("name"), tenant.name),
        (_("kind"), tenant.kind),
        *((_("project"), f"{project.slug} · {_choices(project)}") for project in projects),
        (_("keys"), ", ".join(record.id for record in records if record.revoked_at is None)),
        (_("in the evidence"), tenant.pseudonym),
        (_("since"), moment(tenant.created_at)),
    )
    table(("", ""), rows, empty="")


@app.command()
def project(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help=_("The tenant's name."))],
    name: Annotated[str, typer.Argument(metavar="PROJECT", help=_("The project's name."))],
    masking: Annotated[
        str | None,
        typer.Option(
            help=_(
                "How what crosses a border is masked, unless the law asks for more: surrogates, placeholders, tokens "
                "or redaction. The last two cannot be turned back."
            )
        ),
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option(
            help=_("What is done with data about persons in an answer that was not in its prompt: report or mask.")
        ),
    ] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show or change what a project does with data about persons; every worker knows within a second."""
    with opened(config, data_dir) as (keys, _settings):
        found = keys.change_project(tenant, name, masking=masking, answers=answers)
    if json:
        document(found)
    else:
        console.print(_("Project {project}: {choices}.", project=found.slug, choices=_choices(found)), markup=False)


def _choices(project: Project) -> str:
    return _("masking {masking}, answers {answers}", masking=project.masking, answers=project.answers)


@app.command()
def revoke(
    name: NameArgument, data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Revoke every key of an organisation, everywhere, within a second."""
    with opened(config, data_dir) as (keys, _settings):
        records = keys.revoke_tenant(name)
    if json:
        document({"revoked": [record.id for record in records]})
    else:
        console.print(_("Keys revoked: {n}.", n=len(records)), markup=False)
