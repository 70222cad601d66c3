"""Load at a fixed rate: a request leaves when its time has come, whether or not the ones before were answered.

Latency counts from the moment a request should have left, so that a gateway that stalls is not spared the requests
its stall delayed (coordinated omission). The beat is a kernel timer: event loops only count whole milliseconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

from benchmarks.contenders import Address

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = os.O_NONBLOCK
_TOKEN = re.compile(rb'"content": ?"[^"]')


@dataclass
class Exchange:
    """One request and what came back. Times are ``time.perf_counter()``; NaN until they happen."""

    intended: float
    first: float = float("nan")  # the first token of the answer
    done: float = float("nan")
    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    error: str = ""

    @property
    def answered(self) -> bool:
        """A whole answer with status 200."""
        return self.status == 200 and self.done == self.done and not self.error


class Line(asyncio.Protocol):
    """One keep-alive connection: one exchange at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._parser = httptools.HttpResponseParser(self)
        self.exchange: Exchange | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by descent

    def send(self, exchange: Exchange) -> None:
        """Put the request on the wire."""
        assert self.transport is not None
        self.exchange = exchange
        self.transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"bad HTTP: {type(error).__name__}")

    def on_body(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        exchange.body += data
        if exchange.first != exchange.first and self._load.streams and _TOKEN.search(exchange.body):
            exchange.first = time.perf_counter()
            self._load.speaking += 1
            self._load.peak = max(self._load.peak, self._load.speaking)

    def on_message_complete(self) -> None:
        if self.exchange is not None:
            self.exchange.status = self._parser.get_status_code()
            self.exchange.done = time.perf_counter()
        if not self._parser.should_keep_alive() and self.transport is not None:
            self.transport.close()
        self._parser = httptools.HttpResponseParser(self)
        self._end("")

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._end(f"connection lost: {type(error).__name__ if error else 'closed'}")
        self._load.lost(self)

    def _end(self, error: str) -> None:
        exchange, self.exchange = self.exchange, None
        usable = self.transport is not None and not self.transport.is_closing() and not error
        if error and self.transport is not None:
            self.transport.abort()
        if exchange is not None:
            exchange.error = error
            self._load.speaking -= exchange.first == exchange.first
            self._load.ended()
        if usable:
            self._load.freed(self)


class Load:
    """Sends one request at a fixed rate to one address and keeps every exchange."""

    def __init__(self, address: Address, body: bytes, *, streams: bool, most: int = 512) -> None:
        self.request = request_bytes(address, body)
        self.streams = streams
        self.speaking = self.peak = 0  # streams between their first token and their end, now and at most
        self.exchanges: list[Exchange] = []
        self._port = address.port
        self._most = most
        self._open = 0
        self._unfinished = 0
        self._idle: list[Line] = []
        self._waiting: deque[Exchange] = deque()
        self._lines: set[Line] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._all_done = asyncio.Event()
        self._closed = False

    async def run(self, rate: float, count: int, patience: float) -> list[Exchange]:
        """Send ``count`` requests, ``rate`` a second, then wait at most ``patience`` seconds for the last answers."""
        gc.collect()
        gc.disable()
        try:
            await self._beat(rate, count)
            try:
                await asyncio.wait_for(self._all_done.wait(), patience)
            except TimeoutError:
                for exchange in self.exchanges:
                    if exchange.done != exchange.done and not exchange.error:
                        exchange.error = "no end in time"
        finally:
            gc.enable()
            self._close()
        return self.exchanges

    async def _beat(self, rate: float, count: int) -> None:
        finished = asyncio.Event()
        interval = 1.0 / rate
        start = time.perf_counter() + 0.01

        def tick(expired: int) -> None:
            for _ in range(min(expired, count - len(self.exchanges))):
                self._begin(Exchange(start + len(self.exchanges) * interval))
            if len(self.exchanges) == count:
                finished.set()

        stop = _timer(start - time.perf_counter(), interval, tick)
        try:
            await finished.wait()
        finally:
            stop()

    def _begin(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self._unfinished += 1
        self._all_done.clear()
        if self._idle:
            self._idle.pop().send(exchange)
            return
        self._waiting.append(exchange)
        self._widen()

    def _widen(self) -> None:
        if self._open < self._most:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        line = Line(self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", self._port)
        except OSError as error:
            self._open -= 1
            if self._waiting:
                refused = self._waiting.popleft()
                refused.error = f"no connection: {type(error).__name__}"
                self.ended()
            return
        self._lines.add(line)
        self.freed(line)

    def freed(self, line: Line) -> None:
        """A line has nothing to do."""
        if self._waiting:
            line.send(self._waiting.popleft())
        else:
            self._idle.append(line)

    def ended(self) -> None:
        """An exchange is over, well or not."""
        self._unfinished -= 1
        if self._unfinished == 0:
            self._all_done.set()

    def lost(self, line: Line) -> None:
        """A line is gone; whoever waits gets another."""
        self._open -= 1
        self._lines.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        if self._waiting and not self._closed:
            self._widen()

    def _close(self) -> None:
        self._closed = True
        for task in self._connecting:
            task.cancel()
        for line in tuple(self._lines):
            line.exchange = None
            if line.transport is not None:
                line.transport.abort()


def request_bytes(address: Address, body: bytes) -> bytes:
    """A whole HTTP/1.1 request."""
    headers = {
        "host": f"127.0.0.1:{address.port}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **address.headers,
    }
    lines = [f"POST {address.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Beat(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("first", _Moment))


def _timer(delay: float, interval: float, tick: Callable[[int], None]) -> Callable[[], None]:
    """Call ``tick(n)`` in the running loop each time ``n`` beats have passed; returns what stops it."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK)
    beat = _Beat(_moment(interval), _moment(max(delay, 1e-6)))
    if descriptor < 0 or libc.timerfd_settime(descriptor, 0, ctypes.byref(beat), None) != 0:
        raise OSError(ctypes.get_errno(), "no kernel timer")
    loop = asyncio.get_running_loop()

    def expired() -> None:
        tick(int.from_bytes(os.read(descriptor, 8), "little"))

    def stop() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)

    loop.add_reader(descriptor, expired)
    return stop


def _moment(seconds: float) -> _Moment:
    whole, nanoseconds = divmod(round(seconds * 1e9), 10**9)
    return _Moment(whole, nanoseconds)
