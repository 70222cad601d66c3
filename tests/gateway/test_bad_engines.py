"""Engines that hang, die, lie and stammer; clients that leave; and what the ledger says of it afterwards."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

import pytest

from tests.running import House, RunningRiad


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("hang", 504, "engine_timeout"),
        ("die", 502, None),
        ("html", 502, "engine_bad_response"),
        ("500", 502, "engine_failed"),
        ("garbage", 502, "engine_bad_response"),
        ("429", 429, "site_at_limit"),
        ("400", 400, "engine_refused"),
    ],
)
def test_a_bad_engine_is_a_clear_error_and_is_recorded(
    house: House, key: str, model: str, status: int, code: str | None
) -> None:
    got, headers, answer = house.riad.chat(key, f"rabat-{model}", "hi")
    assert got == status, answer
    error = answer["error"]
    assert error["message"]
    assert error["code"] == (code or error["code"])
    entries = house.riad.of_request(headers["x-request-id"])
    assert [entry["kind"] for entry in entries] == ["decision", "outcome"]
    assert entries[1]["status"] == error["code"]
    assert entries[1]["decision"] == house.riad.entries().index(entries[0])
    if model == "429":
        assert headers["retry-after"] == "3"
    if model == "400":
        assert "scripted 400" in error["message"]


@pytest.mark.parametrize("model", ["die", "half", "hang", "html", "500"])
def test_a_stream_that_breaks_says_so(riad: RunningRiad, key: str, model: str) -> None:
    status, _, raw = riad.chat(key, f"rabat-{model}", "a rather long text that is cut", stream=True)
    if status == 200:  # it had begun: the error comes as an event, and no [DONE] is invented
        assert b"[DONE]" not in raw
        assert b'"error"' in raw.rpartition(b"data: ")[2]
    else:
        assert status in (502, 504)


def test_a_client_that_leaves_a_stream_cancels_the_engine(house: House, key: str) -> None:
    left = house.rabat.log()["left"]
    body = json.dumps(
        {"model": "rabat-slow", "stream": True, "messages": [{"role": "user", "content": "go on"}]}
    ).encode()
    connection = http.client.HTTPConnection("127.0.0.1", house.riad.port, timeout=10)
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    request_id = response.headers["x-request-id"]
    assert response.read(200)
    connection.close()
    response.close()
    _eventually(lambda: house.rabat.log()["left"] > left)
    outcome = house.riad.of_request(request_id)[-1]
    assert outcome["status"] == "client_gone"
    assert outcome["tokens"]["completion"] > 0


def test_a_client_that_leaves_before_the_answer_cancels_the_engine(house: House, key: str) -> None:
    left = house.rabat.log()["left"]
    body = json.dumps({"model": "rabat-hang", "messages": [{"role": "user", "content": "hi"}]}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", house.riad.port, timeout=10)
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    time.sleep(0.3)
    connection.close()
    _eventually(lambda: house.rabat.log()["left"] > left)


def test_nothing_leaks_between_requests_under_way(house: House, key: str) -> None:
    """Sixty masked streams at once: each caller gets its own name back, and nobody else's."""
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        text = f"smiti Fatima Alaoui, CIN AB{100000 + number}, tel 06612{number:05d}"
        _, _, raw = house.riad.chat(key, "paris-echo", text, stream=True)
        parts = [json.loads(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: {")]
        answers[number] = "".join(c["delta"].get("content") or "" for p in parts for c in p["choices"])
        assert answers[number] == text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for number in range(60):
        assert answers[number] == f"smiti Fatima Alaoui, CIN AB{100000 + number}, tel 06612{number:05d}"


def test_every_request_is_in_the_ledger(house: House, key: str) -> None:
    ids = [house.riad.chat(key, "rabat-echo", "hi")[1]["x-request-id"] for _ in range(40)]
    _eventually(lambda: {e["id"] for e in house.riad.entries() if e["kind"] == "outcome"} >= set(ids))
    decided = [entry["id"] for entry in house.riad.entries() if entry["kind"] == "decision"]
    assert all(decided.count(number) == 1 for number in ids)


def _eventually(true: Any, seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
