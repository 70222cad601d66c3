"""The routes that are not hot: models, receipts, scans, health, metrics, the ledger's static files."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from riad import __version__
from riad.errors import BadRequest, NotFound, RiadError
from riad.gateway.calls import ENDPOINTS
from riad.gateway.flow import ClientGone
from riad.gateway.house import House
from riad.gateway.openapi import document
from riad.gateway.scanning import PATH as SCAN
from riad.gateway.scanning import scanned
from riad.gateway.wire import bearer, error_body, error_headers, our_fault
from riad.ledger import cose, place
from riad.ledger.outcomes import outcome_of
from riad.ledger.record_keys import RecordKeys
from riad.sites.catalogue import Berth
from riad.tenants.keys import Key
from riad.texts import N_, choose

PRIVATE = {"cache-control": "private, no-store"}
RECEIPT_FORMATS = {"text": "text/plain; charset=utf-8", "cose": cose.MEDIA_TYPE, "entry": "application/json"}


def json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(data), status, headers, media_type="application/json")


def _error(request: Request, error: RiadError, extra: dict[str, str] | None = None, number: str = "") -> Response:
    body = error_body(error, choose(request.headers.get("accept-language", "")))
    response = Response(body, error.status, extra)
    response.raw_headers.extend(error_headers(error, number or secrets.token_hex(16)))
    return response


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.url.path in ENDPOINTS and error.status_code == 404:
        return _method_not_allowed(request)
    if error.status_code == 405:
        return _method_not_allowed(request)
    return _error(
        request,
        NotFound(
            N_("There is nothing at this address."),
            remedy=N_("The API stands under /v1: chat/completions, completions, embeddings, models, receipts."),
            code="unknown_url",
        ),
    )


def _method_not_allowed(request: Request) -> Response:
    error = BadRequest(
        N_("The method {method} is not used here."),
        remedy=N_("See the API reference."),
        code="method_not_allowed",
        method=request.method,
    )
    error.status = 405  # type: ignore[misc]  # an instance may be more precise than its class
    allow = "POST" if request.url.path in (*ENDPOINTS, SCAN) else "GET, HEAD"
    return _error(request, error, {"allow": allow})


async def _riad_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RiadError)
    return _error(request, error)


def pages(house: House) -> Starlette:
    """The application for everything but the hot routes."""

    async def caller(request: Request) -> Key:
        token = bearer(request.headers.get("authorization", ""))
        return house.keyring.get(token) or await house.keyring.resolve(token)

    async def models(request: Request) -> Response:
        await caller(request)
        return json({"object": "list", "data": [_card(name, berths) for name, berths in house.catalogue.models()]})

    async def model(request: Request) -> Response:
        await caller(request)
        name = request.path_params["name"]
        berths = house.catalogue.serving(name)
        if not berths:
            raise NotFound(
                N_("There is no model of that name here."),
                remedy=N_("GET /v1/models lists them."),
                param="model",
                code="model_not_found",
            )
        return json(_card(name, berths))

    async def scan(request: Request) -> Response:
        key, number = await caller(request), secrets.token_hex(16)
        try:
            return await scanned(house, key, request, number)
        except ClientGone:
            return Response(status_code=499)  # nobody is left to read it
        except RiadError:
            raise
        except Exception as fault:
            return _error(request, our_fault(fault, number), number=number)

    async def receipt(request: Request) -> Response:
        key = await caller(request)
        at, record = _parse_receipt(request.path_params["receipt"])
        form = _parse_format(request)
        part = request.query_params.get("part", "decision")
        if part not in ("decision", "outcome"):
            raise BadRequest(
                N_("A receipt has no such part."), remedy=N_("Ask for part=decision or part=outcome."), param="part"
            )
        read = partial(_read_receipt, house, key, at, record, form, outcome=part == "outcome")
        data = await asyncio.get_running_loop().run_in_executor(house.threads, read)
        return Response(data, media_type=RECEIPT_FORMATS[form], headers=PRIVATE)

    async def record_key(request: Request) -> Response:
        key = await caller(request)
        name = request.path_params["receipt"]
        work = partial(_read_record_key, house, key, *_parse_receipt(name))
        found = await asyncio.get_running_loop().run_in_executor(house.threads, work)
        return json({"receipt": name, "record_key": found.hex()}, headers=PRIVATE)

    async def healthz(request: Request) -> Response:
        return json({"status": "ok", "version": __version__})

    async def readyz(request: Request) -> Response:
        missing = await house.ready()
        if missing is None:
            return json({"status": "ready"})
        return json({"status": "not ready", "waiting_for": missing}, 503, {"retry-after": "1"})

    async def metrics(request: Request) -> Response:
        return Response(house.metrics.text(), media_type=house.metrics.content_type)

    async def log(request: Request) -> Response:
        shard, path = _parse_static(request.path_params["path"])
        read = lambda: house.shard(shard).tile(path)  # noqa: E731
        data = await asyncio.get_running_loop().run_in_executor(house.threads, read)
        if path == "checkpoint":
            return Response(data, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-cache"})
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(data, media_type="application/octet-stream", headers=headers)

    async def openapi(request: Request) -> Response:
        return json(document())

    async def welcome(request: Request) -> Response:
        return json(
            {
                "name": house.settings.platform.name,
                "riad": __version__,
                "api": "/v1",
                "openapi": "/openapi.json",
                "ready": await house.ready() is None,
            }
        )

    routes = [
        Route("/", welcome),
        Route("/v1/models", models),
        Route("/v1/models/{name:path}", model),
        Route("/v1/receipts/{receipt}", receipt),
        Route("/v1/receipts/{receipt}/key", record_key),
        Route(SCAN, scan, methods=["POST"]),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/ledger/{path:path}", log),
        Route("/openapi.json", openapi),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error, RiadError: _riad_error})


def _card(name: str, berths: list[Berth]) -> dict[str, Any]:
    """A model as OpenAI lists it, with what Mistral's clients read (``type``, ``capabilities``) and its sites."""
    chat = any(berth.model.kind == "chat" for berth in berths)
    return {
        "id": name,
        "object": "model",
        "type": "base",
        "created": 0,
        "owned_by": berths[0].site.name,
        "capabilities": {
            "completion_chat": chat,
            "completion_fim": False,
            "function_calling": chat,
            "fine_tuning": False,
            "vision": False,
        },
        "max_context_length": max(berth.model.context for berth in berths) or 4096,
        "riad": {
            "sites": [
                {"site": b.site.name, "country": b.site.country, "crosses": b.crosses, "stand_in": b.site.stand_in}
                for b in berths
            ]
        },
    }


