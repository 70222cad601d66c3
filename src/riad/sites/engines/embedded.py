"""The embedded engine: llama.cpp's HTTP server in a process of its own, on the loopback interface.

``python -m riad.sites.engines.embedded --model FILE.gguf --alias NAME --port N`` prints one line, ``ready URL``, once
it answers, and stays until SIGTERM, SIGINT or the death of its parent. Every route but ``/health`` asks for the key in
``RIAD_ENGINE_KEY``, so that another user of this machine cannot walk around the gateway. Nothing it is sent reaches a
terminal, a log or a disk. Which parameters it honours: docs/reference/models.md.

Exit status: 0 asked to stop, 1 the model or the port cannot be used, 2 wrong usage; a signal is a crash of llama.cpp.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from riad.errors import BadRequest, EngineFailed, NotFound, RiadError, Unavailable
from riad.texts import N_, terminal_language

KEY_VARIABLE = "RIAD_ENGINE_KEY"
PARENT_CHECK = 0.5  # seconds between two looks at whether the parent still lives
MOST_CONTEXT = 1 << 20  # tokens a request; llama.cpp lowers it further to what the model was trained with
MOST_PARALLEL = 64
PROMPT_STEP = 128  # tokens of a prompt read at once: about half a second of two cores for the smallest model
READ_TIMEOUT, WRITE_TIMEOUT = 30, 120  # seconds a stuck caller may hold a connection; llama.cpp's own is an hour


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; returns the exit status."""
    parent = os.getppid()
    options = _options(arguments)
    # While C++ loads the model no Python handler could run: let the signals end the process at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        server = _start(options, _take_key())
    except RiadError as error:
        print(f"riad: {error.render(terminal_language())}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, BadRequest) else 1
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    _announce(server.listening_address)
    # A dead parent is seen by polling: PR_SET_PDEATHSIG would also fire when only the *thread* that started us ends.
    while not stop.wait(PARENT_CHECK) and os.getppid() == parent:
        pass
    # Straight out: there is nothing to save, and llama.cpp's own shutdown can wait for what it is generating.
    os._exit(0)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m riad.sites.engines.embedded", description="llama.cpp's HTTP server on the loopback interface"
    )
    parser.add_argument("--model", required=True, type=Path, help="a GGUF file")
    parser.add_argument("--alias", default="", help="the name answers carry; default: the file's name")
    parser.add_argument("--port", required=True, type=between(0, 65535), help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--context", default=4096, type=between(256, MOST_CONTEXT), help="tokens a request may use")
    parser.add_argument("--parallel", default=4, type=between(1, MOST_PARALLEL), help="requests generated together")
    parser.add_argument("--threads", default=default_threads(), type=between(1, 512), help="compute threads")
    parser.add_argument("--embedding", action="store_true", help="serve /v1/embeddings, with an embedding model")
    return parser.parse_args(arguments)


def between(low: int, high: int) -> Callable[[str], int]:
    """An ``argparse`` type: a whole number from ``low`` to ``high``."""

    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return number


def default_threads() -> int:
    """Compute threads when nobody says: the cores this process may use, at most 4 to leave some for the gateway."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, 4))


def _take_key() -> str:
    """The engine's key, taken out of the environment so that nothing started from here inherits it."""
    key = os.environ.pop(KEY_VARIABLE, "")
    if not key:
        raise BadRequest(
            N_("The embedded engine has no key: {variable} is not set."),
            remedy=N_("Start it through riad up, or set the variable to a long random value."),
            variable=KEY_VARIABLE,
        )
    return key


def _start(options: argparse.Namespace, key: str) -> Any:
    """A listening ``xllamacpp.Server``; raises ``NotFound``, ``Unavailable`` or ``EngineFailed``."""
    _check_file(options.model)
    # Read by OpenMP when it is loaded. Its threads would otherwise spin long at every barrier, and on a machine whose
    # cores are wanted elsewhere (by the gateway itself) spin eight times the work away: 2 tokens/s were seen in place
    # of 83. This much spinning keeps the full speed of a quiet machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    import xllamacpp

    parameters = _parameters(xllamacpp.CommonParams(), options, key)
    with tempfile.TemporaryFile() as log, _Hushed(log) as hushed:
        try:
            server = xllamacpp.Server(parameters)
        except RuntimeError:
            raise _explain(hushed.said(), options) from None
    return server


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise NotFound(
            N_("The embedded engine cannot read {file}: {error}."),
            remedy=N_("Fetch the model with riad models pull, or correct the site's file in riad.toml."),
            file=path,
            error=error.strerror,
        ) from None
    if magic != b"GGUF":
        raise EngineFailed(
            N_("{file} is not a GGUF model."), remedy=N_("Fetch the model again with riad models pull."), file=path
        )


def _parameters(parameters: Any, options: argparse.Namespace, key: str) -> Any:
    parameters.model.path = str(options.model)
    parameters.model_alias = {options.alias or options.model.stem}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options.port
    parameters.api_keys = [key]
    parameters.timeout_read, parameters.timeout_write = READ_TIMEOUT, WRITE_TIMEOUT
    # Each request owns its whole context. One shared (kv_unified) would be smaller, but then two long requests that
    # overflow it together are both ended with a 500: one tenant's prompt would break another's.
    parameters.n_parallel = options.parallel
    parameters.n_ctx = options.context * options.parallel
    parameters.kv_unified = False
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = options.threads
    # A long prompt is read in steps this small so that the other requests get their tokens in between, and one whose
    # caller has left is dropped within a step. An embedding needs its whole input in one step.
    parameters.n_batch = parameters.n_ubatch = options.context if options.embedding else PROMPT_STEP
    parameters.embedding = options.embedding
    parameters.use_jinja = True
    parameters.warmup = False
    parameters.fit_params = False
    # A prompt cache shared by tenants tells one of them, by time and by cached_tokens, how another's prompt begins;
    # llama.cpp would also keep up to 8 GiB of past prompts in memory.
    parameters.cache_prompt = parameters.cache_idle_slots = False
    parameters.cache_ram_mib = 0
    parameters.ui = False
    parameters.endpoint_slots = parameters.endpoint_props = parameters.endpoint_metrics = False
    parameters.cors_origins = ""
    parameters.cors_credentials = False
    parameters.verbosity = 1
    return parameters


class _Hushed:
    """Standard output and error as llama.cpp sees them: a file while it loads, then nowhere for good.

    Python's own ``sys.stdout`` and ``sys.stderr`` move to copies of the real ones. Afterwards no message of the C++
    code, whatever it quotes from a prompt or a schema, can reach a terminal or a log.
    """

    def __init__(self, log: IO[bytes]) -> None:
        self.log = log

    def __enter__(self) -> _Hushed:
        sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
        self._point_to(self.log.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        with open(os.devnull, "wb") as nowhere:
            self._point_to(nowhere.fileno())

    def _point_to(self, descriptor: int) -> None:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)

    def said(self) -> str:
        """What llama.cpp wrote while loading; no request has been read by then. Its log is written by a thread."""
        for _ in range(50):
            if b"exiting due to" in (said := os.pread(self.log.fileno(), 65536, 0)):
                break
            time.sleep(0.02)
        return said.decode("utf-8", "replace")


def _explain(said: str, options: argparse.Namespace) -> RiadError:
    """llama.cpp's complaint as one of our errors."""
    if "couldn't bind" in said:
        return Unavailable(
            N_("Port {port} on 127.0.0.1 is taken."), remedy=N_("Choose another port."), port=options.port
        )
    complaint = next((line for line in said.splitlines() if " E " in line), " E llama.cpp refuses it")
    return EngineFailed(
        N_("The embedded engine cannot load {file}: {why}."),
        remedy=N_("Fetch the model again with riad models pull, or give it less context if memory is short."),
        file=options.model,
        why=complaint.rpartition(" E ")[2].rpartition("error loading model: ")[2].strip(),
    )


def _announce(url: str) -> None:
    """Tell the parent; one that has already gone is noticed by the loop in ``main``."""
    try:
        print(f"ready {url}", flush=True)
    except OSError:
        sys.stdout = None  # or the interpreter would try to flush it again


if __name__ == "__main__":
    sys.exit(main())
