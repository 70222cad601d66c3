"""Bad days as a caller and an operator see them: through the door, on ``riad up`` and on its standard error."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from riad.ledger.files import Files
from tests.baddays.abroad import Abroad
from tests.cli.cli_parts import children, eventually
from tests.running import RIAD, RunningRiad, site

QUEUE = 4  # entries that one worker may have waiting
MODELS = 40  # names for one model: by its own a request is known on both sides of the border
NAME = ".s.PGSQL.5432"  # of PostgreSQL's socket
QUESTION = "What is the boiling point of water?"


class Yard(NamedTuple):
    """A platform of one worker, a stand-in at home and one abroad, and a key."""

    riad: RunningRiad
    home: Abroad
    abroad: Abroad
    key: str


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    home, abroad = Abroad(0), Abroad(0)
    config = f"[ledger]\nmax_queue = {QUEUE}\n"
    models = [f"m{number}" for number in range(MODELS)]
    config += site("rabat", "MA", home.url, models) + site("virginia", "US", abroad.url, models)
    directory = tmp_path_factory.mktemp("yard")
    riad = RunningRiad(directory, config, workers=1, environment={"RIAD_LANG": "en"})
    yield Yard(riad, home, abroad, riad.key())
    riad.stop()
    for server in (home, abroad):
        server.stop()


def ask(yard: Yard, site_name: str, number: int) -> tuple[int, dict[str, str], Any]:
    return yard.riad.chat(yard.key, f"{site_name}-m{number}", QUESTION, seed=number)


def allowed(riad: RunningRiad) -> Counter[int]:
    """How often the ledger allowed each request to go abroad, by its number."""
    decided = [entry for entry in riad.entries() if entry["kind"] == "decision" and entry["outcome"] == "allow"]
    return Counter(int(e["model"].removeprefix("virginia-m")) for e in decided if e["site"] == "virginia")


def crossed(yard: Yard) -> Counter[int | None]:
    return Counter(crossing.number for crossing in yard.abroad.crossings)


def test_a_full_queue_refuses_and_nothing_of_it_leaves(yard: Yard) -> None:
    """As many as may wait do, and are answered in the end; the others are told when to come back, and went nowhere."""
    numbers = range(20)
    owner = children(yard.riad, "ledger.owner")[0]
    with ThreadPoolExecutor(len(numbers)) as callers:
        owner.suspend()  # as slow as a disk can be
        try:
            asked = [callers.submit(ask, yard, "virginia", number) for number in numbers]
            eventually(lambda: sum(answer.done() for answer in asked) == len(numbers) - QUEUE)
            refused = [answer.result() for answer in asked if answer.done()]
            assert not crossed(yard)
        finally:
            owner.resume()
        answers = [answer.result() for answer in asked]
    for status, headers, answer in refused:
        assert (status, answer["error"]["code"]) == (429, "ledger_full")
        assert int(headers["retry-after"]) >= 1
        assert "x-riad-receipt" not in headers
    answered = Counter(number for number, answer in zip(numbers, answers, strict=True) if answer[0] == 200)
    assert answered.total() == QUEUE
    assert crossed(yard) == allowed(yard.riad) == answered
    # Outcomes wait for room in their turn, and none is lost.
    eventually(lambda: Counter(entry["kind"] for entry in yard.riad.entries())["outcome"] == QUEUE)


def test_a_full_disk_at_the_door(yard: Yard) -> None:
    owner = children(yard.riad, "ledger.owner")[0]
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    seen = crossed(yard)
    owner.rlimit(psutil.RLIMIT_FSIZE, (1024, hard))
    try:
        for number in range(20, 25):
            status, headers, answer = ask(yard, "virginia", number)
            assert (status, answer["error"]["code"]) == (503, "ledger_unavailable")
            assert re.search("Make room on that disk|that the disk works and has room", answer["error"]["message"])
            assert int(headers["retry-after"]) >= 1
        status, _, raw = yard.riad.get("/readyz")
        assert (status, json.loads(raw)["waiting_for"]) == (503, "ledger: it cannot write")
        assert crossed(yard) == seen
    finally:
        owner.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))
    # It goes on by itself, with the same owner; a request makes it try.
    eventually(lambda: ask(yard, "virginia", 25)[0] == 200)
    yard.riad.wait_ready()
    assert children(yard.riad, "ledger.owner") == [owner]
    assert crossed(yard) <= allowed(yard.riad)


def test_a_receipt_of_another_request_is_nobodys_proof(yard: Yard, tmp_path: Path) -> None:
    """A receipt says whose it is: under another name there is none, and the verifier shows what it is about."""
    names = [ask(yard, "rabat", number)[1]["x-riad-receipt"] for number in (26, 27)]
    (one, mine), (two, other) = (name.split("-") for name in names)
    for name in (f"{one}-{other}", f"{two}-{mine}", f"{one}-{'0' * 32}", f"0{one}-{mine}x"):
        assert yard.riad.get(f"/v1/receipts/{name}", yard.key)[0] == 404
    made = yard.riad.command("keys", "create", "--tenant", "rival", "--project", "p", "--purpose", "customer_support")
    status, _, raw = yard.riad.get(f"/v1/receipts/{names[1]}", made["key"])
    assert (status, json.loads(raw)["error"]["code"]) == (404, "receipt_not_found")
    file = tmp_path / "replayed"
    file.write_bytes(yard.riad.get(f"/v1/receipts/{names[1]}", yard.key)[2])
    told = subprocess.run(
        [*RIAD, "ledger", "verify", str(file), *yard.riad.where],
        capture_output=True,
        text=True,
        env={**os.environ, "RIAD_LANG": "en"},
    )
    assert told.returncode == 0
    assert f"request {other}" in told.stdout
    assert "rabat-m27" in told.stdout
    assert mine not in told.stdout


def test_a_platform_does_not_start_on_a_ledger_that_does_not_verify(yard: Yard) -> None:
    riad, files = yard.riad, Files(yard.riad.data_dir)
    ask(yard, "rabat", 28)
    riad.stop()
    good = files.anchor.read_bytes()
    files.anchor.write_text("nothing of the kind")
    command = [*RIAD, "up", "--port", "0", "--workers", "1", *riad.where]
    environment = {**os.environ, "RIAD_LANG": "en", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    first, second = done.stderr.strip().split("\n")
    assert first.startswith(
        "riad ledger: ledger.checkpoint holds no checkpoint that this ledger's key signed. Put back"
    )
    assert second.startswith("riad: ledger did not start. The lines above say why")
    files.anchor.write_bytes(good)
    riad.start()
    assert ask(yard, "rabat", 29)[0] == 200


class Bridge:
    """Stands between a platform and its PostgreSQL, so that the database can be gone for a while."""

    def __init__(self, server: Path) -> None:
        self._server = str(server / NAME)
        self._directory = tempfile.TemporaryDirectory(prefix="riad-bridge-", dir="/tmp")  # short, as PostgreSQL's
        self.host = Path(self._directory.name)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.mend()

    def mend(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.host / NAME))
        listener.listen(64)
        self._sockets.append(listener)
        self._run(self._accept, listener)

    def cut(self) -> None:
        """Nobody answers any more, and whoever was being answered is cut off."""
        (self.host / NAME).unlink(missing_ok=True)
        for line in self._sockets:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for line in self._sockets:
            line.close()
        self._sockets.clear()

    def close(self) -> None:
        self.cut()
        self._directory.cleanup()

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, far = listener.accept()[0], socket.socket(socket.AF_UNIX)
                self._sockets += [near, far]
                far.connect(self._server)
                self._run(self._copy, near, far)
                self._run(self._copy, far, near)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for line in (source, target):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_database_is_gone_for_a_while(
    yard: Yard, database_url: str, postgresql_server: Path, tmp_path: Path
) -> None:
    """PostgreSQL away: no key can be confirmed, so nothing is answered and nothing leaves; then all is as before."""
    bridge = Bridge(postgresql_server)
    url = database_url.replace(str(postgresql_server), str(bridge.host))
    riad = RunningRiad(
        tmp_path, yard.riad.config.read_text(), workers=1, environment={"RIAD_DATABASE_URL": url, "RIAD_LANG": "en"}
    )
    try:
        there = yard._replace(riad=riad, key=riad.key())
        assert ask(there, "virginia", 30)[0] == 200
        bridge.cut()
        eventually(lambda: riad.get("/readyz")[0] == 503)
        assert json.loads(riad.get("/readyz")[2])["waiting_for"].startswith(("store", "ledger"))
        seen = crossed(yard)
        status, _, answer = ask(there, "virginia", 31)
        assert status == 503
        assert answer["error"]["message"]
        assert crossed(yard) == seen
        time.sleep(1)
        bridge.mend()
        riad.wait_ready()
        assert ask(there, "virginia", 32)[0] == 200
        assert allowed(riad) == Counter([30, 32])
    finally:
        riad.stop()
        bridge.close()
