"""``riad chat``, ``riad doctor`` and ``riad sites``: talking to a platform, and finding what is wrong with one."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_parts import Crowd, Laptop, Terminal
from tests.running import RIAD, site

# Chat


def test_chat_shows_the_answer_and_where_it_was_made(laptop: Laptop, terminal: Terminal) -> None:
    where = ["--url", laptop.url, "--data-dir", str(laptop.data_dir), "--max-tokens", "8"]
    done = terminal("chat", "Say hello.", *where)
    assert done.status == 0, done
    answer, _, facts = done.out.partition("— site laptop")
    assert answer.strip()
    assert "crossing none" in facts
    assert "receipt" in facts
    assert (laptop.data_dir / "chat.key").stat().st_mode & 0o777 == 0o600
    told = terminal("chat", "Say hello.", *where, "--json").document
    assert told["text"]
    assert (told["site"], told["crossing"], told["decision"], told["model"]) == (
        "laptop",
        "none",
        "allow",
        "smollm2-135m",
    )
    assert laptop.get(f"/v1/receipts/{told['receipt']}", (laptop.data_dir / "chat.key").read_text())[0] == 200


def test_chat_streams_a_conversation_from_standard_input(crowd: Crowd) -> None:
    command = [*RIAD, "chat", "--url", crowd.riad.url, "--key", crowd.key, *crowd.riad.where]
    environment = {**os.environ, "RIAD_LANG": "en"}
    done = subprocess.run(
        command, input="salam\n\nlabas?\n", capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.count("— site rabat") == 2
    assert "salam" in done.stdout
    assert "labas?" in done.stdout


def test_chat_finds_its_platform_in_the_environment(
    crowd: Crowd, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIAD_API_KEY", crowd.key)
    monkeypatch.setenv("RIAD_CONFIG", str(crowd.riad.config))
    monkeypatch.setenv("RIAD_PORT", str(crowd.riad.port))
    assert terminal("chat", "salam", "--json").document["text"] == "salam"
    monkeypatch.delenv("RIAD_PORT")
    monkeypatch.setenv("RIAD_URL", crowd.riad.url)
    assert terminal("chat", "salam", "--json").document["site"] == "rabat"


def test_chat_says_what_is_wrong(crowd: Crowd, terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url, said, status in (
        (f"http://127.0.0.1:{port}", "riad up", 1),
        (crowd.riad.url, "not known", 2),
        ("nonsense", "nonsense", 1),
        ("http://127.0.0.1:notaport", "notaport", 2),
    ):
        done = terminal("chat", "hi", "--url", url, "--key", "riad_" + "A" * 43, *crowd.riad.where)
        assert done.status in (status, 3 - status), url
        assert said in done.err, url
        assert "Traceback" not in done.err
    done = terminal("chat", "hi", "--url", crowd.riad.url, "--key", crowd.key, "--model", "nobody's", *crowd.riad.where)
    assert done.status == 2
    assert "rabat-echo" in done.err
    done = terminal("chat", "hi", "--url", crowd.riad.url, "--key", "bad", *crowd.riad.where, "--json")
    assert done.status == 2
    assert done.document["error"]["code"] == "invalid_api_key"
    assert terminal("chat", "--json", "--url", crowd.riad.url, "--key", crowd.key, *crowd.riad.where).status == 2


# Doctor


def checks(document: Any) -> dict[str, bool]:
    return {found["check"]: found["ok"] for found in document["checks"]}


def test_a_good_installation(laptop: Laptop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIAD_PORT", str(laptop.port))
    laptop.chat(laptop.key(), "smollm2-135m", "hi", max_tokens=1)
    done = terminal("doctor", *laptop.where, "--json")
    assert done.status == 0, done.out
    assert done.document["ok"] is True
    assert set(checks(done.document)) == {
        "settings",
        "python",
        "data",
        "weights",
        "store",
        "ledger",
        "witnesses",
        "running",
    }
    assert terminal("doctor", *laptop.where).out.count("✓") == 8


def test_nothing_is_installed_yet(terminal: Terminal, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = tmp_path / "riad.toml"
    file.write_text(f"[server]\nport = {port}\n" + site("rabat", "MA", "http://127.0.0.1:9/v1", ["echo"]))
    done = terminal("doctor", "--config", str(file), "--data-dir", str(tmp_path / "data"))
    assert done.status == 0, done.out
    assert not (tmp_path / "data").exists()


@contextlib.contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Something that listens and answers every GET so; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def copy(crowd: Crowd, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of an installation that works, to break."""
    directory = tmp_path / "data"
    shutil.copytree(crowd.riad.data_dir, directory, ignore=lambda *_: ["run"])
    monkeypatch.setenv("RIAD_CONFIG", str(crowd.riad.config))
    monkeypatch.setenv("RIAD_DATA_DIR", str(directory))
    monkeypatch.setenv("RIAD_PORT", str(crowd.riad.port))
    done = terminal("doctor", "--json")
    assert done.status == 0, done.out
    return directory


