"""The demo's stage: a platform, and two stand-ins for clouds abroad, each with a real local engine behind it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from riad.errors import RiadError
from riad.settings import EMBEDDED_MODEL
from riad.sites.engines.port import free_port
from riad.texts import N_, Message

EUROPE, AMERICA = "european-model", "american-model"
CONFIG = """
[platform]
home = "MA"

[[sites]]
name = "rabat"
engine = "embedded"
models = ["{embedded}"]
country = "MA"
operator_country = "MA"
parent_country = "MA"
keys_country = "MA"
admin_country = "MA"
own_premises = true
retention_days = 0
trains_on_data = false

[[sites]]
name = "paris"
title = "European cloud"
engine = "openai"
url = "http://127.0.0.1:{europe}/v1"
models = ["european-model"]
country = "FR"
operator_country = "FR"
parent_country = "FR"
keys_country = "FR"
admin_country = "FR"
contract = "processor_terms"
retention_days = 0
trains_on_data = false
stand_in = true

[[sites]]
name = "virginia"
title = "US cloud"
engine = "openai"
url = "http://127.0.0.1:{america}/v1"
models = ["american-model"]
country = "US"
operator_country = "US"
parent_country = "US"
keys_country = "US"
admin_country = "US"
contract = "processor_terms"
retention_days = 0
trains_on_data = false
stand_in = true
"""


class Failed(RiadError):
    """Something was not as it should be."""

    code = "demo_failed"


class Stage(NamedTuple):
    """What runs: the platform's address, a key to it, its data directory, the stand-ins' ports."""

    url: str
    key: str
    data_dir: Path
    ports: dict[str, int]


@contextlib.contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Everything started, then stopped. Raises ``Failed`` when a part does not start."""
    ports = {"europe": free_port(), "america": free_port()}
    config = directory / "riad.toml"
    config.write_text(CONFIG.format(embedded=EMBEDDED_MODEL, **ports))
    data_dir = directory / "data"
    with contextlib.ExitStack() as stack:
        for place, label, model in (
            ("europe", N_("stand-in for a European cloud"), EUROPE),
            ("america", N_("stand-in for a US cloud"), AMERICA),
        ):
            stack.enter_context(_abroad(directory, place, label, model, ports[place]))
        arguments = ["up", "--port", "0", "--data-dir", str(data_dir), "--config", str(config), "--json"]
        process = stack.enter_context(_process([sys.executable, "-m", "riad", *arguments]))
        url = _first_document(process)["url"]
        made = subprocess.run(
            [sys.executable, "-m", "riad", "keys", "create", "--tenant", "demo", "--project", "front-desk",
             "--purpose", "customer_support", "--legal-basis", "consent", "--data-dir", str(data_dir), "--config",
             str(config), "--json"], capture_output=True, check=True,
        )  # fmt: skip
        _until_ready(url)
        yield Stage(url, json.loads(made.stdout)["key"], data_dir, ports)


@contextlib.contextmanager
def _abroad(directory: Path, place: str, label: str, model: str, port: int) -> Iterator[None]:
    """A stand-in with a real local engine behind it."""
    from riad.models.weights import find

    weights = find(EMBEDDED_MODEL, directory)
    engine_port = free_port()
    engine = ["-m", "riad.sites.engines.embedded", "--model", str(weights), "--alias", model, "--parallel", "1"]
    stand_in = ["-m", "riad.sites.standin", "--port", str(port), "--label", label, "--model", model]
    with (
        _process([sys.executable, *engine, "--port", str(engine_port)], RIAD_ENGINE_KEY="demo") as one,
        _process(
            [
                sys.executable,
                *stand_in,
                "--engine-url",
                f"http://127.0.0.1:{engine_port}/v1",
                "--engine-key-env",
                "RIAD_ENGINE_KEY",
            ],
            RIAD_ENGINE_KEY="demo",
        ) as two,  # fmt: skip
    ):
        for process in (one, two):
            assert process.stdout is not None
            if not process.stdout.readline().startswith("ready"):
                raise Failed(N_("The {label} did not start."), label=Message(label))
        yield


@contextlib.contextmanager
def _process(command: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _first_document(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON document that ``riad up --json`` prints when it serves."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("}"):
            return dict(json.loads("".join(lines)))
    raise Failed(N_("riad up did not start."), remedy=N_("Run it alone to see why."))


def _until_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url + "/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise Failed(N_("The platform did not become ready."), remedy=N_("riad doctor says more."))
