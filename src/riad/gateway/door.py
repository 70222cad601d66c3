"""The door to the street: a plain ASGI callable. The three hot routes go straight to the flow, the rest to pages."""

from __future__ import annotations

import datetime
import os
import re
import time
from collections.abc import MutableMapping, Sequence
from typing import Any

from riad.errors import BadRequest, RiadError
from riad.gateway.bodies import read_body
from riad.gateway.calls import ENDPOINTS, Endpoint
from riad.gateway.driver import Driver, Receive, Sender
from riad.gateway.flow import ClientGone, Request, flow
from riad.gateway.house import House
from riad.gateway.pages import pages
from riad.gateway.wire import bearer, error_body, error_headers, our_fault
from riad.texts import N_, choose

Scope = MutableMapping[str, Any]


class Door:
    """The ASGI application of one worker."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._pages = pages(house)
        self._limit = house.settings.server.max_body_bytes
        self._ids = Ids()
        self._record_keys = RecordKeys()

    async def __call__(self, scope: Scope, receive: Receive, send: Sender) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = ENDPOINTS.get(scope["path"])
            if endpoint is not None:
                await self._serve(endpoint, scope, receive, send)
                return
        await self._pages(scope, receive, send)

    async def _serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Sender) -> None:
        began = time.perf_counter()
        request = Request(self._ids.next(), endpoint, b"", "", record_key=self._record_keys.next())
        language = ""
        driver = Driver(self._house, receive, send)
        status = "200"
        try:
            length, language = _read_headers(scope["headers"], request)
            request.body = await read_body(receive, length, self._limit)
            await driver.drive(flow(request, self._house.planner, _today()))
        except ClientGone:
            status = "499"
        except RiadError as error:
            status = str(error.status)
            await _reply(error, request.id, language, driver, send, _revealed(request, error))
        except Exception as fault:
            status = "500"
            await _reply(our_fault(fault, request.id), request.id, language, driver, send)
        route = driver.route
        self._house.metrics.request(
            endpoint.name,
            route.berth.site.name if route else "",
            route.crossing if route else "",
            status,
            time.perf_counter() - began,
        )


class Ids:
    """Request ids: 128 random bits in hexadecimal. The system is asked for many at a time."""

    def __init__(self) -> None:
        self._waiting: list[str] = []

    def next(self) -> str:
        if not self._waiting:
            drawn = os.urandom(16 * 256).hex()
            self._waiting = [drawn[at : at + 32] for at in range(0, len(drawn), 32)]
        return self._waiting.pop()


class RecordKeys:
    """Record keys: 32 random bytes for a request. The system is asked for many at a time; none is kept once given."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def next(self) -> bytes:
        if not self._waiting:
            drawn = os.urandom(32 * 128)
            self._waiting = [drawn[at : at + 32] for at in range(0, len(drawn), 32)]
        return self._waiting.pop()


def _read_headers(headers: list[tuple[bytes, bytes]], request: Request) -> tuple[int, str]:
    """Fill the request from the headers that matter. → (content length, accepted languages)."""
    length, language = 0, ""
    for name, value in headers:
        if name == b"authorization":
            request.token = bearer(value.decode("latin-1"))
        elif name == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif name == b"accept-language":
            language = value.decode("latin-1")
        elif name.startswith(b"x-riad-"):
            _read_hint(name, value.decode("latin-1"), request)
    return length, language


def _read_hint(name: bytes, value: str, request: Request) -> None:
    if name == b"x-riad-purpose":
        request.purpose = value.strip()
        if len(request.purpose) > 100:
            raise _bad_hint("x-riad-purpose", N_("a purpose of at most 100 characters"))
    elif name == b"x-riad-data-class":
        request.data_class = value
    elif name == b"x-riad-require":
        if value.strip().lower() != "national":
            raise _bad_hint("x-riad-require", "national")
        request.national = True
    elif name == b"x-riad-experiment":
        request.experiment = value.strip()
        if not _EXPERIMENT.fullmatch(request.experiment):
            raise _bad_hint("x-riad-experiment", N_("a name of at most 64 letters, digits, -, _ and ."))
    elif name == b"x-riad-commitment":
        if value.strip().lower() != "reveal":
            raise _bad_hint("x-riad-commitment", "reveal")
        request.reveal = True


def _bad_hint(header: str, expected: str) -> BadRequest:
    return BadRequest(
        N_("The header {header} is not understood."),
        remedy=N_("It takes: {expected}."),
        param=header,
        code="invalid_header",
        header=header,
        expected=expected,
    )


_EXPERIMENT = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _revealed(request: Request, error: RiadError) -> list[tuple[bytes, bytes]]:
    """The record key, for a caller who asked for it and whose refused or failed request was recorded."""
    if request.reveal and "receipt" in error.detail:
        return [(b"x-riad-record-key", request.record_key.hex().encode())]
    return []


async def _reply(
    error: RiadError,
    request_id: str,
    language: str,
    driver: Driver,
    send: Sender,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send an error, unless the reply has begun: then the connection just ends."""
    if driver.began:
        return
    headers = [*error_headers(error, request_id), *more, *driver.limits]
    body = error_body(error, choose(language) if language else "en")
    headers.append((b"content-length", str(len(body)).encode()))
    if error.status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body will not be read
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_day: tuple[float, datetime.date] = (0.0, datetime.date.min)


def _today() -> datetime.date:
    """Today's date in UTC; computed once a second."""
    global _day
    now = time.time()
    if now - _day[0] > 1.0:
        _day = (now, datetime.datetime.now(datetime.UTC).date())
    return _day[1]
