"""A whole Riad for tests: real processes, real sockets, scripted engines standing for three countries."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

MODELS = [
    "echo",
    "tools",
    "hang",
    "die",
    "half",
    "html",
    "500",
    "429",
    "400",
    "slow",
    "garbage",
    "oracle",
    "oracle-tools",
]
ENGINE = Path(__file__).with_name("scripted_engine.py")


class ScriptedEngine:
    """The scripted engine in its own process."""

    def __init__(self, port: int = 0) -> None:
        command = [sys.executable, str(ENGINE), str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().split()[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def log(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/log", timeout=5) as response:
            return dict(json.load(response))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def site(name: str, country: str, url: str, models: list[str], parent: str | None = None, kind: str = "chat") -> str:
    """A ``[[sites]]`` table."""
    cards = ", ".join(
        f'{{name = "{name}-{m}", served_as = "{m}", kind = "{"embedding" if m == "embed" else kind}"}}' for m in models
    )
    return (
        f'[[sites]]\nname = "{name}"\nengine = "openai"\nurl = "{url}"\nmodels = [{cards}]\n'
        f'country = "{country}"\noperator_country = "{country}"\nparent_country = "{parent or country}"\n'
        f'keys_country = "{country}"\nadmin_country = "{country}"\nretention_days = 0\ntrains_on_data = false\n'
        f'contract = "{"none" if country == "MA" else "processor_terms"}"\nstand_in = true\n'
        f"first_byte_timeout = 1.5\nidle_timeout = 1.5\n\n"
    )


class RunningRiad:
    """``riad up`` in its own process group, with the means to ask it things."""

    def __init__(self, directory: Path, config: str, *, workers: int = 2, environment: dict[str, str] | None = None):
        self.data_dir = directory / "data"
        self.config = directory / "riad.toml"
        self.config.write_text(config)
        self.workers = workers
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.port = 0
        self.start()

    def start(self, arguments: list[str] | None = None, environment: dict[str, str] | None = None) -> None:
        usual = ["up", "--port", str(self.port), "--workers", str(self.workers), "--json", *self.where]
        self.process = subprocess.Popen(
            [*RIAD, *(arguments or usual)],
            stdout=subprocess.PIPE,
            text=True,
            env={**self.environment, **(environment or {})},
        )
        assert self.process.stdout is not None
        lines = []
        while line := self.process.stdout.readline():
            lines.append(line)
            if line.startswith("}"):
                break
        self.url = json.loads("".join(lines))["url"]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.wait_ready()

    @property
    def where(self) -> list[str]:
        return ["--data-dir", str(self.data_dir), "--config", str(self.config)]

    def wait_ready(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status, _, body = self.get("/readyz")
            if status == 200:
                return
            time.sleep(0.05)
        raise AssertionError(f"not ready: {body!r}")

    def command(self, *arguments: str) -> Any:
        """Run a ``riad`` command on the same data directory; → its JSON."""
        done = subprocess.run(
            [*RIAD, *arguments, *self.where, "--json"], capture_output=True, text=True, env=self.environment, check=True
        )
        return json.loads(done.stdout)

    def key(self, *options: str) -> str:
        made = self.command("keys", "create", "--tenant", "acme", "--project", "support", "--purpose",
                            "customer_support", *options)  # fmt: skip
        return str(made["key"])

    def get(self, path: str, key: str | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.request("GET", path, key, None, **headers)

    def post(self, path: str, key: str | None, body: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, key, raw, **headers)

    def chat(self, key: str | None, model: str, text: str, **fields: Any) -> tuple[int, dict[str, str], Any]:
        headers = fields.pop("headers", {})
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        status, sent, raw = self.post("/v1/chat/completions", key, body, **headers)
        return status, sent, raw if fields.get("stream") and status == 200 else json.loads(raw)

    def request(
        self, method: str, path: str, key: str | None, body: bytes | None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return response.status, {n.lower(): v for n, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def entries(self) -> list[dict[str, Any]]:
        """Every entry of the ledger."""
        from riad.ledger.reader import Reader

        url = self.environment.get("RIAD_LEDGER_URL") or self.environment.get("RIAD_DATABASE_URL", "")
        reader = Reader(self.data_dir, url if url.startswith("postgresql") else "")
        try:
            return [json.loads(reader.entry(index)) for index in range(reader.size())]
        finally:
            reader.close()

    def of_request(self, request_id: str, seconds: float = 5) -> list[dict[str, Any]]:
        """A request's entries, once its outcome is there."""
        deadline = time.monotonic() + seconds
        while True:
            found = [entry for entry in self.entries() if entry["id"] == request_id]
            if any(entry["kind"] == "outcome" for entry in found) or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait(30)


class House(NamedTuple):
    """A Riad and the engines behind it."""

    riad: RunningRiad
    rabat: ScriptedEngine
    paris: ScriptedEngine
    virginia: ScriptedEngine


RIAD = [sys.executable, "-m", "riad"]
