"""What was promised, what was measured, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Promise:
    """``at_least``: more is better. ``path`` leads to a number in the results of the benchmark."""

    title: str
    path: tuple[str, ...]
    floor: float
    aim: float
    unit: str = ""
    at_least: bool = True


PROMISES = (
    Promise("requests/s over nginx's", ("ratios", "riad/nginx", "median"), 0.2, 0.5, "×"),
    Promise("requests/s over TensorZero's", ("ratios", "riad/tensorzero", "median"), 1, 2, "×"),
    Promise("requests/s over Envoy's", ("ratios", "riad/envoy", "median"), 1, 2, "×"),
    Promise("requests/s over Portkey's", ("ratios", "riad/portkey", "median"), 8, 20, "×"),
    Promise("requests/s over LiteLLM's", ("ratios", "riad/litellm", "median"), 80, 200, "×"),
    Promise("token streams held, none lost or reordered", ("riad_streams_held",), 512, 2000),
    Promise(
        "added time to first token, p50", ("contenders", "riad", "first_token", "p50_ms", "median"), 2, 0.7, "ms", False
    ),
    Promise(
        "added time to first token, p99", ("contenders", "riad", "first_token", "p99_ms", "median"), 15, 5, "ms", False
    ),
    Promise("start to first answer", ("contenders", "riad", "start_s", "median"), 5, 2, "s", False),
    Promise("memory of an idle gateway worker", ("riad_worker_idle_mb",), 150, 80, "MB", False),
)
PRIVACY = (
    Promise("scan of 32 KB with names", ("speed", "mixed, 32 KB", "riad", "median"), 2, 10, "MB/s"),
    Promise("the same over Presidio's", ("speed", "mixed, 32 KB", "ratio", "median"), 100, 150, "×"),
    Promise("clean prompt of 500 bytes, worst language", ("summary", "clean_us"), 15, 15, "µs", False),
    Promise("F1, worst language", ("summary", "f1_worst"), 0.85, 0.97),
    Promise("languages in which Presidio's F1 is as good or better", ("summary", "not_ahead"), 0, 0, "", False),
    Promise("hostile input: largest exponent (1 is linear)", ("summary", "exponent_worst"), 1.15, 1.1, "", False),
)
LEAKS = (
    Promise("values that reached the model unmasked", ("summary", "leaks"), 0, 0, "", False),
    Promise("types that did from anywhere in a request", ("summary", "leaks_everywhere"), 0, 0, "", False),
    Promise("share of values restored", ("everywhere", "restored_share"), 1, 1),
)
LEDGER = (
    Promise("durable entries/s, SQLite", ("summary", "durable", "SQLite"), 20_000, 60_000),
    Promise("durable entries/s, PostgreSQL", ("summary", "durable", "PostgreSQL"), 20_000, 60_000),
    Promise("inclusion or consistency proof at 10⁷ entries, p99", ("summary", "proof_ms"), 5, 2, "ms", False),
    Promise("verification of a receipt, its signature included", ("summary", "verification_us"), 100, 30, "µs", False),
    Promise("verification of its inclusion proof alone", ("summary", "inclusion_us"), 100, 30, "µs", False),
)


def kept(results: dict[str, Any], promises: Sequence[Promise] = PROMISES) -> list[dict[str, Any]]:
    """Every promise with what was measured: ``verdict`` is aim, floor, missed, or not measured."""
    return [
        {
            "promise": promise.title,
            "floor": promise.floor,
            "aim": promise.aim,
            "unit": promise.unit,
            "at_least": promise.at_least,
            "measured": (value := _find(results, promise.path)),
            "verdict": verdict(promise, value),
        }
        for promise in promises
    ]


def verdict(promise: Promise, value: float | None) -> str:
    """How a measured value stands to its promise."""
    if value is None:
        return "not measured"

    def reaches(mark: float) -> bool:
        return value >= mark if promise.at_least else value <= mark

    if reaches(promise.aim):
        return "aim"
    return "floor" if reaches(promise.floor) else "missed"


def _find(results: Any, path: tuple[str, ...]) -> float | None:
    for step in path:
        results = results.get(step) if isinstance(results, dict) else None
    return None if results is None else float(results)
