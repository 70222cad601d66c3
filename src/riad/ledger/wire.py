"""What clients and the ledger's owner say to each other over the Unix socket: frames, without the I/O.

A frame is its payload's length (uint32, big-endian), a kind (one byte), the payload. A client numbers what it asks
(``token``, uint32) and the answer carries that number. Every entry of a batch lies in one frame, and takes one run of
indices in the log. What belongs to an entry and is never logged, its *secret*, travels beside it: nothing, or a record
key of 32 bytes, or that and a subject's tag of 16.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise

APPEND = 1  # client: token, count (uint16), count lengths (uint16), count lengths of secrets (uint8), entries, secrets
PING = 2  # client: token
COMMITTED = 3  # owner: token, index of the first entry (uint64)
FULL = 4  # owner: token; nothing was taken
FAILED = 5  # owner: token, the reason in UTF-8; nothing was acknowledged
PONG = 6  # owner: token, a JSON object

MAX_COUNT = 4096  # entries in a frame
MAX_FRAME = 8 * 1024 * 1024  # bytes of payload
KEY_SIZE, TAG_SIZE = 32, 16
MAX_SECRET = KEY_SIZE + TAG_SIZE
_SECRETS = bytes((0, KEY_SIZE, MAX_SECRET))  # the lengths a secret has
_HEAD = struct.Struct(">IB")
_TOKEN = struct.Struct(">I")
_APPEND = struct.Struct(">IH")
_COMMITTED = struct.Struct(">IQ")


class Garbage(ValueError):
    """What came is no frame of ours: the connection is of no more use."""


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take what was received; return the frames it completes, as (kind, payload). Raises ``Garbage``."""
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        at = 0
        while len(buffer) - at >= _HEAD.size:
            length, kind = _HEAD.unpack_from(buffer, at)
            if length > MAX_FRAME or not APPEND <= kind <= PONG:
                raise Garbage
            end = at + _HEAD.size + length
            if len(buffer) < end:
                break
            frames.append((kind, bytes(buffer[at + _HEAD.size : end])))
            at = end
        if at:
            del buffer[:at]
        return frames


def append(token: int, entries: Sequence[bytes], secrets: Sequence[bytes] = ()) -> bytes:
    """A frame that asks to append 1 to ``MAX_COUNT`` entries, of ``MAX_FRAME`` bytes at most together.

    ``secrets`` has one for each entry, each empty, a key, or a key and a tag; none at all where all are empty.
    """
    count = len(entries)
    lengths = struct.pack(f">{count}H", *map(len, entries))
    marks = bytes(map(len, secrets)) or bytes(count)
    body, beside = b"".join(entries), b"".join(secrets)
    size = _APPEND.size + len(lengths) + count + len(body) + len(beside)
    return b"".join((_HEAD.pack(size, APPEND), _APPEND.pack(token, count), lengths, marks, body, beside))


def read_append(payload: bytes) -> tuple[int, list[bytes], list[bytes]]:
    """The token, the entries and their secrets of an ``APPEND``; no secrets where all are empty. Raises ``Garbage``."""
    try:
        token, count = _APPEND.unpack_from(payload)
        lengths = struct.unpack_from(f">{count}H", payload, _APPEND.size)
    except struct.error:
        raise Garbage from None
    start = _APPEND.size + 3 * count
    marks = payload[start - count : start]
    ends = list(accumulate(lengths, initial=start))
    if not 0 < count <= MAX_COUNT or 0 in lengths or marks.translate(None, _SECRETS):
        raise Garbage
    beside = list(accumulate(marks, initial=ends[-1]))
    if beside[-1] != len(payload):
        raise Garbage
    entries = [payload[start:end] for start, end in pairwise(ends)]
    return token, entries, [payload[start:end] for start, end in pairwise(beside)] if any(marks) else []


def committed(token: int, first: int) -> bytes:
    """A frame that says: durable, and at which index the first entry is."""
    return _HEAD.pack(_COMMITTED.size, COMMITTED) + _COMMITTED.pack(token, first)


def read_committed(payload: bytes) -> tuple[int, int]:
    """The token and the index of a ``COMMITTED``. Raises ``Garbage``."""
    if len(payload) != _COMMITTED.size:
        raise Garbage
    token, first = _COMMITTED.unpack(payload)
    return token, first


def plain(kind: int, token: int, data: bytes = b"") -> bytes:
    """A frame of any other kind."""
    return _HEAD.pack(_TOKEN.size + len(data), kind) + _TOKEN.pack(token) + data


def read_plain(payload: bytes) -> tuple[int, bytes]:
    """The token and the data of a frame of any other kind. Raises ``Garbage``."""
    if len(payload) < _TOKEN.size:
        raise Garbage
    (token,) = _TOKEN.unpack_from(payload)
    return token, payload[_TOKEN.size :]
