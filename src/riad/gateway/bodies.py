"""A request's body, read within the limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from riad.errors import TooLarge
from riad.gateway.flow import ClientGone
from riad.texts import N_

DRAIN = 64 * 1024 * 1024  # bytes of a body that is too large, read only to be dropped


async def read_body(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], length: int, limit: int) -> bytes:
    """The body, of which the client announced ``length`` bytes (0: it did not say).

    Raises ``ClientGone``, and ``TooLarge`` once the rest has been read and dropped: a client that is cut off while it
    still sends sees a broken connection instead of the 413, so up to ``DRAIN`` bytes of what is too large are let pass.
    """
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(body)
        if size <= limit:
            parts.append(body)
        elif size > DRAIN or length > DRAIN:
            break
    if size > limit:
        raise TooLarge(
            N_("The request body is larger than {limit} bytes."),
            remedy=N_("Send less at once; the operator's setting is server.max_body_bytes."),
            limit=limit,
        )
    return parts[0] if len(parts) == 1 else b"".join(parts)
