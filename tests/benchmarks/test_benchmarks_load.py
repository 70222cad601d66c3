"""The load generator and the judge of streams against a real engine stand-in, and against hostile servers."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from benchmarks import bodies
from benchmarks.contenders import Address, engine_command
from benchmarks.environments import ROOT
from benchmarks.openloop import Exchange, Load, request_bytes
from benchmarks.processes import Children, Unavailable, cpu_seconds, free_port, wait_for, weigh
from benchmarks.standing import engine_answer
from benchmarks.streams import hold


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Address]:
    port = free_port()
    with Children(tmp_path) as children:
        child = children.start("engine", engine_command(port, 0.02), cwd=ROOT)
        assert engine_answer(Address(port), child)
        yield Address(port)


def test_every_request_leaves_and_is_answered(engine: Address) -> None:
    load = Load(engine, bodies.chat(engine.model), streams=False)
    exchanges = uvloop.run(load.run(rate=200.0, count=40, patience=10.0))
    assert [exchange.answered for exchange in exchanges] == [True] * 40
    gaps = {round(b.intended - a.intended, 6) for a, b in itertools.pairwise(exchanges)}
    assert gaps == {0.005}


def test_first_token_comes_before_the_end(engine: Address) -> None:
    load = Load(engine, bodies.chat(engine.model, stream=True, max_tokens=3), streams=True)
    (exchange,) = uvloop.run(load.run(rate=100.0, count=1, patience=10.0))
    assert exchange.intended < exchange.first < exchange.done


def test_streams_are_held_at_once_and_judged(engine: Address) -> None:
    held = uvloop.run(hold(engine, 20, tokens=15, interval=0.02, ramp=0.1))
    assert (held.whole, held.reasons) == (20, {})
    assert held.open_at_once > 1


def test_a_stream_shorter_than_asked_does_not_count(engine: Address) -> None:
    # Another body asks for fewer tokens than the judge expects.
    load = Load(engine, bodies.chat(engine.model, stream=True, max_tokens=2), streams=True)
    (exchange,) = uvloop.run(load.run(rate=100.0, count=1, patience=10.0))
    from benchmarks.streams import _judge

    assert _judge(exchange, 3, set()) == "tokens lost"


def serve_once(answer: bytes) -> list[Exchange]:
    """One request to a server that says ``answer`` and hangs up."""

    async def main() -> list[Exchange]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await Load(Address(port), b"{}", streams=False).run(rate=100.0, count=1, patience=3.0)
        finally:
            server.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "connection lost"),
        (b"garbage\r\n\r\n", "bad HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "connection lost"),
    ],
)
def test_a_bad_answer_is_an_error_and_not_an_answer(answer: bytes, error: str) -> None:
    (exchange,) = serve_once(answer)
    assert exchange.error.startswith(error)
    assert not exchange.answered


def test_a_refusal_is_no_answer() -> None:
    (exchange,) = serve_once(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    assert (exchange.status, exchange.answered) == (503, False)


def test_nobody_listening_is_an_error() -> None:
    load = Load(Address(free_port()), b"{}", streams=False)
    exchanges = asyncio.run(load.run(rate=100.0, count=3, patience=3.0))
    assert all(exchange.error.startswith("no connection") for exchange in exchanges)


def test_a_request_carries_the_contenders_headers() -> None:
    address = Address(80, "/p", "m", {"authorization": "Bearer x"})
    head, _, body = request_bytes(address, "é".encode()).partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /p HTTP/1.1"
    assert b"content-length: 2" in head
    assert b"authorization: Bearer x" in head
    assert body == "é".encode()


def test_bodies_are_about_half_a_kilobyte() -> None:
    for text in (bodies.PLAIN, bodies.PERSONAL):
        assert 400 <= len(bodies.chat("bench", text=text)) <= 700


def test_children_end_with_the_block_also_grandchildren(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).wait()"
    with Children(tmp_path) as children:
        child = children.start("nest", [sys.executable, "-c", script])
        wait_for(child, lambda: len(weigh(child)) == 2, 20.0)
        assert all(weight.rss > 0 for weight in weigh(child))
        assert cpu_seconds(child) >= 0
    assert child.process.returncode is not None
    assert weigh(child) == []


def test_a_contender_that_dies_says_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("dead", [sys.executable, "-c", "raise SystemExit('no such model')"])
        with pytest.raises(Unavailable, match="no such model"):
            wait_for(child, lambda: False, 20.0)


def test_a_contender_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("mute", [sys.executable, "-c", "import time; time.sleep(60)"])
        with pytest.raises(Unavailable, match="did not answer"):
            wait_for(child, lambda: False, 0.1)


def test_the_harness_leaves_nobody_behind_when_interrupted(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom benchmarks.processes import Children\n"
        "with Children(Path(sys.argv[1])) as children:\n"
        "    child = children.start('sleeper', [sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "    print(child.process.pid, flush=True)\n    time.sleep(60)\n"
    )
    harness = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert harness.stdout is not None
    with harness.stdout:
        pid = int(harness.stdout.readline())
    harness.kill()  # no finally runs: the kernel must end the child
    harness.wait()
    for _ in range(1000):
        if not _alive(pid):
            return
        subprocess.run(["sleep", "0.01"], check=True)
    pytest.fail("the child still runs")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
