"""The door's promises: what was promised, what was measured, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Promise:
    """``at_least``: more is better. ``path`` leads to a number in the results of ``benchmarks.door``."""

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


def kept(results: dict[str, Any]) -> list[dict[str, Any]]:
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
        for promise in PROMISES
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
