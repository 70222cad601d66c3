"""What a worker holds: every room of the house, opened once, closed once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from riad.errors import LedgerUnavailable, RiadError
from riad.gateway.metrics import Metrics
from riad.gateway.plan import Planner
from riad.law import Law
from riad.ledger import witnessed
from riad.ledger.client import LedgerClient
from riad.ledger.files import Files
from riad.ledger.reader import Reader
from riad.privacy import knowledge, scan
from riad.privacy.language import language
from riad.settings import Settings, Site
from riad.sites.catalogue import Berth, Catalogue, Engine
from riad.sites.client import Pool
from riad.sites.health import Board
from riad.tenants.keyring import KeyRing
from riad.tenants.keys import Key, KeyStore
from riad.tenants.limits import Limiter

PROBE_EVERY = 5.0  # seconds between probes of a berth that answers
PROBE_TICK = 0.25  # and of one that does not


class Backlog:
    """Outcomes on their way to the ledger. While it is away they wait here, in order, and are sent again.

    A crash of this worker loses what waits; the decisions they close are on disk and stay open there: visible.
    """

    def __init__(self, ledger: LedgerClient, limit: int = 100_000) -> None:
        self._ledger = ledger
        self._waiting: deque[bytes] = deque(maxlen=limit)

    def append(self, entry: bytes) -> None:
        try:
            ticket = self._ledger.append(entry)
        except LedgerUnavailable:
            self._waiting.append(entry)
            return
        ticket.add_done_callback(lambda done: self._check(done, entry))

    def _check(self, ticket: asyncio.Future[int], entry: bytes) -> None:
        if ticket.cancelled() or ticket.exception() is not None:
            self._waiting.append(entry)

    def retry(self) -> None:
        """Send again what waits; called regularly."""
        for _ in range(min(len(self._waiting), 1000)):
            if not self._ledger.connected:
                return
            self.append(self._waiting.popleft())


class House:
    """One worker's rooms. ``open`` and ``close`` are the only ways in and out."""

    def __init__(self, settings: Settings, engines: dict[str, Engine]) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings, engines)
        self.board = Board(self.catalogue.berths)
        self.law = Law.load(settings.platform.packs)
        knowledge.choose(settings.platform.home, settings.privacy.folders)
        scan("")  # the scanner reads its lists on first use: now, not in somebody's request
        language("salam")
        self.planner = Planner(self.law, self.catalogue, self.board, settings.privacy.media_purposes)
        self.metrics = Metrics()
        self.pools = {berth.name: _pool(berth.url, berth.site) for berth in self.catalogue.berths}
        self.heads = {berth.name: berth.headers() for berth in self.catalogue.berths}
        self.threads = ThreadPoolExecutor(4, thread_name_prefix="riad")
        self._readers = {0: Reader.of(settings)}
        self._tasks: list[asyncio.Task[None]] = []
        self.ledger: LedgerClient
        self.backlog: Backlog
        self.keyring: KeyRing
        self.limiter: Limiter
        self._keys: KeyStore

    async def open(self, socket: Path) -> None:
        """Connect to the ledger and the store, start the watches."""
        self.ledger = await LedgerClient.connect(socket, max_queue=self.settings.ledger.max_queue)
        self.backlog = Backlog(self.ledger)
        self._keys = KeyStore.open(self.settings.database_url, self.settings.data_dir)
        self.keyring = KeyRing(self._keys)
        self.limiter = Limiter(self._keys.store)
        await self.keyring.start()
        await self.limiter.start()
        watches = [self._watch(berth) for berth in self.catalogue.berths]
        self._tasks = [asyncio.create_task(work) for work in (*watches, self._retry())]

    async def close(self) -> None:
        """Let everything under way reach its place, then leave."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.limiter.close()
        await self.keyring.close()
        self._keys.close()
        self.backlog.retry()
        await self.ledger.close()
        for pool in self.pools.values():
            await pool.close()
        self.threads.shutdown()
        for reader in tuple(self._readers.values()):
            reader.close()

    @property
    def reader(self) -> Reader:
        """The log's first shard."""
        return self._readers[0]

    def shard(self, number: int) -> Reader:
        """The log's shard of that number, from any thread. Raises ``NotFound`` where there is none."""
        reader = self._readers.get(number)
        if reader is None:
            reader = Reader.of(self.settings, number)
            reader.size()  # a shard that is not there shall not be kept
            self._readers[number] = reader
        return reader

    def masking_key(self, key: Key) -> bytes:
        """The secret that a key's project makes its surrogates and tokens with."""
        return self._keys.secret.masking_key(key.tenant, key.project)

    def subject_tag(self, key: Key, subject: str) -> bytes:
        """By which the records of a person are found again, as the key's organisation names her."""
        return self._keys.secret.subject(key.tenant, subject)

    async def ready(self) -> str | None:
        """None when a completion sent now would succeed; else what is missing."""
        try:
            async with asyncio.timeout(1):
                failure = (await self.ledger.ping()).get("failure")
        except (LedgerUnavailable, TimeoutError):
            return "ledger"
        if failure:
            return "ledger: it cannot write"
        if self.settings.ledger.witnesses and witnessed.alarm(Files(self.settings.data_dir).witnesses):
            return "ledger: witnesses have seen what it does not hold"
        if not self.keyring.fresh:
            return "store"
        if not any(self.board.of(b).ready for b in self.catalogue.berths if b.model.kind == "chat"):
            return "engine"
        return None

    async def _retry(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self.backlog.retry()

    async def _watch(self, berth: Berth) -> None:
        """Ask a berth's engine for its models: often until it answers, then now and again, after a rest while down."""
        health = self.board.of(berth)
        while True:
            if await self._answers(berth):
                health.succeeded()
            else:
                health.failed()
            await asyncio.sleep(PROBE_EVERY if health.ready else max(PROBE_TICK, health.until - time.monotonic()))

    async def _answers(self, berth: Berth) -> bool:
        try:
            async with asyncio.timeout(5):
                with await self.pools[berth.name].request(b"GET", b"/models", self.heads[berth.name]) as response:
                    await response.read()
        except (RiadError, TimeoutError, OSError):
            return False
        return response.status < 500


def _pool(url: str, site: Site) -> Pool:
    return Pool(
        url,
        site=site.name,
        max_connections=site.max_connections,
        connect_timeout=site.connect_timeout,
        first_byte_timeout=site.first_byte_timeout,
        idle_timeout=site.idle_timeout,
        keepalive=4.0 if site.engine == "embedded" else 30.0,  # llama.cpp closes what was idle for five seconds
    )
