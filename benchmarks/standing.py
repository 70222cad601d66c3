"""A contender that runs: started, timed, and shown to really carry requests to the engine before it is measured."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import bodies
from benchmarks.contenders import Address, Contender, Riad
from benchmarks.environments import ROOT
from benchmarks.processes import Child, Children, Unavailable, Weight, wait_for, weigh
from benchmarks.streams import hold


@dataclass
class Standing:
    """A contender with its process and its address."""

    contender: Contender
    version: str
    child: Child
    address: Address
    starts: list[float] = field(default_factory=list)  # seconds from start to first answer
    idle: list[Weight] = field(default_factory=list)
    after: list[Weight] = field(default_factory=list)


def raise_up(contender: Contender, children: Children, engine_port: int, expected: str, times: int) -> Standing:
    """Start it ``times`` times, each until the first right answer, and leave the last one running.

    ``expected`` is the engine's answer: a gateway that says anything else isn't carrying requests to the engine.
    Raises ``Unavailable``.
    """
    version = contender.prepare()
    contender.furnish(children.folder, engine_port)
    starts: list[float] = []
    for turn in range(times):
        began = time.perf_counter()
        child, address = contender.start(children, children.folder, engine_port)
        wait_for(child, lambda address=address: _answer(address)[0] == expected, contender.patience)  # type: ignore[misc]
        starts.append(time.perf_counter() - began)
        if turn < times - 1:
            child.stop()
    standing = Standing(contender, version, child, address, starts)
    try:
        _prove(standing)
    except Unavailable:
        child.stop()
        raise
    time.sleep(1.0)
    standing.idle = weigh(child)
    return standing


def engine_answer(address: Address, child: Child) -> str:
    """What the engine stand-in answers, once it does."""
    wait_for(child, lambda: _answer(address)[0] != "", 20.0)
    return _answer(address)[0]


def _prove(standing: Standing) -> None:
    """A stream comes through token by token, and Riad hands out a receipt: else it isn't what the table says it is."""
    held = uvloop.run(hold(standing.address, 2, tokens=3, interval=0.2, ramp=0.1))
    if held.whole != held.asked:
        raise Unavailable(f"streams do not come through: {', '.join(held.reasons)}")
    if isinstance(standing.contender, Riad) and not _answer(standing.address)[1].get("x-riad-receipt"):
        raise Unavailable("its answers carry no receipt")


def _answer(address: Address) -> tuple[str, dict[str, str]]:
    """The text of one chat completion and the headers; an empty text when there is no good answer."""
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=10)
    try:
        headers = {"content-type": "application/json", **address.headers}
        connection.request("POST", address.path, bodies.chat(address.model), headers)
        response = connection.getresponse()
        document = json.loads(response.read())
        received = {name.lower(): value for name, value in response.getheaders()}
        return str(document["choices"][0]["message"]["content"]), received
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return "", {}
    finally:
        connection.close()


def ledger_size(standing: Standing) -> int:
    """How many entries Riad's ledger holds, by its signed checkpoint (second line of a C2SP checkpoint)."""
    connection = http.client.HTTPConnection("127.0.0.1", standing.address.port, timeout=10)
    try:
        connection.request("GET", "/ledger/checkpoint", headers=standing.address.headers)
        return int(connection.getresponse().read().split(b"\n")[1])
    finally:
        connection.close()


def total_rss(weights: list[Weight]) -> float:
    """Resident memory of all processes together, in MB (2**20)."""
    return sum(weight.rss for weight in weights) / 2**20


def described(weights: list[Weight], folder: Path) -> list[dict[str, object]]:
    """The processes for the results file, without this machine's paths."""
    return [
        {
            "command": weight.command.replace(str(folder), "…").replace(str(ROOT), "…")[:80],
            "rss_mb": round(weight.rss / 2**20, 1),
            "pss_mb": round(weight.pss / 2**20, 1),
            "cpu_s": round(weight.cpu, 2),
        }
        for weight in weights
    ]
