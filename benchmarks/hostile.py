"""Input made to be slow: the time of a scan against its size, from 10 kB to 10 MB; the same of a streamed answer.

    python -m benchmarks.hostile [--megabytes 10] [--seconds 25] [--total 240] [--only NAME]

Each case is one short text repeated. *exponent* is the slope of log time over log size: 1 is linear, 2 is quadratic.
Times are CPU of one core. A size that would need more than ``--seconds``, or more than is left of ``--total``, is left
out, and said to be. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.texts import sized
from riad.privacy import Restorer, scan

CASES = {
    "digits in pairs": "10 ",
    "zeros": "0 ",
    "digits": "7",
    "telephones": "tel 0612345678 ",
    "given names": "ahmed ",
    "given names, Arabic": "محمد ",
    "capitals": "Ahmed Benali Mohamed ",
    "names and illness": "Ahmed Benali diabète ",
    "cues": "smiti-",
    "streets": "rue ",
    "streets and numbers": "12, rue 3 ",
    "Arabic clitics": "وبال",
    "Arabic clitics and names": "وبالمحمد ",
    "Tifinagh": "ⴰⵎⴰ ",
    "e-mail": "a@b.co ",
    "at signs": "@",
    "at signs and letters": "a@",
    "handles": "@a",
    "dots": "a.",
    "backslashes": "\\",
    "escapes": "\\u0041",
    "entities": "&#",
    "entities, whole": "&#65;",
    "percent signs": "%4",
    "nested JSON": '{"a":"{\\"b\\":',
    "brackets": "[",
    "placeholders": "[PERSON_1",
    "zero width": "1\u200b",
    "zero width alone": "\u200b",
    "homoglyphs": "АhmеdВеnаli",
    "combining marks": "a\u0301\u0327",
    "base64": "QWhtZWQgQmVuYWxpIDA2MTIzNDU2Nzg",
    "letters": "a",
    "line breaks": "\n",
    "plates": "1-A-1 ",
}
RESTORED = {
    "restoring: brackets": "[",
    "restoring: beginnings": "[PERSON_",
    "restoring: placeholders": "[PERSON_1]",
}
SMALLEST = 10_000  # bytes
STEP = math.sqrt(10)
LEAST = 0.5  # seconds that every case has, however slow the others were
NOISE = 2e-4  # seconds: shorter times are measured over several calls


def sizes(largest: float) -> list[int]:
    """Bytes, from the smallest in steps of √10 to the largest."""
    steps = round(math.log(largest / SMALLEST, STEP)) if largest > SMALLEST else 0
    return [round(SMALLEST * STEP**step) for step in range(steps + 1)]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of log time over log size, by least squares; NaN of fewer than two sizes.

    Raises ``ValueError`` where a size or time is not above zero.
    """
    xs, ys = [math.log(size) for size, _ in points], [math.log(seconds) for _, seconds in points]
    if len(set(xs)) < 2:
        return math.nan
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    along = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / along


def measure(action: Callable[[str], Any], unit: str, lengths: Sequence[int], most: float) -> list[float]:
    """Seconds for each length, in order, up to the first that would need more than ``most`` seconds.

    What the next one needs is told from the last: in proportion where times grew so, else with the square.
    """
    times: list[float] = []
    for number, length in enumerate(lengths):
        if times:
            growth = length / lengths[number - 1]
            bent = number > 1 and times[-1] / times[-2] > 2 * lengths[number - 1] / lengths[number - 2]
            if times[-1] * growth * (growth if bent else 1.0) > most:
                break
        times.append(once(action, sized(unit, length)))
    return times


def once(action: Callable[[str], Any], text: str) -> float:
    """Seconds of CPU of one call; the mean of several where one is too short to tell."""
    calls, began = 0, time.process_time()
    while not calls or time.process_time() - began < NOISE * 10:
        action(text)
        calls += 1
    return (time.process_time() - began) / calls


def restored(text: str) -> None:
    """An answer streamed four characters at a time to somebody whose name was masked."""
    restorer = Restorer({"[PERSON_1]": "Ahmed Benali", "[PHONE_12]": "0612345678"})
    for at in range(0, len(text), 4):
        restorer.feed(text[at : at + 4])
    restorer.flush()


def case(action: Callable[[str], Any], unit: str, largest: float, most: float) -> dict[str, Any]:
    """Times by size, the exponent over them, the speed at the largest, and the sizes left out."""
    lengths = sizes(largest)
    times = measure(action, unit, lengths, most)
    done, cut = lengths[: len(times)], lengths[len(times) :]
    slope = exponent(list(zip(done, times, strict=True)))
    found: dict[str, Any] = {
        "seconds": {str(length): round(seconds, 6) for length, seconds in zip(done, times, strict=True)},
        "exponent": None if math.isnan(slope) else round(slope, 3),
        "mb_s": round(done[-1] / 1e6 / times[-1], 2),
    }
    if cut:
        found["left_out"] = cut
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=25.0, help="of CPU, for one scan")
    parser.add_argument("--total", type=float, default=240.0, help="seconds, for all cases")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    scan("")
    chosen: list[tuple[str, Callable[[str], Any], str]]
    chosen = [(name, scan, unit) for name, unit in CASES.items() if options.only in name]
    chosen += [(name, restored, unit) for name, unit in RESTORED.items() if options.only in name]
    until, found = time.monotonic() + options.total, {}
    for number, (name, action, unit) in enumerate(chosen):
        kept = LEAST * (len(chosen) - number - 1)  # for those that come after
        most = max(LEAST, min(options.seconds, until - time.monotonic() - kept))
        found[name] = case(action, unit, options.megabytes * 1e6, most)
    print(json.dumps({"megabytes": options.megabytes, "cases": found}, ensure_ascii=False))


if __name__ == "__main__":
    main()
