"""The stand-in for a provider abroad: what it counts, what it keeps, and that it never passes for a model."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_processes import KEY, MODEL, Started, asking, command, engine, environment, headers, raw, started

STANDIN = "riad.sites.standin"
PROMPT = "Write: Dear [PERSON_1], your CIN is [CIN_1]."


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Started]:
    said = tmp_path / "stderr"
    with started(STANDIN, "--port", 0, "--label", "US cloud", "--model", "american-model", said=said) as ready:
        yield ready
    assert said.read_bytes() == b""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with engine(tmp_path_factory.mktemp("engine") / "stderr", "--context", 1024, "--parallel", 2) as ready:
        yield ready


@pytest.fixture
def european(behind: Started, tmp_path: Path) -> Iterator[Started]:
    given = ["--port", 0, "--label", "European cloud", "--model", "european-model"]
    real = ["--engine-url", f"{behind.url}/v1", "--engine-key-env", "RIAD_ENGINE_KEY", "--served-as", MODEL]
    with started(STANDIN, *given, *real, said=tmp_path / "stderr") as ready:
        yield ready


def seen(standin: Started) -> dict:
    return standin.call("GET", "/stand-in").json()


def test_it_starts_with_nothing_seen_and_looking_is_not_counted(scripted: Started) -> None:
    scripted.call("GET", "/v1/models")
    scripted.call("GET", "/nothing")
    assert seen(scripted) == {"label": "US cloud", "requests": 0, "last_path": "", "last_body": ""}


def test_it_keeps_the_exact_body(scripted: Started) -> None:
    body = '{"model": "american-model",  "messages":[{"role":"user","content":"سلام é \\u00e9"}]}\n'
    scripted.call("POST", "/v1/chat/completions", b'{"messages": []}')
    scripted.call("POST", "/v1/chat/completions", body.encode())
    assert seen(scripted) == {
        "label": "US cloud", "requests": 2, "last_path": "/v1/chat/completions", "last_body": body,
    }  # fmt: skip


def test_every_answer_is_labelled(scripted: Started) -> None:
    for method, path, body in (
        ("GET", "/stand-in", None), ("GET", "/v1/models", None), ("GET", "/nothing", None),
        ("POST", "/v1/chat/completions", asking("Hello")), ("POST", "/v1/chat/completions", b"{"),
        ("POST", "/nothing", {}),
    ):  # fmt: skip
        assert scripted.call(method, path, body).headers["x-stand-in"] == "US cloud"


def test_a_scripted_answer_says_that_it_is_one_and_repeats_the_placeholders(scripted: Started) -> None:
    answer = scripted.call("POST", "/v1/chat/completions", asking(PROMPT)).json()
    text = answer["choices"][0]["message"]["content"]
    assert "a stand-in, not a model" in text
    assert re.findall(r"\[\w+\]", text) == ["[PERSON_1]", "[CIN_1]"]
    assert answer["model"] == "american-model"
    assert answer["usage"]["total_tokens"] > 0


def test_a_scripted_stream_cuts_placeholders_and_ends_as_asked(scripted: Started) -> None:
    whole = scripted.call("POST", "/v1/chat/completions", asking(PROMPT)).json()
    body = asking(PROMPT, stream=True, stream_options={"include_usage": True})
    *events, last, usage = scripted.call("POST", "/v1/chat/completions", body).events()
    pieces = [event["choices"][0]["delta"]["content"] for event in events]
    assert "".join(pieces) == whole["choices"][0]["message"]["content"]
    assert not any("[PERSON_1]" in piece for piece in pieces)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]
    without = scripted.call("POST", "/v1/chat/completions", asking(PROMPT, stream=True)).events()
    assert all(event["choices"] for event in without)


def test_the_other_shapes_of_a_request(scripted: Started) -> None:
    plain = scripted.call("POST", "/v1/completions", {"prompt": "[PERSON_1]"}).json()
    assert plain["choices"][0]["text"].endswith("[PERSON_1]")
    stream = scripted.call("POST", "/v1/completions", {"prompt": ["a", "b"], "stream": True}).events()
    assert "".join(event["choices"][0]["text"] for event in stream).endswith("a b")
    parts = [{"role": "user", "content": [{"type": "text", "text": "[CIN_1]"}]}, {"role": "assistant", "content": "x"}]
    answer = scripted.call("POST", "/v1/chat/completions", {"messages": parts}).json()
    assert answer["choices"][0]["message"]["content"].endswith("[CIN_1]")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b"{oops", 400),
        ("/v1/chat/completions", b"[1]", 400),
        ("/v1/chat/completions", b'{"messages": "Hello"}', 400),
        ("/v1/chat/completions", b'{"messages": [{"role": "user", "content": "\xff"}]}', 400),
        ("/v1/chat/completions", b"[" * 100_000, 400),
        ("/v1/chat/completions", b"", 400),
        ("/v1/embeddings", b'{"input": "x"}', 404),
        ("/v1/chat/completions", b" " * (33 * 1024 * 1024), 413),
    ],
)
def test_bad_input_is_refused_counted_and_survived(scripted: Started, path: str, body: bytes, status: int) -> None:
    answer = scripted.call("POST", path, body)
    assert answer.status == status
    assert answer.json()["error"]["message"]
    assert seen(scripted)["requests"] == 1
    assert scripted.call("POST", "/v1/chat/completions", asking("Hello")).status == 200


def test_a_body_that_breaks_off_still_counts(scripted: Started) -> None:
    connection = scripted.connect()
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("content-length", "1000")
    connection.endheaders(b'{"messages": [{"role": "user", "content": "Fatima')
    connection.close()
    deadline = time.monotonic() + 15
    while "Fatima" not in seen(scripted)["last_body"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen(scripted)["requests"] == 1
    assert seen(scripted)["last_body"].endswith("Fatima")


# With a real engine behind it.


def test_it_passes_on_what_the_engine_says(european: Started, behind: Started) -> None:
    body = asking(PROMPT, model="european-model")
    through, straight = (one.call("POST", "/v1/chat/completions", body).json() for one in (european, behind))
    assert through["choices"] == straight["choices"]
    assert "[PERSON_1]" in through["choices"][0]["message"]["content"]
    assert json.loads(seen(european)["last_body"]) == body


def test_it_streams_through(european: Started) -> None:
    body = asking(PROMPT, stream=True, max_tokens=80, ignore_eos=True)
    connection = european.connect()
    connection.request("POST", "/v1/chat/completions", raw(body), headers(None))
    response = connection.getresponse()
    assert response.getheader("content-type", "").startswith("text/event-stream")
    assert response.getheader("x-stand-in") == "European cloud"
    assert response.read1(65536).count(b"data:") < 80, "the first bytes came only with the last"
    rest = response.read()
    connection.close()
    assert rest.endswith(b"data: [DONE]\n\n")


def test_the_engines_refusal_comes_through(european: Started) -> None:
    answer = european.call("POST", "/v1/chat/completions", asking("word " * 3000))
    assert answer.status == 400
    assert "context" in answer.json()["error"]["message"]
    assert answer.headers["x-stand-in"] == "European cloud"


def test_a_caller_who_leaves_stops_the_engine(european: Started, behind: Started) -> None:
    def busy() -> int:
        fields = Path(f"/proc/{behind.process.pid}/stat").read_text().split()
        return int(fields[13]) + int(fields[14])

    connection = european.connect()
    body = asking("Tell a long story.", stream=True, max_tokens=900, ignore_eos=True)
    connection.request("POST", "/v1/chat/completions", raw(body), headers(None))
    response = connection.getresponse()
    assert response.read1(20)
    response.close()
    connection.close()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        before = busy()
        time.sleep(0.3)
        if busy() - before <= 3:
            return
    pytest.fail("the engine still works for nobody")


def test_a_dead_engine_is_a_clear_error(tmp_path: Path) -> None:
    given = ["--port", 0, "--label", "European cloud", "--model", "m", "--engine-url", "http://127.0.0.1:9/v1"]
    with started(STANDIN, *given, said=tmp_path / "stderr") as ready:
        answer = ready.call("POST", "/v1/chat/completions", asking("Hello"))
        assert answer.status == 502
        assert answer.json()["error"]["code"] == "engine_unreachable"
        assert seen(ready)["requests"] == 1


# Its process.


def test_it_stops_when_told_and_with_its_parent(tmp_path: Path) -> None:
    given = ["--port", 0, "--label", "US cloud", "--model", "m"]
    with started(STANDIN, *given, said=tmp_path / "stderr") as ready:
        connection = ready.connect()
        connection.request("GET", "/stand-in")
        connection.getresponse().read()
        ready.process.send_signal(signal.SIGTERM)
        assert ready.process.wait(15) == 0
        connection.close()
    parent = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); sys.stdin.readline()"
    with subprocess.Popen(
        [sys.executable, "-c", parent, *command(STANDIN, *given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        process.kill()
        # The stand-in holds the other end of this pipe: it ends when that process does.
        assert process.stdout.read() == ""


def test_what_it_says_when_it_cannot_start(scripted: Started) -> None:
    port = scripted.url.rpartition(":")[2]

    def failed(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = command(STANDIN, "--label", "x", "--model", "m", *arguments)
        return subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=60, check=False)

    taken = failed("--port", port)
    assert (taken.returncode, taken.stdout) == (1, "")
    assert taken.stderr == f"riad: Port {port} on 127.0.0.1 is taken. Choose another port.\n"
    assert failed("--port", "http").returncode == 2
    nowhere = failed("--port", "0", "--engine-url", "nowhere")
    assert nowhere.returncode == 2
    assert "nowhere" in nowhere.stderr


def test_the_engines_key_stays_with_the_engine(european: Started) -> None:
    answer = european.call("POST", "/v1/chat/completions", asking("Hello"), key="the-callers-own-key")
    assert answer.status == 200
    assert KEY not in answer.body.decode() + json.dumps(seen(european)) + json.dumps(answer.headers)
