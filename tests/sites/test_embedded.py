"""The embedded engine with its real weights, over real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_processes import EMBEDDED, KEY, MODEL, Started, asking, command, engine, environment, headers, raw, weights

SECRET = "Fatima-Zahra-BK123456"


@pytest.fixture(scope="module")
def riad_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with engine(tmp_path_factory.mktemp("engine") / "stderr", "--context", 1024, "--parallel", 2) as ready:
        yield ready


def gone(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


def soon(condition: object, seconds: float = 15) -> bool:
    """Whether it becomes true before a generous deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def failed(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(EMBEDDED, *arguments), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


# What it answers.


def test_a_chat_is_answered_and_counted(riad_engine: Started) -> None:
    answer = riad_engine.call("POST", "/v1/chat/completions", asking("Repeat: Dear [PERSON_1],")).json()
    assert answer["model"] == MODEL
    assert "[PERSON_1]" in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0


def test_the_same_question_has_the_same_answer_whatever_was_asked_between(riad_engine: Started) -> None:
    first = riad_engine.call("POST", "/v1/chat/completions", asking("Name a colour.", temperature=1, seed=7)).json()
    riad_engine.call("POST", "/v1/chat/completions", asking("Name a city."))
    again = riad_engine.call("POST", "/v1/chat/completions", asking("Name a colour.", temperature=1, seed=7)).json()
    assert again["choices"] == first["choices"]


def test_a_stream_says_what_the_whole_answer_says_and_counts_it(riad_engine: Started) -> None:
    whole = riad_engine.call("POST", "/v1/chat/completions", asking("Count to five.")).json()
    body = asking("Count to five.", stream=True, stream_options={"include_usage": True})
    events = riad_engine.call("POST", "/v1/chat/completions", body).events()
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == whole["usage"]
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events[:-1])
    assert text == whole["choices"][0]["message"]["content"]


def test_an_answer_can_be_held_to_a_schema(riad_engine: Started) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
    body = asking("A city of Morocco.", response_format=form, max_tokens=60)
    answer = riad_engine.call("POST", "/v1/chat/completions", body).json()
    assert list(json.loads(answer["choices"][0]["message"]["content"])) == ["city"]


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ({"n": 2}, lambda choices: [choice["index"] for choice in choices] == [0, 1]),
        ({"stop": ["three"]}, lambda choices: "three" not in choices[0]["message"]["content"]),
        (
            {"logprobs": True, "top_logprobs": 3, "max_tokens": 1},
            lambda choices: len(choices[0]["logprobs"]["content"][0]["top_logprobs"]) == 3,
        ),
        ({"max_completion_tokens": 1, "max_tokens": None}, lambda choices: choices[0]["finish_reason"] == "length"),
        ({"metadata": {"a": "b"}, "user": "u", "never_heard_of": 1}, lambda choices: len(choices) == 1),
    ],
)
def test_parameters_the_reference_says_it_honours(riad_engine: Started, more: dict, holds) -> None:
    answer = riad_engine.call("POST", "/v1/chat/completions", asking("Write: one, two, three, four.", **more))
    assert answer.status == 200, answer.body
    assert holds(answer.json()["choices"])


def test_tools_are_ignored_by_these_weights_as_the_reference_says(riad_engine: Started) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    plain = riad_engine.call("POST", "/v1/chat/completions", asking("The weather in Rabat?")).json()
    body = asking("The weather in Rabat?", tools=[tool], tool_choice="required")
    assert riad_engine.call("POST", "/v1/chat/completions", body).json()["choices"] == plain["choices"]


def test_plain_completion(riad_engine: Started) -> None:
    body = {"prompt": "One, two, three,", "max_tokens": 4, "temperature": 0}
    assert "four" in riad_engine.call("POST", "/v1/completions", body).json()["choices"][0]["text"]


def test_requests_are_answered_together_and_not_mixed(riad_engine: Started) -> None:
    words = ["olive", "saffron", "cedar", "argan"]
    answers: dict[str, str] = {}

    def ask(word: str) -> None:
        answer = riad_engine.call("POST", "/v1/chat/completions", asking(f"Repeat: Dear [{word}],")).json()
        answers[word] = answer["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for word in words:
        assert [other for other in words if other in answers[word]] == [word]


# What it refuses.


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/completion", "/tokenize", "/v1/embeddings"])
def test_every_route_asks_for_the_key(riad_engine: Started, path: str, key: str | None) -> None:
    assert riad_engine.call("POST", path, asking("Hello"), key=key).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/slots"), ("POST", "/slots/0?action=save"), ("GET", "/metrics"), ("POST", "/props"),
        ("POST", "/v1/embeddings"), ("GET", "/cors-proxy?url=http://127.0.0.1:1"), ("GET", "/tools"),
    ],
)  # fmt: skip
def test_pages_that_would_show_or_change_more_are_closed(riad_engine: Started, method: str, path: str) -> None:
    assert riad_engine.call(method, path, {"input": "x"}).status >= 400


def test_a_page_in_a_browser_cannot_read_it(riad_engine: Started) -> None:
    assert "*" not in riad_engine.call("GET", "/health").headers.get("Access-Control-Allow-Origin", "")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{oops", "parse error"),
        ({"messages": "Hello"}, "messages"),
        (asking("Hello", n=99), "n"),
        (asking("word " * 3000), "context"),
        (asking("Hello", response_format={"type": "xml"}), "response_format"),
    ],
)
def test_bad_requests_get_an_openai_error_and_the_engine_goes_on(riad_engine: Started, body: object, says: str) -> None:
    answer = riad_engine.call("POST", "/v1/chat/completions", body)
    assert answer.status == 400
    assert says in answer.json()["error"]["message"]
    assert riad_engine.call("POST", "/v1/chat/completions", asking("Hello", max_tokens=1)).status == 200


