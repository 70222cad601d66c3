"""As many requests as 32 connections carry: wrk, a load generator in C, steered by a small script."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import Address
from benchmarks.environments import system_program

# wrk reports in microseconds; Lua has no JSON, so the line is put together by hand.
_DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  local line = 'RESULT {"requests":%d,"seconds":%.6f,"failed":%d,"refused":%d,"p50_ms":%.4f,"p99_ms":%.4f}\\n'
  io.write(line:format(summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Round:
    """One round: answers a second, how long one took (ms), and what went wrong."""

    requests: int
    seconds: float
    failed: int
    refused: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return (self.requests - self.refused) / self.seconds


def wrk_version() -> str:
    """wrk's version. Raises ``Unavailable`` when there is none."""
    answer = subprocess.run([system_program("wrk"), "-v"], capture_output=True, text=True, check=False)
    return answer.stdout.split("[")[0].strip()


def drive(address: Address, body: bytes, folder: Path, *, connections: int, seconds: float) -> Round:
    """Send ``body`` over and over on ``connections`` connections for ``seconds``, each as soon as it is answered."""
    script = folder / "wrk.lua"
    payload = folder / "wrk-body.json"
    payload.write_bytes(body)
    headers = {"content-type": "application/json", **address.headers}
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
    reading = f'wrk.method = "POST"\nwrk.body = io.open({json.dumps(str(payload))}, "rb"):read("*a")\n'
    script.write_text(reading + "\n".join(lines) + _DONE)
    url = f"http://127.0.0.1:{address.port}{address.path}"
    command = [system_program("wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    answer = subprocess.run(
        [*command, "-s", str(script), url], capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    for line in answer.stdout.splitlines():
        if line.startswith("RESULT "):
            return Round(**json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk gave no result: {(answer.stderr or answer.stdout).strip()[-300:]}")
