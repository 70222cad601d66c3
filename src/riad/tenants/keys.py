"""Keys, and the store of them.

A key belongs to a project of a tenant and says what its bearer may do: the purpose, the ceilings on data, where it
may go, how much. Its token is ``riad_`` and 43 URL-safe characters (256 random bits), shown once; the database keeps
HMAC-SHA256(server secret, token).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Connection, Row, false, func, select, update

from riad import store as stores
from riad.errors import BadRequest, BadSettings, NotFound
from riad.store import Store, tables
from riad.tenants import names, organisations, projects
from riad.tenants.organisations import KINDS, Tenant, TenantKind
from riad.tenants.projects import ANSWERS, MASKINGS, Answers, Masking, Project
from riad.tenants.secret import Secret, server_secret
from riad.texts import N_

LegalBasis = Literal[
    "consent", "legal_obligation", "contract", "vital_interest", "public_mission", "legitimate_interest"
]
Persons = Literal["none", "personal", "sensitive"]
State = Literal["none", "restricted", "sensitive"]
Locality = Literal["national", "any"]

BASES: tuple[str, ...] = get_args(LegalBasis)
PERSONS: tuple[str, ...] = get_args(Persons)
STATES: tuple[str, ...] = get_args(State)
LOCALITIES: tuple[str, ...] = get_args(Locality)
_SHORTEST_REFERENCE = 4  # characters of an id: a slip of the finger revokes nothing


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway needs to know about who asks. Times are seconds since 1970; None is no limit, no expiry.

    ``masking`` and ``answers`` are its project's.
    """

    id: str
    tenant: str
    tenant_kind: TenantKind
    tenant_pseudonym: str
    project: str
    purpose: str
    legal_basis: LegalBasis | None
    max_persons: Persons
    max_state: State
    locality: Locality
    requests_per_minute: int | None
    tokens_per_day: int | None
    expires_at: int | None
    masking: Masking = "placeholders"
    answers: Answers = "report"


