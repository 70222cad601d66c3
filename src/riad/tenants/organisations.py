"""Tenants as rows. Every function works inside the caller's transaction."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Connection, Row, select

from riad.errors import BadRequest, NotFound
from riad.store import Store, tables
from riad.tenants import names
from riad.tenants.secret import Secret
from riad.texts import N_

TenantKind = Literal[
    "startup", "company", "university", "ministry", "public_body", "local_authority", "vital_infrastructure", "ngo"
]
KINDS: tuple[str, ...] = get_args(TenantKind)


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation. ``slug`` is its identifier, ``pseudonym`` its name in the evidence."""

    slug: str
    name: str
    kind: TenantKind
    pseudonym: str
    projects: tuple[str, ...]
    created_at: int  # seconds since 1970


def add(connection: Connection, store: Store, name: str, kind: str) -> bool:
    """Add a tenant of that (checked) name; False when there is one already."""
    values = {"slug": names.slug(name), "name": name, "kind": kind, "created_at": int(store.now(connection))}
    insert = store.insert(tables.tenants).values(values).on_conflict_do_nothing()
    return connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount > 0


def find(connection: Connection, name: str) -> Row[Any]:
    """The tenant's row, by name or slug. Raises ``NotFound``."""
    query = select(tables.tenants).where(tables.tenants.c.slug == names.slug(name))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(
            N_("There is no tenant {tenant}."), remedy=N_("See riad tenants list."), tenant=names.shown(name)
        )
    return row


def find_or_add(connection: Connection, store: Store, name: str, kind: str | None) -> Row[Any]:
    """The tenant of that (checked) name, made now if absent. Raises ``BadRequest`` when it is of another kind."""
    add(connection, store, name, kind or "company")
    row = find(connection, name)
    if kind is not None and row.kind != kind:
        raise BadRequest(
            N_("The tenant {tenant} is of kind {kind}."),
            remedy=N_("Leave --tenant-kind out, or choose another tenant."),
            tenant=row.slug,
            kind=row.kind,
        )
    return row


def all_of(connection: Connection, secret: Secret, name: str | None = None) -> list[Tenant]:
    """Every tenant by slug, or the one of that name."""
    t, p = tables.tenants, tables.projects
    query = select(t, p.c.slug.label("project")).outerjoin(p).order_by(t.c.slug, p.c.slug)
    if name is not None:
        query = query.where(t.c.slug == names.slug(name))
    grouped: dict[str, tuple[Row[Any], list[str]]] = {}
    for row in connection.execute(query):
        projects = grouped.setdefault(row.slug, (row, []))[1]
        if row.project is not None:
            projects.append(row.project)
    return [
        Tenant(
            slug=row.slug,
            name=row.name,
            kind=row.kind,
            pseudonym=secret.pseudonym(row.slug),
            projects=tuple(projects),
            created_at=row.created_at,
        )
        for row, projects in grouped.values()
    ]
