"""``riad law``: explain, packs, test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from riad.cli.law import app
from riad.errors import BadRequest, NotFound

CASE = {
    "home": "MA",
    "date": "2026-11-23",
    "action": "infer",
    "tenant_kind": "startup",
    "purpose": "support",
    "request_purpose": "support",
    "persons": "personal",
    "state": "none",
    "pseudonymised": False,
    "categories": [],
    "site": {
        "country": "FR",
        "operator_country": "FR",
        "parent_country": "FR",
        "keys_country": "FR",
        "admin_country": "FR",
        "retention_days": 0,
        "trains_on_data": False,
    },
}


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    file = tmp_path / "case.json"
    file.write_text(json.dumps(CASE))
    return file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    facts = "\n".join(f'{name}_country = "MA"' for name in ("operator", "parent", "keys", "admin"))
    file = tmp_path / "riad.toml"
    file.write_text(
        f'[[sites]]\nname = "rabat"\nengine = "embedded"\nmodels = ["m"]\ncountry = "MA"\n{facts}\n'
        "retention_days = 0\ntrains_on_data = false\nown_premises = true\n"
    )
    return file


def invoke(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def answer(*arguments: object, stdin: bytes = b"") -> Any:
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_explain_as_json(case_file: Path, config: Path) -> None:
    found = answer("explain", "--case", case_file, "--config", config, "--json")
    assert found["outcome"] == "file_first"
    assert found["crossing"] is True
    assert {"id", "law", "article"} <= set(found["rules"][0])
    assert found["remedies"][0]["code"] == "pseudonymise"
    assert found["remedies"][-1]["site"] == "rabat"
    assert found["packs"]["ma"].startswith("sha256:")


def test_explain_reads_standard_input(case_file: Path, config: Path) -> None:
    document = json.dumps({**CASE, "id": 7}).encode()
    assert answer("explain", "--case", "-", "--config", config, "--json", stdin=document)["id"] == 7
    assert answer("explain", case_file, "--config", config, "--json")["outcome"] == "file_first"


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
def test_explain_for_a_person(case_file: Path, config: Path, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    from riad.texts import terminal_language

    monkeypatch.setenv("RIAD_LANG", language)
    terminal_language.cache_clear()
    result = invoke("explain", case_file, "--config", config)
    terminal_language.cache_clear()
    assert result.exit_code == 0, result.output
    title = {
        "en": "Clear personal data waits",
        "fr": "Des données personnelles en clair attendent",
        "ar": "المعطيات الشخصية",
    }
    assert title[language] in result.output
    assert "43, 44; CNDP" in result.output
    assert "ma-cndp-f118" in result.output


def test_many_cases_an_answer_a_line(config: Path) -> None:
    lines = [json.dumps({**CASE, "id": "a"}), "", '{"nonsense": 1}', json.dumps({**CASE, "id": "b", "persons": "none"})]
    lines.append(json.dumps({"purpose": "x" * 200_000}))
    lines.append(json.dumps({**CASE, "id": "c"}))
    result = invoke("explain", "--jsonl", "--config", config, stdin="\n".join(lines).encode())
    assert result.exit_code == 2
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one.get("id") for one in answers] == ["a", None, "b", None, "c"]
    assert [one.get("outcome") for one in answers] == ["file_first", None, "allow", None, "file_first"]
    assert answers[1]["line"] == 2
    assert answers[1]["error"]["code"] == "invalid_request"
    assert answers[3]["error"]["code"] == "request_too_large"


def test_many_cases_from_a_file(tmp_path: Path, config: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(json.dumps({**CASE, "id": number}) for number in range(3)) + "\n")
    result = invoke("explain", "--jsonl", file, "--config", config)
    assert result.exit_code == 0
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [0, 1, 2]


def test_a_case_that_cannot_be_read(tmp_path: Path, config: Path) -> None:
    assert isinstance(invoke("explain", "--case", tmp_path / "no.json", "--config", config).exception, BadRequest)
    assert isinstance(invoke("explain", "--case", tmp_path, "--config", config).exception, BadRequest)
    assert isinstance(invoke("explain", "--config", config).exception, BadRequest)
    assert isinstance(invoke("explain", "-", "--config", config, stdin=b"{}x").exception, BadRequest)


def test_packs() -> None:
    (row,) = [row for row in answer("packs", "list", "--json") if row["id"] == "ma"]
    shown = answer("packs", "show", "ma", "--json")
    assert shown["digest"] == row["digest"]
    assert len(shown["policies"]) == row["rules"]
    assert shown["lists"][0]["version"][0]["mark"] == "R"
    (verdict,) = answer("packs", "verify", "ma", "--json")
    assert verdict["findings"] == []
    assert verdict["cases"] >= 80
    assert isinstance(invoke("packs", "show", "atlantis").exception, NotFound)
    for command in (("packs", "list"), ("packs", "show", "ma"), ("packs", "verify")):
        assert invoke(*command).exit_code == 0


def test_the_packs_cases() -> None:
    found = answer("test", "ma", "--json")
    assert found["wrong"] == 0
    assert found["cases"] == len(found["results"])
    assert "not as expected" in invoke("test").output
