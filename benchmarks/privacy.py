"""The scan beside Presidio, in one run: speed by size, what each finds by language; masking, restoring, hostile input.

    python -m benchmarks.privacy [--rounds 5] [--megabytes 10] [--set corpus_held.txt] [--hostile-seconds 220]

Speeds are megabytes of UTF-8 a second of one core's CPU: the median over interleaved rounds of the mean of many calls,
with its extremes; a ratio is of one round. *clean* is what most requests pay: half a kilobyte in three messages without
personal data. A peer that cannot be had is named with the reason. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import presidio, promises, restoring
from benchmarks.accuracy import Found, compare
from benchmarks.environments import ROOT
from benchmarks.hostile import CASES, RESTORED
from benchmarks.presidio import Presidio
from benchmarks.processes import Unavailable, die_with_parent
from benchmarks.spread import ratios, spread
from benchmarks.texts import ARABIZI, CLEAN, DENSE, FRENCH, MIXED, sized, thirds
from riad.privacy import Masker, scan, scan_many
from riad.privacy.evaluate import read
from riad.privacy.walk import replace, texts

SETS = ROOT / "tests" / "privacy"
SAMPLES = {
    f"{name}, {label}": sized(text, size)
    for name, text in (("mixed", MIXED), ("dense", DENSE))
    for label, size in (("0.2 KB", 200), ("1 KB", 1024), ("32 KB", 32 * 1024))
}
PIECE = 100_000  # bytes of a long document that the peer is given at once: its models take no more than a million
PEER_SECONDS = 20.0  # of a long document


def cpu(action: Callable[[], Any], budget: float = 0.15) -> float:
    """Seconds of CPU of one call: the mean of as many as fit the budget."""
    action()
    began = time.process_time()
    calls = 0
    while (taken := time.process_time() - began) < budget:
        action()
        calls += 1
    return taken / calls


def once(text: str) -> float:
    """Seconds of CPU of one scan."""
    began = time.process_time()
    scan(text)
    return time.process_time() - began


def megabytes(text: str) -> float:
    return len(text.encode()) / 1e6


def parts() -> dict[str, float]:
    """The parts of a request's work, once each, in microseconds."""
    result: dict[str, float] = {}
    for name, text in CLEAN.items():
        messages = thirds(sized(text, 500))
        result[f"clean_{name}_500b_us"] = cpu(lambda messages=messages: scan_many(messages))  # type: ignore[misc]
    dense = sized(DENSE, 500)
    found = scan(dense)
    result["dense_500b_us"] = cpu(lambda: scan(dense))
    result["mask_500b_us"] = cpu(lambda: Masker().mask(dense, found))
    body = {"messages": [{"role": "user", "content": text} for text in (FRENCH, ARABIZI, DENSE)]}
    result["walk_3_messages_us"] = cpu(lambda: texts(body))
    result["walk_and_replace_us"] = cpu(lambda: replace(body, iter(texts(body))))
    return {name: seconds * 1e6 for name, seconds in result.items()}


class Speeds:
    """MB/s of each sample, round by round, ours and the peer's."""

    def __init__(self, peer: Presidio | None, document: str) -> None:
        self._peer = peer
        self._document = document
        self.ours: dict[str, list[float]] = {}
        self.theirs: dict[str, list[float]] = {}

    def round(self) -> None:
        """Ours, then the peer's, of one sample after the other."""
        for name, text in SAMPLES.items():
            seconds = cpu(lambda text=text: scan(text))  # type: ignore[misc]
            self.ours.setdefault(name, []).append(megabytes(text) / seconds)
            if self._peer is not None:
                seconds = self._peer.cost(text, "fr")
                self.theirs.setdefault(name, []).append(megabytes(text) / seconds)
        self.ours.setdefault("document", []).append(megabytes(self._document) / once(self._document))

    def document(self) -> dict[str, Any]:
        """The long document: ours over the rounds, the peer's on as much of it as its time allows."""
        found: dict[str, Any] = {"mb": round(megabytes(self._document), 2), "riad": rounded(self.ours["document"])}
        if self._peer is not None:
            data, seconds, done = self._document.encode(), 0.0, 0
            while done < len(data) and seconds < PEER_SECONDS:
                piece = data[done : done + PIECE].decode("utf-8", "ignore")
                seconds += self._peer.cost(piece, "fr", budget=0.0)
                done += PIECE
            done = min(done, len(data))
            found["presidio"] = {"mb_s": round(done / 1e6 / seconds, 4), "mb_read": round(done / 1e6, 2)}
        return found

    def samples(self) -> dict[str, Any]:
        """Spreads by sample; the ratio is ours over the peer's of the same round."""
        rows: dict[str, Any] = {}
        for name in SAMPLES:
            rows[name] = {"riad": rounded(self.ours[name])}
            if self.theirs:
                rows[name]["presidio"] = rounded(self.theirs[name])
                rows[name]["ratio"] = rounded((ratios(self.ours[name], self.theirs[name]) or {"values": []})["values"])
        return rows


