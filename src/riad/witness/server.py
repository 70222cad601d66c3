"""The witness over HTTP: ``POST /add-checkpoint`` (C2SP tlog-witness), and what it has seen, for everybody to read.

``GET /`` says what this is, which logs and sizes it has seen and which showed two histories; ``GET /latest?origin=…``
is the newest cosigned checkpoint of one log, a signed note. TLS is a reverse proxy's, in front.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from riad.errors import NotFound, RiadError, Unavailable
from riad.texts import N_, choose
from riad.witness.witness import Witness

MAX_BODY = 256 * 1024  # bytes; 63 hashes and 16 signatures of 5 kB, which is what must be taken, are 83 kB
BODY_WITHIN = 10.0  # seconds
MAX_AT_ONCE = 256  # requests; beyond, they are told to come back


def application(witness: Witness) -> Starlette:
    """The witness as an ASGI application."""

    async def add_checkpoint(request: Request) -> Response:
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_WITHIN):
                async for part in request.stream():
                    body += part
                    if len(body) > MAX_BODY:
                        return PlainTextResponse("The request is too large.\n", 413, {"connection": "close"})
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("The request did not come in time.\n", 408, {"connection": "close"})
        answer = await run_in_threadpool(witness.add_checkpoint, bytes(body))
        return Response(answer.body, answer.status, {"content-type": answer.media_type})

    async def latest(request: Request) -> Response:
        seen = await run_in_threadpool(witness.memory.seen, request.query_params.get("origin", ""))
        if not seen.note:
            raise NotFound(N_("This witness has cosigned nothing of that log."), remedy=N_("Its list stands at /."))
        return PlainTextResponse(seen.note, headers={"cache-control": "no-cache"})

    async def front(request: Request) -> Response:
        facts = await run_in_threadpool(account, witness)
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        return Response(text, media_type="application/json", headers={"cache-control": "no-cache"})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RiadError)
        language = choose(request.headers.get("accept-language", ""))
        return PlainTextResponse(error.render(language) + "\n", error.status)

    routes = [
        Route("/", front),
        Route("/latest", latest),
        Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={RiadError: refused})


def account(witness: Witness) -> dict[str, Any]:
    """What the witness is and what it has seen: ``logs`` by origin, ``forks`` oldest first; times in POSIX seconds."""
    memory = witness.memory
    logs = []
    for origin, vkeys in memory.logs().items():
        seen = memory.seen(origin)
        known = {"size": seen.size, "root": seen.root.hex(), "time": seen.time or None, "checkpoint": seen.note}
        logs.append({"origin": origin, "vkeys": vkeys, **known})
    return {
        "witness": witness.name,
        "what": "A witness (c2sp.org/tlog-witness): it cosigns a log's checkpoint only if it extends all it has seen.",
        "vkeys": [cosigner.verifier.vkey for cosigner in witness.cosigners],
        "logs": logs,
        "forks": [fork._asdict() for fork in memory.forks()],
    }


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises ``Unavailable``."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            N_("Cannot listen on {host}:{port}: {reason}."),
            remedy=N_("Stop what listens there, or choose another with --port."),
            host=host,
            port=port,
            reason=error.strerror or error,
        ) from None
    return listener


def serve(witness: Witness, listener: socket.socket, serving: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``serving`` is called once it does."""

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            serving()

    config = uvicorn.Config(
        application(witness),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_AT_ONCE,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=65,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises once more the signal that ended it
    Server(config).run([listener])
    witness.memory.close()
