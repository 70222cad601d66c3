from __future__ import annotations

import multiprocessing
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select, text, update

from riad.errors import BadRequest, BadSettings, NotFound
from riad.store import tables
from riad.tenants.keys import KeyRecord, KeyStore
from riad.tenants.secret import Secret

ASK = {"tenant": "Acme", "project": "Support", "purpose": "customer_support"}


def counter(keys: KeyStore) -> int:
    return keys.lookup([])[0]


def test_a_key_says_everything_and_is_found_by_its_token(keys: KeyStore) -> None:
    expires = int(time.time()) + 1000
    token, record = keys.create(
        tenant="Université Hassan II",
        project="Thèse",
        purpose="research",
        tenant_kind="university",
        legal_basis="public_mission",
        max_persons="sensitive",
        max_state="restricted",
        locality="national",
        requests_per_minute=60,
        tokens_per_day=1000,
        expires_at=expires,
    )
    assert re.fullmatch(r"riad_[A-Za-z0-9_-]{43}", token)
    assert (record.tenant, record.project, record.tenant_kind) == ("université-hassan-ii", "thèse", "university")
    assert (record.purpose, record.legal_basis) == ("research", "public_mission")
    assert (record.max_persons, record.max_state, record.locality) == ("sensitive", "restricted", "national")
    assert (record.requests_per_minute, record.tokens_per_day, record.expires_at) == (60, 1000, expires)
    assert record.tenant_pseudonym == keys.secret.pseudonym("université-hassan-ii")
    digest = keys.secret.digest(token)
    assert keys.lookup([digest, b"other"])[1] == {digest: record}
    assert keys.records() == [record]


def test_defaults_are_the_documented_ones(keys: KeyStore) -> None:
    _, record = keys.create(**ASK)
    assert record.tenant_kind == "company"
    assert (record.max_persons, record.max_state, record.locality) == ("personal", "none", "any")
    assert (record.legal_basis, record.requests_per_minute, record.tokens_per_day) == (None, None, None)
    assert record.state(10**12) == "active"


def test_tenants_and_projects_are_made_once(keys: KeyStore) -> None:
    keys.create_tenant("Acme", "startup")
    keys.create(**ASK)
    keys.create(**ASK | {"tenant": "ACME", "project": "Other"})
    assert [(t.slug, t.name, t.kind, t.projects) for t in keys.tenants()] == [
        ("acme", "Acme", "startup", ("other", "support"))
    ]
    assert keys.tenant("Acme").pseudonym == keys.secret.pseudonym("acme")
    assert len(keys.records("acme")) == 2
    with pytest.raises(BadRequest, match="already"):
        keys.create_tenant("acme")
    with pytest.raises(BadRequest, match="of kind startup"):
        keys.create(**ASK, tenant_kind="ministry")
    for unknown in (keys.tenant, keys.records, keys.revoke_tenant):
        with pytest.raises(NotFound, match="no tenant 'nobody'"):
            unknown("nobody")


def test_every_change_moves_the_counter_and_reading_does_not(keys: KeyStore) -> None:
    seen = [counter(keys)]
    steps: list[Callable[[], Any]] = [
        lambda: keys.create_tenant("one"),
        lambda: keys.create(**ASK),
        lambda: keys.revoke(keys.records()[0].id),
        lambda: keys.revoke_tenant("acme"),
    ]
    for step in steps:
        step()
        seen.append(counter(keys))
    assert seen == sorted(set(seen))
    keys.tenants(), keys.records(), keys.tenant("one")
    keys.revoke(keys.records()[0].id)  # already
    assert counter(keys) == seen[-1]


def test_a_key_is_revoked_by_its_id_its_beginning_or_its_token(keys: KeyStore) -> None:
    made = [keys.create(**ASK) for _ in range(3)]
    by_id = keys.revoke(made[0][1].id)
    assert by_id.revoked_at is not None
    assert keys.revoke(made[0][1].id) == by_id  # again: nothing changes
    assert keys.revoke(made[1][1].id[:12]).id == made[1][1].id
    assert keys.revoke(made[2][0]).id == made[2][1].id
    assert {record.state(time.time()) for record in keys.records()} == {"revoked"}


def test_an_ambiguous_or_unknown_name_of_a_key_revokes_nothing(keys: KeyStore) -> None:
    first, second = (keys.create(**ASK)[1] for _ in range(2))
    with keys.store.write() as connection:  # chance would take long to make two such ids
        for record, key_id in ((first, "key_aaaaaa111111"), (second, "key_aaaaaa222222")):
            connection.execute(update(tables.keys).where(tables.keys.c.id == record.id).values(id=key_id))
    with pytest.raises(BadRequest, match="Several keys begin with 'key_aaaaaa'"):
        keys.revoke("key_aaaaaa")
    for short in ("", "k", "key_", "key_aaa", "aaa", "%%%"):
        with pytest.raises(BadRequest, match="too short"):
            keys.revoke(short)
    for unknown in ("key_bbbbbbbbbbbb", "aaaa%", "aaaa_", "'; DROP TABLE keys; --", "k" * 5000, "\x00" * 9, "é" * 9):
        with pytest.raises(NotFound) as refused:
            keys.revoke(unknown)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 200
    with pytest.raises(NotFound) as refused:
        keys.revoke("riad_" + "A" * 43)
    assert "AAAA" not in str(refused.value)
    assert all(record.revoked_at is None for record in keys.records())
    assert keys.revoke("aaaaaa1").id == "key_aaaaaa111111"