def _no_receipt() -> NotFound:
    return NotFound(
        N_("There is no receipt of that name for this key."),
        remedy=N_("Use the x-riad-receipt header of an answer, with a key of the same organisation."),
        code="receipt_not_found",
    )


def _parse_static(path: str) -> tuple[int, str]:
    """The shard and the path in it: ``checkpoint`` and ``tile/…``, under ``2027/`` for a later shard."""
    year, _, rest = path.partition("/")
    if len(year) == 4 and year.isascii() and year.isdigit() and place.is_shard(int(year)):
        return int(year), rest
    return 0, path


def _parse_receipt(name: str) -> tuple[int, str]:
    at, _, record = name.partition("-")
    try:
        parsed = place.parse(at)
    except BadRequest:
        raise _no_receipt() from None
    if len(record) != 32:
        raise _no_receipt()
    return parsed, record


def _parse_format(request: Request) -> str:
    form = request.query_params.get("format", "text")
    if form not in RECEIPT_FORMATS:
        raise BadRequest(
            N_("Receipts have no such format."),
            remedy=N_("Use ?format=text, ?format=cose, or ?format=entry for the entry that a COSE receipt proves."),
            param="format",
            code="unknown_format",
        )
    return form


def _read_entry(house: House, key: Key, at: int, record: str) -> bytes:
    """The entry at that place, if it is that record and belongs to the caller's organisation."""
    shard, index = place.unpack(at)
    try:
        data = house.shard(shard).entry(index)
    except NotFound:
        raise _no_receipt() from None
    entry = msgspec.json.decode(data)
    if entry.get("id") != record or entry.get("tenant") != key.tenant_pseudonym:
        raise _no_receipt()
    return data


def _read_receipt(house: House, key: Key, at: int, record: str, form: str, *, outcome: bool) -> str | bytes:
    """The receipt of that decision, or of its outcome, in that format."""
    _read_entry(house, key, at, record)
    wanted = outcome_of(house.shard, at) if outcome else at
    if wanted is None:
        raise NotFound(
            N_("The outcome of that request is not in the log yet, or far behind its decision."),
            remedy=N_("Ask again when the answer has ended. A refused request has no outcome."),
            code="outcome_not_found",
        )
    shard, index = place.unpack(wanted)
    reader = house.shard(shard)
    if form == "cose":
        return reader.cose_receipt(index)
    text = reader.receipt(index)  # the entry alone goes out only where it is proven, too
    return reader.entry(index) if form == "entry" else text


def _read_record_key(house: House, key: Key, at: int, record: str) -> bytes:
    """The record key, for a caller who may have the receipt. Raises ``Erased`` where it was destroyed."""
    entry = _read_entry(house, key, at, record)
    with RecordKeys(house.settings.keys_dir) as keys:
        return keys.key(at, entry)