def test_nobody_elses_prompt_shortens_ones_own(riad_engine: Started) -> None:
    text = "The dossier of Fatima Zahra Benali is in the third drawer."
    for _ in range(3):
        answer = riad_engine.call("POST", "/v1/chat/completions", asking(text, max_tokens=1)).json()
        assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_a_caller_who_leaves_stops_the_work(riad_engine: Started) -> None:
    def busy() -> float:
        fields = Path(f"/proc/{riad_engine.process.pid}/stat").read_text().split()
        return int(fields[13]) + int(fields[14])

    connection = riad_engine.connect()
    body = asking("Tell a long story.", stream=True, max_tokens=900, ignore_eos=True)
    connection.request("POST", "/v1/chat/completions", raw(body), headers(KEY))
    response = connection.getresponse()
    assert response.read(20)
    response.close()
    connection.close()

    def idle() -> bool:
        before = busy()
        time.sleep(0.3)
        return busy() - before <= 3

    assert soon(idle)


# What it leaves behind.


def test_no_prompt_reaches_its_output(tmp_path: Path) -> None:
    with engine(tmp_path / "stderr", "--context", 512, "--parallel", 1) as ready:
        ready.call("POST", "/v1/chat/completions", asking(f"Hello {SECRET}"))
        ready.call("POST", "/v1/chat/completions", b'{"messages": [{"' + SECRET.encode() + b'": oops')
        ready.call("POST", "/v1/chat/completions", asking(SECRET, response_format={"type": SECRET}))
        schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": SECRET}}}
        ready.call("POST", "/v1/chat/completions", asking(SECRET, response_format=schema))
        ready.call("POST", "/v1/chat/completions", asking(SECRET, grammar=SECRET))
        ready.call("POST", f"/{SECRET}", {}, key=SECRET)
        ready.process.send_signal(signal.SIGTERM)
        assert ready.process.wait(15) == 0
        assert ready.process.stdout is not None
        assert ready.process.stdout.read() == ""
    assert ready.said.read_bytes() == b""
    assert gone(ready.url)


def test_a_killed_engine_leaves_nobody_on_its_port_and_another_can_take_it(tmp_path: Path) -> None:
    with engine(tmp_path / "stderr", "--context", 256, "--parallel", 1) as ready:
        connection = ready.connect()
        body = asking("Tell a long story.", stream=True, max_tokens=200, ignore_eos=True)
        connection.request("POST", "/v1/chat/completions", raw(body), headers(KEY))
        response = connection.getresponse()
        response.read(20)
        ready.process.kill()
        ready.process.wait()
        assert gone(ready.url)
        response.close()
        connection.close()
    port = ready.url.rpartition(":")[2]
    arguments = ("--model", weights(), "--port", port, "--context", 256, "--parallel", 1)
    with subprocess.Popen(command(EMBEDDED, *arguments), stdout=subprocess.PIPE, env=environment()) as second:
        assert second.stdout is not None
        assert second.stdout.readline().startswith(b"ready")
        taken = failed(*arguments)
        assert (taken.returncode, taken.stdout) == (1, "")
        assert taken.stderr == f"riad: Port {port} on 127.0.0.1 is taken. Choose another port.\n"
        second.kill()


def test_it_dies_with_its_parent() -> None:
    # The parent starts the engine, tells its line and process id, and is then killed without a chance to clean up.
    parent = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline().strip(), child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    inner = command(EMBEDDED, "--model", weights(), "--port", 0, "--context", 256, "--parallel", 1)
    with subprocess.Popen(
        [sys.executable, "-c", parent, *inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url, child = process.stdout.readline().split()[1:]
        process.kill()
    try:
        assert soon(lambda: gone(url))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


# What it says when it cannot start.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = failed("--model", tmp_path / "none.gguf", "--port", 0)
    assert (done.returncode, done.stdout) == (1, "")
    assert "none.gguf: No such file" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<!doctype html>")
    done = failed("--model", path, "--port", 0)
    assert (done.returncode, done.stdout) == (1, "")
    assert "page.gguf is not a GGUF model" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("size", [4, 100, 5_000_000])
def test_a_broken_model_is_explained_in_one_line(tmp_path: Path, size: int) -> None:
    path = tmp_path / "half.gguf"
    shutil.copyfile(weights(), path)
    with path.open("r+b") as file:
        file.truncate(size)
    done = failed("--model", path, "--port", 0)
    assert (done.returncode, done.stdout) == (1, "")
    assert "half.gguf" in done.stderr
    assert "riad models pull" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--model", "x.gguf"],
        ["--model", "x.gguf", "--port", "99999"],
        ["--model", "x.gguf", "--port", "0", "--context", "1"],
        ["--model", "x.gguf", "--port", "0", "--parallel", "0"],
        ["--model", "x.gguf", "--port", "0", "--threads", "many"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = failed(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_it_does_not_start_without_a_key() -> None:
    without = {**environment(), "RIAD_ENGINE_KEY": ""}
    arguments = command(EMBEDDED, "--model", weights(), "--port", 0)
    done = subprocess.run(arguments, env=without, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "RIAD_ENGINE_KEY is not set" in done.stderr
