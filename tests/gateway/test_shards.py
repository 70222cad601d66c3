"""A platform whose ledger began in an earlier year: the next request begins this year's log."""

from __future__ import annotations

import json
from pathlib import Path

from riad.ledger.log import Log
from riad.ledger.reader import Reader
from riad.ledger.verify import verify
from tests.running import House, RunningRiad

ORIGIN = "riad.local/ledger"  # the settings' default


def test_a_new_year_while_it_serves(house: House, tmp_path: Path) -> None:
    log = Log.open(tmp_path / "data", ORIGIN)
    log.append([b'{"time":1580000000000}'])  # 2020
    log.settle()
    log.close()
    riad = RunningRiad(tmp_path, house.riad.config.read_text(), workers=1)
    try:
        key = riad.key()
        status, headers, _ = riad.chat(key, "rabat-echo", "hi")
        assert status == 200
        name = headers["x-riad-receipt"]
        year, _, rest = name.partition(".")
        assert int(year) >= 2026
        status, _, receipt = riad.get(f"/v1/receipts/{name}", key)
        assert status == 200
        vkey = (riad.data_dir / f"ledger-{year}.vkey").read_text()
        assert verify(receipt, vkey).origin == f"{ORIGIN}/{year}"
        assert riad.get(f"/v1/receipts/{rest}", key)[0] == 404  # the same index of the first log
        assert riad.get(f"/ledger/{year}/checkpoint")[2].startswith(f"{ORIGIN}/{year}\n".encode())
        assert riad.get("/ledger/checkpoint")[2].startswith(f"{ORIGIN}\n2\n".encode())
        assert riad.get("/ledger/2019/checkpoint")[0] == 404
    finally:
        assert riad.stop() == 0
    with Reader(riad.data_dir, shard=int(year)) as reader:
        outcome = json.loads(reader.entry(2))
    assert (outcome["kind"], outcome["decision"], outcome["decision_shard"]) == ("outcome", 1, int(year))
