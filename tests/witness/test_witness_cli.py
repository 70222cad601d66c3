"""``riad witness``: every command, its empty state, and what it says to bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from witness_parts import ORIGIN

from riad.cli.witness import app
from riad.errors import BadRequest, BadSettings, NotFound, Unavailable
from riad.ledger.cosignature import CosignatureVerifier
from riad.ledger.note import Signer

LOG = Signer(ORIGIN, bytes(range(32))).verifier.vkey


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answer(*arguments: object) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


@pytest.fixture
def where(tmp_path: Path) -> tuple[str, Path]:
    answer("init", "--name", "w.example/1", "--dir", tmp_path / "w")
    return "--dir", tmp_path / "w"


def test_it_is_made_once_with_a_key_of_its_own(where: tuple[str, Path]) -> None:
    assert (where[1] / "witness.key").stat().st_mode & 0o777 == 0o600
    assert where[1].stat().st_mode & 0o777 == 0o700
    vkeys = answer("key", *where)["vkeys"]
    assert [CosignatureVerifier.parse(vkey).name for vkey in vkeys] == ["w.example/1"]
    assert invoke("key", *where).stdout == (where[1] / "witness.vkey").read_text()
    assert isinstance(invoke("init", "--name", "other", *where).exception, BadRequest)
    assert answer("key", *where)["vkeys"] == vkeys


def test_the_directory_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIAD_WITNESS_DIR", str(tmp_path / "there"))
    assert answer("init", "--name", "w.example/1")["dir"] == str(tmp_path / "there")


def test_logs(where: tuple[str, Path], tmp_path: Path) -> None:
    assert "no log yet" in invoke("logs", *where).stdout
    assert "No log showed two histories" in invoke("status", *where).stdout
    assert answer("add-log", LOG, *where) == {"origin": ORIGIN, "added": [LOG]}
    assert answer("add-log", LOG, *where)["added"] == []
    assert "already" in invoke("add-log", LOG, *where).stdout
    other = Signer.generate(ORIGIN).verifier.vkey
    (tmp_path / "keys").write_text(f"{LOG}\n{other}\n")
    assert answer("add-log", tmp_path / "keys", *where)["added"] == [other]
    (log,) = answer("logs", *where)["logs"]
    assert (log["origin"], log["vkeys"], log["size"], log["time"]) == (ORIGIN, [LOG, other], 0, None)
    assert ORIGIN in invoke("logs", *where).stdout
    assert answer("status", *where)["forks"] == []
    assert answer("remove-log", other, *where)["removed"] == [other]
    assert answer("remove-log", ORIGIN, *where)["removed"] == [LOG]
    assert answer("logs", *where)["logs"] == []


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("init", "--name", "a b"), BadRequest),
        (("init", "--name", "a+b"), BadRequest),
        (("init", "--name", ""), BadRequest),
        (("init", "--name", "x" * 300), BadRequest),
        (("add-log", "nonsense"), BadRequest),
        (("add-log", "a+b+c"), BadRequest),
        (("add-log", LOG[:-1]), BadRequest),
        (("add-log", "/"), BadRequest),
        (("remove-log", "unknown.example"), NotFound),
        (("up", "--host", "0.0.0.0"), BadSettings),
        (("up", "--host", "::"), BadSettings),
        (("up", "--host", "witness.example"), BadSettings),
        (("up", "--host", "203.0.113.1", "--behind-tls", "--port", "0"), Unavailable),
    ],
)
def test_bad_input(arguments: tuple[str, ...], kind: type[Exception], where: tuple[str, Path], tmp_path: Path) -> None:
    directory = ("--dir", tmp_path / "new") if arguments[0] == "init" else where
    assert isinstance(invoke(*arguments, *directory).exception, kind)


@pytest.mark.parametrize(
    "arguments", [("key",), ("logs",), ("status",), ("add-log", LOG), ("remove-log", LOG), ("up",)]
)
def test_without_a_witness_each_says_how_to_make_one(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = invoke(*arguments, "--dir", tmp_path / "none")
    assert isinstance(result.exception, NotFound)
    assert "riad witness init" in str(result.exception)
    assert not (tmp_path / "none").exists()


def test_broken_files(where: tuple[str, Path], tmp_path: Path) -> None:
    (where[1] / "witness.db").write_bytes(b"no database" * 1000)
    assert isinstance(invoke("logs", *where).exception, Unavailable)
    (where[1] / "witness.key").write_text("PRIVATE+KEY+broken\n")
    assert isinstance(invoke("key", *where).exception, BadSettings)
    (tmp_path / "file").write_text("")
    assert isinstance(invoke("init", "--name", "w", "--dir", tmp_path / "file").exception, BadSettings)
    assert invoke("up", "--port", "70000", *where).exit_code == 2
    assert invoke("init").exit_code == 2
