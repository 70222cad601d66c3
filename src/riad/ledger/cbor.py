"""The part of CBOR that a COSE receipt needs, in its one deterministic form (RFC 8949, section 4.2.1).

Values are integers, byte strings, text, lists, maps, ``None`` and tags. Nothing else is written or read: no floats, no
booleans, no indefinite lengths.
"""

from __future__ import annotations

from typing import Any, NamedTuple

MAX_DEPTH = 8  # a receipt nests four deep


class Tag(NamedTuple):
    """A tagged value."""

    number: int
    value: Any


def encode(value: Any) -> bytes:
    """The deterministic encoding of a value. Raises ``TypeError`` for what this part of CBOR has no form for."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            raise TypeError("no booleans here")
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            text = value.encode()
            return _head(3, len(text)) + text
        case Tag(number, inner):  # before lists: a named tuple is none of ours
            return _head(6, number) + encode(inner)
        case list():
            return _head(4, len(value)) + b"".join(map(encode, value))
        case dict():
            pairs = sorted((encode(key), encode(item)) for key, item in value.items())
            return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"{type(value).__name__} has no form here")


def decode(data: bytes) -> Any:
    """The value of exactly one item in deterministic form. Raises ``ValueError`` for everything else."""
    try:
        value, end = _item(data, 0, 0)
        # What is not the shortest, not sorted, given twice or followed by more does not come back the same.
        if end != len(data) or encode(value) != data:
            raise ValueError("not deterministic CBOR")
    except (IndexError, TypeError) as error:  # cut short; a map's key that is itself a map or a list
        raise ValueError("not CBOR of a receipt") from error
    return value


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | extra]) + number.to_bytes(size, "big")
    raise TypeError("no integers of more than 64 bits here")


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The item that begins at ``at`` and where it ends. Takes memory for what is there, not for what is announced."""
    major, number = data[at] >> 5, data[at] & 31
    at += 1
    if depth > MAX_DEPTH or number > 27:
        raise ValueError("nested too deep, or of unknown length")
    if (major, number) == (7, 22):
        return None, at
    if number > 23:
        size = 1 << number - 24
        at, number = at + size, int.from_bytes(data[at : at + size], "big")
    match major:
        case 0:
            return number, at
        case 1:
            return -1 - number, at
        case 2 | 3:
            text = data[at : at + number]
            if len(text) != number:
                raise ValueError("cut short")
            return (text if major == 2 else text.decode()), at + number
        case 4 | 5:
            items = []
            for _ in range(number * (major - 3)):
                item, at = _item(data, at, depth + 1)
                items.append(item)
            return (items if major == 4 else dict(zip(items[::2], items[1::2], strict=True))), at
        case 6:
            item, at = _item(data, at, depth + 1)
            return Tag(number, item), at
    raise ValueError("a float or another simple value")
