"""Static files: complete whenever they are looked at, and nobody else's."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from ledger_parts import ORIGIN
from reading_parts import damage, decision, entries, write
from typer.testing import CliRunner, Result

from riad.cli.ledger import app
from riad.errors import BadRequest, EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger.audit import audit
from riad.ledger.export import export
from riad.ledger.files import Files
from riad.ledger.ranges import RANGE
from riad.ledger.reader import Reader
from riad.ledger.source import Export

SIZE = 66_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("export") / "data"
    write(data_dir, list(entries(0, SIZE)))
    return data_dir


def tiles(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("tile/**/*") if path.is_file())


def sound(directory: Path, **options: object) -> bool:
    return audit(partial(Export, directory), **options).faults == []  # type: ignore[arg-type]


def test_it_serves_what_the_log_serves(whole: Path, tmp_path: Path) -> None:
    with Reader(whole) as reader:
        done = export(reader, tmp_path / "out")
        assert (done.before, done.head.size) == (0, SIZE)
        found = tiles(tmp_path / "out")
        for path in ["checkpoint", *found]:
            assert (tmp_path / "out" / path).read_bytes() == reader.tile(path), path
        assert (tmp_path / "out" / "ledger.vkey").read_text().split() == reader.vkeys()
    assert len(found) == 2 * (257 + 1) + 2 + 1  # bundles and level 0, full and partial; level 1; level 2
    assert {"tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"} <= set(found)
    assert ORIGIN in (tmp_path / "out" / "README.txt").read_text()
    assert sound(tmp_path / "out")
    assert sound(tmp_path / "out", processes=2)


def test_the_published_checkpoint_is_always_served(tmp_path: Path) -> None:
    """At every step of every export, a stranger who looks finds a log that verifies, the old one or the new."""
    data_dir, out = tmp_path / "data", tmp_path / "out"
    sizes = [0, 3, 256, 700, 1024, RANGE + 5]
    for before, size in zip([0, *sizes], sizes, strict=False):
        write(data_dir, list(entries(before, size)))
        looked = []

        def look(done: int, total: int, looked: list[int] = looked) -> None:
            if (out / "checkpoint").exists():
                assert sound(out)
            looked.append(done)

        with Reader(data_dir) as reader:
            assert export(reader, out, look).before == before
            assert (out / "checkpoint").read_text() == reader.checkpoint()
        assert sound(out)
        assert bool(looked) == (size > before)
    # Partial tiles are deleted once the full ones are there, and not before.
    assert [path for path in tiles(out) if ".p/" in path] == [
        "tile/0/256.p/5",
        "tile/2/000.p/1",
        "tile/entries/256.p/5",
    ]
    assert not list(out.rglob("*.new"))


def test_it_goes_on_where_it_was_interrupted(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riad.ledger.export.SYNC", RANGE)
    out = tmp_path / "out"

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with Reader(whole) as reader:
        with pytest.raises(KeyboardInterrupt):
            export(reader, out, interrupt)
        assert not (out / "checkpoint").exists()
        kept = (out / "tile/entries/000").stat().st_mtime_ns
        seen: list[tuple[int, int]] = []
        export(reader, out, lambda done, total: seen.append((done, total)))
        assert seen == [(SIZE - RANGE, SIZE - RANGE)]
        assert (out / "tile/entries/000").stat().st_mtime_ns == kept
    assert sound(out)
    assert not (out / ".export").exists()


def test_nothing_new_changes_nothing(whole: Path, tmp_path: Path) -> None:
    with Reader(whole) as reader:
        export(reader, tmp_path / "out")
        before = (tmp_path / "out/checkpoint").stat().st_mtime_ns
        assert export(reader, tmp_path / "out").before == SIZE
    assert (tmp_path / "out/checkpoint").stat().st_mtime_ns == before
    assert sound(tmp_path / "out")


def test_anothers_directory_is_refused(tmp_path: Path) -> None:
    for name, origin in (("ours", ORIGIN), ("theirs", "other.example/ledger"), ("namesake", ORIGIN)):
        write(tmp_path / name, [decision(0)], origin)
        with Reader(tmp_path / name) as reader:
            export(reader, tmp_path / f"{name}.out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    (tmp_path / "begun").mkdir()
    shutil.copy(tmp_path / "theirs.out" / "ledger.vkey", tmp_path / "begun")
    with Reader(tmp_path / "ours") as reader:
        for name in ("theirs.out", "namesake.out", "full", "begun"):
            was = sorted((tmp_path / name).rglob("*"))
            with pytest.raises(BadRequest):
                export(reader, tmp_path / name)
            assert sorted((tmp_path / name).rglob("*")) == was
        with pytest.raises(BadRequest, match="not a directory"):
            export(reader, tmp_path / "full" / "thesis.tex")


def test_an_old_copy_and_a_fork_are_refused(tmp_path: Path) -> None:
    data_dir, out = tmp_path / "data", tmp_path / "out"
    write(data_dir, list(entries(0, 300)))
    shutil.copytree(data_dir, tmp_path / "old")
    shutil.copytree(data_dir, tmp_path / "fork")
    write(data_dir, list(entries(300, 400)))
    write(tmp_path / "fork", list(entries(301, 500)))
    with Reader(data_dir) as reader:
        export(reader, out)
    for name, words in (("old", "older copy"), ("fork", "another log")):
        with Reader(tmp_path / name) as reader, pytest.raises(EvidenceBroken, match=words):
            export(reader, out)
    assert sound(out)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET data = x'00' WHERE id = 9",
        "DELETE FROM entry WHERE id = 299",
        "UPDATE tile SET hashes = zeroblob(8192) WHERE id = 0",
        "UPDATE tile SET hashes = zeroblob(32) WHERE id = 1 << 48",
    ],
)
def test_nothing_damaged_is_published(tmp_path: Path, statement: str) -> None:
    write(tmp_path / "data", list(entries(0, 300)))
    damage(tmp_path / "data", statement)
    with Reader(tmp_path / "data") as reader, pytest.raises(EvidenceBroken, match="nothing was published"):
        export(reader, tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoint").exists()


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("tile/entries/000", "tile/entries/000"),
        ("tile/entries/001.p/44", "tile/entries/001.p/44"),
        ("tile/0/000", "tile/0/000"),
        ("tile/1/000.p/1", "tile/1/000.p/1"),
    ],
)
@pytest.mark.parametrize("data", [None, b"\xff\xff", b"", b"x" * 20_000_000])
def test_a_damaged_copy(tmp_path: Path, path: str, fault: str, data: bytes | None) -> None:
    write(tmp_path / "data", list(entries(0, 300)))
    with Reader(tmp_path / "data") as reader:
        export(reader, tmp_path / "out")
    if data is None:
        (tmp_path / "out" / path).unlink()
    else:
        (tmp_path / "out" / path).write_bytes(data)
    assert fault in {fault.where for fault in audit(partial(Export, tmp_path / "out")).faults}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_commands(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = json.loads(invoke("export", out, "--data-dir", whole, "--json").stdout)
    assert (answer["size"], answer["added"], answer["minimum"]) == (SIZE, SIZE, 0)
    assert "0 of them new" in invoke("export", out, "--data-dir", whole).stdout
    assert "by the key in the directory itself" in invoke("audit", out, "--processes", 1).stdout
    result = invoke("audit", out, "--key", Files(whole).vkey, "--processes", 1)
    assert (result.exit_code, "GOOD: every entry" in result.stdout) == (0, True)
    assert not (out / "ledger.audited").exists()
    write(tmp_path / "other", [b"{}"])
    result = invoke("audit", out, "--key", Files(tmp_path / "other").vkey, "--processes", 1)
    assert (result.exit_code, "checkpoint: " in result.stdout) == (1, True)


def test_wrong_usage(whole: Path, tmp_path: Path) -> None:
    assert isinstance(invoke("export", tmp_path / "out", "--data-dir", tmp_path / "none").exception, NotFound)
    assert isinstance(invoke("export", Path(__file__).parent, "--data-dir", whole).exception, BadRequest)
    assert invoke("export", "--data-dir", whole).exit_code == 2
    if os.getuid():
        assert isinstance(invoke("export", "/proc/out", "--data-dir", whole).exception, LedgerUnavailable)
