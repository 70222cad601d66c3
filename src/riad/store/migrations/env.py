"""Alembic's entry point. Riad upgrades itself (``riad.store.upgrade``), with its connection, inside its transaction."""

from alembic import context

from riad.store.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
