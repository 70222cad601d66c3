"""A stand-in for a provider abroad: a real HTTP server on this machine, for demos and tests only.

``python -m riad.sites.standin --port N --label TEXT --model NAME [--engine-url URL]`` prints ``ready URL`` and answers
as an OpenAI-compatible provider would, with the header ``x-stand-in`` on every answer. With an engine it passes
requests on and streams what comes back; without one it says, in so many words, that no model is behind it.

``GET /stand-in`` tells what crossed: how many requests were posted, and the exact body of the last one. That body may
be personal data, so it listens on the loopback interface only and keeps it in memory only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import uvicorn

from riad.errors import BadSettings, RiadError, Unavailable
from riad.sites.client import Pool
from riad.sites.engines.embedded import PARENT_CHECK, between
from riad.texts import N_, terminal_language

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MOST_BODY = 32 * 1024 * 1024
ENGINE_KEEPALIVE = 4.0  # seconds; llama.cpp closes an idle connection after five
_JSON = b"application/json"
_PIECE = 5  # characters of a scripted event, so that placeholders come in pieces, as from a tokenizer


class StandIn:
    """The server, as an ASGI application."""

    def __init__(self, label: str, model: str, *, engine: Pool | None, served_as: str = "", key: str = "") -> None:
        self.label = label
        self._model = model
        self._served_as = served_as
        self._engine = engine
        self._headers = b"content-type: application/json\r\n"
        if key:
            self._headers += f"authorization: Bearer {key}\r\n".encode("latin-1")
        self._requests = 0
        self._last_path = ""
        self._last_body = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        if method == "POST":
            await self._posted(path, receive, send)
        elif path == "/stand-in":
            seen = {"label": self.label, "requests": self._requests, "last_path": self._last_path}
            await self._answer(send, 200, {**seen, "last_body": self._last_body})
        elif path == "/v1/models":
            card = {"id": self._model, "object": "model", "created": 0, "owned_by": self.label}
            await self._answer(send, 200, {"object": "list", "data": [card]})
        else:
            await self._fail(send, 404, "not_found", f"There is nothing at {path}.")

    async def _posted(self, path: str, receive: Receive, send: Send) -> None:
        # Counted before a byte of it is read: the counter must prove that nothing at all was sent.
        self._requests += 1
        self._last_path, self._last_body = path, ""
        body, whole = await self._read(receive)
        self._last_body = body.decode("utf-8", "replace")
        if not whole:
            return
        if len(body) > MOST_BODY:
            await self._fail(send, 413, "request_too_large", f"At most {MOST_BODY} bytes.")
        elif self._engine is not None:
            await self._until_left(self._relay(self._engine, path, body, send), receive)
        else:
            await self._script(path, body, send)

    async def _read(self, receive: Receive) -> tuple[bytes, bool]:
        """The body, and whether all of it came; a little more than ``MOST_BODY`` of a larger one."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"".join(parts), False
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if not message.get("more_body") or size > MOST_BODY:
                return b"".join(parts), True

    async def _until_left(self, work: Any, receive: Receive) -> None:
        """Do the work unless the caller leaves, which stops the engine too."""
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not working.done():
                working.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)
        if not working.cancelled() and (error := working.exception()) is not None:
            raise error

    async def _relay(self, engine: Pool, path: str, body: bytes, send: Send) -> None:
        try:
            response = await engine.request(b"POST", path.encode(), self._headers, self._renamed(body))
        except RiadError as error:
            await self._fail(send, error.status, error.code, str(error))
            return
        with response:
            await self._start(send, response.status, response.headers.get(b"content-type", _JSON))
            # An engine that dies in the middle raises here, and the caller sees the answer break off, as it would.
            async for data in response:
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body"})

    def _renamed(self, body: bytes) -> bytes:
        """The body as the engine should get it: byte for byte, unless the engine has another name for the model."""
        if not self._served_as:
            return body
        try:
            parsed = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return body
        if not isinstance(parsed, dict):
            return body
        return msgspec.json.encode({**parsed, "model": self._served_as})

    async def _script(self, path: str, body: bytes, send: Send) -> None:
        try:
            request = msgspec.json.decode(body, type=Asked)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            await self._fail(send, 400, "invalid_request", "This is not an OpenAI request.")
            return
        chat = path.endswith("/chat/completions")
        if not chat and not path.endswith("/completions"):
            await self._fail(send, 404, "not_found", f"A stand-in without an engine does not serve {path}.")
            return
        text = f"{self.label}: a stand-in, not a model. It received: {request.last()}"
        if not request.stream:
            await self._answer(send, 200, scripted(self._model, text, chat=chat))
            return
        await self._start(send, 200, b"text/event-stream")
        usage = bool(request.stream_options and request.stream_options.get("include_usage"))
        for event in scripted_events(self._model, text, chat=chat, usage=usage):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body"})

    async def _start(self, send: Send, status: int, kind: bytes) -> None:
        headers = [(b"content-type", kind), (b"x-stand-in", self.label.encode("ascii", "replace"))]
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def _answer(self, send: Send, status: int, document: Any) -> None:
        await self._start(send, status, _JSON)
        await send({"type": "http.response.body", "body": msgspec.json.encode(document)})

    async def _fail(self, send: Send, status: int, code: str, message: str) -> None:
        await self._answer(send, status, {"error": {"message": message, "type": "stand_in", "code": code}})


