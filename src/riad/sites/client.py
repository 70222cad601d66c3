"""The client Riad talks to engines with: a small pool of HTTP/1.1 connections to one declared site.

Why our own: docs/decisions/0002-http-client.md. What it does not do, on purpose: follow redirects, read proxy
variables, decompress, keep cookies, speak HTTP/2, ask a second host.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Self

from riad.errors import EngineFailed, EngineTimeout, RiadError, Unavailable
from riad.sites.connection import Connection
from riad.sites.request_head import Headers, request_head, target
from riad.sites.response import Response
from riad.texts import N_

__all__ = ["Pool", "Response"]

_HEADS = 64  # request heads kept ready
_WITH_BODY = frozenset((b"POST", b"PUT", b"PATCH"))


class Pool:
    """Connections to one site, on one event loop (asyncio's or uvloop's).

    ``base_url`` ends where request paths begin (``http://host:8000/v1``); ``site`` names it in errors.
    Timeouts are seconds: ``connect_timeout`` (name, TCP and TLS), ``first_byte_timeout`` (from the request to the end
    of the answer's head), ``idle_timeout`` (between bytes of a body), ``keepalive`` (an unused connection closes),
    ``queue_timeout`` (for a free connection when ``max_connections`` are busy). One coarse timer watches the middle
    three: they may come up to an eighth later, never earlier. How long a whole answer may take is the caller's to
    bound, and how slowly it reads one. Sizes are bytes: ``max_response`` bounds ``Response.read``, ``max_head`` an
    answer's head.
    ``ssl_context`` replaces the default one, which verifies against the system's authorities.

    ``engine_unreachable``, ``engine_unverified`` and ``engine_saturated`` mean that no byte of the request was sent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        site: str = "",
        max_connections: int = 256,
        connect_timeout: float = 5.0,
        first_byte_timeout: float = 120.0,
        idle_timeout: float = 60.0,
        keepalive: float = 30.0,
        queue_timeout: float = 10.0,
        max_response: int = 64 * 1024 * 1024,
        max_head: int = 64 * 1024,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._to = to = target(base_url)
        self.site = site or to.authority.decode()
        self._ssl = (ssl_context or _verifying_context()) if to.secure else None
        self._max_connections = max_connections
        self._connect_timeout = connect_timeout
        self.first_byte_timeout = first_byte_timeout
        self.idle_timeout = idle_timeout
        self.keepalive = keepalive
        self._queue_timeout = queue_timeout
        self.max_response = max_response
        self.max_head = max_head
        self._tick = min(max(min(first_byte_timeout, idle_timeout, keepalive) / 16, 0.005), 1.0)
        self.now = 0.0  # the loop's clock at the last tick, at most one tick old while anything is open
        self._timer: asyncio.TimerHandle | None = None
        self._heads: dict[tuple[bytes, bytes, bytes], bytes] = {}
        self._idle: dict[Connection, None] = {}  # an ordered set: last used, first taken; the rest expire
        self._alive: set[Connection] = set()
        self._transports: set[Connection] = set()  # also those that are closing
        self._taken = 0  # places in use: connections alive, or being opened
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    @property
    def in_flight(self) -> int:
        """Requests under way here, those waiting for a connection included."""
        return self._taken - len(self._idle) + len(self._waiters)

    async def request(self, method: bytes | str, path: bytes, headers: Headers = b"", body: bytes = b"") -> Response:
        """Send a request and return its answer as soon as the head has come, whatever its status.

        ``path`` is put after the base URL's. ``headers``: a block of CRLF-ended lines that repeats from call to call
        (checked once, kept ready), or pairs that change. Raises ``EngineFailed``, ``EngineTimeout``, ``Unavailable``
        (``engine_saturated``, with ``retry_after``), ``BadRequest`` for a head that HTTP does not allow.

        A request is sent a second time, on a fresh connection, only when it went out on a connection that had served
        before and that closed without one byte of answer: an engine dropping an idle connection just then. RFC 9110,
        9.2.2 reserves that to requests known to be harmless twice; inference changes nothing at the engine, and the
        second sending goes to the same site with the same bytes under the same recorded decision.
        """
        if isinstance(method, str):
            method = method.encode("ascii", "replace")
        head = self._head(method, path, headers)
        if body or method in _WITH_BODY:
            head = b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
        else:
            head += b"\r\n"
        bodiless = method == b"HEAD"
        connection = self._idle.popitem()[0] if self._idle else await self._acquire()
        response = connection.send(head, body, bodiless=bodiless)
        await response.wait()
        if response.stale:
            connection = await self._acquire(fresh=True)
            response = connection.send(head, body, bodiless=bodiless)
            await response.wait()
        if response.status == 0 and response.error is not None:
            raise response.error
        return response

    async def close(self) -> None:
        """Close every connection; requests under way fail with ``Unavailable``."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self._shut())
        self._waiters.clear()
        for connection in tuple(self._alive):
            connection.fail(self._shut())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transports:
            if self._emptied is None:
                self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._emptied)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # What connections tell their pool.

    def opened(self, connection: Connection) -> None:
        """TCP and TLS are up; the place that was taken for it is its own now."""
        self._alive.add(connection)
        self._transports.add(connection)
        if self._closed:
            connection.close()
        elif self._timer is None:
            self._watch(connection.loop)

    def free(self, connection: Connection) -> None:
        """An answer has ended and its connection can serve again."""
        if waiter := self._next_waiter():
            waiter.set_result(connection)
        elif self._closed:
            connection.close()
        else:
            self._idle[connection] = None

    def closed(self, connection: Connection) -> None:
        """A connection will not serve again: its place is free."""
        self._alive.discard(connection)
        self._idle.pop(connection, None)
        self._leave()

    def gone(self, connection: Connection) -> None:
        """Its socket is closed too."""
        self._transports.discard(connection)
        if self._emptied is not None and not self._transports and not self._emptied.done():
            self._emptied.set_result(None)

    def _head(self, method: bytes, path: bytes, headers: Headers) -> bytes:
        if not isinstance(headers, bytes):
            return request_head(self._to, method, path, headers)
        key = (method, path, headers)
        head = self._heads.get(key)
        if head is None:
            head = request_head(self._to, method, path, headers)
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[key] = head
        return head

    # Places.

    async def _acquire(self, *, fresh: bool = False) -> Connection:
        """A connection nobody uses: an idle one unless ``fresh``, a new one, or the next to be released."""
        while True:
            if self._closed:
                raise self._shut()
            if self._idle and not fresh:
                return self._idle.popitem()[0]
            if self._idle and self._taken >= self._max_connections:
                next(iter(self._idle)).close()
            connection: Connection | None = None
            if self._waiters or self._taken >= self._max_connections:
                connection = await self._wait_turn()
            else:
                self._taken += 1
            if connection is None:
                return await self._connect()
            if connection.alive:
                return connection
            # It closed between its release and our turn; ask again.

    async def _wait_turn(self) -> Connection | None:
        """First come, first served: a released connection, or None with a place taken for a new one."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._queue_timeout):
                try:
                    return await waiter
                except asyncio.CancelledError:
                    self._withdraw(waiter)
                    raise
        except TimeoutError:
            raise Unavailable(
                N_("All {connections} connections to site {site} are busy."),
                remedy=N_("Come back in {seconds} s, or raise the site's max_connections."),
                code="engine_saturated",
                retry_after=1.0,
                connections=self._max_connections,
                site=self.site,
                seconds=1,
            ) from None

    def _withdraw(self, waiter: asyncio.Future[Connection | None]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.cancelled() and waiter.exception() is None:
            # Its turn came while it was being cancelled: what it was given must reach the next.
            connection = waiter.result()
            if connection is None:
                self._leave()
            elif connection.alive:
                self.free(connection)

    def _leave(self) -> None:
        """A place is free: it passes to the first who waits."""
        if waiter := self._next_waiter():
            waiter.set_result(None)
        else:
            self._taken -= 1

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    async def _connect(self) -> Connection:
        """Open a connection in a place already taken, which is left again when that fails."""
        to, loop = self._to, asyncio.get_running_loop()
        connection = Connection(self, loop)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await loop.create_connection(
                    lambda: connection,
                    to.host,
                    to.port,
                    ssl=self._ssl,
                    server_hostname=to.host if self._ssl else None,
                )
        except BaseException as error:
            if connection.alive is None:
                connection.alive = False  # should it open after all, it closes at once
                self._leave()
            else:
                connection.close()
                self.gone(connection)  # uvloop drops a socket whose opening was cancelled without connection_lost
            if isinstance(error, OSError):  # TimeoutError and ssl.SSLError are OSErrors
                raise self._unreachable(error) from None
            raise
        if not connection.alive:
            raise self._shut() if self._closed else self._unreachable(ConnectionResetError())
        return connection

    # Time.

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer for all connections, running while there are any."""
        self.now = now = loop.time()
        late = now - self._tick  # deadlines were set from a clock up to one tick old
        for connection in tuple(self._alive):
            if connection.deadline < late:
                connection.expire()
        self._timer = loop.call_later(self._tick, self._watch, loop) if self._alive else None

    # What goes wrong.

    def _unreachable(self, error: OSError) -> RiadError:
        if isinstance(error, TimeoutError):
            return EngineTimeout(
                N_("No connection to site {site} within {seconds} s."),
                remedy=N_("Check the site's url, and that its network lets us through."),
                code="engine_unreachable",
                site=self.site,
                seconds=self._connect_timeout,
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return EngineFailed(
                N_("Site {site} could not prove its identity: {reason}."),
                remedy=N_("Nothing was sent. Mend the site's certificate, or trust the authority that signed it."),
                code="engine_unverified",
                site=self.site,
                reason=error.verify_message.rstrip("."),
            )
        reason = getattr(error, "reason", None) or error.strerror or str(error) or "connection reset"
        return EngineFailed(
            N_("Site {site} cannot be reached: {reason}."),
            remedy=N_("Check that its engine runs and that the site's url is right (https or http, host, port)."),
            code="engine_unreachable",
            site=self.site,
            reason=reason,
        )

    def _shut(self) -> Unavailable:
        return Unavailable(
            N_("The connections to site {site} are being closed."), remedy=N_("Try again in a moment."), site=self.site
        )


def _verifying_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