def broken(terminal: Terminal, check: str) -> str:
    """The doctor finds this and nothing else; → what it says, with the remedy."""
    done = terminal("doctor", "--json")
    assert done.status == 1, done.out
    assert done.document["ok"] is False
    assert [name for name, ok in checks(done.document).items() if not ok] == [check]
    (found,) = (found for found in done.document["checks"] if not found["ok"])
    assert found["remedy"]
    shown = terminal("doctor")
    assert shown.status == 1
    assert found["remedy"] in shown.out
    return str(found["says"])


def test_a_secret_that_others_can_read(copy: Path, terminal: Terminal) -> None:
    (copy / "ledger.key").chmod(0o644)
    assert "ledger.key" in broken(terminal, "data")


@pytest.mark.parametrize("damage", [b"", b"x" * 5000])
@pytest.mark.parametrize(("file", "check"), [("riad.db", "store"), ("ledger.db", "ledger")])
def test_a_damaged_database(copy: Path, terminal: Terminal, file: str, check: str, damage: bytes) -> None:
    for extra in copy.glob(f"{file}-*"):
        extra.unlink()
    (copy / file).write_bytes(damage)
    if damage or check == "ledger":
        assert broken(terminal, check)


def test_a_ledger_that_was_changed(copy: Path, terminal: Terminal) -> None:
    import sqlite3

    with contextlib.closing(sqlite3.connect(copy / "ledger.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            database.execute(f"DELETE FROM {table}")
        database.commit()
    broken(terminal, "ledger")


def test_weights_that_are_not_here(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "riad.toml"
    table = site("rabat", "MA", "", ["llama"]).replace('engine = "openai"\nurl = ""', 'engine = "embedded"')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file.write_text(f"[server]\nport = {port}\n" + table)
    monkeypatch.setenv("RIAD_CONFIG", str(file))
    monkeypatch.setenv("RIAD_DATA_DIR", str(tmp_path / "data"))
    assert "llama" in broken(terminal, "weights")
    file.write_text(
        f"[server]\nport = {port}\n" + table.replace('name = "rabat-llama"', 'name = "x", file = "/none.gguf"')
    )
    assert "/none.gguf" in broken(terminal, "weights")
    file.write_text("[server")
    assert "TOML" in broken(terminal, "settings")


@pytest.mark.parametrize("status", [200, 404, 503])
def test_something_else_listens_on_the_port(
    copy: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with answering(status, b"It works!") as port:
        monkeypatch.setenv("RIAD_PORT", str(port))
        assert str(port) in broken(terminal, "running")


def test_a_platform_that_is_up_but_not_ready(copy: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(503, b'{"status":"not ready","waiting_for":"engine"}') as port:
        monkeypatch.setenv("RIAD_PORT", str(port))
        assert "engine" in broken(terminal, "running")


# Sites


def test_sites_are_listed_and_checked(crowd: Crowd, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIAD_CONFIG", str(crowd.riad.config))
    listed = terminal("sites", "list", "--json")
    assert listed.status == 0
    (rabat,) = listed.document["sites"]
    assert (rabat["name"], rabat["country"], rabat["stand_in"]) == ("rabat", "MA", True)
    assert rabat["models"] == ["rabat-echo", "rabat-slow"]
    assert "api_key_env" not in rabat
    assert "rabat-echo" in terminal("sites", "list").out
    checked = terminal("sites", "check", "--json")
    assert checked.status == 1  # the scripted engine lists echo alone
    assert [found["ok"] for found in checked.document["sites"]] == [True, False]
    assert "✗" in terminal("sites", "check").out


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b'{"data": [{"id": "echo"}]}', ""),
        (200, b'{"data": [{"id": "other"}]}', "other"),
        (200, b"<html>", "OpenAI"),
        (200, b"[1]", "OpenAI"),
        (200, b'{"data": [1]}', "OpenAI"),
        (200, b"\xff", "OpenAI"),
        (401, b"", "key"),
        (500, b"", "500"),
    ],
)
def test_what_an_engine_may_say_of_itself(
    terminal: Terminal, tmp_path: Path, status: int, body: bytes, says: str
) -> None:
    file = tmp_path / "riad.toml"
    with answering(status, body) as port:
        file.write_text(site("rabat", "MA", f"http://127.0.0.1:{port}/v1", ["echo"]))
        done = terminal("sites", "check", "--config", str(file), "--json")
    assert done.status == (1 if says else 0)
    (found,) = done.document["sites"]
    assert found["ok"] is not bool(says)
    assert says in found["says"]
    assert terminal("sites", "check", "--config", str(file)).status == 1  # by now nobody answers
    assert json.dumps(found)
