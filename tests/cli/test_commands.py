"""Every command alike: ``--help``, one JSON document with ``--json``, exit status 0, 1 or 2, and a page of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from riad.cli import app
from tests.cli.cli_parts import Crowd, Terminal
from tests.running import RIAD

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its words."""
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
    for name, child in (below or {}).items():
        yield from leaves(child, (*path, name))


COMMANDS = dict(leaves(get_command(app)))
NAMES = [" ".join(words) for words in COMMANDS]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(terminal: Terminal, name: str) -> None:
    done = terminal(*name.split(), "--help")
    assert done.status == 0
    assert done.err == ""
    assert "--json" in done.out
    told = done.out.partition("Usage")[2]
    for option in (option for parameter in COMMANDS[*name.split(),].params for option in parameter.opts):
        if option.startswith("--"):
            assert option in told, option


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_option_is_wrong_usage(terminal: Terminal, name: str) -> None:
    done = terminal(*name.split(), "--nonsense")
    assert done.status == 2
    assert "--nonsense" in done.err
    assert done.out == ""
    done = terminal(*name.split(), "--nonsense", "--json")
    assert done.status == 2
    assert done.document["error"]["code"] == "usage"


def test_no_command_and_an_unknown_one(terminal: Terminal) -> None:
    assert "keys" in terminal().out + terminal().err
    assert terminal("--help").status == 0
    assert terminal("nonsense").status == 2
    assert terminal("keys", "nonsense").status == 2
    assert terminal("nonsense", "--json").document["error"]["code"] == "usage"


# Words in capitals stand for what the fixture ``words`` makes.
CASE = {"home": "MA", "action": "infer", "tenant_kind": "company", "purpose": "p", "persons": "none", "state": "none"}
WORKING: list[tuple[str, int]] = [
    ("chat salam --url URL --key KEY", 0),
    ("doctor", 0),
    ("keys create --tenant t --project p --purpose x", 0),
    ("keys list", 0),
    ("keys revoke KEY", 0),
    ("keys revoke key_nobodyhasit", 2),
    ("tenants create NEW", 0),
    ("tenants list", 0),
    ("tenants show acme", 0),
    ("tenants show nobody", 2),
    ("tenants project acme support", 0),
    ("tenants project acme support --masking placeholders --answers report", 0),
    ("tenants project acme nowhere", 2),
    ("tenants project acme support --answers burn", 2),
    ("tenants revoke MADE", 0),
    ("sites list", 0),
    ("sites check", 1),
    ("law explain CASE", 0),
    ("law explain missing.json", 2),
    ("law packs list", 0),
    ("law packs show ma", 0),
    ("law packs show atlantis", 2),
    ("law packs verify", 0),
    ("law test", 0),
    ("ledger verify RECEIPT", 0),
    ("ledger verify BROKEN", 1),
    ("ledger verify missing", 2),
    ("ledger policy", 0),
    ("ledger verify RECEIPT --policy TEXT", 2),
    ("ledger key", 0),
    ("ledger checkpoint", 0),
    ("ledger show 0", 0),
    ("ledger show 99999999", 2),
    ("ledger show 0 --format entry", 0),
    ("ledger show 0 --format nonsense", 2),
    ("ledger tail -n 3", 0),
    ("ledger tail -n -1", 2),
    ("ledger search --site rabat", 0),
    ("ledger search --since whenever", 2),
    ("ledger stats", 0),
    ("ledger stats --decision perhaps", 2),
    ("ledger export FRESH", 0),
    ("ledger export TEXT", 2),
    ("ledger audit", 0),
    ("ledger audit missing", 2),
    ("ledger prune --before 2020-01-01", 0),
    ("ledger prune", 2),
    ("ledger erase --subject nobody --tenant acme --dry-run", 0),
    ("ledger erase --subject nobody", 2),
    ("ledger rotate-key --data-dir FRESH", 2),
    ("models list", 0),
    ("models show smollm2-135m", 0),
    ("models show atlantis", 2),
    ("models pull atlantis", 2),
    ("privacy scan TEXT", 0),
    ("privacy scan TEXT --check", 1),
    ("privacy scan missing", 2),
    ("privacy mask TEXT", 0),
    ("privacy restore TEXT --mapping MAPPING", 0),
    ("privacy restore TEXT --mapping TEXT", 2),
    ("privacy evaluate SAMPLES", 0),
    ("privacy evaluate TEXT", 2),
    ("witness init --name w.example/2 --dir FRESH", 0),
    ("witness init --name w.example/2 --dir WITNESS", 2),
    ("witness key --dir WITNESS", 0),
    ("witness key --dir FRESH", 2),
    ("witness logs --dir WITNESS", 0),
    ("witness status --dir WITNESS", 0),
    ("witness add-log LOG --dir WITNESS", 0),
    ("witness add-log missing --dir WITNESS", 2),
    ("witness remove-log LOG --dir WITNESS", 0),
    ("witness remove-log missing --dir WITNESS", 2),
    ("witness up --host 0.0.0.0 --dir WITNESS", 2),
]


