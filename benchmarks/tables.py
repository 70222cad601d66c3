"""Tables between markers: the documentation shows what the last full run measured, and nobody types a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.machine import sentence
from benchmarks.spread import show

PAGE = ROOT / "docs" / "benchmarks.md"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``.

    Raises ``ValueError`` when the page has not exactly one such pair.
    """
    before, after = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    page_text = page.read_text()
    if page_text.count(before) != 1 or page_text.count(after) != 1 or page_text.index(before) > page_text.index(after):
        raise ValueError(f"{page.name} needs the line {before} once, and {after} once after it")
    head, _, rest = page_text.partition(before)
    page.write_text(f"{head}{before}\n{text.strip()}\n{after}{rest.partition(after)[2]}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def door(results: dict[str, Any]) -> str:
    """All tables of a run of ``benchmarks.door``."""
    parameters = results["parameters"]
    rows = [_row(entry, parameters) for entry in results["contenders"].values() if entry["available"]]
    missing = [entry for entry in results["contenders"].values() if not entry["available"]]
    head = [
        "",
        f"requests/s, {parameters['connections']} connections",
        "CPU µs a request",
        f"added at {parameters['rate']:.0f}/s, p50 / p99 ms",
        "added to first token, p50 / p99 ms",
        f"streams whole, of {parameters['streams']}",
        "MB idle → after",
        "s to first answer",
        "guards",
    ]
    parts = [
        sentence(results["machine"]),
        "Median of the rounds (least–most).",
        table(head, rows),
        *[f"{entry['title'].replace('**', '')} did not take part: {entry['reason']}." for entry in missing],
        "",
        table(
            ["Riad's requests/s over", "median", "least–most"], [_ratio(*item) for item in results["ratios"].items()]
        ),
        "",
        promises(results["promises"]),
        "",
        *results["notes"],
    ]
    return "\n\n".join(part for part in parts if part)


def promises(rows: Sequence[dict[str, Any]]) -> str:
    """What ``promises.kept`` gives, as a table."""
    return table(["promise", "floor", "aim", "measured", ""], [_promise(promise) for promise in rows])


def _row(entry: dict[str, Any], parameters: dict[str, Any]) -> list[str]:
    held = entry.get("streams", {}).get(str(parameters["streams"]))
    memory, after = entry.get("idle_mb"), entry.get("after_mb")
    return [
        f"{entry['title']} {entry['version']}".replace(" –", ""),
        show(entry.get("requests_per_s")),
        show(entry.get("cpu_us")),
        _pair(entry.get("added")),
        _pair(entry.get("first_token")),
        f"{held['whole']}" if held else "–",
        f"{memory:.0f} → {after:.0f}" if memory and after else "–",
        show(entry.get("start_s"), 1),
        entry["guards"],
    ]


def _pair(value: dict[str, Any] | None) -> str:
    if not value:
        return "–"
    if "reason" in value:
        return str(value["reason"])
    return f"{show(value['p50_ms'], 2)} / {show(value['p99_ms'], 2)}"


def _ratio(name: str, value: Any) -> list[str]:
    low_high = f"{value['min']:.2f}–{value['max']:.2f}" if value else "–"
    return [name.partition("/")[2], f"{value['median']:.2f}×" if value else "–", low_high]


def _promise(promise: dict[str, Any]) -> list[str]:
    unit, measured = promise["unit"], promise["measured"]
    sign = "≥" if promise["at_least"] else "≤"
    words = {"aim": "**holds, and the aim too**", "floor": "**holds**", "missed": "**missed**"}
    shown = "–" if measured is None else f"{_short(float(measured))} {unit}".strip()
    return [
        promise["promise"],
        f"{sign} {promise['floor']:g} {unit}".strip(),
        f"{sign} {promise['aim']:g} {unit}".strip(),
        shown,
        words.get(promise["verdict"], promise["verdict"]),
    ]


def plain(document: dict[str, Any]) -> str:
    """Any benchmark's JSON as a table of names and values, nested names joined by a dot."""
    machine = document.get("machine")
    rows = [[name, value] for name, value in flat({key: document[key] for key in document if key != "machine"})]
    return "\n\n".join([*([sentence(machine)] if isinstance(machine, dict) else []), table(["measure", "value"], rows)])


def flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Leaves of a JSON value as (dotted name, text); a spread is one leaf."""
    if isinstance(value, dict) and {"median", "min", "max"} <= value.keys():
        return [(name, f"{_short(value['median'])} ({_short(value['min'])}–{_short(value['max'])})")]
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        return [leaf for at, inner in enumerate(value) for leaf in flat(inner, f"{name}.{at}")]
    if isinstance(value, list):
        return [(name, ", ".join(map(_short, value)))]
    return [(name, _short(value))]


def _short(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