def rounded(values: Sequence[float], digits: int = 4) -> dict[str, float]:
    """Median and extremes for a result."""
    found = spread(values)
    if found is None:
        return {}
    return {
        "median": round(found["median"], digits),
        "min": round(found["min"], digits),
        "max": round(found["max"], digits),
    }


def findings(path: Path, peer: Presidio | None) -> dict[str, Any]:
    """What each finds in an evaluation set."""
    samples = read(path.read_bytes())
    ours = [[Found(frozenset([one.type]), one.start, one.end) for one in scan(sample.text)] for sample in samples]
    texts_of = [sample.text for sample in samples]
    theirs = {} if peer is None else {model: peer.find(texts_of, model) for model in presidio.MODELS}
    return {
        "set": path.name,
        "texts": len(samples),
        "known_types": sorted(presidio.KNOWN),
        **compare(samples, ours, theirs, presidio.KNOWN),
    }


def start() -> dict[str, float]:
    """The first scan of a process: seconds to build the automata, and megabytes they take."""
    code = (
        "import time; import riad.privacy; pages = lambda: int(open('/proc/self/statm').read().split()[1]); "
        "before, began = pages(), time.perf_counter(); riad.privacy.scan('x'); "
        "print(time.perf_counter() - began, (pages() - before) * 4096 / 1e6)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, size = map(float, answer.stdout.split())
    return {"first_scan_s": round(seconds, 3), "memory_mb": round(size, 1)}


def hostile(largest: float, total: float) -> dict[str, Any]:
    """``benchmarks.hostile`` in two processes at once, half the cases each: what they leave in memory is not ours."""
    command = [sys.executable, "-m", "benchmarks.hostile", "--megabytes", str(largest), "--total", str(total)]
    running = [
        subprocess.Popen([*command, "--share", share], cwd=ROOT, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        for share in ("0/2", "1/2")
    ]
    cases: dict[str, Any] = {}
    for process in running:
        output, _errors = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"benchmarks.hostile ended with {process.returncode}")
        cases.update(json.loads(output)["cases"])
    return {name: cases[name] for name in (*CASES, *RESTORED)}


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """The numbers that promises are about."""
    rows = document["accuracy"]["languages"]
    beside = [row for row in rows.values() if "presidio" in row]
    return {
        "clean_us": max(document["parts"][f"clean_{name}_500b_us"]["median"] for name in CLEAN),
        "f1_worst": min(row["riad"]["f1"] for row in rows.values()),
        "not_ahead": sum(row["riad"]["f1"] <= row["presidio"]["f1"] for row in beside) if beside else None,
        "exponent_worst": max(
            (case["exponent"] for case in document["hostile"].values() if case["exponent"] is not None), default=None
        ),
    }


def measured(options: argparse.Namespace, peer: Presidio | None) -> dict[str, Any]:
    """Everything, in order: rounds, the long document, accuracy, streams."""
    scan("")
    speeds = Speeds(peer, sized(MIXED, int(options.megabytes * 1e6)))
    if peer is not None:
        peer.cost(SAMPLES["mixed, 1 KB"], "fr")  # warm
    rounds: list[dict[str, float]] = []
    for _number in range(max(1, options.rounds)):
        rounds.append(parts())
        speeds.round()
    return {
        "rounds": len(rounds),
        "speed": speeds.samples(),
        "document": speeds.document(),
        "accuracy": findings(SETS / options.set, peer),
        "parts": {name: rounded([one[name] for one in rounds], 3) for name in rounds[0]},
        "streamed_token": restoring.measure(),
        "start": start(),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=10.0, help="size of the long document and of hostile input")
    parser.add_argument("--set", default="corpus_held.txt", help="the evaluation set, in tests/privacy")
    parser.add_argument("--hostile-seconds", type=float, default=220.0, help="for all hostile input together")
    options = parser.parse_args()
    peer: dict[str, Any] = {"title": presidio.TITLE, "requirements": list(presidio.REQUIREMENTS)}
    try:
        with Presidio() as other:
            document = measured(options, other)
    except Unavailable as reason:
        peer["reason"] = str(reason)
        document = measured(options, None)
    document = {"peer": peer, **document, "hostile": hostile(options.megabytes, options.hostile_seconds)}
    document["summary"] = summary(document)
    document["promises"] = promises.kept(document, promises.PRIVACY)
    print(json.dumps(document, ensure_ascii=False))


if __name__ == "__main__":
    main()
