from __future__ import annotations

import multiprocessing
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from riad import store as stores
from riad.errors import BadSettings, Unavailable
from riad.store import Store, tables, upgrade


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = stores.open(database_url)
    yield opened
    opened.close()


def test_the_migrations_make_exactly_the_tables(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": tables.VERSION_TABLE})
        assert compare_metadata(context, tables.metadata) == []
        assert upgrade.found(connection) == tables.SCHEMA


def test_the_schema_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [tables.SCHEMA]


def test_opening_again_keeps_what_is_there(store: Store, database_url: str) -> None:
    with store.write() as connection:
        connection.execute(tables.facts.insert().values(name="a", value="b"))
    again = stores.open(database_url)
    with again.read() as connection:
        assert connection.execute(select(tables.facts.c.value)).scalar_one() == "b"
    again.close()


def _open_and_count(url: str, barrier: threading.Barrier) -> None:
    barrier.wait(60)
    store = stores.open(url)
    with store.write() as connection:
        connection.execute(update(tables.changes).values(counter=tables.changes.c.counter + 1))
    store.close()


def test_processes_starting_together_on_a_new_database(database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    started = [context.Process(target=_open_and_count, args=(database_url, barrier)) for _ in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join(100)
    assert [process.exitcode for process in started] == [0] * 3
    store = stores.open(database_url)
    with store.read() as connection:
        assert connection.execute(select(tables.changes.c.counter)).scalars().all() == [3]
    store.close()


def test_a_newer_database_is_refused_and_left_alone(store: Store, database_url: str) -> None:
    with store.write() as connection:
        connection.execute(text(f"UPDATE {tables.VERSION_TABLE} SET version_num = '0999'"))
    with pytest.raises(BadSettings, match="schema 0999; this Riad knows none after") as refused:
        stores.open(database_url)
    assert "newer Riad" in str(refused.value)
    with store.read() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {tables.VERSION_TABLE}")).scalar_one() == "0999"


def test_a_failing_migration_leaves_nothing_behind(database_url: str) -> None:
    """A table of somebody else stands in the way of ours."""
    store = stores.open(database_url)
    with store.write() as connection:
        tables.metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE {tables.VERSION_TABLE}"))
        connection.execute(text("CREATE TABLE usage (mine TEXT)"))  # the last one a migration would make
    with pytest.raises(Unavailable, match="cannot be used"):
        stores.open(database_url)
    assert inspect(store.engine).get_table_names() == ["usage"]
    store.close()


def test_a_transaction_that_fails_is_undone(store: Store) -> None:
    def fail() -> None:
        with store.write() as connection:
            for _ in range(2):
                connection.execute(tables.facts.insert().values(name="a", value="b"))

    with pytest.raises(IntegrityError):
        fail()
    with store.read() as connection:
        assert connection.execute(select(tables.facts)).all() == []


def test_writers_wait_for_each_other(store: Store) -> None:
    def count() -> None:
        for _ in range(20):
            with store.write(durable=False) as connection:
                counter = connection.execute(select(tables.changes.c.counter).with_for_update()).scalar_one()
                connection.execute(update(tables.changes).values(counter=counter + 1))

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert connection.execute(select(tables.changes.c.counter)).scalar_one() == 60


def test_foreign_keys_hold(store: Store) -> None:
    with pytest.raises(IntegrityError) as refused, store.write() as connection:
        connection.execute(tables.projects.insert().values(tenant_id=7, slug="secret-value", name="x", created_at=0))
    assert "secret-value" not in str(refused.value)  # parameters stay out of errors and logs


def test_a_database_that_is_held_is_unavailable_not_broken(store: Store, database_url: str) -> None:
    impatient = stores.open(database_url + ("?timeout=0.1" if store.is_sqlite else "&options=-c lock_timeout=100ms"))
    raising = tables.changes.c.counter + 1
    with store.write() as connection:
        connection.execute(update(tables.changes).values(counter=raising))
        with pytest.raises(Unavailable) as refused, impatient.write() as other:
            other.execute(update(tables.changes).values(counter=raising))
    assert refused.value.retry_after
    with impatient.write() as other:
        other.execute(update(tables.changes).values(counter=raising))
        assert other.execute(select(tables.changes.c.counter)).scalar_one() == 2
    impatient.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_connections_cut_by_the_server_are_replaced(store: Store, database_url: str) -> None:
    operator = stores.open(database_url)
    cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :db")

    def read_while_cut() -> None:
        with store.read() as connection:
            with operator.read() as other:
                other.execute(cut, {"db": operator.engine.url.database})
            connection.execute(select(tables.changes))

    with pytest.raises(Unavailable):
        read_while_cut()
    with store.read() as connection:
        assert connection.execute(select(tables.changes.c.counter)).scalar_one() == 0
    operator.close()


def test_the_clock_is_the_databases(store: Store) -> None:
    with store.read() as connection:
        assert store.now(connection) > 1_700_000_000


def test_an_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    stores.open(f"sqlite:///{tmp_path / 'riad.db'}").close()
    assert stat.S_IMODE((tmp_path / "riad.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:hunter2@h/d", "sqlite://", "sqlite:///:memory:"])
def test_urls_that_cannot_work(url: str) -> None:
    with pytest.raises(BadSettings) as refused:
        stores.open(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.remedy


def test_a_missing_directory_and_a_file_that_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be opened"):
        stores.open(f"sqlite:///{tmp_path / 'none' / 'riad.db'}")
    (tmp_path / "riad.db").write_text("not a database" * 500)
    with pytest.raises(Unavailable, match="not a database"):
        stores.open(f"sqlite:///{tmp_path / 'riad.db'}")


def test_a_postgresql_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(Unavailable, match="cannot be used") as refused:
        stores.open(f"postgresql://u:hunter2@/riad?host={tmp_path}")
    assert "hunter2" not in str(refused.value)


def test_a_database_of_before_masking_is_upgraded_with_what_it_holds(database_url: str) -> None:
    newest = stores.open(database_url)
    with newest.write() as connection:
        tables.metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE {tables.VERSION_TABLE}"))
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    with newest.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO tenants VALUES (1, 'acme', 'Acme', 'company', 0)"))
        connection.execute(text("INSERT INTO projects VALUES (1, 1, 'p', 'P', 0)"))
    newest.close()
    upgraded = stores.open(database_url)
    with upgraded.read() as connection:
        row = connection.execute(select(tables.projects)).one()
        assert (row.slug, row.masking, row.answers) == ("p", "placeholders", "report")
        assert upgrade.found(connection) == tables.SCHEMA
    upgraded.close()
