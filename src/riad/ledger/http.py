"""One HTTP request to somebody else's server: bounded in time and size, TLS verified, no redirect followed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools

from riad.errors import Unavailable
from riad.texts import N_

MAX_ANSWER = 256 * 1024  # bytes of head and body together
_REMEDY = N_("It is asked again later.")


class Answer(NamedTuple):
    """An answer: its status, its media type without parameters, its body."""

    status: int
    media_type: str
    body: bytes


class _Parts:
    """What the parser calls."""

    def __init__(self) -> None:
        self.media_type = ""
        self.body = bytearray()
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.media_type = value.decode("latin-1").partition(";")[0].strip().lower()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done = True


async def request(method: str, url: str, body: bytes = b"", *, seconds: float) -> Answer:
    """Ask, within ``seconds`` from name resolution to the last byte. Raises ``Unavailable``."""
    try:
        async with asyncio.timeout(seconds):
            return await _request(method, url, body)
    except TimeoutError:
        raise Unavailable(N_("no answer within {seconds} seconds"), remedy=_REMEDY, seconds=seconds) from None
    except (OSError, ValueError, UnicodeError, httptools.HttpParserError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unavailable(N_("no usable answer: {reason}"), remedy=_REMEDY, reason=reason) from None


async def _request(method: str, url: str, body: bytes) -> Answer:
    parts = urlsplit(url)
    secure = ssl.create_default_context() if parts.scheme == "https" else None
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(host, port, ssl=secure)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        name = parts.netloc.rpartition("@")[2]
        head = f"{method} {target} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\nuser-agent: riad\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode("ascii") + body)
        with contextlib.suppress(ConnectionError):  # it may have answered, and closed, before it read all
            await writer.drain()
        found = _Parts()
        parser = httptools.HttpResponseParser(found)
        taken = 0
        while not found.done and (data := await reader.read(16384)):
            taken += len(data)
            if taken > MAX_ANSWER:
                raise ValueError("the answer is too large")
            parser.feed_data(data)
        if not found.done:
            raise ValueError("the answer was cut short")
        return Answer(parser.get_status_code(), found.media_type, bytes(found.body))
    finally:
        writer.transport.abort()
