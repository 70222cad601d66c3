"""Server-sent events, framed by bytes (WHATWG HTML, 9.2.6 "Interpreting an event stream")."""

from __future__ import annotations

from riad.errors import EngineFailed
from riad.texts import N_

__all__ = ["Events", "event"]

_BOM = b"\xef\xbb\xbf"


def event(data: bytes) -> bytes:
    """One event holding ``data``; its line breaks, however written, reach the reader as LF."""
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    return b"data: " + data + b"\n\n"


class Events:
    """Cuts a byte stream into events, however its reads were cut.

    Only ``data`` is kept: names, ids, retry times and comments are dropped. An event larger than ``max_event`` bytes
    is ``EngineFailed`` (``engine_bad_response``): without a blank line a stream would fill memory.
    """

    __slots__ = ("_buffer", "_max_event", "_plain", "_searched", "_skip_lf", "_started")

    def __init__(self, max_event: int = 1024 * 1024) -> None:
        self._max_event = max_event
        self._buffer = bytearray()
        self._searched = 0  # no blank line ends before here: a trickle isn't searched again from its beginning
        self._started = False
        self._skip_lf = False  # the last read ended in CR: an LF now would belong to it
        self._plain = True  # nothing of the above stands from earlier reads

    @property
    def pending(self) -> bool:
        """Whether the bytes so far end within an event: at the end of a stream, that it was cut."""
        return bool(self._buffer.strip(b"\n"))

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that ``data`` completes, its lines joined by LF; events without data are left out."""
        size = len(data)
        # What engines send nearly always: one whole event of one line.
        if (
            self._plain
            and data.startswith(b"data: ")
            and data.find(b"\n") == size - 2
            and data.endswith(b"\n\n")
            and b"\r" not in data
            and size <= self._max_event
        ):
            self._started = True
            return [data[6:-2]]
        return self._feed(data)

    def _feed(self, data: bytes) -> list[bytes]:
        buffer = self._buffer
        if not self._started:
            data = bytes(buffer) + data
            buffer.clear()
            if len(data) < 3 and _BOM.startswith(data):
                buffer += data
                self._plain = not data
                return []
            self._started = True
            data = data.removeprefix(_BOM)
        if self._skip_lf and data:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        buffer += data
        found: list[bytes] = []
        end = buffer.rfind(b"\n\n", self._searched)
        if end >= 0:
            for block in bytes(buffer[:end]).split(b"\n\n"):
                self._check(len(block.strip(b"\n")))
                if (payload := _data(block)) is not None:
                    found.append(payload)
            del buffer[: end + 2]
        self._check(len(buffer) - 2)  # its first and last byte may belong to blank lines
        self._searched = max(len(buffer) - 1, 0)
        self._plain = not buffer and not self._skip_lf
        return found

    def _check(self, size: int) -> None:
        if size > self._max_event:
            raise EngineFailed(
                N_("The engine sent an event of more than {limit} bytes."),
                remedy=N_("Look at the engine's log: such a stream cannot be right."),
                code="engine_bad_response",
                limit=self._max_event,
            )


def _data(block: bytes) -> bytes | None:
    """The data of one event's lines, None when it has none."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None
