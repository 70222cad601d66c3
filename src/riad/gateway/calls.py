"""What was asked: a body decoded once, its shape checked, its unknown fields kept.

A ``Call`` keeps the decoded body as plain dictionaries: what Riad does not know passes through to the engine
untouched. Only what Riad must understand to decide is checked here, so that a new OpenAI parameter works the day
it appears. Source of the shapes: the OpenAI API reference for chat completions, completions and embeddings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from riad.errors import BadRequest
from riad.texts import N_

Body = dict[str, Any]

MAX_MESSAGES = 10_000
MAX_CHOICES = 128
_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
# Fields that name the caller's own user to the provider. A crossing never needs them.
SUBJECT_FIELDS = ("safety_identifier", "user")  # whom the request is for, in OpenAI's words; the newer one counts
IDENTIFYING_FIELDS = ("user", "safety_identifier", "prompt_cache_key", "metadata", "store")


class Endpoint(msgspec.Struct, frozen=True):
    """One door of the API: its public path, the engine's path, the kind of model, and its body's check."""

    name: str
    path: str
    engine_path: bytes
    kind: str
    check: Callable[[Body], None]


class Call(msgspec.Struct):
    """A decoded request body.

    ``raw`` is what the client sent, for its size alone: what leaves is encoded again from what was inspected.
    """

    endpoint: Endpoint
    raw: bytes
    body: Body
    model: str
    stream: bool
    wants_usage: bool


def json_object(raw: bytes) -> Body:
    """A body that is a JSON object. Raises ``BadRequest``."""
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest(
            N_("The request body is not valid JSON in UTF-8."),
            remedy=N_("Send one JSON object; no byte order mark, no lone surrogates, no NaN."),
            code="invalid_json",
        ) from None
    except RecursionError:
        raise BadRequest(
            N_("The request body is nested too deeply."), remedy=N_("Flatten it."), code="invalid_json"
        ) from None
    if type(body) is not dict:
        raise BadRequest(N_("The request body is not a JSON object."), remedy=N_("Send a JSON object."))
    return body


def decode(endpoint: Endpoint, raw: bytes) -> Call:
    """Decode and check a body. Raises ``BadRequest`` naming the field at fault, never quoting its content."""
    body = json_object(raw)
    model = body.get("model")
    if type(model) is not str or not model or len(model) > 200:
        raise wrong("model", N_("a model's name"))
    stream = body.get("stream")
    if stream is not None and type(stream) is not bool:
        raise wrong("stream", N_("true or false"))
    options = body.get("stream_options")
    if options is not None and type(options) is not dict:
        raise wrong("stream_options", N_("an object"))
    endpoint.check(body)
    return Call(
        endpoint=endpoint,
        raw=raw,
        body=body,
        model=model,
        stream=bool(stream),
        wants_usage=bool(options and options.get("include_usage")),
    )


def wrong(field: str, expected: str) -> BadRequest:
    """A field that is not what it should be; what it holds is not quoted."""
    return BadRequest(
        N_("The field {field} is missing or is not what it should be: {expected}."),
        remedy=N_("Correct it and send the request again."),
        param=field,
        code="invalid_type",
        field=field,
        expected=expected,
    )


def _check_common(body: Body) -> None:
    for field in ("max_tokens", "max_completion_tokens", "n"):
        value = body.get(field)
        if value is not None and (type(value) is not int or value < (1 if field == "n" else 0)):
            raise wrong(field, N_("a positive whole number"))
    if (body.get("n") or 1) > MAX_CHOICES:
        raise wrong("n", N_("at most 128"))
    for field in ("temperature", "top_p", "frequency_penalty", "presence_penalty"):
        value = body.get(field)
        if value is not None and type(value) not in (int, float):
            raise wrong(field, N_("a number"))


def _check_chat(body: Body) -> None:
    _check_common(body)
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        raise wrong("messages", N_("a list of at least one message"))
    if len(messages) > MAX_MESSAGES:
        raise BadRequest(
            N_("There are {count} messages; at most {limit} are read."),
            remedy=N_("Send fewer, or summarise the oldest."),
            param="messages",
            code="too_many_messages",
            count=len(messages),
            limit=MAX_MESSAGES,
        )
    for index, message in enumerate(messages):
        if type(message) is not dict or type(role := message.get("role")) is not str or role not in ROLES:
            raise wrong(f"messages[{index}]", N_("an object with a role: system, developer, user, assistant or tool"))
        content = message.get("content")
        if type(content) is str or content is None:
            continue
        _check_parts(content, index)
    tools = body.get("tools")
    if tools is not None and (type(tools) is not list or any(type(tool) is not dict for tool in tools)):
        raise wrong("tools", N_("a list of objects"))


def _check_parts(content: object, index: int) -> None:
    if type(content) is not list or any(type(part) is not dict for part in content):
        raise wrong(f"messages[{index}].content", N_("a text or a list of parts"))
    for part in content:
        kind = part.get("type")
        if type(kind) is not str or (kind == "text" and type(part.get("text")) is not str):
            raise wrong(f"messages[{index}].content", N_("a text or a list of parts"))
        for field, there in part.items():
            url = there.get("url") if type(there) is dict else there
            if not field.endswith("_url") or url is None or (type(url) is str and url.startswith("data:")):
                continue
            # An engine told to fetch an address becomes somebody's way into the network it stands in.
            raise BadRequest(
                N_("Riad does not let an engine fetch addresses."),
                remedy=N_("Send the content itself, as a data: URL in base64."),
                param=f"messages[{index}].content",
                code="remote_content_refused",
            )


def _check_completion(body: Body) -> None:
    _check_common(body)
    prompt = body.get("prompt")
    if not (type(prompt) is str or (type(prompt) is list and prompt and all(type(part) is str for part in prompt))):
        # Token numbers are refused: text nobody can read cannot be inspected.
        raise wrong("prompt", N_("a text or a list of texts"))


def _check_embedding(body: Body) -> None:
    value = body.get("input")
    if not (type(value) is str or (type(value) is list and value and all(type(part) is str for part in value))):
        raise wrong("input", N_("a text or a list of texts"))


CHAT = Endpoint("chat", "/v1/chat/completions", b"/chat/completions", "chat", _check_chat)
COMPLETIONS = Endpoint("completions", "/v1/completions", b"/completions", "chat", _check_completion)
EMBEDDINGS = Endpoint("embeddings", "/v1/embeddings", b"/embeddings", "embedding", _check_embedding)
ENDPOINTS = {endpoint.path: endpoint for endpoint in (CHAT, COMPLETIONS, EMBEDDINGS)}
