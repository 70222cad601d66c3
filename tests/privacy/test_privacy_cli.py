"""``riad privacy``: scan and mask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from riad.cli.privacy import app
from riad.errors import BadRequest

TEXT = "Je m'appelle Ahmed Benali, CIN AB123456, diabétique."


def invoke(*arguments: object, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def test_scan_json(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text(TEXT, encoding="utf-8")
    result = invoke("scan", file, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["class"] == "sensitive"
    assert document["categories"] == ["health", "national_id"]
    assert [TEXT[f["start"] : f["end"]] for f in document["findings"]] == ["Ahmed Benali", "AB123456"]
    assert "Ahmed" not in result.stdout


def test_scan_for_a_person() -> None:
    result = invoke("scan", "-", stdin=TEXT)
    assert result.exit_code == 0
    for expected in ("Ahmed Benali PERSON", "CIN", "cue: je m'appelle", "1(3)"):
        assert expected in result.stdout
    assert "[bold]" in invoke("scan", stdin="[bold]x[/bold]").stdout


def test_scan_can_check() -> None:
    assert invoke("scan", "--check", stdin=TEXT).exit_code == 1
    assert invoke("scan", "--check", stdin="rien").exit_code == 0


def test_scan_lines() -> None:
    lines = [{"id": 7, "text": TEXT}, {"id": "b", "text": "rien \ud800"}, {"text": ""}]
    result = invoke("scan", "--jsonl", stdin="\n".join(map(json.dumps, lines)) + "\n\n")
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(answer["id"], answer["class"]) for answer in answers] == [(7, "sensitive"), ("b", "none"), (None, "none")]
    assert [answer["lang"] for answer in answers] == ["fr", "fr", "und"]
    span = answers[0]["spans"][0]
    assert span.keys() == {"start", "end", "type", "score", "why"}
    assert TEXT[span["start"] : span["end"]] == "Ahmed Benali"


def test_a_line_that_is_no_text_is_named() -> None:
    result = invoke(
        "scan", "--jsonl", stdin=b'{"id": 1, "text": "x"}\nno\n[1]\n{"text": 3}\n' + b"[" * 100_000 + b"\n\xff\n"
    )
    assert result.exit_code == 2
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer.get("line") for answer in answers] == [None, 2, 3, 4, 5, 6]


def test_mask_json() -> None:
    document = json.loads(invoke("mask", "--json", stdin=TEXT).stdout)
    assert document == {
        "text": "Je m'appelle [PERSON_1], CIN [CIN_1], diabétique.",
        "mapping": {"[PERSON_1]": "Ahmed Benali", "[CIN_1]": "AB123456"},
    }
    assert invoke("mask", stdin=TEXT).stdout == document["text"]


def test_bytes_that_are_no_text() -> None:
    assert invoke("scan", stdin=b"\xff\xfe\x00\x80").exit_code == 0
    assert invoke("mask", stdin=b"\xff AB123456").exit_code == 0


def test_a_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    result = invoke("scan", tmp_path / "none.txt")
    assert isinstance(result.exception, BadRequest)
    assert isinstance(invoke("mask", tmp_path).exception, BadRequest)


@pytest.mark.parametrize("command", ["scan", "mask"])
def test_help(command: str) -> None:
    assert invoke(command, "--help").exit_code == 0
