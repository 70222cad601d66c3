"""Whatever was done to a ledger on disk: what the operator reads, that nothing more is harmed, and the way back."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from riad.ledger.files import Files
from riad.ledger.note import Checkpoint, Signer
from tests.baddays.conftest import SIZE, entry
from tests.ledger.ledger_parts import ORIGIN, OwnerProcess, audit

Start = Callable[..., OwnerProcess]
BACK = "docs/reference/ledger.md"


def sql(statement: str, *values: object) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        db = sqlite3.connect(files.database)
        with db:
            assert db.execute(statement, values).rowcount
        db.close()

    return change


def tile(level: int, number: int, what: str) -> Callable[[Files], None]:
    """Change a tile: its last hash (``forge``), its end (``cut``), or all of it (``take``)."""
    row = level << 48 | number
    if what == "forge":
        return sql("UPDATE tile SET hashes = substr(hashes, 1, length(hashes) - 32) || ? WHERE id = ?", b"x" * 32, row)
    if what == "cut":
        return sql("UPDATE tile SET hashes = substr(hashes, 1, length(hashes) - 32) WHERE id = ?", row)
    return sql("DELETE FROM tile WHERE id = ?", row)


def directory(name: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        path = files.data_dir / name
        path.unlink()
        path.mkdir()

    return change


def emptied(name: str) -> Callable[[Files], None]:
    return lambda files: os.truncate(files.data_dir / name, 0)


def cut(part: float) -> Callable[[Files], None]:
    return lambda files: os.truncate(files.database, int(files.database.stat().st_size * part) // 8192 * 8192)


def anchored(make: Callable[[Files, str], str]) -> Callable[[Files], None]:
    """Put what ``make`` gives for the checkpoint's signed text in the place of the anchor."""

    def change(files: Files) -> None:
        note = files.anchor.read_text().partition("\n\n\n")[0].rstrip("\n") + "\n"
        files.anchor.write_text(make(files, note.rpartition("\n\n")[0] + "\n"))

    return change


def signed(files: Files, text: str) -> str:
    return Signer.parse(files.key.read_text().strip()).sign(text)


def other_key(_: Files, text: str) -> str:
    return Signer.generate(ORIGIN).sign(text)


def other_signature(files: Files, text: str) -> str:
    """Signed by the right key, but for another text."""
    other = signed(files, text.replace(str(SIZE), str(SIZE - 1)))
    return text + "\n" + other.rpartition("\n\n")[2]


def larger(files: Files, text: str) -> str:
    return signed(files, text.replace(str(SIZE), str(SIZE + 1)))


def other_root(files: Files, text: str) -> str:
    return signed(files, Checkpoint(ORIGIN, SIZE, hashlib.sha256(b"another").digest()).text)


CHECKPOINT = "UPDATE checkpoint SET note = ?"

