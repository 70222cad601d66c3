"""Errors as OpenAI's SDKs expect them: an error object with a stable ``code``, and Riad's own member beside it."""

from __future__ import annotations

import logging
import traceback
from math import ceil
from pathlib import Path
from typing import Any

import msgspec

from riad.errors import RiadError
from riad.texts import N_

log = logging.getLogger("riad.gateway")
_encode = msgspec.json.Encoder().encode


def bearer(authorization: str) -> str:
    """The token of an ``Authorization`` header (RFC 6750, 2.1); empty when it carries none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def error_body(error: RiadError, language: str) -> bytes:
    """``{"error": {"message", "type", "param", "code", "riad": {...}}}`` in that language."""
    body: dict[str, Any] = {
        "message": error.render(language),
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    if error.detail:
        body["riad"] = error.detail
    return _encode({"error": body})


def error_headers(error: RiadError, request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of an error reply; a refusal carries its decision and receipt, a limit says when to come back."""
    headers = [
        (b"content-type", b"application/json"),
        (b"x-request-id", request_id.encode()),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, ceil(error.retry_after))).encode()))
    if error.code == "insufficient_quota":
        headers.append((b"x-should-retry", b"false"))  # OpenAI's SDKs obey: today's budget will not come back
    for name in ("receipt", "decision"):
        if value := error.detail.get(name):
            headers.append((f"x-riad-{name}".encode(), str(value).encode()))
    return headers


def our_fault(fault: Exception, request_id: str) -> RiadError:
    """What a caller is told of a fault of ours, once it is logged: its type and places, never its message, which may
    quote what was sent.
    """
    frames = traceback.extract_tb(fault.__traceback__)
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    log.error("request %s failed: %s at %s", request_id, type(fault).__name__, places)
    return RiadError(
        N_("Riad failed on this request."),
        remedy=N_("Nothing was answered. Please report it with the request id in x-request-id."),
    )
