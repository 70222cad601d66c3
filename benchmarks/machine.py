"""Where a measurement was made: without it a number means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path


def facts() -> dict[str, object]:
    """Processor, cores, memory, kernel, Python, commit and load when the run began."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def sentence(machine: dict[str, object]) -> str:
    """The same, for the head of a table."""
    return (
        f"{machine['date']} · {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB · "
        f"{machine['system']} · Python {machine['python']} · commit {machine['commit']}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"
