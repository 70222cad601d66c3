"""A stand-in for a provider abroad that writes down every request the moment its head is there."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Crossing:
    """A request that reached the stand-in: its number (the field ``seed``; None where it cannot be told), its body."""

    number: int | None = None
    body: bytes = b""


class Abroad:
    """A real HTTP server in this process, so that no kill loses what it saw."""

    def __init__(self, pause: float) -> None:
        self.crossings: list[Crossing] = []
        abroad = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer("application/json", json.dumps({"object": "list", "data": []}).encode())

            def do_POST(self) -> None:
                # Noted before the body is read: half a body that crossed has crossed.
                crossing = Crossing()
                abroad.crossings.append(crossing)
                body = self.rfile.read(int(self.headers["content-length"]))
                try:
                    asked = json.loads(body)
                    crossing.number = asked["seed"]
                finally:
                    crossing.body = body
                time.sleep(pause)  # so that there is something to die in the middle of
                if asked.get("stream"):
                    self._answer("text/event-stream", b"".join(events(asked)))
                else:
                    self._answer("application/json", json.dumps(whole(asked)).encode())

            def _answer(self, kind: str, data: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a caller that was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def whole(asked: dict[str, Any]) -> dict[str, Any]:
    """An answer in OpenAI's shape that repeats what was asked."""
    said = {"role": "assistant", "content": asked["messages"][-1]["content"]}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    return {"id": "a1", "object": "chat.completion", "created": 1, "model": "echo", "choices": [choice], "usage": usage}


def events(asked: dict[str, Any]) -> list[bytes]:
    """The same as a stream."""
    heading = {"id": "a1", "object": "chat.completion.chunk", "created": 1, "model": "echo"}
    text = asked["messages"][-1]["content"]
    deltas = [{"content": text[at : at + 5]} for at in range(0, len(text), 5)]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    sent = [b"data: " + json.dumps({**heading, "choices": choice}).encode() + b"\n\n" for choice in choices]
    return [*sent, b"data: [DONE]\n\n"]
