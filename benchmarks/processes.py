"""Child processes: started in a session of their own, weighed with their families, and all gone at the end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
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
    born: int  # clock ticks since boot: with the pid, who it is
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
        """Ask it to end; after ``patience`` seconds end it, and in any case every process it started."""
        family = {(weight.pid, weight.born) for weight in weigh(self)}
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        deadline = time.monotonic() + 5.0
        while left := [one for one in _table().values() if (one.pid, one.born) in family]:
            for one in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
            self.process.poll()
            if time.monotonic() > deadline:
                break
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
                preexec_fn=die_with_parent,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child


def end_cleanly() -> None:
    """Let Ctrl-C and a polite kill unwind the stack, so that ``Children`` ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored


def die_with_parent() -> None:
    """For ``preexec_fn``: the parent's own end by kill -9 runs no finally, and the kernel then ends the child."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def weigh(child: Child) -> list[Weight]:
    """The child and every process it started, or they started, the busiest first."""
    found = [weight for one in _family(child.process.pid) if (weight := _weigh_one(one)) is not None]
    return sorted(found, key=lambda weight: -weight.cpu)


def cpu_seconds(child: Child) -> float:
    """CPU time used so far by the child and its family."""
    return sum(one.cpu for one in _family(child.process.pid))


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    born: int
    cpu: float
    rss: int


def _family(pid: int) -> list[_Process]:
    table = _table()
    family: list[_Process] = []
    wanted = {pid}
    while found := [one for one in table.values() if one.pid in wanted or one.parent in wanted]:
        family += found
        wanted = {one.pid for one in found}
        for one in found:
            del table[one.pid]
    return family


def _table() -> dict[int, _Process]:
    """Every process that isn't a zombie."""
    table: dict[int, _Process] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path(f"/proc/{entry}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        fields = text.rpartition(")")[2].split()  # the name in parentheses may hold anything: split after it
        if fields[0] != "Z":
            cpu = (int(fields[11]) + int(fields[12])) / _TICK
            table[int(entry)] = _Process(int(entry), int(fields[1]), int(fields[19]), cpu, int(fields[21]) * _PAGE)
    return table


def _weigh_one(one: _Process) -> Weight | None:
    try:
        command = Path(f"/proc/{one.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        rollup = Path(f"/proc/{one.pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    pss = sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return Weight(one.pid, one.born, command, one.rss, pss, one.cpu)


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
