"""``riad up`` and what scripts rely on: its options, its variables, its exit status, when it is ready."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from riad.models import weights
from tests.cli.cli_parts import Crowd, Laptop, Terminal, children, eventually
from tests.running import RIAD, site

GOOD = site("rabat", "MA", "http://127.0.0.1:9/v1", ["echo"])


def test_a_laptop_answers_without_any_settings(laptop: Laptop) -> None:
    key = laptop.key()
    assert key.startswith("riad_")
    status, headers, answer = laptop.chat(key, "smollm2-135m", "Say hello.", max_tokens=8)
    assert status == 200, answer
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] >= 1
    assert headers["x-riad-site"] == "laptop"
    assert headers["x-riad-crossing"] == "none"
    assert headers["x-riad-decision"] == "allow"
    digest = "sha256:" + weights.digest(weights.find("smollm2-135m", laptop.data_dir))
    assert laptop.of_request(headers["x-request-id"])[0]["model_digest"] == digest
    assert (laptop.data_dir / "secret").stat().st_mode & 0o777 == 0o600
    assert laptop.data_dir.stat().st_mode & 0o777 == 0o700


def test_ready_follows_the_engine(crowd: Crowd) -> None:
    """200 only when a completion would succeed."""
    assert crowd.riad.get("/readyz")[0] == 200
    crowd.engine.stop()
    eventually(lambda: all(crowd.riad.get("/readyz")[0] == 503 for _ in range(40)))  # on both workers
    status, headers, raw = crowd.riad.get("/readyz")
    assert json.loads(raw)["waiting_for"] == "engine"
    assert headers["retry-after"]
    status, _, answer = crowd.riad.chat(crowd.key, "rabat-echo", "hi")
    assert status in (502, 503), answer
    crowd.engine.__init__(crowd.engine.port)  # type: ignore[misc]  # the same engine, started again
    eventually(lambda: all(crowd.riad.get("/readyz")[0] == 200 for _ in range(40)))
    assert all(crowd.riad.chat(crowd.key, "rabat-echo", "hi")[0] == 200 for _ in range(8))


def test_it_stops_on_ctrl_c_and_starts_again_from_its_variables(crowd: Crowd) -> None:
    """With ``RIAD_PORT``, ``RIAD_DATA_DIR`` and ``RIAD_CONFIG`` alone; keys and ledger are as they were."""
    riad = crowd.riad
    _, headers, _ = riad.chat(crowd.key, "rabat-echo", "hi")
    receipt = riad.get(f"/v1/receipts/{headers['x-riad-receipt']}", crowd.key)
    before = riad.of_request(headers["x-request-id"])
    assert [entry["kind"] for entry in before] == ["decision", "outcome"]
    budget = riad.key("--tokens-per-day", "24")
    assert [riad.chat(budget, "rabat-echo", "hi")[0] for _ in range(2)] == [200, 200]
    processes = [*children(riad, "gateway.worker"), *children(riad, "ledger.owner")]
    assert len(processes) == 3
    assert riad.stop(signal.SIGINT) == 0
    assert not any(process.is_running() for process in processes)
    variables = {"RIAD_PORT": str(riad.port), "RIAD_DATA_DIR": str(riad.data_dir), "RIAD_CONFIG": str(riad.config)}
    riad.start(["up", "--workers", "2", "--json"], variables)
    assert riad.url == f"http://127.0.0.1:{riad.port}"
    assert riad.of_request(headers["x-request-id"]) == before
    assert riad.get(f"/v1/receipts/{headers['x-riad-receipt']}", crowd.key)[0] == receipt[0] == 200
    assert riad.chat(crowd.key, "rabat-echo", "hi")[0] == 200
    assert len(children(riad, "gateway.worker")) == 2
    assert riad.chat(budget, "rabat-echo", "hi")[0] == 429  # the last moment's usage was written too


def test_a_person_is_shown_where_it_listens_and_how_to_get_a_key(tmp_path: Path) -> None:
    (tmp_path / "riad.toml").write_text(GOOD)
    environment = {**os.environ, "RIAD_LANG": "en", "PYTHONUNBUFFERED": "1"}
    command = [
        *RIAD,
        "up",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
        "--config",
        str(tmp_path / "riad.toml"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        shown = ""
        while "Ctrl-C" not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 0
    assert "http://127.0.0.1:" in shown
    assert str(tmp_path / "data") in shown
    assert "riad keys create" in shown
    assert "rabat (MA)" in shown
    assert "stand-in" in shown
    assert "Nothing was lost" in rest


def test_two_platforms_on_one_data_directory(crowd: Crowd, terminal: Terminal) -> None:
    done = terminal("up", "--port", "0", "--data-dir", str(crowd.riad.data_dir), "--config", str(crowd.riad.config))
    assert done.status == 1
    assert str(crowd.riad.data_dir) in done.err
    assert "already runs" in done.err
    done = terminal("up", "--port", "0", "--data-dir", str(crowd.riad.data_dir), "--json")
    assert done.status == 1
    assert done.document["error"]["code"] == "unavailable"


def test_a_port_in_use(terminal: Terminal, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = terminal("up", "--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert done.status == 1
    assert str(port) in done.err
    assert "--port" in done.err


TAKEN_NAME = GOOD + GOOD
PUBLIC = '[server]\nhost = "0.0.0.0"\n'
NOWHERE = '[[sites]]\nname = "a"\nengine = "{}"\nmodels = ["m"]\n' + "".join(
    f'{fact} = "MA"\n' for fact in ("country", "operator_country", "parent_country", "keys_country", "admin_country")
)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("[server", "not valid TOML"),
        ("[server]\nport = 'x'\n", "port"),
        ("[server]\nport = 70000\n", "70000"),
        ("[server]\nworkers = 0\n", "workers"),
        ("[server]\nprot = 1\n", "prot"),
        (PUBLIC, "TLS"),
        ('[server]\nhost = "::"\n', "TLS"),
        ('[server]\nhost = "example.ma"\n', "TLS"),
        (NOWHERE.format("llama"), "engine"),
        (NOWHERE.format("openai"), "url"),
        (NOWHERE.format("openai").replace('"MA"', '"Maroc"', 1), "Maroc"),
        (TAKEN_NAME, "rabat"),
        ('[platform]\npacks = ["atlantis"]\n', "atlantis"),
        ('[[ledger.witnesses]]\nurl = "https://w.example"\nkey = "nonsense"\n', "ledger.witnesses"),
        ('[[ledger.witnesses]]\nurl = "w.example"\nkey = "nonsense"\n', "w.example"),
        ("[ledger]\nquorum = 1\n", "quorum"),
        ("[ledger]\nwitness_every = 0\n", "witness_every"),
    ],
)
def test_bad_settings(terminal: Terminal, tmp_path: Path, config: str, says: str) -> None:
    file = tmp_path / "riad.toml"
    file.write_text(config)
    done = terminal("up", "--port", "0", "--data-dir", str(tmp_path / "data"), "--config", str(file))
    assert done.status == 2
    assert says in done.err
    assert "Traceback" not in done.err
    done = terminal("up", "--port", "0", "--data-dir", str(tmp_path / "data"), "--config", str(file), "--json")
    assert done.status == 2
    assert says in done.document["error"]["message"]


def test_wrong_options(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal("up", "--port", "many").status == 2
    assert terminal("up", "--port", "70000").status == 2
    assert terminal("up", "--workers", "0", "--port", "0").status == 2
    assert terminal("up", "--workers", "1000").status == 2
    assert terminal("up", "--config", str(tmp_path / "none.toml")).status == 2
    monkeypatch.setenv("RIAD_CONFIG", str(tmp_path / "none.toml"))
    assert terminal("up").status == 2
    monkeypatch.delenv("RIAD_CONFIG")
    monkeypatch.setenv("RIAD_PORT", "many")
    assert terminal("up").status == 2
    monkeypatch.delenv("RIAD_PORT")
    (tmp_path / "file").write_text("")
    assert terminal("up", "--port", "0", "--data-dir", str(tmp_path / "file")).status == 2


def test_an_embedded_model_without_its_weights(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "riad.toml"
    file.write_text(NOWHERE.format("embedded"))
    done = terminal("up", "--port", "0", "--data-dir", str(tmp_path / "data"), "--config", str(file))
    assert done.status != 0
    assert "riad models" in done.err


def test_weights_that_are_not_those_of_the_settings(laptop: Laptop, terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "riad.toml"
    model = 'models = [{name = "smollm2-135m", digest = "sha256:' + "0" * 64 + '"}]'
    file.write_text(GOOD.replace('engine = "openai"', 'engine = "embedded"').replace(_models(GOOD), model))
    done = terminal("up", "--port", "0", "--data-dir", str(tmp_path / "data"), "--config", str(file))
    assert (done.status, "the settings of rabat say sha256:0000" in done.err) == (2, True), done


def _models(table: str) -> str:
    return next(line for line in table.splitlines() if line.startswith("models"))


@pytest.mark.parametrize(
    "line",
    [
        "joules_per_token = -1",
        "joules_per_token = nan",
        "joules_per_token = inf",
        'joules_per_token = "much"',
        "joules_per_token = {prompt = 1}",
        "joules_per_token = {prompt = 1, completion = -1}",
        'models = [{name = "m", digest = "sha256:0"}]',
        'models = [{name = "m", joules_per_token = -1}]',
    ],
)
def test_an_energy_or_a_digest_that_cannot_be(terminal: Terminal, tmp_path: Path, line: str) -> None:
    file = tmp_path / "riad.toml"
    file.write_text(GOOD.replace(_models(GOOD), line + "\n" + ("" if line.startswith("models") else _models(GOOD))))
    done = terminal("sites", "list", "--config", str(file))
    assert (done.status, "Traceback" in done.err) == (2, False), done


def test_a_public_address_behind_tls_is_allowed(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "riad.toml"
    file.write_text(PUBLIC + "behind_tls = true\n" + GOOD)
    assert terminal("sites", "list", "--config", str(file)).status == 0


def test_a_site_whose_key_is_not_there(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "riad.toml"
    file.write_text(GOOD.replace("stand_in", f'api_key_file = "{tmp_path / "none"}"\nstand_in'))
    for command in (["up", "--port", "0", "--data-dir", str(tmp_path / "data")], ["sites", "check"]):
        done = terminal(*command, "--config", str(file))
        assert done.status in (1, 2), command
        assert "Traceback" not in done.err
        assert str(tmp_path / "none") in done.err + done.out
