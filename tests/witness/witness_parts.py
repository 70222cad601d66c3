"""Real witnesses and feeders in their own processes, real logs, and servers that lie."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from riad.ledger.log import Log
from riad.ledger.note import Checkpoint
from riad.ledger.reader import Reader
from riad.ledger.submission import Submission

ORIGIN = "test.example/ledger"
RIAD = [sys.executable, "-m", "riad"]
ENVIRONMENT = {**os.environ, "RIAD_LANG": "en"}


def grow(data_dir: Path, entries: Iterable[bytes]) -> None:
    """Append to the log of a directory."""
    log = Log.open(data_dir, ORIGIN)
    log.append(list(entries))
    log.settle()
    log.close()


def numbered(count: int, mark: str = "") -> list[bytes]:
    return [b'{"n":"%s%d"}' % (mark.encode(), number) for number in range(count)]


def fork(data_dir: Path, other: Path) -> Path:
    """A copy of a log, with its key: what an operator who lies has."""
    return Path(shutil.copytree(data_dir, other))


def submission(data_dir: Path, old: int, size: int | None = None) -> Submission:
    """What a log's feeder sends; ``size`` is the log's own unless a test wants to lie."""
    with Reader(data_dir) as reader:
        note = reader.checkpoint()
        checkpoint = Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")
        return Submission(old, reader.consistency(old, checkpoint.size), note, checkpoint)


def eventually(true: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until it is true; the time is only how long a broken thing may keep the test."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


class WitnessProcess:
    """``riad witness up`` on its own directory."""

    def __init__(self, directory: Path, number: int = 1, *options: str) -> None:
        self.directory = directory
        self.name = f"w.example/{number}"
        made = self.command("init", "--name", self.name, *options)
        self.vkeys: list[str] = made["vkeys"]
        self.port = 0
        self.start()

    def start(self, port: int | None = None) -> None:
        chosen = self.port if port is None else port
        with (self.directory / "said").open("ab") as said:
            self.process = subprocess.Popen(
                [*RIAD, "witness", "up", "--port", str(chosen), "--dir", str(self.directory), "--json"],
                stdout=subprocess.PIPE,
                stderr=said,
                env=ENVIRONMENT,
            )
        assert self.process.stdout is not None
        lines = []
        while line := self.process.stdout.readline():
            lines.append(line)
            if line.startswith(b"}"):
                break
        self.url = json.loads(b"".join(lines))["url"]
        self.port = int(self.url.rsplit(":", 1)[1])

    @property
    def said(self) -> str:
        return (self.directory / "said").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.returncode

    def command(self, *arguments: str, status: int = 0) -> Any:
        done = subprocess.run(
            [*RIAD, "witness", *arguments, "--dir", str(self.directory), "--json"],
            capture_output=True,
            env=ENVIRONMENT,
            timeout=60,
        )
        assert done.returncode == status, done
        return json.loads(done.stdout)

    def add_log(self, data_dir: Path) -> None:
        self.command("add-log", str(data_dir / "ledger.vkey"))

    def post(self, body: bytes) -> tuple[int, str, str]:
        """Send an add-checkpoint body; → status, media type, answer."""
        return post(self.port, body)

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def post(port: int, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read().decode()
    finally:
        connection.close()


class Liar:
    """A server that answers every request with the same bytes, or does what ``answer`` does with the connection."""

    def __init__(self, answer: bytes | Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self.asked = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                self.asked += 1
                if isinstance(self._answer, bytes):
                    connection.sendall(self._answer)
                else:
                    self._answer(connection)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


def answer(status: str, body: str | bytes, media_type: str = "text/plain", extra: str = "") -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {len(raw)}\r\n{extra}\r\n"
    return head.encode() + raw


def settings(file: Path, witnesses: Iterable[tuple[str, str]], quorum: int = 0, more: str = "") -> Path:
    """A riad.toml with these (url, key) witnesses."""
    tables = "".join(f'[[ledger.witnesses]]\nurl = "{url}"\nkey = "{key}"\n' for url, key in witnesses)
    file.write_text(f'[ledger]\norigin = "{ORIGIN}"\nwitness_every = 0.2\nquorum = {quorum}\n{tables}{more}')
    return file


class Feeder:
    """The feeder as a platform runs it. ``ready`` is False where it refused to."""

    def __init__(self, data_dir: Path, config: Path) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [sys.executable, "-m", "riad.ledger.feeder", "--data-dir", str(data_dir), "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline() == b"ready\n"

    @property
    def witnessed(self) -> str:
        file = self.data_dir / "ledger.witnessed"
        return file.read_text() if file.exists() else ""

    def size(self) -> int:
        """How many entries are witnessed."""
        return int(self.witnessed.split("\n")[1]) if self.witnessed else 0

    def status(self) -> dict[str, Any]:
        file = self.data_dir / "run" / "witnesses.json"
        return json.loads(file.read_text())["logs"][0] if file.exists() else {"witnesses": []}

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said.decode()
