"""One gateway worker: ``python -m riad.gateway.worker --fd N --data-dir DIR [--config FILE]``.

The supervisor binds the socket and passes it down, so that workers come and go while the address stays open. A
worker prints ``ready`` when it serves, ends gracefully on SIGTERM, and ends when its supervisor does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path

import uvicorn
import uvloop

from riad import settings as riad_settings
from riad.errors import RiadError
from riad.gateway.door import Door
from riad.gateway.house import House
from riad.ledger.files import socket_path
from riad.settings import Settings
from riad.sites.catalogue import engines_from_environment
from riad.texts import terminal_language

GRACE = 10  # seconds that requests under way are given at the end


class _Server(uvicorn.Server):
    """Says ``ready`` on standard output once it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        with contextlib.suppress(BrokenPipeError):  # the supervisor died meanwhile: standard input tells the same
            os.write(1, b"ready\n")


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until told to stop."""
    house = House(settings, engines_from_environment())
    await house.open(socket_path(settings.data_dir))
    # What start-up made lives as long as the worker: the collector need not walk it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    config = uvicorn.Config(
        Door(house),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=65,  # longer than the minute most clients and proxies keep an idle connection
    )
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn stops, then raises the signal once more: by then the house is still open, with usage not yet written.
        signal.signal(number, lambda *_: None)
    asyncio.get_running_loop().add_reader(0, _parent_gone, server)
    try:
        await server.serve([listener])
    finally:
        await house.close()


def _parent_gone(server: uvicorn.Server) -> None:
    """Standard input is a pipe the supervisor holds: its end means that the supervisor died."""
    if not os.read(0, 1):
        server.should_exit = True
        asyncio.get_running_loop().remove_reader(0)


def _raise_open_files() -> None:
    """Two thousand streams are four thousand sockets: take all that the system lets this user have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    parser = argparse.ArgumentParser(prog="riad.gateway.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = riad_settings.load(arguments.config, data_dir=arguments.data_dir)
    _raise_open_files()
    listener = socket.socket(fileno=arguments.fd)
    try:
        uvloop.run(serve(settings, listener))
    except RiadError as error:
        print(f"riad: {error.render(terminal_language())}", file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
