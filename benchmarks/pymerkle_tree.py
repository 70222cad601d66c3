"""pymerkle, answering on standard input: runs in an environment of its own, started by ``benchmarks.pymerkle_peer``.

Imports nothing of ours. Each line is a JSON object, each answer one line of JSON:

    {"open": "FILE", "wal": true}                       {"size": 0}            a tree in SQLite, journalled as asked
    {"append": "ENTRY", "batch": 16, "seconds": 2}      {"entries": 9, "seconds": 2, "waits_ms": [...]}
    {"grow": 10000, "seconds": 60}                      {"size": 10000, "seconds": 0.2}   or as far as it came
    {"prove": "inclusion", "times": 400, "seconds": 5}  {"waits_ms": [...]}    the first after opening comes first
    {"verify": 500}                                     {"us": 12.3}           the mean of so many calls, proof in hand
    {"again": true}                                     {"size": 10000}        closed, and opened again: nothing cached
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pymerkle

GROWN_BY = 50_000


class Tree:
    """One tree in one file."""

    def __init__(self) -> None:
        self._file = ""
        self._tree: Any = None

    def open(self, file: str, wal: bool) -> dict[str, Any]:
        self._file = file
        self._tree = pymerkle.SqliteTree(file)
        if wal:
            self._tree.con.execute("PRAGMA journal_mode = WAL")
        return {"size": self._tree.get_size()}

    def again(self) -> dict[str, Any]:
        self._tree.close()
        return self.open(self._file, wal=False)

    def append(self, entry: str, batch: int, seconds: float) -> dict[str, Any]:
        """Durable batches, each followed by the root that a signed tree head would need."""
        data = [entry.encode()] * batch
        waits: list[float] = []
        began = time.perf_counter()
        while not waits or time.perf_counter() - began < seconds:
            start = time.perf_counter()
            if batch == 1:
                self._tree.append_entry(data[0])
            else:
                self._tree.append_entries(data)
            self._tree.get_root()
            waits.append((time.perf_counter() - start) * 1e3)
        return {"entries": batch * len(waits), "seconds": time.perf_counter() - began, "waits_ms": waits}

    def grow(self, size: int, seconds: float) -> dict[str, Any]:
        began = time.perf_counter()
        held = self._tree.get_size()
        while held < size and time.perf_counter() - began < seconds:
            held = self._tree.append_entries(b'{"n":%d}' % n for n in range(held, min(size, held + GROWN_BY)))
        return {"size": held, "seconds": time.perf_counter() - began}

    def prove(self, what: str, times: int, seconds: float) -> dict[str, Any]:
        size = self._tree.get_size()
        waits: list[float] = []
        began = time.perf_counter()
        for number in range(times):
            place = number * 2_654_435_761 % size + 1
            start = time.perf_counter()
            if what == "inclusion":
                self._tree.prove_inclusion(place)
            else:
                self._tree.prove_consistency(place)
            waits.append((time.perf_counter() - start) * 1e3)
            if number == 0:
                began = time.perf_counter()  # the first takes as long as it takes
            elif time.perf_counter() - began > seconds:
                break
        return {"waits_ms": waits}

    def verify(self, times: int) -> dict[str, Any]:
        place = self._tree.get_size() // 3 + 1
        leaf, root, proof = self._tree.get_leaf(place), self._tree.get_root(), self._tree.prove_inclusion(place)
        began = time.perf_counter()
        for _ in range(times):
            pymerkle.verify_inclusion(leaf, root, proof)
        return {"us": (time.perf_counter() - began) / times * 1e6}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "open" in asked:
            return self.open(asked["open"], asked["wal"])
        if "append" in asked:
            return self.append(asked["append"], asked["batch"], asked["seconds"])
        if "grow" in asked:
            return self.grow(asked["grow"], asked["seconds"])
        if "prove" in asked:
            return self.prove(asked["prove"], asked["times"], asked["seconds"])
        if "verify" in asked:
            return self.verify(asked["verify"])
        return self.again()


def main() -> None:
    tree = Tree()
    for line in sys.stdin:
        print(json.dumps(tree.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