# What is done → what the refusal says.
DAMAGE: dict[str, tuple[Callable[[Files], object], str]] = {
    "the last tile forged": (tile(0, SIZE // 256, "forge"), "a tile was changed"),
    "the last tile cut": (tile(0, SIZE // 256, "cut"), "Tile tile/0/257 of the ledger is missing or cut short"),
    "the last tile taken": (tile(0, SIZE // 256, "take"), "Tile tile/0/257 of the ledger"),
    "a full tile beside the edge forged": (tile(1, 1, "forge"), "a tile was changed"),
    "an unfinished upper tile taken": (tile(1, 1, "take"), "Tile tile/1/001 of the ledger"),
    "the top tile forged": (tile(2, 0, "forge"), "a tile was changed"),
    "the top tile taken": (tile(2, 0, "take"), "Tile tile/2/000 of the ledger"),
    "a recent entry forged": (
        sql("UPDATE entry SET data = ? WHERE id = ?", b"x", SIZE - 3),
        f"Entries {SIZE // 256 * 256} to {SIZE - 1} in ledger.db are not those that were logged: one was changed",
    ),
    "half of the entries taken": (
        sql("DELETE FROM entry WHERE id BETWEEN 100 AND 60000"),
        f"Entry {SIZE - (1 << 16)} of {SIZE} is missing in the ledger",
    ),
    "the first entry forged": (sql("UPDATE entry SET data = ? WHERE id = 0", b"x"), f"Entry 0 of {SIZE} is missing"),
    "the database cut in the middle": (cut(0.5), "ledger.db is damaged"),
    "the database cut to one page": (lambda files: os.truncate(files.database, 8192), "ledger.db is damaged"),
    "the database emptied": (emptied("ledger.db"), f"ledger.db is missing or empty, but {SIZE} entries were signed"),
    "the database taken": (lambda files: files.database.unlink(), f"ledger.db is missing or empty, but {SIZE}"),
    "the database a directory": (directory("ledger.db"), "ledger.db is not a file"),
    "the database overwritten": (
        lambda files: files.database.write_bytes(os.urandom(100_000)),
        "ledger.db is damaged: file is not a database",
    ),
    "the anchor taken": (
        lambda files: files.anchor.unlink(),
        f"ledger.checkpoint is missing beside a ledger of {SIZE} entries",
    ),
    "the anchor emptied": (emptied("ledger.checkpoint"), "ledger.checkpoint holds no checkpoint"),
    "the anchor a directory": (directory("ledger.checkpoint"), "ledger.checkpoint holds no checkpoint"),
    "the anchor signed by another key": (anchored(other_key), "ledger.checkpoint holds no checkpoint"),
    "the anchor with another's signature": (anchored(other_signature), "ledger.checkpoint holds no checkpoint"),
    "the anchor of a larger log": (anchored(larger), f"ends at {SIZE} entries, but {SIZE + 1} were signed"),
    "the anchor of another log": (anchored(other_root), f"are of two logs: they differ within the first {SIZE}"),
    "the checkpoint by another key": (
        lambda files: sql(CHECKPOINT, other_key(files, Checkpoint(ORIGIN, SIZE, b"r" * 32).text))(files),
        "The checkpoint in ledger.db is not this ledger's",
    ),
    "the checkpoint of a larger log": (
        lambda files: sql(CHECKPOINT, signed(files, Checkpoint(ORIGIN, SIZE + 1, b"r" * 32).text))(files),
        f"ledger.db holds {SIZE} entries, its checkpoint says {SIZE + 1}",
    ),
    "the checkpoint with another root": (
        lambda files: sql(CHECKPOINT, other_root(files, ""))(files),
        "do not lead to the root of its checkpoint",
    ),
    "the checkpoint cut": (sql("UPDATE checkpoint SET note = substr(note, 1, 40)"), "is not this ledger's"),
    "the key taken": (lambda files: files.key.unlink(), "is there, but its key ledger.key is not"),
    "the key emptied": (emptied("ledger.key"), "cannot be read: it is no key"),
    "the key a directory": (directory("ledger.key"), "cannot be read: Is a directory"),
    "the public key emptied": (emptied("ledger.vkey"), "ledger.vkey is not the public half of ledger.key"),
    "the public key a directory": (directory("ledger.vkey"), "ledger.vkey cannot be read: Is a directory"),
    "the lock a directory": (directory("ledger.lock"), "Is a directory"),
}


def contents(data_dir: Path) -> dict[str, str]:
    """A digest of every file that holds something; the lock and SQLite's shared memory hold nothing."""
    files = [path for path in data_dir.iterdir() if path.is_file() and path.suffix not in (".lock", ".db-shm")]
    kept = [path for path in files if path.suffix != ".db-wal" or path.stat().st_size]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_and_can_be_undone(name: str, ledger: Path, data_dir: Path, start_owner: Start) -> None:
    damage, sentence = DAMAGE[name]
    files = Files(data_dir)
    damage(files)
    before = contents(data_dir)
    owner = start_owner()
    status, said = owner.end()
    assert not owner.ready
    assert status == (2 if sentence.startswith(("cannot be read", "ledger.vkey cannot be read")) else 1)
    assert said.startswith("riad ledger: ")
    assert sentence in said
    assert "Traceback" not in said
    assert said.count("\n") == 1
    assert len(said.partition(sentence)[2].split()) > 5, "no remedy"
    assert contents(data_dir) == before
    # The way back: what belongs there, from the newest copy.
    for path in data_dir.iterdir():
        good = ledger / path.name
        if path.is_dir() and path.name != "run":
            path.rmdir()
    for good in ledger.iterdir():
        if good.is_file():
            shutil.copy(good, data_dir)
    again = start_owner()
    assert again.ready, again.end()


def riad(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "riad", *map(str, arguments)]
    environment = {**os.environ, "RIAD_LANG": "en", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def test_the_anchor_is_made_again_by_the_command_in_the_manual(data_dir: Path, start_owner: Start) -> None:
    anchor = Files(data_dir).anchor
    anchor.unlink()
    _, said = start_owner().end()
    assert "riad ledger checkpoint > ledger.checkpoint" in said
    anchor.write_text(riad("ledger", "checkpoint", "--data-dir", data_dir).stdout)
    assert start_owner().ready


def test_a_forgery_deep_inside_is_named_where_it_is_read(data_dir: Path, start_owner: Start) -> None:
    """A start reads the right edge and takes a few looks: what lies between is for the reader, and for an audit."""
    files = Files(data_dir)
    sql("UPDATE entry SET data = ? WHERE id = 30000", entry(1))(files)
    tile(0, 200, "forge")(files)
    assert start_owner().ready
    read(data_dir, 30_000, good=False)
    read(data_dir, 200 * 256 + 254, good=False)  # its proof begins with the forged hash
    read(data_dir, 40_000, good=True)
    audited = riad("ledger", "audit", "--data-dir", data_dir)
    assert audited.returncode == 1
    assert "entry 30000: Its bytes are not those that were logged" in audited.stdout
    assert "tile/0/200: Hashes 255 in it were changed" in audited.stdout
    tile(1, 0, "forge")(files)
    read(data_dir, 5, good=False)  # its proof goes through the forged upper tile


def read(data_dir: Path, index: int, *, good: bool) -> None:
    """Ask for an entry and for its receipt: both are given, or neither and why."""
    for arguments in (("show", index), ("show", index, "--receipt")):
        done = riad("ledger", *arguments, "--data-dir", data_dir)
        assert done.returncode == (0 if good else 1), done
        if not good:
            assert done.stdout == ""
            assert f"Entry {index} of the ledger is not what was logged there" in done.stderr
            assert BACK in done.stderr


@pytest.mark.parametrize("name", ["the database emptied", "the database a directory", "the database overwritten"])
def test_reading_what_is_no_ledger_any_more(data_dir: Path, name: str) -> None:
    DAMAGE[name][0](Files(data_dir))
    for command in (("checkpoint",), ("show", 0), ("stats",)):
        done = riad("ledger", *command, "--data-dir", data_dir)
        assert done.returncode in (1, 2)
        assert done.stderr.startswith("riad: ")
        assert "Traceback" not in done.stderr


def test_a_new_ledger_where_the_old_one_is_lost_for_good(data_dir: Path, tmp_path: Path) -> None:
    """The manual's last way out: the old files aside, a new origin; old receipts stay good with the old key."""
    receipt, key = tmp_path / "receipt", tmp_path / "old" / "ledger.vkey"
    receipt.write_text(riad("ledger", "show", 7, "--receipt", "--data-dir", data_dir).stdout)
    (tmp_path / "old").mkdir()
    os.truncate(Files(data_dir).database, 8192)
    for path in [path for path in data_dir.iterdir() if path.name.startswith("ledger.")]:
        path.rename(tmp_path / "old" / path.name)
    command = [
        sys.executable,
        "-m",
        "riad.ledger.owner",
        "--data-dir",
        str(data_dir),
        "--origin",
        "test.example/second",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        owner.terminate()
    assert audit(data_dir) == []
    assert riad("ledger", "verify", receipt, "--key", key).returncode == 0
    assert riad("ledger", "verify", receipt, "--data-dir", data_dir).returncode == 1
