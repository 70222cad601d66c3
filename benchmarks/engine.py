"""A stand-in for an engine: OpenAI-shaped, instant, in its own process, faster than anything put before it.

    python benchmarks/engine.py --port 9100 [--tokens 32] [--interval 0.02] [--numbered]

``POST …/chat/completions`` answers a fixed completion, or with ``"stream": true`` one event per token (as many as
``max_tokens`` says, else ``--tokens``), each ``--interval`` seconds after the one before; then the usage when
``stream_options.include_usage`` asks for it, then ``[DONE]``. Also ``…/completions``, ``…/embeddings``,
``GET …/models``, and ``GET /counters`` (requests answered, streams begun, streams whose reader left before the end).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
from typing import Any

import httptools
import msgspec
import uvloop

WORDS = ("Salam", " from", " the", " garden", ":", " few", " doors", ",", " each", " guarded", ".")
USAGE = {"prompt_tokens": 21, "completion_tokens": 24, "total_tokens": 45}
NAME = "stand-in"
counters = {"requests": 0, "streams": 0, "left": 0}


def encoded(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def answer(document: Any) -> bytes:
    return encoded(b"200 OK", msgspec.json.encode(document))


def chat_document(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1760000000,
        "model": NAME,
        "choices": [choice],
        "usage": USAGE,
    }


CHAT = answer(chat_document("".join(WORDS * 2)))
TEXT = answer(
    {
        "id": "cmpl-0",
        "object": "text_completion",
        "created": 1760000000,
        "model": NAME,
        "choices": [{"index": 0, "text": "".join(WORDS * 2), "finish_reason": "stop", "logprobs": None}],
        "usage": USAGE,
    }
)
EMBEDDINGS = answer(
    {
        "object": "list",
        "model": NAME,
        "data": [{"object": "embedding", "index": 0, "embedding": [round(i / 768 - 0.5, 6) for i in range(768)]}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
)
MODELS = answer(
    {"object": "list", "data": [{"id": NAME, "object": "model", "created": 1760000000, "owned_by": "riad"}]}
)
NOT_FOUND = encoded(b"404 Not Found", b'{"error":{"message":"No such path.","type":"invalid_request_error"}}')
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def frame(data: bytes) -> bytes:
    """One server-sent event in one HTTP chunk."""
    return b"%x\r\ndata: %b\n\n\r\n" % (len(data) + 8, data)


def stream_event(delta: dict[str, str] | None, *, finish: str | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    document = {
        "id": "chatcmpl-0",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": NAME,
        "choices": choices,
    }
    return frame(msgspec.json.encode(document | ({"usage": USAGE} if delta is None else {})))


FIRST = stream_event({"role": "assistant", "content": ""})
TOKENS = [stream_event({"content": word}) for word in WORDS]
LAST = stream_event({}, finish="stop")
NUMBERED = stream_event({"content": "%"}).partition(b"data: ")[2].removesuffix(b"\n\n\r\n")
STREAM_USAGE = stream_event(None)
STREAM_END = frame(b"[DONE]") + b"0\r\n\r\n"


def numbered_token(stream: int, number: int) -> bytes:
    """The event of a token that tells its stream and its place, so that a reader sees what was lost or mixed up."""
    return frame(NUMBERED.replace(b"%", b"s%d-%d " % (stream, number)))


class Wanted(msgspec.Struct):
    """The parts of a request that change the answer."""

    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: dict[str, Any] | None = None


wanted = msgspec.json.Decoder(Wanted).decode


class Engine(asyncio.Protocol):
    """One connection; requests are answered in turn."""

    tokens = 32
    interval = 0.0
    numbered = False

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.timer: asyncio.Handle | None = None
        self.body: list[bytes] = []
        self.path = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            counters["left"] += 1
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_url(self, url: bytes) -> None:
        self.path = url
        self.body.clear()

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        counters["requests"] += 1
        path = self.path
        if path.endswith(b"/chat/completions"):
            self.chat(b"".join(self.body))
        elif path.endswith(b"/completions"):
            self.transport.write(TEXT)
        elif path.endswith(b"/embeddings"):
            self.transport.write(EMBEDDINGS)
        elif path.endswith(b"/models"):
            self.transport.write(MODELS)
        elif path == b"/counters":
            self.transport.write(answer(counters))
        else:
            self.transport.write(NOT_FOUND)

    def chat(self, body: bytes) -> None:
        if b'"stream"' not in body or not (want := wanted(body)).stream:
            self.transport.write(CHAT)
            return
        counters["streams"] += 1
        self.transport.write(STREAM_HEAD + FIRST)
        self.usage = bool((want.stream_options or {}).get("include_usage"))
        asked = want.max_tokens if want.max_tokens is not None else want.max_completion_tokens
        self.left = self.total = self.tokens if asked is None else asked
        self.stream = counters["streams"]
        self.due = self.loop.time()
        self.next_token()

    def next_token(self) -> None:
        """Write a token and come back for the next; times are counted from the first, so they don't drift."""
        if self.left <= 0:
            self.timer = None
            self.transport.write(LAST + (STREAM_USAGE if self.usage else b"") + STREAM_END)
            return
        self.left -= 1
        if self.numbered:
            self.transport.write(numbered_token(self.stream, self.total - self.left - 1))
        else:
            self.transport.write(TOKENS[(self.total - self.left - 1) % len(TOKENS)])
        self.due += self.interval
        later = self.loop.call_at(self.due, self.next_token) if self.interval else self.loop.call_soon(self.next_token)
        self.timer = later


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.cancel)
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    server = await loop.create_server(Engine, sock=listener)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await stop
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the URL is printed")
    parser.add_argument("--tokens", type=int, default=Engine.tokens, help="tokens of a streamed answer")
    parser.add_argument("--interval", type=float, default=Engine.interval, help="seconds between tokens")
    parser.add_argument("--numbered", action="store_true", help="tokens say whose they are: s17-0 s17-1 …")
    options = parser.parse_args()
    Engine.tokens, Engine.interval, Engine.numbered = options.tokens, options.interval, options.numbered
    uvloop.run(serve(options.port))


if __name__ == "__main__":
    main()
