"""A whole platform with witnesses: receipts at the door, doctor, readyz, and a start that is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from witness_parts import ENVIRONMENT, RIAD, WitnessProcess, eventually, settings

from riad.ledger import verify as verifier
from tests.running import RunningRiad, ScriptedEngine, site


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    one = ScriptedEngine()
    yield one
    one.stop()


def test_from_a_witnessed_receipt_to_an_old_backup(
    start_witness: Callable[..., WitnessProcess], engine: ScriptedEngine, tmp_path: Path
) -> None:
    one, away = start_witness(), start_witness()
    addresses = [(each.url, each.vkeys[0]) for each in (one, away)]
    config = settings(tmp_path / "c.toml", addresses, 1, site("rabat", "MA", engine.url, ["echo"])).read_text()
    riad = RunningRiad(tmp_path, config, workers=1, environment=ENVIRONMENT)
    data = riad.data_dir
    try:
        one.add_log(data)  # the other does not know it, and is no hindrance
        key = riad.key()
        headers = [riad.chat(key, "rabat-echo", "salam")[1] for _ in range(3)]
        rule = riad.command("ledger", "policy")["policy"].encode()
        path = f"/v1/receipts/{headers[0]['x-riad-receipt']}"

        def witnessed() -> bool:
            receipt = riad.get(path, key)[2]
            try:
                return bool(verifier.verify(receipt, (data / "ledger.vkey").read_text(), verifier.parse_policy(rule)))
            except verifier.BadReceipt:
                return False

        eventually(witnessed)
        checks = {found["check"]: found for found in _doctor(riad)["checks"]}
        assert checks["witnesses"]["ok"] is True
        assert "1 of 2 cosign" in checks["witnesses"]["says"]
        assert riad.get("/readyz")[0] == 200
    finally:
        assert riad.stop() == 0

    shutil.copytree(data, tmp_path / "backup")
    riad.start()
    riad.chat(key, "rabat-echo", "salam")
    size = len(riad.entries())
    eventually(lambda: one.command("logs")["logs"][0]["size"] >= size)
    newest = one.command("logs")["logs"][0]["size"]
    assert riad.stop() == 0

    # The backup is put in place whole, with its own ledger.checkpoint: nothing on this machine can tell.
    data.rename(tmp_path / "newest")
    (tmp_path / "backup").rename(data)
    refused = subprocess.run(
        [*RIAD, "up", "--port", "0", *riad.where], capture_output=True, text=True, env=ENVIRONMENT, timeout=60
    )
    assert refused.returncode == 1
    assert f"has seen {newest} entries of this ledger" in refused.stderr
    assert "docs/reference/witness.md" in refused.stderr
    found = next(each for each in _doctor(riad, 1)["checks"] if each["check"] == "witnesses")
    assert found["ok"] is False
    assert f"has seen {newest} entries" in found["says"]

    shutil.rmtree(data)
    (tmp_path / "newest").rename(data)
    riad.start()
    try:
        # A running platform that learns it says so where whoever watches it looks.
        report = data / "run" / "witnesses.json"
        assert riad.get("/readyz")[0] == 200
        told = json.loads(report.read_text())
        told["logs"][0]["alarm"] = "seen more"
        eventually(lambda: [report.write_text(json.dumps(told)), riad.get("/readyz")[0] == 503][1])
        eventually(lambda: riad.get("/readyz")[0] == 200)  # the feeder writes what is true
    finally:
        assert riad.stop() == 0


def _doctor(riad: RunningRiad, status: int = 0) -> dict[str, list[dict[str, object]]]:
    done = subprocess.run(
        [*RIAD, "doctor", *riad.where, "--json"], capture_output=True, text=True, env=ENVIRONMENT, timeout=60
    )
    found: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return found
