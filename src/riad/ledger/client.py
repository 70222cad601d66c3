"""A worker's line to the ledger's owner.

``append`` is a plain call that costs a few microseconds and starts no task: entries of one turn of the event loop
travel in one frame, and one answer resolves all their futures. For use in one event loop only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from riad.errors import BadRequest, LedgerFull, LedgerUnavailable, RiadError, TooLarge
from riad.ledger import address, wire
from riad.ledger.tiles import MAX_ENTRY
from riad.texts import N_

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0  # seconds between attempts to connect


class LedgerClient:
    """Appends entries through the owner. Connects again by itself; while it is away ``append`` raises."""

    def __init__(self, path: Path, max_queue: int) -> None:
        """Use ``LedgerClient.connect``."""
        self._path = path
        self._max_queue = max_queue
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._entries: list[bytes] = []  # of this turn of the loop, not yet sent
        self._secrets: list[bytes] = []  # one for each
        self._futures: list[asyncio.Future[int]] = []
        self._waiting: dict[int, list[asyncio.Future[int]]] = {}  # sent, by token
        self._pings: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._token = 0
        self._outstanding = 0
        self._closed = False
        self._dialling: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, socket_path: Path, *, max_queue: int = 16384) -> LedgerClient:
        """A client of the owner at that socket, connected if the owner listens, else trying in the background.

        ``max_queue`` bounds the entries that wait for their commit. Raises ``BadSettings`` for a path that cannot be.
        """
        client = cls(Path(socket_path), max_queue)
        try:
            await client._dial()
        except OSError:
            client._dialling = client._loop.create_task(client._redial())
        return client

    @property
    def connected(self) -> bool:
        """Whether an append now would be sent."""
        return self._transport is not None

    @property
    def outstanding(self) -> int:
        """How many entries wait for their commit."""
        return self._outstanding

    def append(self, entry: bytes, secret: bytes = b"") -> asyncio.Future[int]:
        """Hand over an entry of 1 to 65,535 bytes; the future gives its index once it is durable.

        ``secret`` goes to the key store and never into the log: a record key (32 bytes), or that and a subject's tag
        (16).

        Raises ``LedgerFull`` (with ``retry_after``), ``LedgerUnavailable`` while not connected, ``BadRequest`` for a
        bad size. The future raises the first two as well. Where it raises, the entry may be in the log all the same if
        the connection broke or the disk failed; nobody was told so. A future may be dropped, or cancelled: the entry
        is recorded all the same.
        """
        if self._transport is None:
            raise _away()
        if self._outstanding >= self._max_queue:
            raise _full()
        if not 0 < len(entry) <= MAX_ENTRY:
            raise _bad_size(len(entry))
        if len(secret) not in (0, wire.KEY_SIZE, wire.MAX_SECRET):
            raise ValueError("a secret is a record key, or that and a subject's tag")
        if not self._entries:
            self._loop.call_soon(self._flush)
        future: asyncio.Future[int] = self._loop.create_future()
        self._entries.append(entry)
        self._secrets.append(secret)
        self._futures.append(future)
        self._outstanding += 1
        return future

    async def ping(self) -> dict[str, Any]:
        """Ask the owner how it is: ``origin``, ``vkey``, ``size``, ``queued`` (bytes), ``failure`` if it cannot write.

        Raises ``LedgerUnavailable`` where it is away. Has no time limit of its own.
        """
        if self._transport is None:
            raise _away()
        token = self._next_token()
        future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._pings[token] = future
        self._transport.write(wire.plain(wire.PING, token))
        try:
            return await future
        finally:
            self._pings.pop(token, None)

    async def close(self, wait: float = 5.0) -> None:
        """Wait up to ``wait`` seconds for what was appended to be durable, then leave for good."""
        self._closed = True
        if self._transport is not None:
            self._flush()
            if pending := [future for futures in self._waiting.values() for future in futures if not future.done()]:
                await asyncio.wait(pending, timeout=wait)
        if self._dialling is not None:
            self._dialling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._dialling
        if self._transport is not None:
            self._transport.abort()
        self._lost()

    def _flush(self) -> None:
        """Send what was gathered, unless a frame is on its way: then its answer sends the next.

        The owner commits one group at a time. Gathering meanwhile makes groups larger and spares both sides a system
        call and a waking for every few entries: a tenth of a request's cost when there are many.
        """
        entries, secrets, futures = self._entries, self._secrets, self._futures
        if self._transport is None or not entries or (self._waiting and not self._closed):
            return
        self._entries, self._secrets, self._futures = [], [], []
        start = size = 0
        for at, entry in enumerate(entries):
            size += len(entry) + len(secrets[at]) + 3
            if at - start == wire.MAX_COUNT or size > wire.MAX_FRAME - 64:
                self._send(entries[start:at], secrets[start:at], futures[start:at])
                start, size = at, len(entry) + len(secrets[at]) + 3
        self._send(entries[start:], secrets[start:], futures[start:])

    def _send(self, entries: list[bytes], secrets: list[bytes], futures: list[asyncio.Future[int]]) -> None:
        assert self._transport is not None
        token = self._next_token()
        self._waiting[token] = futures
        self._transport.write(wire.append(token, entries, secrets))

    def _next_token(self) -> int:
        self._token = (self._token + 1) & 0xFFFFFFFF
        return self._token

    def _received(self, kind: int, payload: bytes) -> None:
        """One frame from the owner. Raises ``Garbage``."""
        if kind == wire.COMMITTED:
            token, first = wire.read_committed(payload)
            for index, future in enumerate(self._taken(token), first):
                if not future.done():
                    future.set_result(index)
            self._flush()
            return
        token, data = wire.read_plain(payload)
        if kind == wire.PONG:
            ping = self._pings.pop(token, None)
            if ping is not None and not ping.done():
                ping.set_result(json.loads(data))
        elif kind == wire.FULL:
            _fail(self._taken(token), _full)
        elif kind == wire.FAILED:
            reason = data.decode(errors="replace")
            _fail(self._taken(token), lambda: _failed(reason))
        else:
            raise wire.Garbage
        self._flush()

    def _taken(self, token: int) -> list[asyncio.Future[int]]:
        futures = self._waiting.pop(token, None)
        if futures is None:
            raise wire.Garbage
        self._outstanding -= len(futures)
        return futures

    async def _dial(self) -> None:
        line = address.dial(self._path)
        await self._loop.create_unix_connection(lambda: _Line(self), sock=line)

    async def _redial(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            with contextlib.suppress(OSError):
                return await self._dial()
            pause = min(pause * 2, LONGEST_PAUSE)

    def _lost(self) -> None:
        """The connection is gone, and with it every answer that was still to come."""
        self._transport = None
        waiting, self._waiting = self._waiting, {}
        unsent, self._futures, self._entries, self._secrets = self._futures, [], [], []
        self._outstanding = 0
        for futures in (*waiting.values(), unsent):
            _fail(futures, _away)
        _fail(self._pings.values(), _away)
        if not self._closed:
            self._dialling = self._loop.create_task(self._redial())


class _Line(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, client: LedgerClient) -> None:
        self._client = client
        self._frames = wire.Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._client._closed:
            self._transport.abort()
        else:
            self._client._transport = self._transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._client._transport is self._transport:
            self._client._lost()

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            for kind, payload in self._frames.feed(data):
                self._client._received(kind, payload)
        except ValueError:  # Garbage, or a PONG that is no JSON: not our owner, or no longer in step with it
            self._transport.abort()


def _fail(futures: Iterable[asyncio.Future[Any]], error: Any) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error())
            future.exception()  # seen: a future that nobody awaits shall not warn


def _away() -> RiadError:
    return LedgerUnavailable(
        N_("The ledger is away, and without evidence there is no answer."),
        remedy=N_("Try again in a moment; `riad doctor` says what is wrong."),
        retry_after=1.0,
    )


def _full() -> RiadError:
    return LedgerFull(
        N_("Too many requests wait for their record in the ledger."),
        remedy=N_("Try again in a moment."),
        retry_after=1.0,
    )


def _failed(reason: str) -> RiadError:
    return LedgerUnavailable(
        N_("The ledger could not record this request: {reason}"),
        remedy=N_("Try again later."),
        retry_after=5.0,
        reason=reason,
    )


def _bad_size(size: int) -> BadRequest:
    if not size:
        return BadRequest(N_("An entry of the ledger cannot be empty."))
    return TooLarge(
        N_("The record of this request would take {size} bytes; the ledger keeps at most {limit}."),
        remedy=N_("Shorten the names in the request."),
        size=size,
        limit=MAX_ENTRY,
    )
