"""Tables go between their markers, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import door, tables

PAGE = "# Title\n\nbefore\n<!-- a:begin -->\nold\n<!-- a:end -->\nbetween\n<!-- b:begin -->\n<!-- b:end -->\nafter\n"


def test_put_replaces_one_table_and_leaves_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    tables.put("a", "new", page)
    assert page.read_text() == PAGE.replace("old", "new")
    tables.put("a", "new", page)
    assert page.read_text() == PAGE.replace("old", "new")


@pytest.mark.parametrize("text", ["nothing", PAGE + PAGE, "<!-- a:end --> <!-- a:begin -->"])
def test_put_refuses_a_page_without_its_markers(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="a:begin"):
        tables.put("a", "new", page)
    assert page.read_text() == text


def test_the_real_page_has_a_place_for_every_table() -> None:
    text = tables.PAGE.read_text()
    for name in ("door", "profile", "client", "ledger", "law", "privacy", "leaks"):
        assert text.count(f"<!-- {name}:begin -->") == text.count(f"<!-- {name}:end -->") == 1


def test_table_escapes_what_would_break_it() -> None:
    assert tables.table(["a", "b"], [["x|y", "1"]]).splitlines() == ["| a | b |", "| --- | ---: |", "| x\\|y | 1 |"]


def test_plain_flattens_any_document() -> None:
    document = {
        "rate": {"median": 2.0, "min": 1.0, "max": 3.0},
        "scan": {"mb_s": 12, "ok": True},
        "sizes": [1, 2.5, 12345.6],
    }
    assert tables.flat(document) == [
        ("rate", "2 (1–3)"),
        ("scan.mb_s", "12"),
        ("scan.ok", "True"),
        ("sizes", "1, 2.5, 12,346"),
    ]
    assert "| scan.mb_s | 12 |" in tables.plain(document)


def test_door_names_who_did_not_take_part_and_why() -> None:
    row = {"title": "nginx", "version": "1", "guards": "nothing", "available": True, "reason": ""}
    row |= {
        "requests_per_s": {"median": 1000.0, "min": 900.0, "max": 1100.0},
        "added": {"reason": "cannot: 9/s at most"},
    }
    results = {
        "machine": dict.fromkeys(("date", "processor", "cores", "memory_gb", "system", "python", "commit"), "x"),
        "parameters": {"connections": 32, "rate": 200.0, "streams": 512},
        "contenders": {"nginx": row, "envoy": {**row, "title": "Envoy", "available": False, "reason": "no wheel"}},
        "ratios": {"riad/nginx": None},
        "promises": [],
        "notes": ["A note."],
    }
    text = tables.door(results)
    assert "| nginx 1 | 1,000 (900–1,100) |" in text
    assert "cannot: 9/s at most" in text
    assert "Envoy did not take part: no wheel." in text
    assert text.endswith("A note.")


@pytest.mark.parametrize("arguments", [["--only", "apache"], ["--rounds", "0"], ["--rounds", "many"], ["--fast"]])
def test_wrong_usage_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        door.options_of(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_only_keeps_the_named() -> None:
    assert [kind.name for kind in door.options_of(["--only", "riad,nginx"]).chosen] == ["nginx", "riad"]
