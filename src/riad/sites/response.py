"""An engine's answer while it arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from riad.errors import EngineFailed
from riad.texts import N_

if TYPE_CHECKING:
    from riad.errors import RiadError
    from riad.sites.connection import Connection


class Response:
    """One answer: ``status``, ``headers`` (lower-cased names; repeated ones joined by ``, ``), then the body.

    Read the body once, with ``read()`` or chunk by chunk. The connection goes back to its pool by itself when the
    last byte has arrived; an answer that will not be read to its end must be left with ``abort()``, or be used in a
    ``with`` block, which does so. Cancelling a task that waits for bytes aborts too. Trailers are dropped.

    Errors, from ``read`` and ``chunk``: ``EngineFailed`` (``engine_disconnected``, ``engine_bad_response``) and
    ``EngineTimeout``; the bytes that came before the failure are delivered first.
    """

    __slots__ = ("_max_body", "_parts", "buffered", "connection", "error", "headers", "stale", "status", "waiter")

    def __init__(self, connection: Connection, waiter: asyncio.Future[None], max_body: int) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        # Owned by the connection until the answer has ended, when it lets go: None means complete, failed or aborted.
        self.connection: Connection | None = connection
        self.waiter: asyncio.Future[None] | None = waiter
        self.error: RiadError | None = None
        self.stale = False  # failed because a pooled connection had already been closed by the engine
        self.buffered = 0
        self._parts: list[bytes] = []
        self._max_body = max_body

    @property
    def complete(self) -> bool:
        """Whether everything that will ever come has arrived."""
        return self.connection is None

    async def chunk(self) -> bytes:
        """The bytes that have arrived since the last call, waiting for some; ``b""`` at the end."""
        while not self._parts:
            if self.connection is None:
                if self.error is not None:
                    raise self.error
                return b""
            self.waiter = self.connection.loop.create_future()
            await self.wait()
        return self._take()

    async def read(self) -> bytes:
        """The whole body; ``EngineFailed`` (``engine_bad_response``) when it is larger than the pool's limit."""
        if self.connection is None and self.error is None:
            body = self._take()
            if len(body) > self._max_body:
                raise self._too_large()
            return body
        parts: list[bytes] = []
        room = self._max_body
        if int(self.headers.get(b"content-length", b"0")) > room:
            raise self._too_large()
        while data := await self.chunk():
            room -= len(data)
            if room < 0:
                raise self._too_large()
            parts.append(data)
        return b"".join(parts)

    def abort(self) -> None:
        """Leave an unfinished answer: closes its connection, which tells the engine to stop working on it."""
        if (connection := self.connection) is not None:
            connection.fail(
                EngineFailed(
                    N_("The answer of site {site} was abandoned before its end."),
                    remedy=N_("Ask again."),
                    code="engine_abandoned",
                    site=connection.site,
                )
            )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if data := await self.chunk():
            return data
        raise StopAsyncIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    async def wait(self) -> None:
        """Wait for the connection to report the head, more bytes, or the end; cancellation aborts the answer."""
        assert self.waiter is not None
        try:
            await self.waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self.waiter = None

    def add(self, data: bytes) -> None:
        """Keep what the connection has just read."""
        self._parts.append(data)
        self.buffered += len(data)

    def wake(self) -> None:
        """Let the reader go on."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _take(self) -> bytes:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.buffered = 0
        if self.connection is not None:
            self.connection.resume()
        return data

    def _too_large(self) -> EngineFailed:
        self.abort()
        return EngineFailed(
            N_("The answer is larger than {limit} bytes."),
            remedy=N_("Ask for less at a time."),
            code="engine_bad_response",
            limit=self._max_body,
        )
