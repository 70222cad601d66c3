"""An engine that behaves as the model's name says: well, badly, or not at all. A real HTTP server for tests.

``python tests/scripted_engine.py PORT``. The request's ``model`` chooses: ``echo`` repeats the last user message,
``tools`` calls a tool with it, ``hang`` never answers, ``die`` closes in the middle, ``html``, ``half``, ``500``,
``429``, ``400``, ``slow`` streams for a long time, ``garbage`` breaks HTTP. ``oracle`` says, a character at a time,
what a scanner cannot read in the prompt: the message with its ``enciphered`` parts in clear; ``oracle-tools`` calls a
tool with it. ``GET /log`` tells what was received and how many streams were left before their end.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

LOG: dict[str, Any] = {"requests": 0, "bodies": [], "left": 0, "served": 0}


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, logprobs: bool = False) -> bytes:
    choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish}
    if logprobs:
        choice["logprobs"] = {"content": [{"token": delta["content"], "logprob": -0.5}]}
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "echo", "choices": [choice]}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def usage_chunk() -> bytes:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "echo", "choices": [],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}  # fmt: skip
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def head(status: int = 200, kind: str = "application/json", length: int | None = None, extra: str = "") -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{framing}\r\n{extra}\r\n".encode()


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def said(body: dict[str, Any]) -> str:
    if "messages" not in body:
        prompt = body.get("prompt", "")
        return prompt if isinstance(prompt, str) else " ".join(prompt)
    content = body["messages"][-1].get("content") or ""
    text = content if isinstance(content, str) else " ".join(str(part.get("text", "")) for part in content)
    return re.sub("[a-p]{16,}", deciphered, text) if body["model"].startswith("oracle") else text


def enciphered(text: str) -> str:
    """A text that no scanner reads: each half of a byte is a letter from a to p."""
    return "".join(chr(97 + half) for byte in text.encode() for half in (byte >> 4, byte & 15))


def deciphered(match: re.Match[str]) -> str:
    halves = [ord(letter) - 97 for letter in match[0]]
    return bytes(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=True)).decode()


def whole(body: dict[str, Any]) -> dict[str, Any]:
    text = said(body)
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    if "input" in body:
        inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [{"object": "embedding", "index": i, "embedding": [0.5, float(i)]} for i, _ in enumerate(inputs)]
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}
    if "prompt" in body:
        choices: list[dict[str, Any]] = [{"index": 0, "text": text, "finish_reason": "stop"}]
        return {"id": "c1", "object": "text_completion", "created": 1, "model": "echo", "choices": choices,
                "usage": usage}  # fmt: skip
    message: dict[str, Any] = {"role": "assistant", "content": text}
    finish = "stop"
    if body["model"] in ("tools", "oracle-tools"):
        arguments = json.dumps({"text": text}, ensure_ascii=True)
        call = {"id": "t1", "type": "function", "function": {"name": "save", "arguments": arguments}}
        message, finish = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    logprobs = {"content": [{"token": text, "logprob": -0.5}]} if body.get("logprobs") else None
    choices = [
        {"index": i, "message": message, "finish_reason": finish, "logprobs": logprobs}
        for i in range(body.get("n") or 1)
    ]
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "echo", "choices": choices, "usage": usage}


async def stream(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    writer.write(head(kind="text/event-stream"))
    choices = range(body.get("n") or 1)
    if body["model"] in ("tools", "oracle-tools"):
        arguments = json.dumps({"text": said(body)}, ensure_ascii=True)
        call: dict[str, Any] = {
            "index": 0,
            "id": "t1",
            "type": "function",
            "function": {"name": "save", "arguments": ""},
        }
        writer.write(framed(chunk({"role": "assistant", "tool_calls": [call]})))
        for start in range(0, len(arguments), 3):
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": arguments[start : start + 3]}}]}
            writer.write(framed(chunk(delta)))
            await writer.drain()
        writer.write(framed(chunk({}, "tool_calls")))
    else:
        for index in choices:
            writer.write(framed(chunk({"role": "assistant", "content": ""}, index=index)))
        text = said(body) if body["model"] != "slow" else "word " * 2000
        step = 1 if body["model"] == "oracle" else 3
        for start in range(0, len(text), step):
            for index in choices:
                piece = text[start : start + step]
                writer.write(framed(chunk({"content": piece}, index=index, logprobs=body.get("logprobs", False))))
            await writer.drain()
            if body["model"] == "slow":
                await asyncio.sleep(0.02)
            if body["model"] == "die" and start >= 6:
                writer.transport.abort()
                return
        if body["model"] == "half":
            writer.write(framed(b'data: {"choices": [{"ind') + b"0\r\n\r\n")
            return
        for index in choices:
            writer.write(framed(chunk({}, "stop", index=index)))
    if (body.get("stream_options") or {}).get("include_usage"):
        writer.write(framed(usage_chunk()))
    writer.write(framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


async def answer(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    model = body.get("model", "")
    if model == "hang":
        await asyncio.sleep(600)
    elif model in ("429", "400", "500"):
        reason = json.dumps({"error": {"message": f"scripted {model}", "type": "x", "code": None}}).encode()
        writer.write(head(int(model), length=len(reason), extra="retry-after: 3\r\n") + reason)
    elif model == "html":
        page = b"<html><body>It works!</body></html>"
        writer.write(head(kind="text/html", length=len(page)) + page)
    elif model == "garbage":
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()
    elif body.get("stream"):
        await stream(body, writer)
    elif model in ("die", "half"):
        writer.write(head(length=1000) + b'{"choices": [')
        await writer.drain()
        writer.transport.abort()
    else:
        data = json.dumps(whole(body), ensure_ascii=False).encode()
        writer.write(head(length=len(data)) + data)
    LOG["served"] += 1


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            line = await reader.readline()
            if not line:
                return
            length = 0
            while (header := await reader.readline()) not in (b"\r\n", b""):
                name, _, value = header.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            raw = await reader.readexactly(length)
            if line.startswith(b"GET"):
                models = {"object": "list", "data": [{"id": "echo", "object": "model"}]}
                data = json.dumps(LOG if b"/log" in line else models).encode()
                writer.write(head(length=len(data)) + data)
                continue
            LOG["requests"] += 1
            LOG["bodies"].append(raw.decode())
            work = asyncio.ensure_future(answer(json.loads(raw), writer))
            leaving = asyncio.ensure_future(reader.read(1))
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                LOG["left"] += 1
                work.cancel()
                return
            work.result()
            if leaving.done():
                return
            leaving.cancel()
            await asyncio.wait({leaving})
    except (ConnectionError, asyncio.IncompleteReadError):
        LOG["left"] += 1
    finally:
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
