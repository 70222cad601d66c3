from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from riad.cli import keys, tenants
from riad.errors import BadRequest, BadSettings, NotFound
from riad.tenants.keys import KeyStore

CREATE = ["create", "--tenant", "Acme", "--project", "P", "--purpose", "customer_support"]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch, data_dir: Path, tmp_path: Path) -> None:
    for variable in ("RIAD_CONFIG", "RIAD_DATABASE_URL", "RIAD_SECRET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RIAD_LANG", "en")
    monkeypatch.setenv("RIAD_DATA_DIR", str(data_dir))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def run(app: Any, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def documented(app: Any, *arguments: str) -> Any:
    return json.loads(run(app, *arguments, "--json"))


def test_a_key_is_made_listed_and_revoked() -> None:
    made = documented(keys.app, *CREATE, "--legal-basis", "contract", "--requests-per-minute", "60")
    assert made["key"].startswith("riad_")
    assert made["id"].startswith("key_")
    assert (made["max_persons"], made["max_state"], made["locality"]) == ("personal", "none", "any")
    assert (made["legal_basis"], made["requests_per_minute"], made["tokens_per_day"]) == ("contract", 60, None)
    listed = documented(keys.app, "list")["keys"]
    assert [(key["id"], key["state"]) for key in listed] == [(made["id"], "active")]
    assert made["key"] not in json.dumps(listed)
    assert documented(keys.app, "revoke", made["id"])["state"] == "revoked"
    assert documented(keys.app, "revoke", made["id"])["state"] == "revoked"
    assert documented(keys.app, "list", "--tenant", "ACME")["keys"][0]["state"] == "revoked"


def test_a_person_is_told_that_it_is_shown_once_and_how_to_use_it(data_dir: Path) -> None:
    told = run(keys.app, *CREATE, "--expires", "2999-12-31")
    token = told.split()[0]
    assert "only time" in told
    assert f"export OPENAI_API_KEY={token}" in told
    assert "export OPENAI_BASE_URL=http://127.0.0.1:8080/v1" in told
    assert "customer_support" in run(keys.app, "list")
    assert token not in run(keys.app, "list")
    assert data_dir.stat().st_mode & 0o777 == 0o700


def test_tenants_are_made_listed_shown_and_cut_off() -> None:
    assert documented(tenants.app, "create", "Ministère", "--kind", "ministry")["slug"] == "ministère"
    assert "No key yet" in run(keys.app, "list")
    documented(keys.app, *CREATE, "--tenant", "ministère")
    (tenant,) = documented(tenants.app, "list")["tenants"]
    assert (tenant["name"], tenant["kind"], tenant["projects"]) == ("Ministère", "ministry", ["p"])
    shown = documented(tenants.app, "show", "MINISTÈRE")
    assert len(shown["keys"]) == 1
    assert shown["pseudonym"] in run(tenants.app, "show", "ministère")
    assert documented(tenants.app, "revoke", "ministère") == {"revoked": [shown["keys"][0]["id"]]}
    assert "0" in run(tenants.app, "revoke", "ministère")


def test_a_project_chooses_how_its_data_is_masked() -> None:
    documented(keys.app, *CREATE)
    shown = documented(tenants.app, "project", "ACME", "P")
    assert (shown["slug"], shown["masking"], shown["answers"]) == ("p", "placeholders", "report")
    assert documented(tenants.app, "project", "acme", "p", "--masking", "redaction")["masking"] == "redaction"
    assert documented(tenants.app, "project", "acme", "p", "--answers", "mask")["answers"] == "mask"
    told = "masking redaction, answers mask"
    assert told in run(tenants.app, "project", "acme", "p")
    assert told in run(tenants.app, "show", "acme")
    (chosen,) = documented(tenants.app, "show", "acme")["project_choices"]
    assert (chosen["masking"], chosen["answers"]) == ("redaction", "mask")
    assert documented(keys.app, "list")["keys"][0]["masking"] == "redaction"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["acme", "other"], NotFound),
        (["nobody", "p"], NotFound),
        (["acme", "p", "--masking", "blackout"], BadRequest),
        (["acme", "p", "--masking", "redaction", "--answers", "hide"], BadRequest),
        (["acme", "other", "--answers", "mask"], NotFound),
    ],
)
def test_a_wrong_choice_is_said_and_changes_nothing(arguments: list[str], error: type[Exception]) -> None:
    documented(keys.app, *CREATE)
    result = CliRunner().invoke(tenants.app, ["project", *arguments])
    assert isinstance(result.exception, error)
    assert result.exception.remedy  # type: ignore[attr-defined]
    (chosen,) = documented(tenants.app, "show", "acme")["project_choices"]
    assert (chosen["masking"], chosen["answers"]) == ("placeholders", "report")


@pytest.mark.parametrize(
    ("app", "arguments", "error"),
    [
        (keys.app, [*CREATE, "--tenant", ""], BadRequest),
        (keys.app, [*CREATE, "--tenant", "a\x1b[31mb"], BadRequest),
        (keys.app, [*CREATE, "--project", "p" * 5000], BadRequest),
        (keys.app, [*CREATE, "--purpose", "no purpose"], BadRequest),
        (keys.app, [*CREATE, "--tenant-kind", "kingdom"], BadRequest),
        (keys.app, [*CREATE, "--legal-basis", "because"], BadRequest),
        (keys.app, [*CREATE, "--max-persons", "all"], BadRequest),
        (keys.app, [*CREATE, "--max-state", "personal"], BadRequest),
        (keys.app, [*CREATE, "--locality", "europe"], BadRequest),
        (keys.app, [*CREATE, "--requests-per-minute", "0"], BadRequest),
        (keys.app, [*CREATE, "--expires", "soon"], BadRequest),
        (keys.app, [*CREATE, "--expires", "2001-01-01"], BadRequest),
        (keys.app, ["revoke", "key_nobodyhasit"], NotFound),
        (keys.app, ["revoke", ""], BadRequest),
        (keys.app, ["list", "--tenant", "nobody"], NotFound),
        (keys.app, ["list", "--config", "missing.toml"], BadSettings),
        (tenants.app, ["create", " "], BadRequest),
        (tenants.app, ["create", "x", "--kind", "Ministry"], BadRequest),
        (tenants.app, ["show", "nobody"], NotFound),
        (tenants.app, ["revoke", "nobody"], NotFound),
    ],
)
def test_wrong_usage_is_said_and_changes_nothing(app: Any, arguments: list[str], error: type[Exception]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, error)
    assert result.exception.remedy  # type: ignore[attr-defined]
    assert str(result.exception).isprintable()
    assert result.stdout == ""
    if error is not BadSettings:
        assert documented(tenants.app, "list")["tenants"] == []


@pytest.mark.parametrize("arguments", [["create"], ["create", "--requests-per-minute", "many"], ["revoke"], ["forge"]])
def test_incomplete_usage_exits_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(keys.app, arguments).exit_code == 2


def test_it_works_beside_a_running_platform(data_dir: Path) -> None:
    """A process that holds the database open, and the command in another with only ``--data-dir``."""
    url = f"sqlite:///{data_dir / 'riad.db'}"
    data_dir.mkdir(mode=0o700)
    held = KeyStore.open(url, data_dir)
    program = "from riad.cli.keys import app; app()"
    command = [sys.executable, "-c", program, *CREATE, "--data-dir", str(data_dir), "--json"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert held.lookup([held.secret.digest(made["key"])])[1]
    held.close()