@pytest.fixture(scope="module")
def files(crowd: Crowd, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files that commands read: a receipt, the same tampered with, a case, a text, a mapping, samples."""
    directory = tmp_path_factory.mktemp("given")
    _, headers, _ = crowd.riad.chat(crowd.key, "rabat-echo", "salam")
    _, _, receipt = crowd.riad.get(f"/v1/receipts/{headers['x-riad-receipt']}", crowd.key)
    contents = {
        "RECEIPT": receipt,
        "BROKEN": receipt.replace(b"extra ", b"extra A", 1),
        "CASE": json.dumps(CASE).encode(),
        "TEXT": b"smiti Fatima Zahra Benali, CIN BK123456",
        "MAPPING": b'{"mapping": {"[PERSON_1]": "Fatima"}}',
        "SAMPLES": "ary_Latn | smiti ⟦PERSON Fatima Zahra Benali⟧".encode(),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return {name: str(directory / name) for name in contents}


@pytest.fixture
def beside(crowd: Crowd, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal whose variables name the running crowd."""
    monkeypatch.setenv("RIAD_CONFIG", str(crowd.riad.config))
    monkeypatch.setenv("RIAD_DATA_DIR", str(crowd.riad.data_dir))
    monkeypatch.setenv("RIAD_PORT", str(crowd.riad.port))
    return terminal


Words = Callable[[str], list[str]]


@pytest.fixture
def words(crowd: Crowd, files: dict[str, str], beside: Terminal, tmp_path: Path) -> Words:
    """A command's words, with what those in capitals stand for; a key and its tenant are made for whom they are."""

    def given(command: str) -> list[str]:
        made = f"made-{uuid.uuid4().hex[:8]}"
        known = {**files, "URL": crowd.riad.url, "MADE": made, "NEW": f"new-{made}"}
        if {"KEY", "MADE"} & {*command.split()}:
            done = beside("keys", "create", "--tenant", made, "--project", "p", "--purpose", "x", "--json")
            known["KEY"] = done.document["key"]
        known["FRESH"] = str(tmp_path / f"new-{made}")
        if "--dir" in command:
            known["WITNESS"] = str(tmp_path / made)
            known["LOG"] = (crowd.riad.data_dir / "ledger.vkey").read_text().strip()
            assert beside("witness", "init", "--name", "w.example/1", "--dir", known["WITNESS"]).status == 0
            assert beside("witness", "add-log", known["LOG"], "--dir", known["WITNESS"]).status == 0
        return [known.get(word, word) for word in command.split()]

    return given


@pytest.mark.parametrize(("command", "status"), WORKING, ids=lambda value: str(value))
def test_one_json_document_and_its_exit_status(beside: Terminal, words: Words, command: str, status: int) -> None:
    done = beside(*words(command), "--json")
    assert done.status == status, done
    assert isinstance(done.document, dict | list)
    assert "Traceback" not in done.err
    if status == 2:
        assert set(done.document) == {"error"}
        assert done.document["error"]["code"]
        assert done.document["error"]["message"]


@pytest.mark.parametrize(("command", "status"), WORKING, ids=lambda value: str(value))
def test_a_person_is_told_the_same(beside: Terminal, words: Words, command: str, status: int) -> None:
    done = beside(*words(command))
    assert done.status == status, done
    assert "Traceback" not in done.err
    if status == 2:
        assert done.out == ""
        assert done.err.startswith("riad: ")
    else:
        assert done.out.strip()
        assert done.err == ""


def test_every_command_was_tried() -> None:
    tried = {name for name in NAMES for command, _ in WORKING if f"{command} ".startswith(f"{name} ")}
    elsewhere = {"up", "demo"}
    assert set(NAMES) - tried - elsewhere == set()


@pytest.mark.parametrize(
    "name", ["keys list", "tenants list", "ledger stats", "ledger key", "sites list", "models list"]
)
def test_settings_are_found_by_option_or_variable(crowd: Crowd, terminal: Terminal, name: str) -> None:
    done = terminal(*name.split(), "--config", str(crowd.riad.config), "--data-dir", str(crowd.riad.data_dir), "--json")
    assert done.status == 0, done
    done = terminal(*name.split(), "--config", "missing.toml", "--json")
    assert done.status == 2
    assert "missing.toml" in done.document["error"]["message"]


def test_every_option_is_documented() -> None:
    """Each command has its row in the reference, with its options."""
    text = REFERENCE.read_text()
    sections = dict(re.findall(r"^## `riad ([^`]+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(NAMES)
    for name, section in sections.items():
        first = re.findall(r"^\| ([^|]+)", section, re.MULTILINE)
        documented = {option for cell in first for option in re.findall(r"`(--?[a-z]{2}[^` ]*|[A-Z]+)", cell)}
        parameters = COMMANDS[*name.split(),].params
        options = {opt for p in parameters for opt in p.opts if opt.startswith("--")} - {"--help"}
        arguments = {
            (p.metavar or p.name or "").upper().strip("[]").rstrip(".]")
            for p in parameters
            if not p.opts[0].startswith("-")
        }
        assert documented == (options - {"--json", "--data-dir", "--config"}) | arguments, name


def test_languages(tmp_path: Path) -> None:
    """French and Arabic terminals are spoken to in their own language."""
    with contextlib.ExitStack() as stack:
        told = []
        for language in ("en", "fr_FR.UTF-8", "ar_MA.UTF-8"):
            variables = {"RIAD_LANG": language, "RIAD_DATA_DIR": str(tmp_path), "RIAD_CONFIG": "missing.toml"}
            process = subprocess.Popen([*RIAD, "keys", "list"], stderr=subprocess.PIPE, env={**os.environ, **variables})
            told.append(stack.enter_context(process))
        said = {process.communicate()[1] for process in told}
        assert all(process.returncode == 2 for process in told)
    assert len(said) == 3
    assert all(b"missing.toml" in text for text in said)
