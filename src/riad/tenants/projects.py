"""Projects as rows, and what each chose to do with data about persons. Every function works inside the caller's
transaction.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Connection, Row, Select, select, update

from riad.errors import NotFound
from riad.store import Store, tables
from riad.tenants import names
from riad.texts import N_

Masking = Literal["surrogates", "placeholders", "tokens", "redaction"]
Answers = Literal["report", "mask"]
MASKINGS: tuple[str, ...] = get_args(Masking)
ANSWERS: tuple[str, ...] = get_args(Answers)


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project of a tenant.

    ``masking`` is how what was found is masked before a crossing (the law may ask for more), ``answers`` what is done
    with data about persons in an answer that was not in its prompt.
    """

    slug: str
    name: str
    masking: Masking
    answers: Answers
    created_at: int  # seconds since 1970


def find(connection: Connection, tenant: Row[Any], name: str) -> Project:
    """The tenant's project of that name or slug. Raises ``NotFound``."""
    query = _of(tenant).where(tables.projects.c.slug == names.slug(name))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(
            N_("The tenant {tenant} has no project {project}."),
            remedy=N_("See riad tenants show {tenant}."),
            tenant=tenant.slug,
            project=names.shown(name),
        )
    return _project(row)


def all_of(connection: Connection, tenant: Row[Any]) -> list[Project]:
    """The tenant's projects, by slug."""
    return [_project(row) for row in connection.execute(_of(tenant).order_by(tables.projects.c.slug))]


def find_or_add(connection: Connection, store: Store, tenant_id: int, name: str) -> int:
    """The id of the tenant's project of that (checked) name, made now if absent."""
    projects, slug = tables.projects, names.slug(name)
    values = {"tenant_id": tenant_id, "slug": slug, "name": name, "created_at": int(store.now(connection))}
    connection.execute(store.insert(projects).values(values).on_conflict_do_nothing())
    query = select(projects.c.id).where(projects.c.tenant_id == tenant_id, projects.c.slug == slug)
    return int(connection.execute(query).scalar_one())


def change(connection: Connection, tenant: Row[Any], slug: str, chosen: dict[str, str]) -> None:
    """Write what that project chose: ``masking``, ``answers`` or both."""
    projects = tables.projects
    where = (projects.c.tenant_id == tenant.id) & (projects.c.slug == slug)
    connection.execute(update(projects).where(where).values(chosen))


def _of(tenant: Row[Any]) -> Select[Any]:
    return select(tables.projects).where(tables.projects.c.tenant_id == tenant.id)


def _project(row: Row[Any]) -> Project:
    # Checked on the way out as well: a word this version does not know must never pass as a choice.
    return msgspec.convert({field: getattr(row, field) for field in Project.__struct_fields__}, Project)
