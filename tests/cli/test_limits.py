"""Keys and limits, made on the command line beside a platform that runs, hold on each of its workers at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pytest

from tests.cli.cli_parts import Crowd, children

Lines = dict[http.client.HTTPConnection, int]


@pytest.fixture
def lines(crowd: Crowd) -> Iterator[Lines]:
    """Open connections, at least three to each worker, and whose each is."""
    workers = children(crowd.riad, "gateway.worker")
    assert len(workers) == 2
    held: Lines = {}
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            counted = Counter(held.values())
            if all(counted[worker.pid] >= 3 for worker in workers):
                yield held
                return
            line = stack.enter_context(
                contextlib.closing(http.client.HTTPConnection("127.0.0.1", crowd.riad.port, timeout=20))
            )
            line.request("GET", "/healthz")
            line.getresponse().read()
            port = line.sock.getsockname()[1]
            for worker in workers:
                if any(end.raddr and end.raddr.port == port for end in worker.net_connections("tcp")):
                    held[line] = worker.pid
    raise AssertionError("one worker takes every connection")


def ask(line: http.client.HTTPConnection, key: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"model": "rabat-echo", "messages": [{"role": "user", "content": "hi"}]})
    line.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    response = line.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def test_a_key_works_at_once_on_every_worker(crowd: Crowd, lines: Lines) -> None:
    made = crowd.riad.command("keys", "create", "--tenant", "acme", "--project", "p", "--purpose", "customer_support",
                              "--legal-basis", "consent", "--max-persons", "personal", "--max-state", "none",
                              "--locality", "national")  # fmt: skip
    assert [ask(line, made["key"])[0] for line in lines] == [200] * len(lines)


def test_a_revoked_key_is_refused_by_every_worker_within_a_second(crowd: Crowd, lines: Lines) -> None:
    """The promise holds however slow the machine: what begins a second after the command has ended is refused."""
    key = crowd.riad.key()
    assert all(ask(line, key)[0] == 200 for line in lines)
    served: dict[int, float] = {}  # by worker: when the last request that was served began
    refused: Counter[int] = Counter()
    stop = threading.Event()

    def keep_asking(line: http.client.HTTPConnection, worker: int) -> None:
        while not stop.is_set():
            began = time.monotonic()
            status, _, raw = ask(line, key)
            if status == 200:
                served[worker] = max(served.get(worker, 0.0), began)
            else:
                assert (status, json.loads(raw)["error"]["code"]) == (401, "invalid_api_key")
                refused[worker] += 1
            time.sleep(0.02)

    threads = [threading.Thread(target=keep_asking, args=pair) for pair in lines.items()]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    crowd.riad.command("keys", "revoke", key)
    revoked = time.monotonic()
    time.sleep(1.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(served) == set(refused) == set(lines.values())
    assert max(served.values()) - revoked <= 1.0


def test_requests_a_minute_hold_across_workers(crowd: Crowd, lines: Lines) -> None:
    key = crowd.riad.key("--requests-per-minute", "10")
    if time.time() % 60 > 50:  # the minutes are the clock's: twenty requests must fall into one
        time.sleep(60 - time.time() % 60)
    answers = [ask(line, key) for line, _ in zip(cycle(lines), range(20), strict=False)]
    assert Counter(status for status, _, _ in answers) == {200: 10, 429: 10}
    for status, headers, raw in answers:
        assert headers["x-ratelimit-limit-requests"] == "10"
        assert 0 <= int(headers["x-ratelimit-remaining-requests"]) < 10
        assert headers["x-ratelimit-reset-requests"].endswith("s")
        if status == 429:
            error = json.loads(raw)["error"]
            assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
            assert 1 <= int(headers["retry-after"]) <= 60
            assert headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_a_day_hold_across_workers(crowd: Crowd, stream: bool) -> None:
    """Twelve tokens a request, 24 a day: after what was under way in the last second, nothing more."""
    key = crowd.riad.key("--tokens-per-day", "24")
    served = 0
    for _ in range(20):
        status, headers, answer = crowd.riad.chat(key, "rabat-echo", "hi", stream=stream)
        assert headers["x-ratelimit-limit-tokens"] == "24"
        if status == 429:
            break
        served += 1
        time.sleep(0.3)
    assert status == 429
    assert answer["error"]["code"] == "insufficient_quota"
    assert 1 <= int(headers["retry-after"]) <= 86400
    assert 2 <= served < 10
    time.sleep(1.5)  # the other worker may be a second behind: that bound is the promise
    assert all(crowd.riad.chat(key, "rabat-echo", "hi")[0] == 429 for _ in range(6))
