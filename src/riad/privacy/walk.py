"""Every text inside a decoded JSON value, and the same value with other texts.

What a model may see, and so what leaves with a request, is: every string, every key that is not a member name of the
API (arguments of tools and the properties of their schemas have keys people choose), and every whole number long
enough to be somebody's. ``texts`` lists them, ``replace`` puts others in their place, in the same order.

A text in base64 (a ``data:`` address whose type is text, RFC 2397, alone or inside another text) is listed in clear,
and put back in base64. Not read: images and sounds, which are counted instead (``Texts.unreadable``); the model's
name; the roles and types that the API itself defines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from riad.errors import BadRequest
from riad.privacy import attached
from riad.texts import N_

DEEPEST = 64
"""Levels of nesting accepted. No API has ten; a bomb has a million."""

_MEMBERS = """
model messages role content name type text function tools tool_calls tool_call_id tool_choice arguments id index
parameters description strict response_format json_schema schema stream stream_options include_usage temperature
top_p max_tokens max_completion_tokens n stop seed logprobs top_logprobs logit_bias presence_penalty
frequency_penalty user metadata store input instructions prompt suffix encoding_format dimensions image_url url
detail input_audio data format file file_id file_data filename refusal audio annotations prefix safe_prompt
random_seed parallel_tool_calls function_call functions reasoning_effort modalities prediction service_tier output
output_text input_text input_image call_id status summary reasoning document_url echo best_of completion_tokens
guided_json properties required items enum const title default examples additionalProperties anyOf oneOf allOf not
$ref $defs definitions $schema $id pattern minLength maxLength minimum maximum minItems maxItems uniqueItems
nullable exclusiveMinimum exclusiveMaximum multipleOf patternProperties propertyNames prefixItems
"""
MEMBERS = frozenset(_MEMBERS.split())
"""Keys that are OpenAI's, Mistral's or JSON Schema's own: never personal data, never replaced."""

_CONSTANTS = {
    "role": frozenset({"system", "developer", "user", "assistant", "tool", "function"}),
    "type": frozenset({"text", "function", "image_url", "input_audio", "file", "object", "array", "string", "number"})
    | {"integer", "boolean", "null", "json_object", "json_schema", "input_text", "output_text", "document_url"},
}
"""Values of the API's own: not texts, and most of the strings of a request."""

_SMALL = 9_999_999


class JsonText(str):
    """A string that is a JSON document itself, such as the arguments of a tool call: masked, it stays one."""

    __slots__ = ()


class Texts(list[str]):
    """The texts of a value. ``unreadable`` counts what stands beside them and cannot be read: images, sounds, files."""

    unreadable = 0


def texts(value: Any) -> Texts:
    """Every text of a decoded JSON value, in order. Raises BadRequest where it is nested too deeply."""
    found = Texts()
    _collect(value, found, 0)
    return found


def replace(value: Any, replacements: Iterator[str]) -> Any:
    """A copy of ``value`` whose texts are the replacements, as many and in the order that ``texts`` gave."""
    return _replaced(value, replacements, 0)


def _collect(value: Any, found: Texts, depth: int) -> None:
    if depth > DEEPEST:
        raise BadRequest(
            N_("The request is nested more than {levels} levels deep."),
            remedy=N_("Send it with fewer levels."),
            levels=DEEPEST,
        )
    if isinstance(value, str):
        _collect_text(value, found, depth)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key not in MEMBERS:
                found.append(key)
            elif key in _FIXED and _is_fixed(key, member, depth):
                continue
            if type(member) is str and member[:1] not in _SPECIAL and attached.MARK not in member:
                if key in _ENCODED and attached.is_base64(member):
                    found.unreadable += 1
                else:
                    found.append(member)
            else:
                _collect(member, found, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found, depth + 1)
    elif _is_long(value):
        found.append(str(value))


def _collect_text(value: str, found: Texts, depth: int) -> None:
    if value[:1] in _OPENING and is_json(value):
        if attached.MARK in value:
            _collect(msgspec.json.decode(value), found, depth + 1)
        else:
            found.append(JsonText(value))
        return
    for part in attached.parts(value):
        if part.kind == "text":
            _collect(part.text, found, depth + 1)
            continue
        if part.kind != "unreadable":
            found.append(part.text)
        if part.kind != "plain":
            found.unreadable += 1


def _replaced(value: Any, replacements: Iterator[str], depth: int) -> Any:
    if isinstance(value, str):
        return _replaced_text(value, replacements, depth)
    if isinstance(value, dict):
        copy = {}
        for key, member in value.items():
            if key not in MEMBERS:
                key = next(replacements)
            elif key in _FIXED and _is_fixed(key, member, depth):
                copy[key] = member
                continue
            if key in _ENCODED and type(member) is str and attached.is_base64(member):
                copy[key] = member
            else:
                copy[key] = _replaced(member, replacements, depth + 1)
        return copy
    if isinstance(value, list):
        return [_replaced(item, replacements, depth + 1) for item in value]
    if _is_long(value):
        text = next(replacements)
        return value if text == str(value) else text
    return value


def _replaced_text(value: str, replacements: Iterator[str], depth: int) -> str:
    if value[:1] in _OPENING and is_json(value):
        if attached.MARK not in value:
            return str(next(replacements))
        document = msgspec.json.decode(value)
        changed = _replaced(document, replacements, depth + 1)
        return value if changed == document else msgspec.json.encode(changed).decode()
    pieces = []
    for part in attached.parts(value):
        if part.kind == "text":
            pieces.append(part.written(_replaced(part.text, replacements, depth + 1)))
        else:
            pieces.append(part.text if part.kind == "unreadable" else str(next(replacements)))
    return "".join(pieces)


_FIXED = frozenset({*_CONSTANTS, "model"})


def _is_fixed(key: str, member: Any, depth: int) -> bool:
    """A value of the API's own, or the model's name, which the platform writes itself."""
    return type(member) is str and (depth == 0 if key == "model" else member in _CONSTANTS[key])


_OPENING = ("{", "[")
_SPECIAL = ("{", "[", "d", "D")
_ENCODED = frozenset({"data", "file_data"})
"""Where OpenAI's API wants a sound or a file in base64 without a ``data:`` before it."""


def is_json(text: str) -> bool:
    """Whether a text that begins like a JSON object or list is one."""
    if not text.rstrip().endswith(("}", "]")):
        return False
    try:
        msgspec.json.decode(str(text))  # a JsonText is no str to msgspec
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _is_long(value: Any) -> bool:
    return type(value) is int and not -_SMALL <= value <= _SMALL
