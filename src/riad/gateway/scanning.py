"""``POST /api/privacy/scan``: what the scanner sees in texts, for programs. Nothing is kept and nothing leaves."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from riad.errors import BadRequest
from riad.gateway.bodies import read_body
from riad.gateway.calls import encode, json_object, wrong
from riad.gateway.flow import LARGE
from riad.gateway.house import House
from riad.privacy import Finding, categories, persons_class, scan_many
from riad.privacy.language import language
from riad.tenants.keys import Key
from riad.texts import N_

PATH = "/api/privacy/scan"
MOST = 10_000  # texts of one request


async def scanned(house: House, key: Key, request: Request, number: str) -> Response:
    """Scan the texts of a request that counts against its key's limit. Raises ``ClientGone`` and ``RiadError``."""
    limiter = house.limiter
    if not limiter.admit(key):
        await limiter.acquire(key)
    length = request.headers.get("content-length", "")
    limit = house.settings.server.max_body_bytes
    raw = await read_body(request.receive, int(length) if length.isdigit() else 0, limit)
    if len(raw) > LARGE:
        answer = await asyncio.get_running_loop().run_in_executor(house.threads, _answer, raw)
    else:
        answer = _answer(raw)
    response = Response(answer, media_type="application/json", headers={"x-request-id": number})
    response.raw_headers.extend(limiter.headers(key))
    return response


def _answer(raw: bytes) -> bytes:
    texts = _texts(json_object(raw))
    results = [_result(text, found) for text, found in zip(texts, scan_many(texts), strict=True)]
    return encode({"results": results})


def _texts(body: dict[str, Any]) -> list[str]:
    text, texts = body.get("text"), body.get("texts")
    if (text is None) == (texts is None):
        raise wrong("text", N_("a text, or a list of texts in texts"))
    if text is not None:
        if type(text) is not str:
            raise wrong("text", N_("a text"))
        return [text]
    if type(texts) is not list or not texts or any(type(one) is not str for one in texts):
        raise wrong("texts", N_("a list of texts"))
    if len(texts) > MOST:
        raise BadRequest(
            N_("There are {count} texts; at most {limit} are scanned at once."),
            remedy=N_("Send fewer."),
            param="texts",
            code="too_many_texts",
            count=len(texts),
            limit=MOST,
        )
    return texts


def _result(text: str, found: list[Finding]) -> dict[str, Any]:
    """What was found in one text. Places are in code points of that text."""
    return {
        "class": persons_class(found),
        "lang": language(text),
        "categories": categories(found),
        "spans": [
            {
                "start": one.start,
                "end": one.end,
                "type": one.type,
                "score": one.score,
                "why": one.why,
                "class": one.persons,
            }
            for one in found
        ],
    }
