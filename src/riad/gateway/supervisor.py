"""Starts, watches and stops the processes of one platform: the ledger's owner, the engines, the workers.

A child that dies is started again, after a pause that doubles while it keeps dying before it serves. Order of the end:
workers first (they finish what is under way), then engines, then the ledger, so that the last outcome still finds its
place.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from riad.errors import BadSettings, Unavailable
from riad.law.pack import find as find_pack
from riad.ledger import policy
from riad.ledger.files import Files
from riad.models.weights import find, remembered_digest
from riad.privacy import knowledge, scan
from riad.settings import Model, Settings, Site
from riad.sites.catalogue import RUNTIME_VARIABLE, Engine, engines_to_environment
from riad.sites.engines.port import free_port
from riad.store import database
from riad.tenants.secret import server_secret
from riad.texts import N_, _

READY_WITHIN = 60.0  # seconds a child may take to say that it serves
STEADY_AFTER = 10.0  # seconds after which a child that dies is again restarted at once
MAX_PAUSE = 10.0
SERVED_PAUSE = 0.8  # the longest after a child that served: whoever kills it again and again finds it back in a second
FORMER_WITHIN = 20.0  # seconds that what a killed supervisor left behind is given to end
Say = Callable[[str], None]


class Child:
    """One process: started, awaited, restarted, stopped."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str], fds: tuple[int, ...] = ()) -> None:
        self.name = name
        self._arguments = [sys.executable, *arguments]
        self._environment = environment
        self._fds = fds
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._served = False  # since it was last started
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep())

    async def ready(self) -> None:
        """Wait until it serves. Raises ``Unavailable`` when it ends or is silent instead."""
        assert self._task is not None
        waiting = asyncio.create_task(self._ready.wait())
        await asyncio.wait({waiting, self._task}, timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            raise Unavailable(
                N_("{child} did not start."),
                remedy=N_("The lines above say why; riad doctor tells more."),
                child=self.name,
            )

    async def stop(self, grace: float) -> None:
        """End it: asked first, then forced."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), grace)
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        if self._task is not None:
            await self._task

    async def _keep(self) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            began = time.monotonic()
            await self._run()
            if self._stopping.is_set():
                return
            if not self._ready.is_set():
                return  # it never served: restarting would only repeat its message
            longest = SERVED_PAUSE if self._served else MAX_PAUSE
            pause = 0.1 if time.monotonic() - began > STEADY_AFTER else min(pause * 2, longest)
            print(_("riad: {child} ended; it is started again.", child=_(self.name)), file=sys.stderr, flush=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run(self) -> None:
        self._served = False
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,  # held open: its end tells the child that we died
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            pass_fds=self._fds,
            start_new_session=True,  # Ctrl-C is ours to handle, in order
        )
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.startswith(b"ready"):
                self._ready.set()
                self._served = True
        await self._process.wait()


class Platform:
    """All the processes of one data directory."""

    def __init__(self, settings: Settings, config: Path | None) -> None:
        self.settings = settings
        self._config = config
        self._lock: int | None = None
        self._address_lock: int | None = None
        self._listener: socket.socket | None = None
        self._ledger: Child | None = None
        self._feeder: Child | None = None
        self._engines: list[Child] = []
        self._workers: list[Child] = []

    @property
    def address(self) -> str:
        assert self._listener is not None
        host, port = self._listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self, say: Say) -> None:
        """Start everything; returns when all of it serves. ``say`` is told each step."""
        for pack in self.settings.platform.packs:
            find_pack(pack)
        policy.parse((), self.settings.ledger)  # a witness's key that is none is said before anything starts
        knowledge.choose(self.settings.platform.home, self.settings.privacy.folders)
        if self.settings.privacy.packs:
            scan("")  # a pack that cannot be read is said here and now, not by each worker
        for site in self.settings.sites:
            site.api_key()
        directory = self.settings.data_dir
        _make_private(directory)
        _make_private(directory / "run")
        self._lock = _take_lock(directory)
        self._address_lock = await _until_former_ended(directory)
        self._listener = _listen(self.settings)
        say(N_("store"))
        server_secret(directory)
        database.open(self.settings.database_url).close()
        self._ledger = Child(
            N_("ledger"),
            [
                *("-m", "riad.ledger.owner", "--data-dir", str(directory)),
                *("--origin", self.settings.ledger.origin, "--keys-dir", str(self.settings.keys_dir)),
            ],
            {**os.environ, "RIAD_LEDGER_URL": self.settings.ledger_url or "sqlite"},
        )
        engines = self._prepare_engines()
        say(N_("ledger"))
        self._ledger.start()
        for child in self._engines:
            child.start()
        await self._ledger.ready()
        await self._start_feeder(say)
        say(N_("engines and workers"))
        # While the engines load their weights: both read the same files.
        engines = await asyncio.to_thread(self._with_digests, engines)
        self._workers = [self._worker(engines) for _ in range(self.settings.server.workers)]
        for child in self._workers:
            child.start()
        await asyncio.gather(*(child.ready() for child in (*self._engines, *self._workers)))

    async def stop(self) -> None:
        """Stop everything, in order; safe to call at any time."""
        await asyncio.gather(*(child.stop(15) for child in self._workers))
        await asyncio.gather(*(child.stop(5) for child in self._engines))
        if self._feeder is not None:
            await self._feeder.stop(5)
        if self._ledger is not None:
            await self._ledger.stop(15)
        if self._listener is not None:
            self._listener.close()
        for lock in (self._address_lock, self._lock):
            if lock is not None:
                os.close(lock)

    async def _start_feeder(self, say: Say) -> None:
        """Ask the witnesses before any request: one that has seen more than the ledger holds stops the start here."""
        Files(self.settings.data_dir).witnesses.unlink(missing_ok=True)  # an earlier run's
        if not self.settings.ledger.witnesses:
            return
        say(N_("witnesses"))
        arguments = ["-m", "riad.ledger.feeder", "--data-dir", str(self.settings.data_dir)]
        if self._config is not None:
            arguments += ["--config", str(self._config)]
        self._feeder = Child(N_("witnesses' feeder"), arguments, dict(os.environ))
        self._feeder.start()
        await self._feeder.ready()

    def _prepare_engines(self) -> dict[str, Engine]:
        """A child for each model of each embedded site; → where workers find them."""
        engines: dict[str, Engine] = {}
        for site in self.settings.sites:
            if site.engine != "embedded":
                continue
            for model in site.catalogue():
                name = f"{site.name}/{model.name}"
                engine = Engine(url=f"http://127.0.0.1:{free_port()}/v1", key=secrets.token_urlsafe(24))
                engines[name] = engine
                self._engines.append(self._engine(name, site, model, engine))
        return engines

    def _with_digests(self, engines: dict[str, Engine]) -> dict[str, Engine]:
        """The engines with their weights' digests. Raises ``BadSettings`` where the settings name another."""
        memory = self.settings.data_dir / "digests.json"
        known = dict(engines)
        for site in self.settings.sites:
            for model in site.catalogue() if site.engine == "embedded" else ():
                name = f"{site.name}/{model.name}"
                digest = remembered_digest(self._weights(model), memory)
                if digest and model.digest not in ("", digest):
                    raise BadSettings(
                        N_("The weights of {model} are {found}; the settings of {site} say {declared}."),
                        remedy=N_("Bring the right file, or correct digest in riad.toml."),
                        model=model.name,
                        found=digest,
                        site=site.name,
                        declared=model.digest,
                    )
                known[name] = msgspec.structs.replace(engines[name], digest=digest)
        return known

    def _weights(self, model: Model) -> Path:
        return Path(model.file) if model.file else find(model.name, self.settings.data_dir)

    def _engine(self, name: str, site: Site, model: Model, engine: Engine) -> Child:
        arguments = [
            "-m",
            "riad.sites.engines.embedded",
            "--model",
            str(self._weights(model)),
            "--alias",
            model.served_as or model.name,
            "--port",
            engine.url.rsplit(":", 1)[1].removesuffix("/v1"),
        ]
        if model.context:
            arguments += ["--context", str(model.context)]
        if model.kind == "embedding":
            arguments.append("--embedding")
        return Child(f"engine {name}", arguments, {**os.environ, "RIAD_ENGINE_KEY": engine.key})

    def _worker(self, engines: dict[str, Engine]) -> Child:
        assert self._listener is not None
        assert self._address_lock is not None
        fd = self._listener.fileno()
        arguments = ["-m", "riad.gateway.worker", "--fd", str(fd), "--data-dir", str(self.settings.data_dir)]
        if self._config is not None:
            arguments += ["--config", str(self._config)]
        environment = {**os.environ, RUNTIME_VARIABLE: engines_to_environment(engines)}
        metrics = self.settings.data_dir / "run" / "metrics"
        if self.settings.server.workers > 1:
            shutil.rmtree(metrics, ignore_errors=True)
            metrics.mkdir(mode=0o700)
            environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
        return Child(N_("worker"), arguments, environment, (fd, self._address_lock))


async def run(settings: Settings, config: Path | None, say: Say, serving: Callable[[Platform], None]) -> None:
    """Start, tell ``serving``, wait for SIGINT or SIGTERM, stop."""
    platform = Platform(settings, config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(platform.start(say))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            serving(platform)
            await stopped
    finally:
        starting.cancel()
        stopped.cancel()
        await platform.stop()


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(
            N_("Cannot use {directory} as data directory: {reason}."),
            remedy=N_("Choose another with --data-dir or RIAD_DATA_DIR."),
            directory=directory,
            reason=error.strerror,
        ) from None


def _take_lock(directory: Path) -> int:
    """Hold the data directory: two platforms on one would be two writers of one log."""
    lock = os.open(directory / "run" / "platform.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Unavailable(
            N_("A Riad already runs on {directory}."),
            remedy=N_("Stop it first, or start this one with another --data-dir."),
            directory=directory,
        ) from None
    return lock


async def _until_former_ended(directory: Path) -> int:
    """Wait for what a killed supervisor left behind: workers that finish, and the ledger's owner that ends after the
    last. → a lock that this platform's workers inherit, so that the next one knows while any of them holds the address.
    """
    address = os.open(directory / "run" / "address.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + FORMER_WITHIN
    try:
        while time.monotonic() < deadline:
            if _free(address, fcntl.LOCK_EX) and _ledger_is_free(directory):
                break
            await asyncio.sleep(0.05)
    except BaseException:
        os.close(address)
        raise
    return address


def _ledger_is_free(directory: Path) -> bool:
    lock = Files(directory).lock
    if not lock.exists():
        return True
    with lock.open("rb") as file:
        return _free(file.fileno(), fcntl.LOCK_SH)


def _free(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _listen(settings: Settings) -> socket.socket:
    server = settings.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((server.host, server.port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            N_("Cannot listen on {host}:{port}: {reason}."),
            remedy=N_("Stop what listens there, or choose another with --port."),
            host=server.host,
            port=server.port,
            reason=error.strerror,
        ) from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener
