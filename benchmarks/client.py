"""The upstream client's own cost: alone, and behind uvicorn with nothing but a copy between the two.

    python -m benchmarks.client [--seconds 3] [--rounds 3] [--out benchmarks/results/client.json]

The engine stand-in runs in its own process, and so does the server. Rounds alternate between cases, so that a noisy
minute touches all of them; the medians are shown with their extremes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from benchmarks.bodies import chat
from riad.sites.client import Pool
from riad.sites.sse import Events, event

BODY = chat("stand-in")
STREAM = chat("stand-in", stream=True, max_tokens=32)
HEADERS = b"content-type: application/json\r\nauthorization: Bearer stand-in\r\n"
CONNECTIONS = 32


class Relay:
    """A plain ASGI app: the body in, the engine's answer out."""

    def __init__(self, engine: str) -> None:
        self.pool = Pool(engine)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        with await self.pool.request(b"POST", b"/chat/completions", HEADERS, body) as response:
            kind = response.headers.get(b"content-type", b"")
            head = {"type": "http.response.start", "status": response.status, "headers": [(b"content-type", kind)]}
            await send(head)
            if kind != b"text/event-stream":
                await send({"type": "http.response.body", "body": await response.read()})
                return
            events = Events()
            async for chunk in response:
                data = b"".join([event(found) for found in events.feed(chunk)])
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def load(pool: Pool, seconds: float, ask: Callable[[Pool], Awaitable[None]]) -> tuple[float, float]:
    """Requests a second with CONNECTIONS askers, and microseconds of this process's CPU for each."""
    end = time.perf_counter() + seconds
    done = 0

    async def asker() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await ask(pool)
            done += 1

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(asker() for _ in range(CONNECTIONS)))
    return done / (time.perf_counter() - start), (time.process_time() - cpu) / done * 1e6


async def ask_whole(pool: Pool) -> None:
    response = await pool.request(b"POST", b"/chat/completions", HEADERS, BODY)
    assert response.status == 200
    assert await response.read()


async def ask_stream(pool: Pool) -> None:
    events = Events()
    with await pool.request(b"POST", b"/chat/completions", HEADERS, STREAM) as response:
        async for chunk in response:
            events.feed(chunk)
    assert not events.pending


def alone(engine: str, seconds: float, ask: Callable[[Pool], Awaitable[None]]) -> dict[str, float]:
    async def go() -> tuple[float, float]:
        async with Pool(engine) as pool:
            return await load(pool, seconds, ask)

    rate, cost = uvloop.run(go())
    return {"requests_per_second": rate, "cpu_microseconds": cost}


def wrk(url: str, seconds: float) -> dict[str, float]:
    """wrk on a server's chat endpoint: requests a second and the median latency in milliseconds."""
    script = f"wrk.method='POST'\nwrk.headers['content-type']='application/json'\nwrk.body=[==[{BODY.decode()}]==]\n"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", file.name, url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in text, text
    assert "Socket errors" not in text, text
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    median = re.search(r"50%\s+([\d.]+)(us|ms|s)", text)
    assert rate is not None
    assert median is not None
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}[median[2]]
    return {"requests_per_second": float(rate[1]), "p50_ms": float(median[1]) * scale}


@contextlib.contextmanager
def process(*arguments: str) -> Iterator[str]:
    """A child that prints its URL when it is ready; ended afterwards."""
    with subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def serve(engine: str) -> None:
    """uvicorn (httptools, uvloop) with the relay; prints its URL."""
    config = uvicorn.Config(Relay(engine), port=0, http="httptools", loop="uvloop", log_level="error")
    socket = config.bind_socket()
    print(f"http://127.0.0.1:{socket.getsockname()[1]}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[socket])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", metavar="ENGINE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    with process("benchmarks.engine") as engine, process("benchmarks.client", "--serve", engine) as door:
        cases: dict[str, Callable[[], dict[str, float]]] = {
            "engine stand-in": lambda: wrk(f"{engine}/chat/completions", options.seconds),
            "client alone": lambda: alone(engine, options.seconds, ask_whole),
            "client alone, streams of 32 tokens": lambda: alone(engine, options.seconds, ask_stream),
            "uvicorn + client": lambda: wrk(f"{door}/chat/completions", options.seconds),
        }
        rounds = [{name: case() for name, case in cases.items()} for _ in range(options.rounds)]
    results = {
        name: {key: sorted(round(one[name][key], 2) for one in rounds) for key in rounds[0][name]} for name in cases
    }
    for name, measures in results.items():
        text = ", ".join(f"{key} {statistics.median(v):,.1f} ({v[0]:,.1f}–{v[-1]:,.1f})" for key, v in measures.items())
        print(f"{name}: {text}", file=sys.stderr)
    print(json.dumps(results))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