def test_all_keys_of_a_tenant_are_revoked_together(keys: KeyStore) -> None:
    keys.create(**ASK)
    keys.create(**ASK | {"project": "other"})
    keys.create(**ASK | {"tenant": "bystander"})
    assert len(keys.revoke_tenant("ACME")) == 2
    assert keys.revoke_tenant("acme") == []
    assert {(r.tenant, r.state(time.time())) for r in keys.records()} == {("acme", "revoked"), ("bystander", "active")}


@pytest.mark.parametrize(
    "bad",
    [
        {"tenant": ""},
        {"tenant": "a\x00"},
        {"project": "x" * 81},
        {"project": "\u202e"},
        {"purpose": "not a purpose"},
        {"tenant_kind": "kingdom"},
        {"legal_basis": "because"},
        {"legal_basis": "CONSENT"},
        {"max_persons": "restricted"},
        {"max_state": "personal"},
        {"locality": "mars"},
        {"requests_per_minute": 0},
        {"tokens_per_day": -5},
        {"expires_at": 1},
    ],
)
def test_bad_input_makes_nothing(keys: KeyStore, bad: dict[str, Any]) -> None:
    before = counter(keys)
    with pytest.raises(BadRequest) as refused:
        keys.create(**ASK | bad)
    assert refused.value.remedy
    assert str(refused.value).isprintable()
    assert (keys.tenants(), keys.records(), counter(keys)) == ([], [], before)


def test_a_stolen_database_holds_no_token(keys: KeyStore) -> None:
    token, _ = keys.create(**ASK)
    with keys.store.read() as connection:
        for table in inspect(keys.store.engine).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                everything = " ".join(v.hex() if isinstance(v, bytes) else str(v) for v in row)
                for part in (token, token[5:15], token[-10:], token.encode().hex()):
                    assert part not in everything
        stored = connection.execute(select(tables.keys.c.digest)).scalar_one()
    assert bytes(stored) == keys.secret.digest(token)
    assert Secret("another secret of enough characters").digest(token) != stored  # worthless without ours


def test_stolen_sqlite_files_hold_no_token(tmp_path: Path, data_dir: Path) -> None:
    keys = KeyStore.open(f"sqlite:///{tmp_path / 'riad.db'}", data_dir)
    token, _ = keys.create(**ASK)
    stolen = [path for path in tmp_path.iterdir() if path.name.startswith("riad.db")]
    assert len(stolen) > 1  # the log beside the database too
    assert all(token[5:].encode() not in path.read_bytes() for path in stolen)
    keys.close()


def test_a_key_of_a_newer_or_mended_row_never_passes_as_something_it_is_not(keys: KeyStore) -> None:
    token, _ = keys.create(**ASK)
    with keys.store.write() as connection:
        connection.execute(update(tables.keys).values(max_persons="everything"))
    with pytest.raises(Exception, match="Invalid enum value 'everything'"):
        keys.lookup([keys.secret.digest(token)])


def test_a_database_without_its_secret_is_refused(keys: KeyStore, database_url: str, data_dir: Path) -> None:
    keys.create(**ASK)
    KeyStore.open(database_url, data_dir).close()
    shutil.copytree(data_dir, data_dir.with_name("moved"), ignore=shutil.ignore_patterns("secret"))
    with pytest.raises(BadSettings, match="another server secret") as refused:
        KeyStore.open(database_url, data_dir.with_name("moved"))
    assert "RIAD_SECRET" in refused.value.remedy


def test_the_data_directory_is_made_for_its_owner(keys: KeyStore, data_dir: Path, database_url: str) -> None:
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    (data_dir.parent / "file").write_text("")
    with pytest.raises(BadSettings, match="cannot be made"):
        KeyStore.open(database_url, data_dir.parent / "file" / "data")


def _make_and_revoke(url: str, data_dir: Path, number: int, barrier: threading.Barrier) -> None:
    keys = KeyStore.open(url, data_dir)
    barrier.wait(60)
    for turn in range(6):
        _, record = keys.create(tenant=f"tenant {turn % 3}", project=f"p{turn % 2}", purpose="test")
        if turn % 2:
            keys.revoke(record.id)
        if turn == 3:
            keys.create_tenant(f"only {number}")
    keys.close()


def test_many_processes_making_and_revoking_at_once(keys: KeyStore, database_url: str, data_dir: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    before = counter(keys)
    started = [
        context.Process(target=_make_and_revoke, args=(database_url, data_dir, number, barrier)) for number in range(3)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(100)
    assert [process.exitcode for process in started] == [0] * 3
    states = [record.state(time.time()) for record in keys.records()]
    assert (states.count("active"), states.count("revoked")) == (9, 9)
    assert len(keys.tenants()) == 3 + 3
    assert counter(keys) - before == 3 * (6 + 3 + 1)


def test_records_sort_oldest_first(keys: KeyStore) -> None:
    made = [keys.create(**ASK)[1] for _ in range(5)]
    listed = keys.records()
    assert sorted(made, key=lambda r: (r.created_at, r.id)) == listed
    assert all(isinstance(record, KeyRecord) for record in listed)
