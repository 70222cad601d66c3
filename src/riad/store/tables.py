"""The tables. A change here comes with a migration in ``migrations/versions`` and a new ``SCHEMA``.

Times are whole seconds since 1970 UTC, days are whole days since then: one meaning on both databases.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

SCHEMA = "0002"  # the newest migration: a test compares the two
VERSION_TABLE = "riad_version"  # not Alembic's own name: a PostgreSQL database may be shared with other programs

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# One row a fact about the database itself: "secret" is a check value of the server secret its keys were hashed with.
facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# One row. Every change to tenants, projects or keys moves the counter in its own transaction; gateway workers watch it.
changes = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counter", BigInteger, nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("masking", Text, nullable=False, server_default="placeholders"),  # how data is masked before a crossing
    Column("answers", Text, nullable=False, server_default="report"),  # new data about persons: reported, or masked
    UniqueConstraint("tenant_id", "slug"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Integer, ForeignKey("projects.id"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # HMAC-SHA256 of the token; the token is nowhere
    Column("purpose", Text, nullable=False),
    Column("legal_basis", Text),
    Column("max_persons", Text, nullable=False),
    Column("max_state", Text, nullable=False),
    Column("locality", Text, nullable=False),
    Column("requests_per_minute", BigInteger),  # null: no limit
    Column("tokens_per_day", BigInteger),  # null: no limit
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

# Requests leased to gateway workers, by key and minute. Old minutes are deleted as new ones begin. Neither this nor
# usage has a foreign key: one row that points nowhere must not stop the writing of all others.
windows = Table(
    "windows",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("used", BigInteger, nullable=False),
)

# What was used, by key and day (UTC). Kept.
usage = Table(
    "usage",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
)
