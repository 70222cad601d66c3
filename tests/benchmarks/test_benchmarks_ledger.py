"""The ledger's benchmark and the arithmetic of growth: entries that hang together, counters, needs, tables."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from benchmarks import disk, ledger, ledger_entries, ledger_reading, ledger_tables, scale, scale_needs, scale_tables
from benchmarks.scale_needs import EXT4_FILE, POSTGRESQL_TABLE, Load
from riad.ledger import entry as entries

MACHINE = dict.fromkeys(("date", "processor", "cores", "memory_gb", "system", "python", "commit"), "x")
WAITS = {"p50_ms": 2.0, "p99_ms": 4.0}
DEVICE = {"reads": 0, "read_bytes": 0, "writes": 60, "written_bytes": 5_000_000, "flushes": 20}
BATCH = {"commits": 10, "entries_per_s": 20_000.0, "commit_p50_ms": 1.0, "commit_p99_ms": 2.0, "device": DEVICE}
TENTH = {
    "entries_per_s": 9e3, "writing_entries_per_s": 1e4, "commit_p50_ms": 1.0, "commit_p99_ms": 3.0, "making_share": 0.1
}  # fmt: skip
GROWTH = {
    "entries": 1000, "batch": 512, "commits": 10, "entries_per_s": 9e3, "writing_entries_per_s": 1e4,
    "tenths": [TENTH] * 10, "entry_bytes": 500.0, "disk_bytes": 600_000, "disk_bytes_an_entry": 600.0,
    "overhead_bytes": 100.0, "journal_peak_bytes": 2_000_000, "memory_mb": 40.0, "device": DEVICE,
}  # fmt: skip
PROOFS = {
    "inclusion": WAITS, "consistency": WAITS, "receipt": WAITS, "receipt_bytes": 2000, "checkpoint_bytes": 200,
    "consistency_hashes": 20,
}  # fmt: skip
RATES = {
    "cores": 2, "audit": {"1": {"entries_per_s": 1e5}, "2": {"entries_per_s": 2e5}},
    "export": {"entries": 1000, "entries_per_s": 1e5, "files": 8, "bytes_an_entry": 550, "disk_bytes_an_entry": 570.0},
    "index": {"entries_per_s": 5e4, "bytes_an_entry": 60.0},
}  # fmt: skip
DATABASE = {"growth": GROWTH, "opening": {"warm_ms": 3.0}, "proofs": PROOFS, "rates": RATES, "batches": {"64": BATCH}}
COLD = {**WAITS, "reads": 10.0, "read_bytes": 4e5}
SCALE: dict[str, Any] = {
    "machine": MACHINE,
    "size": 1000,
    "databases": {
        "SQLite": {**DATABASE, "proofs": {**PROOFS, "cold_receipt": COLD}},
        "PostgreSQL": DATABASE,
    },
    "missing": {},
    "limits": {"sqlite_bytes": 32 << 40},
    "record_keys": {"keys": 1000, "bytes": 100.0, "us": 8.0, "tenths_us": [5.0, 9.5]},
}
LEDGER = {
    "writing": {
        "contenders": {
            "SQLite": {"1": {"entries_per_s": {"median": 5e3}}, "512": {"entries_per_s": {"median": 6e3}}},
        }
    }
}
LOAD = Load(requests_a_day=86_400_000, entries=2, peak=5.0, witnesses=3, witness_every=10.0)  # 2,000 entries/s


def test_traffic_is_a_log_that_hangs_together() -> None:
    batches = list(ledger_entries.traffic(1000, 64))
    assert {len(batch) for batch in batches[:-1]} == {64}
    log = [entries.decode(data) for batch in batches for data in batch]
    assert len(log) == 2000
    outcomes = [one for one in log if isinstance(one, entries.Outcome)]
    assert sorted(one.decision for one in outcomes) == [
        at for at, one in enumerate(log) if isinstance(one, entries.Decision)
    ]
    assert all(log[one.decision].id == one.id for one in outcomes)
    assert all(log.index(one) > one.decision for one in outcomes[:50])


def test_a_device_is_counted_and_an_old_kernel_is_not_guessed_at() -> None:
    fields = (
        "577358 69812 32974218 362344 373775 384992 31455760 129454 0 86800 509292 157043 27 14810536 13458 96244 4035"
    )
    counted = disk.Disk.parse(fields)
    assert counted == disk.Disk(577358, 32974218 * 512, 373775, 31455760 * 512, 96244)
    assert counted.since(counted) == disk.Disk(0, 0, 0, 0, 0)
    assert disk.Disk.parse(" ".join(fields.split()[:11])) is None
    assert disk.between(None, counted) is None


def test_a_weight_is_that_of_the_files(tmp_path: Path) -> None:
    assert disk.weight(tmp_path) == 0
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(b"x" * 100_000)
    assert 100_000 <= disk.weight(tmp_path) <= 110_000


def test_a_proof_was_promised_at_ten_million_and_nowhere_else() -> None:
    assert ledger_reading.sizes(10_000_000) == [10_000, 1_000_000, 10_000_000]
    assert ledger_reading.sizes(20_000) == [10_000, 20_000]
    document = {
        "writing": LEDGER["writing"],
        "proofs": {"sizes": {"20000": {"riad": PROOFS}}},
        "verification": {"receipt_us": {"median": 150.0}, "inclusion_us": {"median": 10.0}},
    }
    found = ledger.summary(document)
    assert found == {"durable": {"SQLite": 6e3}, "proof_ms": None, "verification_us": 150.0, "inclusion_us": 10.0}
    document["proofs"]["sizes"]["10000000"] = {"riad": PROOFS}
    assert ledger.summary(document)["proof_ms"] == 4.0


def test_needs_are_what_was_measured_times_the_load() -> None:
    found = scale_needs.needs(SCALE, LEDGER, LOAD)
    assert found["load"]["entries_per_s"] == 2000
    sqlite, postgresql = found["databases"]["SQLite"], found["databases"]["PostgreSQL"]
    entries_a_day = 172_800_000
    assert sqlite["bytes_a_day"] == {
        "log": 600 * entries_a_day,
        "keys": 100 * 86_400_000,
        "index": 60 * entries_a_day,
        "export": 570 * entries_a_day,
    }
    assert sqlite["days_until"]["a file on ext4"] == pytest.approx(EXT4_FILE / (600 * entries_a_day))
    assert postgresql["days_until"] == {"a PostgreSQL table": pytest.approx(POSTGRESQL_TABLE / (600 * entries_a_day))}
    assert (sqlite["capacity"], sqlite["logs"]) == (6000, 2)  # 10,000 entries/s at the peak
    assert sqlite["requests_a_day"] == pytest.approx(6000 / 5 / 2 * 86_400)
    assert (postgresql["capacity"], postgresql["logs"], postgresql["requests_a_day"]) == (None, None, None)
    assert sqlite["audit_s_a_day"] == pytest.approx(entries_a_day / 2e5)
    assert sqlite["export_files_a_day"] == pytest.approx(8 / 1000 * entries_a_day)
    assert sqlite["receipts_per_s"] == 500


def test_commits_at_the_peak_are_shared_out_over_their_entries() -> None:
    found = scale_needs.needs(SCALE, LEDGER, LOAD)["databases"]["SQLite"]["batches"]["64"]
    assert found["commits"] == pytest.approx(10_000 / 64)
    assert found["busy"] == pytest.approx(0.5)
    assert found["flushes"] == pytest.approx(10_000 / 64 * 2)
    assert found["mb"] == pytest.approx(10_000 / 64 * 0.5)


def test_witnesses_are_asked_as_often_as_the_settings_say() -> None:
    found = scale_needs.needs(SCALE, LEDGER, LOAD)["witnesses"]
    assert found["requests_a_day"] == 3 * 8640
    assert found["hashes"] == (172_800_000 * 365).bit_length() + 1
    assert found["bytes_a_request"] == 200 + found["hashes"] * 45


def test_sqlite_tells_how_large_it_lets_a_file_become() -> None:
    found = scale_needs.limits()
    assert 1 << 44 < found["sqlite_bytes"] <= 1 << 48


def test_tables_show_what_was_not_measured_as_a_dash() -> None:
    document = copy.deepcopy(SCALE) | {"missing": {"Oracle": "nobody asked"}}
    document["databases"]["PostgreSQL"]["growth"] = {**GROWTH, "device": None}
    document["needs"] = scale_needs.needs(document, LEDGER, LOAD)
    text = scale_tables.simulation(document)
    assert "| flushes of the device's cache a commit | 2.0 | – |" in text
    assert "| receipt, nothing in memory, p50 / p99 ms | 2.00 / 4.00 | – |" in text
    assert "Oracle did not take part: nobody asked." in text
    assert "5.0 µs a key in the first tenth, 9.5 µs in the last." in text
    text = scale_tables.needs(document)
    assert "| logs (origins) for the peak | 2 | – |" in text
    assert "| one shard fills a PostgreSQL table after | – | 339 days |" in text
    assert "| 64 | 31 → 156 | 312 | 938 | 78 | 50% |" in text


def test_the_ledgers_tables_say_who_did_not_take_part() -> None:
    spread = {"median": 2.0, "min": 1.0, "max": 3.0}
    row = dict.fromkeys(("entries_per_s", "p50_ms", "p99_ms"), spread)
    document: dict[str, Any] = {
        "machine": MACHINE,
        "fsync_ms": spread,
        "writing": {
            "contenders": {"SQLite": {"1": {**row, "owner_cpu_us": spread}}, "pymerkle": {"1": row}},
            "missing": {"PostgreSQL": "it is not installed"},
        },
        "proofs": {
            "sizes": {"10000": {"riad": {**PROOFS, "open_ms": 1.0}, "peer": {"reason": "too slow"}}},
            "peer": "pymerkle",
            "missing": "too slow",
            "bytes_a_small_entry": 50.0,
        },
        "verification": {
            "entries": 1000, "receipt_bytes": 2000, "receipt_us": spread, "cose_bytes": 900, "cose_us": spread,
            "ed25519_us": spread, "inclusion_us": spread, "peer": {"title": "pymerkle", "reason": "too slow"},
        },
        "rates": RATES,
        "record_keys": {"bytes": 95.0, "us": 7.0},
        "bytes": {"decision_bytes": 900, "outcome_bytes": 200, "mean_bytes": 550.0, "overhead_bytes": 77.0},
        "worker": {"encode_us": spread, "append_us_at_1": 5.0},
        "promises": [],
    }  # fmt: skip
    text = ledger_tables.ledger(document)
    assert "PostgreSQL did not take part: it is not installed." in text
    assert "pymerkle goes no further: too slow." in text
    assert "| 10,000 | 1.0 | 2.00 / 4.00 | 2.00 / 4.00 | 2.00 / 4.00 | – | – | – | – |" in text
    assert text.count("| pymerkle |") == 2  # it has no process of an owner to weigh


def test_the_page_on_growth_has_a_place_for_both_tables() -> None:
    text = scale.PAGE.read_text()
    for name in ("simulation", "needs"):
        assert text.count(f"<!-- {name}:begin -->") == text.count(f"<!-- {name}:end -->") == 1


@pytest.mark.parametrize("arguments", [["--size", "9"], ["--batch", "0"], ["--only", "Oracle"], ["--size", "many"]])
def test_wrong_usage_of_the_simulation_ends_with_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        scale.main(arguments)
    assert stop.value.code == 2
