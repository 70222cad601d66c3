"""The same door over a real PostgreSQL: keys, limits and usage meet in the shared database."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from riad.ledger.reader import Reader
from riad.ledger.verify import verify
from riad.store import open as open_store
from riad.tenants import usage
from tests.running import House, RunningRiad


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_platform_over_postgresql(house: House, database_url: str, tmp_path: Path) -> None:
    config = house.riad.config.read_text()
    riad = RunningRiad(tmp_path, config, environment={"RIAD_DATABASE_URL": database_url})
    try:
        key = riad.key("--requests-per-minute", "4")
        key_id = riad.command("keys", "list")["keys"][0]["id"]
        sent = [riad.chat(key, "rabat-echo", "hi") for _ in range(6)]
        answers = [status for status, _, _ in sent]
        name = sent[0][1]["x-riad-receipt"]
        status, _, receipt = riad.get(f"/v1/receipts/{name}", key)
        assert status == 200
        assert verify(receipt, (riad.data_dir / "ledger.vkey").read_text()).index == int(name.partition("-")[0])
        assert riad.get("/ledger/checkpoint")[0] == 200
        assert riad.get("/ledger/2027/checkpoint")[0] == 404
        assert riad.get("/v1/receipts/2027." + name, key)[0] == 404
        if 60 - time.time() % 60 > 1:  # the minute did not end meanwhile
            assert sorted(answers) == [200] * 4 + [429] * 2
        riad.command("keys", "revoke", key_id)
        deadline = time.monotonic() + 5
        while riad.chat(key, "rabat-echo", "hi")[0] != 401:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        riad.stop()
    store = open_store(database_url)
    try:
        assert sum(day.requests for day in usage.by_day(store, key_id).values()) == answers.count(200)
    finally:
        store.close()
    assert not (riad.data_dir / "riad.db").exists()
    assert not (riad.data_dir / "ledger.db").exists()
    with Reader(riad.data_dir, database_url) as reader:
        assert reader.size() >= 2 * answers.count(200)