class KeyRecord(Key, frozen=True, kw_only=True):
    """A key as it is administered."""

    created_at: int
    revoked_at: int | None

    def state(self, now: float) -> Literal["active", "expired", "revoked"]:
        """What it is at that time."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "active"


class KeyStore:
    """Tenants, projects and keys in the database. Blocking: a gateway reads keys through its ``KeyRing``."""

    def __init__(self, store: Store, secret: Secret) -> None:
        """Raises ``BadSettings`` when this database's keys were hashed with another secret: none would work."""
        self.store = store
        self.secret = secret
        self._check_secret()

    @classmethod
    def open(cls, database_url: str, data_dir: Path) -> KeyStore:
        """The key store of an installation. Makes the data directory (0700), the secret and the tables if absent."""
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadSettings(
                N_("The data directory {directory} cannot be made: {reason}."),
                remedy=N_("Choose another with --data-dir or RIAD_DATA_DIR."),
                directory=data_dir,
                reason=error.strerror,
            ) from None
        secret = server_secret(data_dir)
        store = stores.open(database_url)
        try:
            return cls(store, secret)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        self.store.close()

    # Tenants

    def create_tenant(self, name: str, kind: str = "company") -> Tenant:
        """Raises ``BadRequest`` when the name or kind is wrong, or a tenant of that name exists."""
        name = names.name(name, N_("tenant"))
        names.choice(kind, KINDS, N_("kind of tenant"))
        with self.store.write() as connection:
            if not organisations.add(connection, self.store, name, kind):
                raise BadRequest(
                    N_("There is a tenant {tenant} already."),
                    remedy=N_("See riad tenants list."),
                    tenant=names.slug(name),
                )
            _changed(connection)
            return organisations.all_of(connection, self.secret, name)[0]

    def tenants(self) -> list[Tenant]:
        """Every tenant, by slug."""
        with self.store.read() as connection:
            return organisations.all_of(connection, self.secret)

    def tenant(self, name: str) -> Tenant:
        """That tenant, by name or slug. Raises ``NotFound``."""
        with self.store.read() as connection:
            organisations.find(connection, name)
            return organisations.all_of(connection, self.secret, name)[0]

    def revoke_tenant(self, name: str) -> list[KeyRecord]:
        """Revoke every key of a tenant; those that were not revoked yet are returned. Raises ``NotFound``."""
        with self.store.write() as connection:
            tenant_id = organisations.find(connection, name).id
            of_tenant = select(tables.projects.c.id).where(tables.projects.c.tenant_id == tenant_id)
            where = tables.keys.c.project_id.in_(of_tenant) & tables.keys.c.revoked_at.is_(None)
            records = [self._record(row) for row in connection.execute(_RECORDS.where(where))]
            now = int(self.store.now(connection))
            connection.execute(update(tables.keys).where(where).values(revoked_at=now))
            _changed(connection)
            return [msgspec.structs.replace(record, revoked_at=now) for record in records]

    # Projects

    def project(self, tenant: str, project: str) -> Project:
        """That project of that tenant, by name or slug. Raises ``NotFound``."""
        with self.store.read() as connection:
            return projects.find(connection, organisations.find(connection, tenant), project)

    def projects(self, tenant: str) -> list[Project]:
        """Every project of that tenant, by slug. Raises ``NotFound``."""
        with self.store.read() as connection:
            return projects.all_of(connection, organisations.find(connection, tenant))

    def change_project(
        self, tenant: str, project: str, *, masking: str | None = None, answers: str | None = None
    ) -> Project:
        """Change what a project does with data about persons; every worker knows within a second.

        None leaves a choice as it is. Raises ``NotFound``, or ``BadRequest`` for a choice there is not.
        """
        chosen = {}
        if masking is not None:
            chosen["masking"] = names.choice(masking, MASKINGS, N_("masking"))
        if answers is not None:
            chosen["answers"] = names.choice(answers, ANSWERS, N_("treatment of answers"))
        if not chosen:
            return self.project(tenant, project)
        with self.store.write() as connection:
            owner = organisations.find(connection, tenant)
            found = projects.find(connection, owner, project)
            projects.change(connection, owner, found.slug, chosen)
            _changed(connection)
            return msgspec.structs.replace(found, **chosen)

    # Keys

    def create(
        self,
        *,
        tenant: str,
        project: str,
        purpose: str,
        tenant_kind: str | None = None,
        legal_basis: str | None = None,
        max_persons: str = "personal",
        max_state: str = "none",
        locality: str = "any",
        requests_per_minute: int | None = None,
        tokens_per_day: int | None = None,
        expires_at: int | None = None,
    ) -> tuple[str, KeyRecord]:
        """A new key: its token, which exists nowhere else, and its record.

        Makes the tenant (a ``company`` unless ``tenant_kind`` says otherwise) and the project when absent. Raises
        ``BadRequest`` for anything that is wrong, also when an existing tenant is of another kind.
        """
        tenant, project = names.name(tenant, N_("tenant")), names.name(project, N_("project"))
        values: dict[str, Any] = {
            "purpose": names.purpose(purpose),
            "legal_basis": legal_basis and names.choice(legal_basis, BASES, N_("legal basis")),
            "max_persons": names.choice(max_persons, PERSONS, N_("ceiling on personal data")),
            "max_state": names.choice(max_state, STATES, N_("ceiling on State data")),
            "locality": names.choice(locality, LOCALITIES, N_("locality")),
            "requests_per_minute": names.limit(requests_per_minute, N_("requests per minute")),
            "tokens_per_day": names.limit(tokens_per_day, N_("tokens per day")),
            "expires_at": expires_at,
        }
        if tenant_kind is not None:
            names.choice(tenant_kind, KINDS, N_("kind of tenant"))
        token = "riad_" + secrets.token_urlsafe(32)
        key_id = "key_" + "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(12))
        with self.store.write() as connection:
            now = int(self.store.now(connection))
            if expires_at is not None and expires_at <= now:
                raise BadRequest(N_("This key would have expired already."), remedy=N_("Choose a later date."))
            tenant_row = organisations.find_or_add(connection, self.store, tenant, tenant_kind)
            project_id = projects.find_or_add(connection, self.store, tenant_row.id, project)
            values |= {"id": key_id, "project_id": project_id, "digest": self.secret.digest(token), "created_at": now}
            connection.execute(tables.keys.insert().values(values))
            _changed(connection)
            return token, self._record(connection.execute(_RECORDS.where(tables.keys.c.id == key_id)).one())

    def records(self, tenant: str | None = None) -> list[KeyRecord]:
        """Every key, or a tenant's, oldest first. Raises ``NotFound`` when there is no such tenant."""
        query = _RECORDS.order_by(tables.keys.c.created_at, tables.keys.c.id)
        with self.store.read() as connection:
            if tenant is not None:
                query = query.where(tables.tenants.c.id == organisations.find(connection, tenant).id)
            return [self._record(row) for row in connection.execute(query)]

    def revoke(self, reference: str) -> KeyRecord:
        """Revoke a key, named by its id, the beginning of its id, or its whole token (one found where it should not
        be). Revoking again changes nothing. Every worker refuses it within a second.

        Raises ``NotFound``, or ``BadRequest`` when several keys begin so.
        """
        with self.store.write() as connection:
            matches = connection.execute(_RECORDS.where(self._named(reference)).limit(2)).all()
            if not matches:
                raise NotFound(
                    N_("There is no key {reference}."),
                    remedy=N_("See riad keys list."),
                    reference=names.shown("riad_…" if reference.startswith("riad_") else reference),
                )
            if len(matches) > 1:
                raise BadRequest(
                    N_("Several keys begin with {reference}."),
                    remedy=N_("Give more of the id: see riad keys list."),
                    reference=names.shown(reference),
                )
            record = self._record(matches[0])
            if record.revoked_at is not None:
                return record
            now = int(self.store.now(connection))
            connection.execute(update(tables.keys).where(tables.keys.c.id == record.id).values(revoked_at=now))
            _changed(connection)
            return msgspec.structs.replace(record, revoked_at=now)

    def lookup(self, digests: Iterable[bytes]) -> tuple[int, dict[bytes, KeyRecord]]:
        """The change counter, and the keys of those digests, seen at one instant.

        One statement, so that on both databases the keys are not older than the counter.
        """
        wanted = tables.keys.c.digest.in_(list(digests))
        counter = select(tables.changes.c.counter).where(tables.changes.c.id == 1).scalar_subquery()
        query = select(counter.label("counter"), tables.keys.c.digest, *_FIELDS).select_from(
            select(1).subquery().outerjoin(_JOINED, wanted)
        )
        with self.store.read() as connection:
            rows = connection.execute(query).all()
        return rows[0].counter, {row.digest: self._record(row) for row in rows if row.digest is not None}

    # Parts

    def _named(self, reference: str) -> Any:
        if reference.startswith("riad_"):
            return tables.keys.c.digest == self.secret.digest(reference)
        beginning = reference if reference.startswith("key_") else "key_" + reference
        if len(beginning) < len("key_") + _SHORTEST_REFERENCE:
            raise BadRequest(
                N_("{reference} is too short to name a key."),
                remedy=N_("Give at least {n} characters of the id: see riad keys list."),
                reference=names.shown(reference),
                n=_SHORTEST_REFERENCE,
            )
        if not beginning.isascii() or not beginning.isprintable():
            return false()  # PostgreSQL would not even take a NUL
        return func.substr(tables.keys.c.id, 1, len(beginning)) == beginning

    def _record(self, row: Row[Any]) -> KeyRecord:
        fields = {name: getattr(row, name) for name in KeyRecord.__struct_fields__ if name != "tenant_pseudonym"}
        # Checked on the way out as well: a word this version does not know must never pass as a ceiling.
        return msgspec.convert(fields | {"tenant_pseudonym": self.secret.pseudonym(row.tenant)}, KeyRecord)

    def _check_secret(self) -> None:
        mine = self.secret.derive("check").hex()[:16]
        facts = tables.facts
        stored = select(facts.c.value).where(facts.c.name == "secret")
        with self.store.read() as connection:
            value = connection.execute(stored).scalar()
        if value is None:
            with self.store.write() as connection:
                fact = {"name": "secret", "value": mine}
                connection.execute(self.store.insert(facts).values(fact).on_conflict_do_nothing())
                value = connection.execute(stored).scalar_one()
        if value != mine:
            raise BadSettings(
                N_("The database's keys were made with another server secret: none of them would work."),
                remedy=N_(
                    "Restore the data directory's file named secret, or set RIAD_SECRET as on the other machines."
                ),
            )


_JOINED = tables.keys.join(tables.projects).join(tables.tenants)
_FIELDS = (
    *(column for column in tables.keys.c if column.name not in {"digest", "project_id"}),
    tables.projects.c.slug.label("project"),
    tables.projects.c.masking,
    tables.projects.c.answers,
    tables.tenants.c.slug.label("tenant"),
    tables.tenants.c.kind.label("tenant_kind"),
)
_RECORDS = select(*_FIELDS).select_from(_JOINED)


def _changed(connection: Connection) -> None:
    """Tell every gateway worker. In the change's own transaction: seen together or not at all."""
    connection.execute(update(tables.changes).values(counter=tables.changes.c.counter + 1))
