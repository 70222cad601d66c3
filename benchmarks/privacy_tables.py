"""The results of ``benchmarks.privacy`` and ``benchmarks.leaks`` as tables for the documentation."""

from __future__ import annotations

from typing import Any

from benchmarks.machine import sentence
from benchmarks.tables import flat, promises, table

_SIZES = ((1_000_000, "MB"), (1_000, "kB"))


def privacy(document: dict[str, Any]) -> str:
    """All tables of a run of ``benchmarks.privacy``."""
    peer = document["peer"]
    out = f"{peer['title']} did not take part: {peer['reason']}." if "reason" in peer else ""
    parts = [
        sentence(document["machine"]),
        out,
        "Speed: median of the rounds (least–most).",
        _speed(document),
        "F1 by language: overlapping spans of the same type, then spans exact to the character.",
        _accuracy(document["accuracy"]),
        _alone(document["accuracy"]),
        "Streamed answers full of placeholders, cut as a model cuts them:",
        _streamed(document["streamed_token"]),
        "Hostile input: seconds of one core by size; the exponent of their growth from 100 kB on (1 is linear).",
        _hostile(document["hostile"]),
        table(["a part of a request's work", "µs (least–most)"], _parts(document["parts"])),
        promises(document["promises"]),
        f"First scan of a process: {document['start']['first_scan_s']} s, {document['start']['memory_mb']} MB.",
    ]
    return "\n\n".join(part for part in parts if part)


def leaks(document: dict[str, Any]) -> str:
    """All tables of a run of ``benchmarks.leaks``."""
    request, everywhere = document["request"], document["everywhere"]
    counted = {**request["leaked_personal_data"], **request["leaked_credentials"]}
    rows = [[entity, f"{count} of {request['runs']}"] for entity, count in counted.items()]
    failed = [check for check, count in request["failed_checks"].items() if count]
    return "\n\n".join(
        [
            sentence(document["machine"]),
            table(["value", "runs in which it reached the model"], rows),
            f"Checks not passed: {', '.join(failed) or 'none'}.",
            table(
                ["anywhere in a request, and in the answer", ""],
                [[name.replace("_", " "), value or "none"] for name, value in flat(everywhere)],
            ),
            promises(document["promises"]),
        ]
    )


def _speed(document: dict[str, Any]) -> str:
    rows = [
        [name, _spread(row["riad"], 2), _spread(row.get("presidio"), 4), _spread(row.get("ratio"), 0, "×")]
        for name, row in document["speed"].items()
    ]
    long = document["document"]
    theirs, ratio = "–", "–"
    if peer := long.get("presidio"):
        theirs = f"{peer['mb_s']:.4f}, on the first {peer['mb_read']:g} MB"
        ratio = f"{long['riad']['median'] / peer['mb_s']:,.0f}×"
    rows.append([f"mixed, {long['mb']:g} MB", _spread(long["riad"], 2), theirs, ratio])
    return table(["text", "Riad, MB/s", "Presidio, MB/s", "ratio"], rows)


def _spread(value: dict[str, float] | None, digits: int, unit: str = "") -> str:
    if not value:
        return "–"
    middle, low, high = (f"{value[key]:,.{digits}f}" for key in ("median", "min", "max"))
    return f"{middle}{unit}" if low == high else f"{middle}{unit} ({low}–{high})"


def _accuracy(accuracy: dict[str, Any]) -> str:
    everything = {
        "texts": accuracy["texts"],
        "spans": sum(row["spans"] for row in accuracy["languages"].values()),
        **accuracy["all"],
    }
    head = ["language", "texts", "spans", "Riad", "Presidio", "exact: Riad", "Presidio"]
    head += ["types Presidio knows: Riad", "Presidio", "exact: Riad", "Presidio"]
    measures = ("f1", "f1_exact", "f1_known_types", "f1_known_types_exact")
    rows = []
    for language, row in [*accuracy["languages"].items(), ("all", everything)]:
        cells = [_f1(row, finder, measure) for measure in measures for finder in ("riad", "presidio")]
        rows.append([language, str(row["texts"]), str(row["spans"]), *cells])
    return table(head, rows)


def _f1(row: dict[str, Any], finder: str, measure: str) -> str:
    if finder not in row:
        return "–"
    shown = f"{row[finder][measure]:.3f}"
    model = row[finder].get("model") if measure == "f1" else None
    return f"{shown} ({model})" if model else shown


def _alone(accuracy: dict[str, Any]) -> str:
    clean = accuracy["without_personal_data"]
    theirs = f", by Presidio {clean['presidio_left_alone']}" if "presidio_left_alone" in clean else ""
    return f"Of {clean['texts']} texts without personal data, left alone by Riad {clean['riad_left_alone']}{theirs}."


def _streamed(streamed: dict[str, float]) -> str:
    added = [
        f"{streamed[f'{kind}_us_{share}']:.2f}"
        for kind in ("restored", "nothing_to_restore")
        for share in ("p50", "p99")
    ]
    rows = [
        ["restoring, µs a token, p50 / p99", " / ".join(added[:2])],
        ["nothing to restore, µs a token, p50 / p99", " / ".join(added[2:])],
        ["tokens after which something is held back", f"{streamed['tokens_held_share']:.0%}"],
        ["tokens in a row, at most", f"{streamed['tokens_held_in_a_row_max']}"],
        ["characters held back, p99 / most", f"{streamed['characters_held_p99']} / {streamed['characters_held_max']}"],
    ]
    return table([f"{streamed['tokens']} tokens of {streamed['characters_a_token']} characters", ""], rows)


def _parts(parts: dict[str, Any]) -> list[list[str]]:
    return [[name.removesuffix("_us").replace("_", " "), value] for name, value in flat(parts)]


def _hostile(cases: dict[str, Any]) -> str:
    sizes = sorted({int(size) for case in cases.values() for size in [*case["seconds"], *case.get("left_out", [])]})
    rows = []
    for name, case in cases.items():
        times = [case["seconds"].get(str(size)) for size in sizes]
        shown = ["left out" if seconds is None else _seconds(seconds) for seconds in times]
        slope = "–" if case["exponent"] is None else f"{case['exponent']:.2f}"
        speed = "–" if case["mb_s"] is None else f"{case['mb_s']:,.2f}"
        rows.append([name, *shown, slope, speed])
    return table(["text repeated", *map(_size, sizes), "exponent", "MB/s"], rows)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 10 else f"{seconds:.2g}" if seconds >= 1e-3 else f"{seconds:.5f}"


def _size(size: int) -> str:
    return next(f"{size / unit:.3g} {name}" for unit, name in _SIZES if size >= unit)
