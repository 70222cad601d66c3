"""Input made to be slow: the time of a scan against its size, from 10 kB to 10 MB; the same of a streamed answer.

    python -m benchmarks.hostile [--megabytes 10] [--seconds 40] [--total 220] [--only NAME] [--share 0/1]

Each case is one short text repeated, behind a dossier with something of every kind: no check is skipped for want of
work. *exponent* is the slope of log time over log size from 100 kB on: 1 is linear, 2 is quadratic. Times are CPU of
one core. A size that would need more than ``--seconds``, or more than is left of ``--total``, is left out, and said to
be. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from benchmarks.texts import DENSE, sized
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
EVERYTHING = (
    DENSE
    + "a@b.co @ali_k 12, rue Ibn Sina, 20000 Casablanca. IBAN MA64 \\u0041 &#65; %40 4111-1111 [PERSON_1] 33.5, -7.6 "
    "\u200b\u202a"
)
RESTORED = {
    "restoring: brackets": "[",
    "restoring: beginnings": "[PERSON_",
    "restoring: placeholders": "[PERSON_1]",
}
SMALLEST = 10_000  # bytes
STEP = math.sqrt(10)
STEADY = 100_000  # bytes: below, what every scan costs once bends the curve
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


class Case:
    """One short text repeated, and the seconds its sizes took, from the smallest."""

    def __init__(self, action: Callable[[str], Any], unit: str, lengths: Sequence[int]) -> None:
        self._action = action
        self._unit = unit
        self._lengths = lengths
        self.times: list[float] = []

    def expected(self) -> float:
        """Seconds the next size should take: in proportion to the last, or to its square where times grew faster."""
        done = len(self.times)
        if not done:
            return 0.0
        growth = self._lengths[done] / self._lengths[done - 1]
        bent = done > 1 and self.times[-1] / self.times[-2] > 2 * self._lengths[done - 1] / self._lengths[done - 2]
        return self.times[-1] * growth * (growth if bent else 1.0)

    def go_on(self) -> None:
        """Measure the next size."""
        self.times.append(once(self._action, sized(self._unit, self._lengths[len(self.times)])))

    def result(self) -> dict[str, Any]:
        """Times by size, the exponent over them, the speed at the largest, and the sizes left out."""
        points = list(zip(self._lengths, self.times, strict=False))
        slope = exponent([(size, seconds) for size, seconds in points if size >= STEADY])
        found: dict[str, Any] = {
            "seconds": {str(size): round(seconds, 6) for size, seconds in points},
            "exponent": None if math.isnan(slope) else round(slope, 3),
            "mb_s": round(points[-1][0] / 1e6 / points[-1][1], 2) if points else None,
        }
        if cut := list(self._lengths[len(points) :]):
            found["left_out"] = cut
        return found


def measure(cases: Collection[Case], steps: int, most: float, total: float) -> None:
    """Every case at one size before any at the next, the quickest first; without those that would need more than
    ``most`` seconds, or than is left of ``total``."""
    until = time.monotonic() + total
    going = set(cases)
    for _step in range(steps):
        for case in sorted(going, key=Case.expected):
            if case.expected() > min(most, until - time.monotonic()):
                going.discard(case)
            else:
                case.go_on()


def once(action: Callable[[str], Any], text: str) -> float:
    """Seconds of CPU of one call; the mean of several where one is too short to tell."""
    calls, began = 0, time.process_time()
    while not calls or time.process_time() - began < NOISE * 10:
        action(text)
        calls += 1
    return (time.process_time() - began) / calls


def scanned(text: str) -> None:
    """A scan of the text behind the dossier."""
    scan(EVERYTHING + text)


def restored(text: str) -> None:
    """An answer streamed four characters at a time to somebody whose name was masked."""
    restorer = Restorer({"[PERSON_1]": "Ahmed Benali", "[PHONE_12]": "0612345678"})
    for at in range(0, len(text), 4):
        restorer.feed(text[at : at + 4])
    restorer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=40.0, help="of CPU, for one scan")
    parser.add_argument("--total", type=float, default=220.0, help="seconds, for all cases")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--share", default="0/1", help="of the cases: 0/2 is every other, 1/2 the rest")
    options = parser.parse_args()
    place, shares = map(int, options.share.split("/"))
    scan("")
    chosen: list[tuple[str, Callable[[str], Any], str]]
    chosen = [(name, scanned, unit) for name, unit in CASES.items() if options.only in name]
    chosen += [(name, restored, unit) for name, unit in RESTORED.items() if options.only in name]
    lengths = sizes(options.megabytes * 1e6)
    cases = {name: Case(action, unit, lengths) for name, action, unit in chosen[place::shares]}
    measure(cases.values(), len(lengths), options.seconds, options.total)
    found = {name: case.result() for name, case in cases.items()}
    print(json.dumps({"megabytes": options.megabytes, "cases": found}, ensure_ascii=False))


if __name__ == "__main__":
    main()
