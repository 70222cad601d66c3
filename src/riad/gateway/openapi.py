"""The API described for programs: OpenAPI 3.1, kept by hand beside the checks it describes (``calls.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from riad import __version__

Schema = dict[str, Any]


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": True}


_TEXT: Schema = {"type": "string"}
_MESSAGE = _object(
    ["role"],
    role={"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
    content={
        "oneOf": [
            {"type": "string"},
            {"type": "null"},
            {"type": "array", "items": _object(["type", "text"], type={"const": "text"}, text=_TEXT)},
        ]
    },
)
_COMMON: Schema = {
    "model": {"type": "string", "minLength": 1, "maxLength": 200},
    "stream": {"type": "boolean"},
    "max_tokens": {"type": "integer", "minimum": 0},
    "n": {"type": "integer", "minimum": 1, "maximum": 128},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "seed": {"type": "integer"},
}
_TEXTS: Schema = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_SCAN: Schema = {
    "oneOf": [
        {"type": "object", "required": ["text"], "properties": {"text": _TEXT}, "additionalProperties": False},
        {
            "type": "object",
            "required": ["texts"],
            "properties": {"texts": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 10_000}},
            "additionalProperties": False,
        },
    ]
}
_PERSONS: Schema = {"enum": ["none", "personal", "sensitive"]}
_SPAN = _object(
    ["start", "end", "type", "score", "why", "class"],
    start={"type": "integer", "minimum": 0},
    end={"type": "integer", "minimum": 1},
    type=_TEXT,
    score={"type": "number", "minimum": 0.4, "maximum": 1},
    why=_TEXT,
    **{"class": _PERSONS},
)
_RESULT = _object(
    ["class", "lang", "categories", "spans"],
    lang={"enum": ["fr", "en", "es", "arb", "ary", "ary_Latn", "zgh", "tzm_Latn", "mixed", "und"]},
    categories={"type": "array", "items": _TEXT},
    spans={"type": "array", "items": _SPAN},
    **{"class": _PERSONS},
)
_FOUND = _object(["results"], results={"type": "array", "items": _RESULT})
_HINTS = [
    {"name": "x-riad-purpose", "in": "header", "schema": {"type": "string", "maxLength": 100}},
    {"name": "x-riad-data-class", "in": "header", "schema": {"type": "string"}},
    {"name": "x-riad-require", "in": "header", "schema": {"const": "national"}},
    {"name": "x-riad-experiment", "in": "header", "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}},
    {"name": "x-riad-commitment", "in": "header", "schema": {"const": "reveal"}},
]
_PART = {"name": "part", "in": "query", "schema": {"enum": ["decision", "outcome"], "default": "decision"}}
_ERROR = _object(["error"], error=_object(["message", "type", "code"], message=_TEXT, type=_TEXT, code=_TEXT))


def _responses(ok: Schema, *, stream: bool = False, statuses: tuple[int, ...]) -> Schema:
    content: Schema = {"application/json": {"schema": ok}}
    if stream:
        content["text/event-stream"] = {}  # each event is a JSON object; OpenAPI 3.1 has no words for that
    failed = {"description": "An error", "content": {"application/json": {"schema": _ERROR}}}
    return {"200": {"description": "Done", "content": content}} | {str(status): failed for status in statuses}


def _post(summary: str, body: Schema, ok: Schema, *, stream: bool, hints: bool = True) -> Schema:
    return {
        "post": {
            "summary": summary,
            "parameters": _HINTS if hints else [],
            "security": [{"key": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": _responses(
                ok, stream=stream, statuses=(400, 401, 403, 404, 405, 413, 429, 500, 502, 503, 504)
            ),
        }
    }


def _get(
    summary: str,
    ok: Schema,
    *,
    parameter: str = "",
    query: Sequence[Schema] = (),
    text: bool = False,
    open_to_all: bool = False,
    statuses: tuple[int, ...] = (),
) -> Schema:
    operation: Schema = {"summary": summary, "responses": _responses(ok, statuses=(401, 404, 405, 503, *statuses))}
    if text:
        operation["responses"]["200"]["content"] = {"text/plain": {"schema": _TEXT}}
    if parameter:
        operation["parameters"] = [
            {"name": parameter, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
            *query,
        ]
    operation["security"] = [] if open_to_all else [{"key": []}]
    return {"get": operation}


def _receipt() -> Schema:
    """A receipt in one of its formats, or the entry that a COSE receipt proves."""
    path = _get("Fetch a receipt", _TEXT, parameter="receipt", text=True)
    path["get"]["parameters"].append(
        {"name": "format", "in": "query", "schema": {"enum": ["text", "cose", "entry"], "default": "text"}}
    )
    path["get"]["responses"] |= _responses(_TEXT, statuses=(400,)) | path["get"]["responses"]
    path["get"]["responses"]["200"]["content"] |= {
        "application/cose": {"schema": {"type": "string", "contentEncoding": "binary"}},
        "application/json": {"schema": {"type": "object"}},
    }
    return path


@cache
def document() -> Schema:
    """The OpenAPI document of this version."""
    chat = _object(["model", "messages"], messages={"type": "array", "items": _MESSAGE, "minItems": 1}, **_COMMON)
    completion = _object(["model", "prompt"], prompt=_TEXTS, **_COMMON)
    embedding = _object(["model", "input"], model=_COMMON["model"], input=_TEXTS)
    choices = _object(["choices"], choices={"type": "array"})
    card = _object(["id", "object"], id=_TEXT, object={"const": "model"})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Riad", "version": __version__, "license": {"name": "Apache-2.0"}},
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/v1/chat/completions": _post("Answer a conversation", chat, choices, stream=True),
            "/v1/completions": _post("Continue a text", completion, choices, stream=True),
            "/v1/embeddings": _post("Embed texts", embedding, _object(["data"]), stream=False),
            "/api/privacy/scan": _post("Find personal data in texts", _SCAN, _FOUND, stream=False, hints=False),
            "/v1/models": _get("List the models", _object(["data"], data={"type": "array", "items": card})),
            "/v1/models/{name}": _get("Show a model", card, parameter="name"),
            "/v1/receipts/{receipt}": _receipt(),
            "/v1/receipts/{receipt}/key": _get(
                "Fetch a record's key", _object(["record_key"], record_key=_TEXT), parameter="receipt", statuses=(410,)
            ),
            "/ledger/checkpoint": _get("The log's newest checkpoint", _TEXT, text=True, open_to_all=True),
            "/healthz": _get("Is the process alive?", _object(["status"]), open_to_all=True),
            "/readyz": _get("Would a completion succeed?", _object(["status"]), open_to_all=True),
            "/metrics": _get("Prometheus metrics", _TEXT, text=True, open_to_all=True),
        },
    }
