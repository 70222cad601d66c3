"""A log a year and a changing key, before witnesses; on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner
from witness_parts import ENVIRONMENT, ORIGIN, Feeder, WitnessProcess, eventually, settings

from riad.cli.ledger import app
from riad.ledger import verify as verifier
from riad.ledger.log import Log
from riad.ledger.note import Checkpoint, Signer
from riad.ledger.reader import Reader


def use(data_dir: Path, url: str, year: int, count: int) -> None:
    """Append entries in a year."""
    seconds = datetime(year, 6, 1, tzinfo=UTC).timestamp()
    log = Log.open(data_dir, ORIGIN, url, now=lambda: seconds)
    log.append([b'{"n":%d,"time":%d}' % (number, seconds * 1000) for number in range(count)])
    log.settle()
    log.close()


def test_each_years_log_is_witnessed(
    database_url: str,
    start_witness: Callable[..., WitnessProcess],
    start_feeder: Callable[..., Feeder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "" if database_url.startswith("sqlite") else database_url
    data = tmp_path / "data"
    monkeypatch.setenv("RIAD_LEDGER_URL", url or "sqlite")
    monkeypatch.setitem(ENVIRONMENT, "RIAD_LEDGER_URL", url or "sqlite")
    use(data, url, 2026, 3)
    witness = start_witness()
    witness.add_log(data)
    config = settings(tmp_path / "riad.toml", [(witness.url, witness.vkeys[0])])
    feeder = start_feeder(data, config)
    assert feeder.ready
    eventually(lambda: feeder.size() == 3)
    use(data, url, 2027, 2)  # the year turns while the feeder runs
    eventually((data / "ledger-2027.witnessed").exists)
    eventually(lambda: feeder.size() == 4)  # the first log's last entry names the next
    assert {log["origin"] for log in witness.command("logs")["logs"]} == {ORIGIN, f"{ORIGIN}/2027"}
    for shard in (0, 2027):
        options = ["--data-dir", str(data), "--config", str(config)]
        told = CliRunner().invoke(app, ["policy", "--shard", str(shard), "--json", *options])
        rule = verifier.parse_policy(json.loads(told.stdout)["policy"].encode())
        with Reader(data, url, shard) as reader:
            receipt = reader.receipt(1).encode()
        report = verifier.verify(receipt, verifier.log_of(receipt, rule), rule)
        assert list(report.cosigned) == [witness.name]
        done = CliRunner().invoke(app, ["verify", "-", *options], input=receipt)
        assert (done.exit_code, "witnessed: 1 of 1" in done.stdout) == (0, True)
    assert feeder.status()["alarm"] == ""


def test_only_the_years_of_a_trusted_log_are_known(witness: WitnessProcess, data_dir: Path) -> None:
    """By the same key: another one's name may look like a year of this log."""
    from riad.ledger.merkle import EMPTY_ROOT

    ours = Signer.parse((data_dir / "ledger.key").read_text().strip())
    for origin, status in (
        (f"{ORIGIN}/2027", 200),
        (f"{ORIGIN}/20275", 404),
        (f"{ORIGIN}/abcd", 404),
        (f"{ORIGIN}/2027/2028", 200),
        ("other.example/2027", 404),
    ):
        note = Signer(origin, ours._seed).sign(Checkpoint(origin, 0, EMPTY_ROOT).text)
        assert witness.post(f"old 0\n\n{note}".encode())[0] == status, origin
    stranger = Signer.generate(f"{ORIGIN}/2029")
    note = stranger.sign(Checkpoint(f"{ORIGIN}/2029", 0, EMPTY_ROOT).text)
    assert witness.post(f"old 0\n\n{note}".encode())[0] == 403


def test_a_policy_with_both_keys_of_a_change(data_dir: Path) -> None:
    """A receipt of after the change is signed by the second alone."""
    old, new = Signer.generate(ORIGIN), (data_dir / "ledger.vkey").read_text().strip()
    rule = verifier.parse_policy(f"log {old.verifier.vkey}\nlog {new}\nquorum none\n".encode())
    with Reader(data_dir) as reader:
        receipt = reader.receipt(4).encode()
    assert verifier.verify(receipt, verifier.log_of(receipt, rule), rule).index == 4
