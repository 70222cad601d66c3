"""kill −9 while requests flow: nothing acknowledged is lost, every receipt verifies, the service comes back."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from contextlib import closing

import psutil
import pytest

from tests.cli.cli_parts import Crowd, Laptop, Traffic, children, eventually
from tests.running import RIAD, RunningRiad


def gone(process: psutil.Process) -> bool:
    """Ended, though whoever adopted it may not have noticed yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def replaced(riad: RunningRiad, module: str, before: list[psutil.Process]) -> bool:
    pids = {process.pid for process in children(riad, module)}
    return len(pids) == len(before) and pids != {process.pid for process in before}


def test_a_worker_is_killed(crowd: Crowd) -> None:
    with Traffic(crowd.riad, crowd.key, "rabat-echo") as traffic:
        for _ in range(2):
            workers = children(crowd.riad, "gateway.worker")
            workers[0].kill()
            eventually(lambda before=workers: replaced(crowd.riad, "gateway.worker", before))
            traffic.flow(30)
    traffic.check()
    assert set(traffic.statuses) == {200}
    eventually(lambda: len(children(crowd.riad, "gateway.worker")) == 2)


def test_the_ledgers_owner_is_killed(crowd: Crowd) -> None:
    """Without evidence no answer, and nothing but 503 in the meantime."""
    with Traffic(crowd.riad, crowd.key, "rabat-echo") as traffic:
        for _ in range(2):
            owner = children(crowd.riad, "ledger.owner")
            owner[0].kill()
            eventually(lambda before=owner: replaced(crowd.riad, "ledger.owner", before))
            traffic.flow(30)
    traffic.check()
    assert set(traffic.statuses) <= {200, 503}
    assert set(traffic.codes) <= {"ledger_unavailable"}
    assert traffic.broken == 0
    # What was under way when it died is closed too: outcomes wait for the ledger to come back.
    decided = {name.partition("-")[2] for name in traffic.receipts}
    eventually(lambda: decided <= {entry["id"] for entry in crowd.riad.entries() if entry["kind"] == "outcome"})


def test_every_process_but_the_supervisor_is_killed_at_once(crowd: Crowd) -> None:
    with Traffic(crowd.riad, crowd.key, "rabat-echo", stream=True) as traffic:
        workers, owner = children(crowd.riad, "gateway.worker"), children(crowd.riad, "ledger.owner")
        for process in [*workers, *owner]:
            process.kill()
        eventually(lambda: replaced(crowd.riad, "ledger.owner", owner))
        traffic.flow(20)
    traffic.check()


def test_the_engine_is_killed(laptop: Laptop) -> None:
    """A request in flight gets a clear error; the engine is started again and serves."""
    with Traffic(laptop, laptop.key(), "smollm2-135m", threads=2, max_tokens=4) as traffic:
        engine = children(laptop, "engines.embedded")
        assert len(engine) == 1
        engine[0].kill()
        eventually(lambda: replaced(laptop, "engines.embedded", engine))
        traffic.flow(5)
    traffic.check()
    assert set(traffic.statuses) <= {200, 502, 503}
    assert set(traffic.codes) <= {"engine_disconnected", "engine_unreachable", "no_site_available", "engine_failed"}
    assert traffic.broken == 0
    laptop.wait_ready()


def test_the_supervisor_is_killed(laptop: Laptop) -> None:
    """Its children end by themselves, and a new one takes over the same directory at once."""
    assert laptop.process is not None
    assert laptop.process.stdout is not None
    below = psutil.Process(laptop.process.pid).children(recursive=True)
    assert len(below) == 3
    key = laptop.key()
    with Traffic(laptop, key, "smollm2-135m", threads=2, max_tokens=4) as traffic:
        laptop.process.kill()
        laptop.process.wait()
        laptop.process.stdout.close()
        laptop.start()
        eventually(lambda: all(gone(process) for process in below))
        traffic.flow(5)
    traffic.check()


def test_a_stream_that_ctrl_c_cuts_is_accounted_for(crowd: Crowd) -> None:
    """Requests under way are given ten seconds; one that takes longer is told so, and its outcome is recorded."""
    riad = crowd.riad
    body = json.dumps({"model": "rabat-slow", "stream": True, "messages": [{"role": "user", "content": "go on"}]})
    assert riad.process is not None
    with closing(http.client.HTTPConnection("127.0.0.1", riad.port, timeout=60)) as connection:
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {crowd.key}"})
        response = connection.getresponse()
        assert response.read(100)
        riad.process.send_signal(signal.SIGINT)
        rest = response.read()
    assert riad.process.wait(60) == 0
    assert riad.process.stdout is not None
    riad.process.stdout.close()
    assert b"[DONE]" not in rest
    assert json.loads(rest.rpartition(b"data: ")[2])["error"]["code"] == "stopping"
    riad.start()
    outcome = riad.of_request(response.headers["x-request-id"])[-1]
    assert (outcome["kind"], outcome["status"]) == ("outcome", "stopping")
    assert outcome["tokens"]["completion"] > 0


@pytest.mark.parametrize(("number", "pause"), [(signal.SIGINT, 0.3), (signal.SIGTERM, 0.9)])
def test_it_can_be_stopped_while_it_starts(crowd: Crowd, number: int, pause: float) -> None:
    command = [*RIAD, "up", "--port", "0", "--config", str(crowd.riad.config)]
    environment = {**os.environ, "RIAD_DATA_DIR": str(crowd.riad.data_dir.parent / f"other-{number}")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # its first step is under way
        time.sleep(pause)
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(30) == 0
