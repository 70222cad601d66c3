"""The results of ``benchmarks.scale`` as tables for ``docs/scale.md``."""

from __future__ import annotations

from typing import Any

from benchmarks.machine import sentence
from benchmarks.scale_needs import DAY, YEAR
from benchmarks.tables import table

_UNITS = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def simulation(document: dict[str, Any]) -> str:
    """What was measured."""
    found = document["databases"]
    parts = [
        sentence(document["machine"]),
        table([f"{document['size']:,} entries", *found], _growth(found)),
        "Entries/s, each tenth of the run:",
        table(
            ["tenth", *found],
            [[str(at + 1), *(_tenth(one["growth"]["tenths"], at) for one in found.values())] for at in range(10)],
        ),
        "Read at the end:",
        table([f"of {document['size']:,} entries", *found], _read(found)),
        "By how many entries a commit has:",
        *[_batches(name, one["batches"]) for name, one in found.items()],
        *[f"{name} did not take part: {reason}." for name, reason in document["missing"].items()],
    ]
    return "\n\n".join(parts)


def needs(document: dict[str, Any]) -> str:
    """What was computed from it."""
    found = document["needs"]
    load, databases, witnesses = found["load"], found["databases"], found["witnesses"]
    rows = [
        ["requests a day", f"{load['requests_a_day']:,}"],
        ["entries a day, two a request", f"{load['entries_a_day']:,}"],
        ["entries a year", f"{load['entries_a_day'] * YEAR:,}"],
        ["entries/s, mean", f"{load['entries_per_s']:,.0f}"],
        [f"entries/s, at a peak of {load['peak']:g} times the mean", f"{load['entries_per_s'] * load['peak']:,.0f}"],
        [
            f"requests a day to {load['witnesses']} witnesses, each every {load['witness_every']:g} s",
            f"{witnesses['requests_a_day']:,.0f}",
        ],
        [
            f"bytes of one: the checkpoint and at most {witnesses['hashes']} hashes",
            f"{witnesses['bytes_a_request']:,.0f}",
        ],
        ["bytes a day to all of them", _size(witnesses["bytes_a_day"])],
    ]
    parts = [
        table(["load", ""], rows),
        table(["needed", *databases], _needed(databases)),
        f"The disk at the peak of {load['entries_per_s'] * load['peak']:,.0f} entries/s, by how many entries a commit "
        "has. *busy* is the share of its time that one log would spend on it: above 100% it cannot keep up.",
        *[_disk(name, one["batches"]) for name, one in databases.items()],
    ]
    return "\n\n".join(parts)


def _growth(found: dict[str, Any]) -> list[list[str]]:
    grown = [one["growth"] for one in found.values()]
    ends = [(one["tenths"][0], one["tenths"][-1]) for one in grown]
    return [
        ["entries in a commit", *(f"{one['batch']}" for one in grown)],
        ["entries/s, the making of them included", *(f"{one['entries_per_s']:,.0f}" for one in grown)],
        ["entries/s, writing alone", *(f"{one['writing_entries_per_s']:,.0f}" for one in grown)],
        ["the same, first → last tenth", *(_change(*end, "writing_entries_per_s") for end in ends)],
        ["commit p50, ms, first → last tenth", *(_change(*end, "commit_p50_ms", 2) for end in ends)],
        ["commit p99, ms, first → last tenth", *(_change(*end, "commit_p99_ms", 2) for end in ends)],
        ["bytes of an entry", *(f"{one['entry_bytes']:,.0f}" for one in grown)],
        ["bytes on disk beside them: tiles, rows, pages", *(f"{one['overhead_bytes']:,.0f}" for one in grown)],
        ["on disk at the end", *(_size(one["disk_bytes"]) for one in grown)],
        ["largest write-ahead log", *(_size(one["journal_peak_bytes"]) for one in grown)],
        ["written to the device, for one byte kept", *(_amplified(one) for one in grown)],
        ["flushes of the device's cache a commit", *(_a_commit(one, "flushes") for one in grown)],
        ["writes a commit", *(_a_commit(one, "writes") for one in grown)],
        ["memory of the writing process, at the end", *(f"{one['memory_mb']:,.0f} MB" for one in grown)],
    ]


