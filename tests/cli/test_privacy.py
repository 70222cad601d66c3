"""``riad privacy``: files and folders scanned, masked, restored and measured."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from riad.privacy import knowledge
from tests.cli.cli_parts import Terminal

LETTER = "Bonjour,\n\nMadame Fatima Zahra Benali, tel 0612345678.\nCIN BK123456\n"
PRIVATE = ("Fatima", "Benali", "0612345678", "BK123456")


@pytest.fixture
def folder(terminal: Terminal, tmp_path: Path) -> Path:
    made = tmp_path / "dossier"
    (made / "sub").mkdir(parents=True)
    (made / "a.txt").write_text(LETTER)
    (made / "sub" / "b.md").write_text("# Rien\n")
    (made / "sub" / "c.csv").write_bytes("nom;tel\nMadame Karim Tazi;0661987654\n".encode("utf-16"))
    (made / "photo.png").write_bytes(b"\x89PNG\r\n\0\0")
    return made


@pytest.fixture
def own_packs() -> Iterator[None]:
    yield
    knowledge.choose("MA")


def test_a_folder_shows_the_lines_that_hold_something(terminal: Terminal, folder: Path) -> None:
    done = terminal("privacy", "scan", str(folder))
    assert done.status == 0
    assert f"{folder}/a.txt:3: Madame Fatima Zahra Benali PERSON, tel 0612345678 PHONE." in done.out
    assert f"{folder}/a.txt:4: CIN BK123456 CIN" in done.out
    assert "b.md" not in done.out
    assert "2 text files scanned, personal data in 1. 2 files are no text" in done.out
    assert done.err == ""  # no progress bar where nobody looks
    assert terminal("privacy", "scan", str(folder), "--check").status == 1
    assert terminal("privacy", "scan", str(folder / "sub"), "--check").status == 0


def test_several_files_as_json(terminal: Terminal, folder: Path) -> None:
    done = terminal("privacy", "scan", str(folder / "a.txt"), str(folder / "sub"), "--json")
    assert done.status == 0
    first, second = done.document["files"]
    assert (first["file"], first["class"]) == (str(folder / "a.txt"), "personal")
    assert [LETTER[one["start"] : one["end"]] for one in first["findings"]] == [
        "Fatima Zahra Benali",
        "0612345678",
        "BK123456",
    ]
    assert (second["class"], second["findings"]) == ("none", [])
    assert [Path(name).name for name in done.document["skipped"]] == ["c.csv"]


def test_lines_of_several_files(terminal: Terminal, tmp_path: Path) -> None:
    files = []
    for name in "ab":
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text(json.dumps({"id": name, "text": LETTER}) + "\n")
    done = terminal("privacy", "scan", "--jsonl", *map(str, files))
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == ["a", "b"]


def test_a_file_that_is_not_there_is_said(terminal: Terminal, folder: Path) -> None:
    done = terminal("privacy", "scan", str(folder / "a.txt"), str(folder / "none.txt"))
    assert done.status == 2
    assert "none.txt" in done.err


def test_what_is_masked_is_restored(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    mapping, masked = tmp_path / "mapping.json", tmp_path / "masked.txt"
    done = terminal("privacy", "mask", str(folder / "a.txt"), "--mapping", str(mapping))
    assert done.status == 0
    assert not any(private in done.out for private in PRIVATE)
    assert "personal data" in done.err
    assert stat.S_IMODE(mapping.stat().st_mode) == 0o600
    masked.write_text(done.out)
    assert terminal("privacy", "restore", str(masked), "--mapping", str(mapping)).out == LETTER
    answer = tmp_path / "answer.txt"
    answer.write_text("Bonjour [PERSON_1]!")
    back = terminal("privacy", "restore", str(answer), "--mapping", str(mapping), "--json")
    assert back.document == {"text": "Bonjour Fatima Zahra Benali!"}
    again = terminal("privacy", "mask", str(folder / "a.txt"), "--mapping", str(mapping))
    assert again.status == 2  # never over a mapping that is there
    assert "restore" in again.err


def test_json_stays_json_masked_and_restored(terminal: Terminal, tmp_path: Path) -> None:
    file, mapping = tmp_path / "a.json", tmp_path / "mapping.json"
    document = {"client": 'Madame "Fatima" Benali', "tel": "0612345678", "n": 1}
    file.write_text(json.dumps(document))
    masked = terminal("privacy", "mask", str(file), "--mapping", str(mapping)).out
    assert json.loads(masked)["n"] == 1
    assert "0612345678" not in masked
    file.write_text(masked)
    assert json.loads(terminal("privacy", "restore", str(file), "--mapping", str(mapping)).out) == document


def test_every_mode(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    letter, key, other = str(folder / "a.txt"), tmp_path / "key", tmp_path / "other"
    key.write_text("a secret of some length")
    other.write_text("another secret of some length")
    told = {}
    for mode in ("surrogates", "tokens", "redaction"):
        done = terminal("privacy", "mask", letter, "--mode", mode, "--key-file", str(key), "--json")
        assert done.status == 0, done.err
        told[mode] = done.document
        assert not any(private in done.document["text"] for private in PRIVATE)
    assert told["surrogates"]["mapping"]
    assert told["tokens"]["mapping"] == told["redaction"]["mapping"] == {}
    assert told["redaction"]["text"] == "Bonjour,\n\nMadame [PERSON_0], tel [PHONE_0].\nCIN [CIN_0]\n"
    again = terminal("privacy", "mask", letter, "--mode", "tokens", "--key-file", str(key)).out
    assert again == told["tokens"]["text"]
    assert terminal("privacy", "mask", letter, "--mode", "tokens", "--key-file", str(other)).out != again
    mapping, masked = tmp_path / "mapping.json", tmp_path / "masked.txt"
    masked.write_text(terminal("privacy", "mask", letter, "--mode", "surrogates", "--mapping", str(mapping)).out)
    assert "[" not in masked.read_text()
    assert terminal("privacy", "restore", str(masked), "--mapping", str(mapping)).out == LETTER


@pytest.mark.parametrize("content", ["no json", "[]", "{}", '{"mapping": 3}', '{"mapping": {"a": 1}}'])
def test_what_is_no_mapping_is_refused(terminal: Terminal, tmp_path: Path, content: str) -> None:
    file = tmp_path / "mapping.json"
    file.write_text(content)
    done = terminal("privacy", "restore", str(file), "--mapping", str(file))
    assert done.status == 2
    assert "no mapping" in done.err


def test_wrong_wishes_are_said(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    letter, out = str(folder / "a.txt"), str(tmp_path / "m.json")
    for arguments in (
        ["mask", letter, "--mode", "blackout"],
        ["mask", letter, "--mode", "tokens"],
        ["mask", letter, "--mode", "redaction", "--mapping", out],
        ["mask", letter, "--key-file", str(tmp_path / "none")],
        ["mask", letter, "--mapping", str(tmp_path / "none" / "m.json")],
        ["restore", letter],
        ["evaluate", str(tmp_path / "none")],
        ["evaluate", letter],
    ):
        done = terminal("privacy", *arguments)
        assert done.status == 2, arguments
        assert done.err
        assert not any(private in done.err for private in PRIVATE)
    assert not Path(out).exists()


SAMPLES = """fr | Madame ⟦PERSON Fatima Zahra Benali⟧, tel ⟦PHONE 0612345678⟧
ary_Latn | smiti ⟦PERSON Karim Tazi⟧
en | nothing here, but a ⟦PASSPORT word⟧
fr | appelez le 0661987654
"""


def test_the_scanner_is_measured(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "samples.txt"
    file.write_text(SAMPLES)
    report = terminal("privacy", "evaluate", str(file), "--json").document
    assert report["samples"] == 4
    assert report["by_type"]["PERSON"] == {
        "right": 2, "exact": 2, "wrong": 0, "missed": 0, "precision": 1.0, "recall": 1.0, "f1": 1.0, "f1_exact": 1.0,
    }  # fmt: skip
    assert report["by_type"]["PASSPORT"]["missed"] == 1
    assert report["by_type"]["PHONE"]["wrong"] == 1
    assert report["by_language"].keys() == {"ary_Latn", "en", "fr"}
    assert [(one["kind"], one["type"], one["value"]) for one in report["mistakes"]] == [
        ("missed", "PASSPORT", "word"),
        ("wrong", "PHONE", "0661987654"),
    ]
    told = terminal("privacy", "evaluate", str(file)).out
    assert "missed PASSPORT en: 'word'" in told
    assert "PERSON" in told
    assert "missed PASSPORT" not in terminal("privacy", "evaluate", str(file), "--examples", "0").out


def test_the_settings_packs_are_used(terminal: Terminal, own_packs: None, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "identifiers.toml").write_text(
        '[[kind]]\ntype = "BADGE"\nshape = \'\\bzx\\d{4}\\b\'\nform = "ZX[0-9]{4}"\nvalid = 0.9\ncue = 0.9\n'
    )
    text, config = tmp_path / "text.txt", tmp_path / "own.toml"
    text.write_text("le badge ZX1234 est perdu")
    config.write_text(f'[privacy]\npacks = ["{pack}"]\n')
    assert terminal("privacy", "scan", str(text), "--json").document["findings"] == []
    found = terminal("privacy", "scan", str(text), "--json", "--config", str(config)).document["findings"]
    assert [one["type"] for one in found] == ["BADGE"]


@pytest.mark.parametrize("command", ["privacy scan", "up"])
def test_a_folder_that_is_no_pack_is_said(terminal: Terminal, own_packs: None, tmp_path: Path, command: str) -> None:
    config = tmp_path / "own.toml"
    config.write_text(f'[privacy]\npacks = ["{tmp_path}/nothing"]\n')
    done = terminal(*command.split(), "--config", str(config))
    assert done.status == 2
    assert f"{tmp_path}/nothing is no privacy pack" in done.err
