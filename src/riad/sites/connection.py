"""One connection to a site's engine: HTTP/1.1 framing (RFC 9112) and what may go wrong with it.

llhttp, strict, finds where an answer ends and refuses what could be read in two ways (both lengths, two lengths,
bare LF, folded headers). This file decides what that means: answer, failure, and whether the connection lives on.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

from riad.errors import EngineFailed, EngineTimeout, RiadError
from riad.sites.response import Response
from riad.texts import N_

HIGH_WATER = 64 * 1024  # bytes of body that may wait for a slow reader before the socket is left unread


class Owner(Protocol):
    """What a connection needs of its pool; times are seconds on the loop's clock, timeouts in seconds."""

    now: float  # refreshed at every tick, so a deadline costs an addition instead of a timer
    site: str
    first_byte_timeout: float
    idle_timeout: float
    keepalive: float
    max_head: int
    max_response: int

    def opened(self, connection: Connection) -> None: ...
    def free(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...
    def gone(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Carries one request at a time. Owned by its pool; between requests it is idle and expects no byte at all."""

    __slots__ = (
        "_answered",
        "_bodiless",
        "_finished",
        "_incoming",
        "_keep",
        "_overhead",
        "_parser",
        "_paused",
        "_pool",
        "_raw",
        "_reason",
        "_response",
        "_transport",
        "alive",
        "deadline",
        "loop",
        "on_body",
        "reused",
    )

    def __init__(self, pool: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.alive: bool | None = None  # None: not opened yet
        self.reused = False
        self.deadline = float("inf")
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self._raw: list[tuple[bytes, bytes]] = []
        self._incoming: list[bytes] = []
        self.on_body = self._incoming.append  # called by the parser for each piece of body
        self._answered = self._finished = self._keep = self._paused = self._bodiless = False
        self._overhead = 0  # bytes since the last byte of body, or since the request: heads, trailers, extensions
        self._reason = ""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    @property
    def site(self) -> str:
        """The site's name, for errors."""
        return self._pool.site

    def send(self, head: bytes, body: bytes, *, bodiless: bool) -> Response:
        """Write a request; the response's ``waiter`` resolves when its head has come or it failed.

        ``bodiless``: the answer has no body whatever its headers say (HEAD).
        """
        transport = self._transport
        assert transport is not None
        assert self._response is None
        self._response = response = Response(self, self.loop.create_future(), self._pool.max_response)
        self._raw = []
        self._answered = self._finished = self._keep = False
        self._overhead = 0
        self._bodiless = bodiless
        self.deadline = self._pool.now + self._pool.first_byte_timeout
        if len(body) < HIGH_WATER:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        return response

    def resume(self) -> None:
        """The reader has taken what was buffered: read the socket again."""
        if self._paused and self._transport is not None:
            self._paused = False
            self.deadline = self._pool.now + self._pool.idle_timeout
            self._transport.resume_reading()

    def expire(self) -> None:
        """The deadline has passed: an idle connection closes, a silent engine fails its request."""
        if self._response is None:
            self.close()
        elif self._answered:
            self.fail(
                EngineTimeout(
                    N_("Site {site} stopped in the middle of its answer: nothing came for {seconds} s."),
                    remedy=N_("Try again; if it goes on, look at the engine's log or raise idle_timeout."),
                    site=self.site,
                    seconds=self._pool.idle_timeout,
                )
            )
        else:
            self.fail(
                EngineTimeout(
                    N_("Site {site} did not begin to answer within {seconds} s."),
                    remedy=N_("Try again; if it goes on, look at the engine's load or raise first_byte_timeout."),
                    site=self.site,
                    seconds=self._pool.first_byte_timeout,
                )
            )

    def fail(self, error: RiadError) -> None:
        """End the answer under way with ``error``, and the connection with it."""
        response = self._response
        self.close()
        if response is not None:
            response.error = error
            response.wake()

    def close(self) -> None:
        """Close now, without flushing. Its place in the pool is free when this returns."""
        if (response := self._response) is not None:
            self._response = response.connection = None
        if self.alive:
            self.alive = False
            self._pool.closed(self)
        if self._transport is not None:
            self._transport.abort()

    # The transport's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        if self.alive is None:
            self.alive = True
            self._pool.opened(self)
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        response, parser = self._response, self._parser
        if response is None or parser is None:
            self.close()  # nobody asked: what an idle connection says could be taken for the next request's answer
            return
        self.reused = False  # a byte has come: whatever happens now, this request is not sent again
        try:
            if not self._answered and self._overhead + len(data) > self._pool.max_head:
                data = self._feed_head(data, parser)
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep = False
            if not self._finished:  # else the answer is whole and only what follows it is wrong
                self._deliver(response)
                self._refuse(self._reason or str(error))
                return
        if self._incoming:
            self._deliver(response)
        else:
            self._overhead += len(data)
        if self._finished:
            self._end(response)
        elif self._overhead > self._pool.max_head:
            self._refuse("header or trailer too long")
        elif self._answered:
            self.deadline = self._pool.now + self._pool.idle_timeout
            if response.buffered > HIGH_WATER and not self._paused and self._transport is not None:
                self._paused = True
                self.deadline = float("inf")  # now the reader is late, not the engine
                self._transport.pause_reading()
        else:
            return
        response.wake()

    def eof_received(self) -> None:
        self._disconnected(clean=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disconnected(clean=exc is None)
        self._transport = self._parser = None  # the parser holds our methods: break the cycle
        self._pool.gone(self)

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        if self._finished:
            raise ValueError  # a second answer to one request: the connection is not to be trusted any more

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        response, parser = self._response, self._parser
        assert response is not None
        assert parser is not None
        raw = self._raw
        self._raw = []  # trailers go there, unread
        status = parser.get_status_code()
        if status == 101:
            self._reason = "switched to another protocol"
            raise ValueError
        if status < 200:
            return  # an interim answer (RFC 9110, 15.2); the head's byte limit and deadline bound how many
        headers = dict(raw)
        if len(headers) != len(raw):
            headers = _joined(raw)
        # We ask for the identity coding. Decompressing what a site insists on would invite decompression bombs.
        if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            self._reason = "compressed although asked not to"
            raise ValueError
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            self._reason = "unknown transfer-encoding"
            raise ValueError
        response.status = status
        response.headers = headers
        self._answered = True
        self._finished = self._bodiless

    def on_message_complete(self) -> None:
        if self._answered and not self._bodiless:
            parser = self._parser
            assert parser is not None
            self._finished = True
            self._keep = parser.should_keep_alive()

    # What they come to.

    def _feed_head(self, data: bytes, parser: httptools.HttpResponseParser) -> bytes:
        """Feed no more than a head may still take; returns the rest. Raises when the head did not end in it."""
        room = max(self._pool.max_head - self._overhead, 0)
        parser.feed_data(data[:room])
        if not self._answered:
            self._reason = "header too long"
            raise httptools.HttpParserError
        return data[room:]

    def _deliver(self, response: Response) -> None:
        incoming = self._incoming
        if incoming:
            response.add(incoming[0] if len(incoming) == 1 else b"".join(incoming))
            incoming.clear()
            self._overhead = 0

    def _end(self, response: Response) -> None:
        """The answer is whole. The connection serves again only if nothing is left over on either side."""
        transport = self._transport
        self._response = response.connection = None
        if self._keep and self.alive and transport is not None and not transport.get_write_buffer_size():
            if self._paused:
                self._paused = False
                transport.resume_reading()
            self.reused = True
            self.deadline = self._pool.now + self._pool.keepalive
            self._pool.free(self)
        else:
            self.close()

    def _refuse(self, reason: str) -> None:
        self.fail(
            EngineFailed(
                N_("Site {site} did not answer in proper HTTP: {reason}."),
                remedy=N_("Check that the site's url is an engine's, and look at the engine's log."),
                code="engine_bad_response",
                site=self.site,
                reason=reason,
            )
        )

    def _disconnected(self, *, clean: bool) -> None:
        response = self._response
        if response is None:
            self.close()
            return
        headers = response.headers
        if clean and self._answered and b"content-length" not in headers and b"transfer-encoding" not in headers:
            self._keep = False
            self._end(response)  # an answer delimited by the end of the connection (RFC 9112, 6.3, rule 8)
            response.wake()
            return
        response.stale = self.reused
        self.fail(
            EngineFailed(
                N_("Site {site} closed the connection in the middle of its answer.")
                if self._answered
                else N_("Site {site} closed the connection without answering."),
                remedy=N_("Try again; if it goes on, look at the engine's log: it may have been restarted."),
                code="engine_disconnected",
                site=self.site,
            )
        )


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Repeated headers as one, in order (RFC 9110, 5.3)."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in raw:
        values.setdefault(name, []).append(value)
    return {name: b", ".join(found) for name, found in values.items()}
