"""Commitments to a prompt and to an answer: HMAC-SHA256 under the record's own key, over canonical JSON.

A plain hash of a text could be found by guessing the text; under a random key it tells nothing until somebody has the
key, and nothing any more once the key is destroyed. Whoever holds key and text shows that it was this text: verify.py
says the same again, in a file of its own, with Python's json. docs/reference/ledger.md, Commitments, is the definition.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

import msgspec

from riad.errors import BadRequest
from riad.texts import N_

PROMPT = b"riad/prompt/v1\0"
ANSWER = b"riad/answer/v1\0"
MEMBERS = ("functions", "input", "messages", "prompt", "suffix", "tools")
"""The members of a request's body that are its content."""

_fast = msgspec.json.Encoder(order="sorted").encode
_exact = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def prompt(key: bytes, body: dict[str, Any]) -> str:
    """The commitment to a request's content, 64 hexadecimal digits. Raises ``BadRequest`` where it nests too deeply."""
    content = {name: body[name] for name in MEMBERS if name in body}
    try:
        # Both write the same, but for numbers with a fraction; msgspec takes a tenth of the time.
        data = _fast(content) if _only_texts(content) else _exact(content).encode()
    except RecursionError:
        raise BadRequest(
            N_("The request body is nested too deeply."), remedy=N_("Flatten it."), code="invalid_json"
        ) from None
    return hmac.digest(key, PROMPT + data, "sha256").hex()


def answer(key: bytes, choices: list[dict[str, Any]]) -> str:
    """The commitment to an answer's choices (``gateway.delivered``), which hold nothing but texts."""
    return hmac.digest(key, ANSWER + _fast(choices), "sha256").hex()


def _only_texts(content: dict[str, Any]) -> bool:
    """Whether there are only texts: in messages, or in a list. True for nearly every request."""
    for value in content.values():
        if type(value) is str:
            continue
        if type(value) is not list:
            return False
        for item in value:
            if type(item) is str:
                continue
            if type(item) is not dict:
                return False
            for member in item.values():
                if type(member) is not str:
                    return False
    return True
