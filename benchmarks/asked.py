"""A peer's program in an environment and a process of its own: asked one line of JSON, answers one."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.processes import Unavailable, die_with_parent


class Asked:
    """The process. A context manager: it ends with the block, and with us."""

    def __init__(self, environment: Path, program: str) -> None:
        """Run ``benchmarks/PROGRAM`` with the Python of ``environment``, which sees nothing of ours."""
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [str(environment / "bin" / "python"), "-P", "-W", "ignore", str(Path(__file__).with_name(program))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"},
            preexec_fn=die_with_parent,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._words.close()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises ``Unavailable`` with its last words when it ended instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._words.seek(0)
            words = self._words.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise Unavailable(f"it ended with {self._process.wait()}: {words[-1][:200]}")
        answer: dict[str, Any] = json.loads(line)
        return answer
