"""The log on disk: it grows, it is continued, and whatever was done to it is noticed and named."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_parts import ORIGIN, audit

from riad.errors import BadRequest, BadSettings, EvidenceBroken, LedgerUnavailable, NotFound, RiadError
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.note import Signer
from riad.ledger.reader import Reader


def fill(data_dir: Path, count: int, *, start: int = 0) -> None:
    log = Log.open(data_dir, ORIGIN)
    log.append([b"entry %d" % number for number in range(start, start + count)])
    log.settle()
    log.close()


def change(data_dir: Path, statement: str, *values: object) -> None:
    db = sqlite3.connect(Files(data_dir).database)
    with db:
        assert db.execute(statement, values).rowcount
    db.close()


def copy_database(data_dir: Path, to: Path) -> None:
    shutil.copy(Files(data_dir).database, to)


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.sampled_from([0, 1, 2, 3, 100, 255, 256, 257, 700]), max_size=6), reopen=st.booleans())
def test_it_grows_in_any_steps(tmp_path_factory: pytest.TempPathFactory, steps: list[int], reopen: bool) -> None:
    data_dir = tmp_path_factory.mktemp("ledger")
    expected: list[bytes] = []
    log = Log.open(data_dir, ORIGIN)
    for step in steps:
        entries = [b"%d" % (len(expected) + number) for number in range(step)]
        assert log.append(entries) == len(expected)
        log.settle()
        expected += entries
        if reopen:
            log.close()
            log = Log.open(data_dir, ORIGIN)
        assert log.size == len(expected)
    log.close()
    assert audit(data_dir) == expected


def test_secrets_are_private_and_the_key_is_kept(tmp_path: Path) -> None:
    files = Files(tmp_path)
    fill(tmp_path, 3)
    vkey = files.vkey.read_text()
    for secret in (files.key, files.database, files.lock):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    fill(tmp_path, 3, start=3)
    assert files.vkey.read_text() == vkey
    assert files.key.read_text() not in vkey


def test_two_logs_cannot_own_one_directory(log: Log, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match=str(os.getpid())):
        Log.open(tmp_path / "data", ORIGIN)
    log.append([b"still mine"])


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "x" * 300])
def test_an_origin_that_cannot_be(tmp_path: Path, origin: str) -> None:
    with pytest.raises(BadRequest):
        Log.open(tmp_path, origin)


@pytest.mark.parametrize("entry", [b"", b"x" * 65_536])
def test_an_entry_that_cannot_be(log: Log, entry: bytes) -> None:
    with pytest.raises(ValueError, match="65535"):
        log.append([b"good", entry])
    assert log.size == 0


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnavailable, match="cannot use"):
        Log.open(tmp_path / "file", ORIGIN)


# What can be done to a ledger of 700 entries while nobody runs it, and what the refusal must name.
DAMAGE: dict[str, tuple[Callable[[Path], object], type[RiadError], str]] = {
    "an entry changed": (
        lambda d: change(d, "UPDATE entry SET data = ? WHERE id = 690", b"forged"),
        EvidenceBroken,
        "Entries 512 to 699",
    ),
    "an entry turned into text": (
        lambda d: change(d, "UPDATE entry SET data = 'forged' WHERE id = 690"),
        EvidenceBroken,
        "Entries 512 to 699",
    ),
    "the last entry taken away": (
        lambda d: change(d, "DELETE FROM entry WHERE id = 699"),
        EvidenceBroken,
        "holds 699 entries, its checkpoint says 700",
    ),
    "a recent entry taken away": (
        lambda d: change(d, "DELETE FROM entry WHERE id = 600"),
        EvidenceBroken,
        "Entries 512 to 699",
    ),
    "an entry added": (
        lambda d: change(d, "INSERT INTO entry VALUES (700, ?)", b"smuggled"),
        EvidenceBroken,
        "holds 701 entries",
    ),
    "all entries taken away": (lambda d: change(d, "DELETE FROM entry"), EvidenceBroken, "holds 0 entries"),
    "a tile changed": (
        lambda d: change(d, "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE id = 2"),
        EvidenceBroken,
        "a tile was changed",
    ),
    "an upper tile changed": (
        lambda d: change(d, "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE id = 1 << 48"),
        EvidenceBroken,
        "a tile was changed",
    ),
    "a tile cut short": (
        lambda d: change(d, "UPDATE tile SET hashes = substr(hashes, 1, 100) WHERE id = 2"),
        EvidenceBroken,
        "Tile tile/0/002",
    ),
    "a tile taken away": (lambda d: change(d, "DELETE FROM tile WHERE id = 2"), EvidenceBroken, "Tile tile/0/002"),
    "the checkpoint's size changed": (
        lambda d: change(d, "UPDATE checkpoint SET note = replace(note, '700', '699')"),
        EvidenceBroken,
        "does not fit",
    ),
    "the checkpoint signed by another key": (
        lambda d: change(d, "UPDATE checkpoint SET note = ?", forged(d)),
        EvidenceBroken,
        "no signature by",
    ),
    "the checkpoint turned to bytes": (
        lambda d: change(d, "UPDATE checkpoint SET note = ?", b"\xff\xfe"),
        EvidenceBroken,
        "not this ledger's",
    ),
    "the checkpoint taken away": (lambda d: change(d, "DELETE FROM checkpoint"), EvidenceBroken, "lost its checkpoint"),
    "the database taken away": (
        lambda d: Files(d).database.unlink(),
        EvidenceBroken,
        "ledger.db is missing or empty, but 700 entries were signed",
    ),
    "the database emptied": (
        lambda d: os.truncate(Files(d).database, 0),
        EvidenceBroken,
        "ledger.db is missing or empty, but 700 entries were signed",
    ),
    "the database cut in the middle": (
        lambda d: os.truncate(Files(d).database, Files(d).database.stat().st_size // 2),
        EvidenceBroken,
        "damaged",
    ),
    "the database overwritten": (
        lambda d: Files(d).database.write_bytes(b"no database at all" * 1000),
        EvidenceBroken,
        "damaged",
    ),
    "the anchor taken away": (
        lambda d: Files(d).anchor.unlink(),
        EvidenceBroken,
        "ledger.checkpoint is missing beside a ledger of 700",
    ),
    "the anchor overwritten": (
        lambda d: Files(d).anchor.write_bytes(b"\0" * 8192),
        EvidenceBroken,
        "holds no checkpoint",
    ),
    "the key taken away": (lambda d: Files(d).key.unlink(), EvidenceBroken, "its key ledger.key is not"),
    "another key": (
        lambda d: Files(d).key.write_text(Signer.generate(ORIGIN).skey),
        EvidenceBroken,
        "not the public half",
    ),
    "another pair of keys": (lambda d: other_pair(d), EvidenceBroken, "no checkpoint that this ledger's key signed"),
    "a key that is none": (lambda d: Files(d).key.write_text("PRIVATE+KEY+secret"), BadSettings, "it is no key"),
    "a format of the future": (lambda d: change_version(d), BadSettings, "format 99"),
}


def forged(data_dir: Path) -> str:
    with Reader(data_dir) as reader:
        text = reader.checkpoint().rpartition("\n\n")[0] + "\n"
    return Signer.generate(ORIGIN).sign(text)


def other_pair(data_dir: Path) -> None:
    signer = Signer.generate(ORIGIN)
    Files(data_dir).key.write_text(signer.skey)
    Files(data_dir).vkey.write_text(signer.verifier.vkey + "\n")


def change_version(data_dir: Path) -> None:
    db = sqlite3.connect(Files(data_dir).database)
    db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_and_named(tmp_path: Path, name: str) -> None:
    damage, kind, sentence = DAMAGE[name]
    fill(tmp_path, 700)
    damage(tmp_path)
    with pytest.raises(kind) as caught:
        Log.open(tmp_path, ORIGIN)
    assert type(caught.value) is kind
    assert sentence in str(caught.value)
    assert caught.value.remedy
    assert "secret" not in str(caught.value)
    # It stays refused, and refusing changed nothing.
    with pytest.raises(kind):
        Log.open(tmp_path, ORIGIN)


def test_another_origin_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with pytest.raises(BadSettings, match=r"is test\.example/ledger, but the settings call it other"):
        Log.open(tmp_path, "other.example/ledger")


@pytest.mark.parametrize("size", [1, 255, 256, 300])
def test_an_old_backup_is_refused_and_the_newest_copy_is_welcome(tmp_path: Path, size: int) -> None:
    files = Files(tmp_path)
    fill(tmp_path, size)
    copy_database(tmp_path, tmp_path / "old")
    fill(tmp_path, 1, start=size)
    copy_database(tmp_path, tmp_path / "new")
    shutil.copy(tmp_path / "old", files.database)
    with pytest.raises(EvidenceBroken, match=f"ends at {size} entries, but {size + 1} were signed"):
        Log.open(tmp_path, ORIGIN)
    shutil.copy(tmp_path / "new", files.database)
    fill(tmp_path, 1, start=size + 1)
    assert audit(tmp_path) == [b"entry %d" % number for number in range(size + 2)]


@pytest.mark.parametrize("more", [0, 50])
def test_a_fork_is_refused(tmp_path: Path, more: int) -> None:
    """The same key, another history: of the same size as what was signed, and longer."""
    files = Files(tmp_path)
    fill(tmp_path, 10)
    copy_database(tmp_path, tmp_path / "old")
    fill(tmp_path, 10, start=10)
    signed = files.anchor.read_bytes()
    shutil.copy(tmp_path / "old", files.database)
    files.anchor.unlink()
    with Reader(tmp_path) as reader:
        files.anchor.write_text(reader.checkpoint())  # as the manual's way back does
    fill(tmp_path, 10 + more, start=1000)
    files.anchor.write_bytes(signed)
    with pytest.raises(EvidenceBroken, match="two logs: they differ within the first 20"):
        Log.open(tmp_path, ORIGIN)


def test_an_anchor_one_commit_behind_is_a_crash_and_goes_on(tmp_path: Path) -> None:
    log = Log.open(tmp_path, ORIGIN)
    log.append([b"a"])
    log.settle()
    log.append([b"b"])  # and no settle: the crash is here
    log.close()
    fill(tmp_path, 1)
    assert audit(tmp_path) == [b"a", b"b", b"entry 0"]


def test_a_torn_anchor_slot_leaves_the_other(tmp_path: Path) -> None:
    log = Log.open(tmp_path, ORIGIN)
    for number in range(3):
        log.append([b"%d" % number])
        log.settle()
    log.close()
    whole = Files(tmp_path).anchor.read_bytes()
    newest = 0 if b"\n3\n" in whole[:4096] else 4096
    torn = bytearray(whole)
    torn[newest + 30 : newest + 4096] = bytes(4066)
    Files(tmp_path).anchor.write_bytes(torn)
    fill(tmp_path, 1)
    assert len(audit(tmp_path)) == 4


def test_what_a_crash_leaves_while_beginning_is_begun_again(tmp_path: Path) -> None:
    files = Files(tmp_path)
    fill(tmp_path, 0)
    for gone in ((files.vkey,), (files.anchor,), (files.database, files.anchor, files.vkey)):
        for path in gone:
            path.unlink()
        fill(tmp_path, 0)
    files.database.write_bytes(b"")
    files.key.with_name("ledger.key.new").write_text("half a k")
    fill(tmp_path, 2)
    assert len(audit(tmp_path)) == 2


def test_a_foreign_hand_in_a_running_log_is_noticed(log: Log, tmp_path: Path) -> None:
    log.append([b"mine"])
    change(tmp_path / "data", "INSERT INTO entry VALUES (1, ?)", b"smuggled")
    with pytest.raises(LedgerUnavailable, match="UNIQUE"):
        log.append([b"next"])
    with pytest.raises(EvidenceBroken, match="holds 2 entries, its checkpoint says 1"):
        log.append([b"next"])
    change(tmp_path / "data", "DELETE FROM entry WHERE id = 1")
    assert log.append([b"next"]) == 1


def test_a_deep_forgery_is_found_where_it_is_read(tmp_path: Path) -> None:
    fill(tmp_path, 700)
    change(tmp_path, "UPDATE entry SET data = ? WHERE id = 5", b"forged")
    change(tmp_path, "DELETE FROM entry WHERE id = 6")
    reader = Reader(tmp_path)
    with pytest.raises(EvidenceBroken, match="Entry 5 of the ledger is not what was logged"):
        reader.receipt(5)
    with pytest.raises(EvidenceBroken, match="Entry 6 of the ledger is missing"):
        reader.receipt(6)
    with pytest.raises(EvidenceBroken, match="tile/entries/000 of the ledger is missing or cut short"):
        reader.tile("tile/entries/000")
    reader.receipt(4)
    reader.close()


def test_the_write_ahead_log_is_moved_and_begun_again(tmp_path: Path) -> None:
    database = Files(tmp_path).database
    wal = database.with_name("ledger.db-wal")
    log = Log.open(tmp_path, ORIGIN)
    entries = [os.urandom(60_000) for _ in range(100)]
    for _ in range(3):  # 18 MB
        log.append(entries)
        log.settle()
    grown, deadline = wal.stat().st_size, time.monotonic() + 60
    while True:
        log.append([b"one"])
        log.settle()
        if wal.stat().st_size == grown:
            break  # it was written from its beginning again
        grown = wal.stat().st_size
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert database.stat().st_size > 16_000_000
    log.close()
    assert not wal.exists()
    assert audit(tmp_path)[:300] == entries * 3


def test_a_closed_log_stays_closed(tmp_path: Path) -> None:
    log = Log.open(tmp_path, ORIGIN)
    log.close()
    log.close()
    other = Log.open(tmp_path, ORIGIN)
    with pytest.raises(LedgerUnavailable, match="closed"):
        log.append([b"x"])
    other.close()


def test_reading_where_there_is_nothing(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for read in (reader.size, reader.checkpoint, reader.vkey, lambda: reader.receipt(0)):
        with pytest.raises(NotFound, match="no ledger"):
            read()