def _read(found: dict[str, Any]) -> list[list[str]]:
    every = list(found.values())
    rows = [["opening, ms", *(f"{one['opening']['warm_ms']:.1f}" for one in every)]]
    rows.append(["opening, nothing in memory, ms", *(_maybe(one["opening"].get("cold_ms"), 1) for one in every)])
    for what in ("inclusion", "consistency", "receipt"):
        words = "receipt" if what == "receipt" else f"{what} proof"
        rows.append([f"{words}, p50 / p99 ms", *(_pair(one["proofs"][what]) for one in every)])
    cold = [one["proofs"].get("cold_receipt") for one in every]
    rows.append(["receipt, nothing in memory, p50 / p99 ms", *(_pair(one) for one in cold)])
    rows.append(["disk reads for it", *(_maybe((one or {}).get("reads"), 1) for one in cold)])
    rows.append(["bytes read for it", *(_maybe((one or {}).get("read_bytes"), 0) for one in cold)])
    for processes in every[0]["rates"]["audit"]:
        rates = [one["rates"]["audit"][processes]["entries_per_s"] for one in every]
        rows.append([f"audit, entries/s on {processes} cores", *(f"{rate:,.0f}" for rate in rates)])
    rows.append(["export, entries/s", *(f"{one['rates']['export']['entries_per_s']:,.0f}" for one in every)])
    rows.append(["index, entries/s", *(f"{one['rates']['index']['entries_per_s']:,.0f}" for one in every)])
    rows.append(["index, bytes an entry", *(f"{one['rates']['index']['bytes_an_entry']:,.0f}" for one in every)])
    return rows


def _batches(name: str, found: dict[str, Any]) -> str:
    head = [f"{name}: entries in a commit", "entries/s", "commit p50 / p99, ms", "flushes", "writes", "kB written"]
    rows = []
    for batch, one in found.items():
        cells = [_a_commit(one, key) for key in ("flushes", "writes")]
        kept = one["device"]
        cells.append(f"{kept['written_bytes'] / one['commits'] / 1e3:,.0f}" if kept else "–")
        waits = f"{one['commit_p50_ms']:.2f} / {one['commit_p99_ms']:.2f}"
        rows.append([batch, f"{one['entries_per_s']:,.0f}", waits, *cells])
    return table(head, rows)


def _needed(databases: dict[str, Any]) -> list[list[str]]:
    every = list(databases.values())
    words = {
        "log": "the log: entries, tiles, rows",
        "keys": "record keys, one a request",
        "index": "the index for searching",
        "export": "the static files, where they are kept",
    }
    rows = [
        [f"disk a day / a year: {word}", *(_day_year(one["bytes_a_day"][key]) for one in every)]
        for key, word in words.items()
    ]
    rows.append(["the same, all four", *(_day_year(sum(one["bytes_a_day"].values())) for one in every)])
    for mark in dict.fromkeys(mark for one in every for mark in one["days_until"]):
        days = [one["days_until"].get(mark) for one in every]
        rows.append([f"one shard fills {mark} after", *("–" if day is None else f"{day:,.0f} days" for day in days)])
    rows += [
        ["entries/s that one log takes, durable, its callers waiting", *(_maybe(one["capacity"], 0) for one in every)],
        ["logs (origins) for the peak", *("–" if one["logs"] is None else str(one["logs"]) for one in every)],
        ["requests a day that one log takes", *(_maybe(one["requests_a_day"], 0) for one in every)],
        ["receipts/s of one core", *(f"{one['receipts_per_s']:,.0f}" for one in every)],
        ["auditing a day's entries / a year's", *(_time(one["audit_s_a_day"]) for one in every)],
        ["exporting them", *(_time(one["export_s_a_day"]) for one in every)],
        ["files of it a day", *(f"{one['export_files_a_day']:,.0f}" for one in every)],
        ["indexing them", *(_time(one["index_s_a_day"]) for one in every)],
    ]
    return rows


def _disk(name: str, batches: dict[str, Any]) -> str:
    head = [f"{name}: entries in a commit", "commits/s, mean → peak", "flushes/s", "writes/s", "MB/s written", "busy"]
    rows = [
        [
            batch,
            f"{one['commits_mean']:,.0f} → {one['commits']:,.0f}",
            *(_maybe(one.get(key), 0) for key in ("flushes", "writes", "mb")),
            f"{one['busy']:,.0%}",
        ]
        for batch, one in batches.items()
    ]
    return table(head, rows)


def _tenth(tenths: list[dict[str, float]], at: int) -> str:
    return f"{tenths[at]['entries_per_s']:,.0f}"


def _change(first: dict[str, float], last: dict[str, float], key: str, digits: int = 0) -> str:
    return f"{first[key]:,.{digits}f} → {last[key]:,.{digits}f}"


def _amplified(growth: dict[str, Any]) -> str:
    counted = growth["device"]
    return f"{counted['written_bytes'] / growth['disk_bytes']:.2f}" if counted else "–"


def _a_commit(found: dict[str, Any], key: str) -> str:
    return f"{found['device'][key] / found['commits']:.1f}" if found["device"] else "–"


def _maybe(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _pair(waits: dict[str, float] | None) -> str:
    return f"{waits['p50_ms']:.2f} / {waits['p99_ms']:.2f}" if waits else "–"


def _day_year(a_day: float) -> str:
    return f"{_size(a_day)} / {_size(a_day * YEAR)}"


def _time(seconds_a_day: float) -> str:
    return f"{seconds_a_day / 60:,.0f} min / {seconds_a_day * YEAR / DAY:,.1f} days"


def _size(count: float) -> str:
    return next((f"{count / unit:,.3g} {name}" for unit, name in _UNITS if count >= unit), f"{count:,.0f} B")
