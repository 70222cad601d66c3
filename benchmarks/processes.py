"""Child processes: started in a session of their own, weighed by session, and all gone at the end, whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1


class Unavailable(Exception):
    """A contender that cannot take part; its text is the reason shown in the table."""


@dataclass(frozen=True)
class Weight:
    """One process of a contender: resident and proportional memory in bytes, CPU in seconds since it started."""

    pid: int
    command: str
    rss: int
    pss: int
    cpu: float


@dataclass
class Child:
    """A contender's first process, with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        """The end of its log on one line, without this machine's paths."""
        text = self.log.read_text(errors="replace").strip().replace(str(Path.cwd()), "…").replace(str(Path.home()), "~")
        line = text.splitlines()[-1].strip() if text else "it said nothing"
        return line[-200:]

    def check(self) -> None:
        """Raise ``Unavailable`` if it is dead."""
        if (code := self.process.poll()) is not None:
            raise Unavailable(f"{self.name} ended with {code}: {self.last_words()}")

    def stop(self, patience: float = 8.0) -> None:
        """Ask its session to end; after ``patience`` seconds make it."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        deadline = time.monotonic() + 5.0
        while (left := weigh(self)) and time.monotonic() < deadline:
            for weight in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(weight.pid, signal.SIGKILL)
            self.process.poll()
            time.sleep(0.01)
        self.process.wait()


class Children:
    """Starts processes and ends every one of them on leaving the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_error: object) -> None:
        for child in reversed(self._children):
            child.stop(3.0)

    def start(self, name: str, command: list[str], *, cwd: Path | None = None, env: Mapping[str, str] = {}) -> Child:
        """Start ``command``; its output goes to ``NAME.log`` in the folder."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child


def end_cleanly() -> None:
    """Let Ctrl-C and a polite kill unwind the stack, so that ``Children`` ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored


def _die_with_parent() -> None:
    # The parent's own end by kill -9 runs no finally: the kernel then ends the child.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def weigh(child: Child) -> list[Weight]:
    """Every process of the child's session (its workers too), the busiest first."""
    found = [weight for pid in _pids() if (weight := _weigh_one(pid, child.process.pid)) is not None]
    return sorted(found, key=lambda weight: -weight.cpu)


def cpu_seconds(child: Child) -> float:
    """CPU time used so far by the child's session."""
    return sum(weight.cpu for weight in weigh(child))


def _pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _weigh_one(pid: int, session: int) -> Weight | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()  # the name in parentheses may hold anything: split after it
        if int(fields[3]) != session or fields[0] == "Z":
            return None
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        pss = 0
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                pss = int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return None
    cpu = (int(fields[11]) + int(fields[12])) / _TICK
    return Weight(pid, command, int(fields[21]) * _PAGE, pss, cpu)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(child: Child, ready: Callable[[], bool], seconds: float, step: float = 0.01) -> None:
    """Call ``ready`` until it is true. Raises ``Unavailable`` if the child dies or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        child.check()
        if time.monotonic() > deadline:
            raise Unavailable(f"{child.name} did not answer within {seconds:.0f} s: {child.last_words()}")
        time.sleep(step)