class Asked(msgspec.Struct):
    """What a scripted answer looks at in a request."""

    messages: list[dict[str, Any]] = []
    prompt: str | list[Any] = ""
    stream: bool | None = False
    stream_options: dict[str, Any] | None = None

    def last(self) -> str:
        """The text of the last message of the user, or the prompt."""
        said = [message.get("content") for message in self.messages if message.get("role") == "user"]
        content: Any = said[-1] if said else self.prompt
        if isinstance(content, list):
            content = " ".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in content)
        return str(content or "")


def scripted(model: str, text: str, *, chat: bool) -> dict[str, Any]:
    """A whole answer in OpenAI's shape."""
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        **_heading(model, "chat.completion" if chat else "text_completion"),
        "choices": [{"index": 0, **said, "finish_reason": "stop"}],
        "usage": _usage(text),
    }


def scripted_events(model: str, text: str, *, chat: bool, usage: bool) -> Iterator[bytes]:
    """The same as server-sent events."""
    heading = _heading(model, "chat.completion.chunk" if chat else "text_completion")
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    for piece in [*pieces, None]:
        said: dict[str, Any] = {"delta": {"content": piece} if piece else {}} if chat else {"text": piece or ""}
        choice = {"index": 0, **said, "finish_reason": None if piece else "stop"}
        yield _event({**heading, "choices": [choice]})
    if usage:
        yield _event({**heading, "choices": [], "usage": _usage(text)})
    yield b"data: [DONE]\n\n"


def _heading(model: str, kind: str) -> dict[str, Any]:
    return {"id": "stand-in", "object": kind, "created": int(time.time()), "model": model}


def _usage(text: str) -> dict[str, int]:
    words = len(text.split())
    return {"prompt_tokens": words, "completion_tokens": words, "total_tokens": 2 * words}


def _event(document: Any) -> bytes:
    return b"data: " + msgspec.json.encode(document) + b"\n\n"


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop or until the parent dies; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m riad.sites.standin", description="a stand-in for a provider")
    parser.add_argument("--port", required=True, type=between(0, 65535), help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--label", required=True, help="whom it stands in for; every answer carries it")
    parser.add_argument("--model", required=True, help="the model it says it serves")
    parser.add_argument("--engine-url", default="", help="a real engine to pass requests on to, as http://host:port/v1")
    parser.add_argument("--engine-key-env", default="", help="the environment variable that holds the engine's key")
    parser.add_argument("--served-as", default="", help="the engine's own name for the model")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(options, os.getppid()))
    except RiadError as error:
        print(f"riad: {error.render(terminal_language())}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, BadSettings) else 1
    return 0


async def _serve(options: argparse.Namespace, parent: int) -> None:
    # The pool's base ends before /v1: the caller's path carries it.
    url = options.engine_url.rstrip("/").removesuffix("/v1")
    pool = Pool(url, site=options.label, keepalive=ENGINE_KEEPALIVE) if url else None
    key = os.environ.get(options.engine_key_env, "") if options.engine_key_env else ""
    standin = StandIn(options.label, options.model, engine=pool, served_as=options.served_as, key=key)
    config = uvicorn.Config(
        standin, lifespan="off", log_config=None, log_level="critical", access_log=False, timeout_graceful_shutdown=1
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn stops, then raises the signal once more
    with _listen(options.port) as listener:
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
        print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])
    if pool is not None:
        await pool.close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError:
        raise Unavailable(
            N_("Port {port} on 127.0.0.1 is taken."), remedy=N_("Choose another port."), port=port
        ) from None


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
