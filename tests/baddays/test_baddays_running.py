"""What goes wrong under a ledger that runs: the clock, the disk, files taken away, copies put back, a second writer."""

from __future__ import annotations

import asyncio
import random
import re
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from riad.errors import EvidenceBroken, LedgerUnavailable
from riad.ledger.client import LedgerClient
from riad.ledger.files import Files
from tests.baddays.history import History
from tests.ledger.ledger_parts import OwnerProcess, audit

Start = Callable[..., OwnerProcess]
CLOCKWORK = str(Path(__file__).with_name("clockwork.py"))


def append(owner: OwnerProcess, *entries: bytes) -> list[int]:
    """Append in one batch, and let the anchor settle; the indices."""

    async def run() -> list[int]:
        client = await LedgerClient.connect(owner.socket)
        try:
            return await asyncio.gather(*[client.append(entry) for entry in entries])
        finally:
            await asyncio.sleep(0.1)
            await client.close()

    return asyncio.run(run())


def numbered(start: int, end: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(start, end)]


def test_a_clock_that_goes_back_is_named_once(tmp_path: Path, start_owner: Start) -> None:
    shift = tmp_path / "shift"
    shift.write_text("0")
    owner = start_owner(program=(CLOCKWORK, str(shift)))
    append(owner, b"before")
    shift.write_text("-3600")
    assert append(owner, b"after", b"and on") == [1, 2]
    append(owner, b"later")
    shift.write_text("-3601")  # what a time service smooths out is nothing to speak of
    append(owner, b"later still")
    status, said = owner.end()
    assert status == 0
    assert re.fullmatch(r"riad ledger: The clock of this machine went back by 36\d\d s\. Set it right: .*\n", said)
    assert audit(owner.data_dir) == [b"before", b"after", b"and on", b"later", b"later still"]


def test_a_clock_that_went_back_between_two_starts_is_named(tmp_path: Path, start_owner: Start) -> None:
    append(first := start_owner(), b"before")
    first.end()
    shift = tmp_path / "shift"
    shift.write_text("-86400")
    owner = start_owner(program=(CLOCKWORK, str(shift)))
    assert append(owner, b"after") == [1]
    status, said = owner.end()
    assert status == 0
    assert said.count("went back by 86") == said.count("\n") == 1


def test_a_disk_that_is_full_at_the_start(start_owner: Start) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    owner = start_owner(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard)))
    status, said = owner.end()
    assert (owner.ready, status) == (False, 1)
    assert "cannot be used" in said
    assert "Make room on that disk" in said
    assert "Traceback" not in said
    again = start_owner()  # with room, and over what the attempt left
    assert again.ready
    assert append(again, b"first") == [0]


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db-wal"])
def test_a_file_deleted_under_the_writer_is_noticed(start_owner: Start, name: str) -> None:
    owner = start_owner()
    append(owner, *numbered(0, 300))
    path = owner.data_dir / name
    path.unlink()
    with pytest.raises(LedgerUnavailable, match=f"{name} was deleted or replaced"):
        append(owner, b"to nowhere")
    if name == "ledger.db":  # what was in it is gone: the ledger stays shut, and says why
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="missing or empty, but 300 entries were signed"):
                append(owner, b"to nowhere")
        assert "Put the ledger's newest copy back" in owner.end()[1]
        return
    # The write-ahead log was still open and has been moved into the database: nothing is lost, and it goes on.
    assert append(owner, b"and on") == [301]
    assert "writing again" in owner.end()[1]
    assert audit(owner.data_dir) == [*numbered(0, 300), b"to nowhere", b"and on"]


def test_a_database_moved_aside_and_put_back(start_owner: Start) -> None:
    owner = start_owner()
    append(owner, *numbered(0, 300))
    database, aside = Files(owner.data_dir).database, owner.data_dir / "aside"
    database.rename(aside)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"ledger\.db"):
            append(owner, b"refused")
    aside.rename(database)
    append(owner, b"and on")
    status, said = owner.end()
    assert status == 0
    assert "writing again" in said
    assert set(numbered(0, 300)) | {b"and on"} <= set(audit(owner.data_dir))


def test_an_old_backup_put_under_a_running_writer(start_owner: Start, tmp_path: Path) -> None:
    append(first := start_owner(), *numbered(0, 300))
    first.end()
    database = Files(first.data_dir).database
    shutil.copy(database, tmp_path / "old")
    append(second := start_owner(), *numbered(300, 3000))
    second.end()
    append(owner := start_owner(), b"one more")
    shutil.move(tmp_path / "old", database)
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db was deleted or replaced"):
        append(owner, b"to nowhere")
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"ledger\.db (holds|ends at) 300 entries|damaged|is missing"):
            append(owner, b"to nowhere")
    assert "see docs/reference/ledger.md" in owner.end()[1]


def test_a_start_without_the_database_leaves_what_lies_beside_it(start_owner: Start) -> None:
    """SQLite would delete the write-ahead log, which holds all the entries here."""
    append(owner := start_owner(), *numbered(0, 300))
    owner.end(signal.SIGKILL)
    files = Files(owner.data_dir)
    wal = files.database.with_name("ledger.db-wal")
    held = wal.read_bytes()
    assert held
    aside = files.database.rename(owner.data_dir / "aside")
    status, said = start_owner().end()
    assert status == 1
    assert "ledger.db is missing or empty, but 300 entries were signed. Nothing was changed." in said
    files.anchor.rename(owner.data_dir / "anchor-aside")
    assert "ledger.db is missing or empty, but ledger.db-wal holds entries of it" in start_owner().end()[1]
    assert wal.read_bytes() == held
    (owner.data_dir / "anchor-aside").rename(files.anchor)
    aside.rename(files.database)
    assert start_owner().ready
    assert audit(owner.data_dir) == numbered(0, 300)


def test_a_copy_without_its_write_ahead_log(start_owner: Start) -> None:
    append(first := start_owner(), *numbered(0, 300))
    first.end()
    append(owner := start_owner(), *numbered(300, 600))
    owner.end(signal.SIGKILL)
    wal = owner.data_dir / "ledger.db-wal"
    aside = wal.rename(owner.data_dir / "aside")
    _, said = start_owner().end()
    assert "ledger.db ends at 300 entries, but 600 were signed" in said
    aside.rename(wal)
    assert start_owner().ready
    assert audit(owner.data_dir) == numbered(0, 600)


def test_an_old_database_under_a_newer_write_ahead_log(start_owner: Start, tmp_path: Path) -> None:
    """The right edge comes from the write-ahead log, and what lies between the two is nowhere."""
    append(first := start_owner(), *numbered(0, 3000))
    first.end()
    database = Files(first.data_dir).database
    shutil.copy(database, tmp_path / "old")
    append(second := start_owner(), *numbered(3000, 6000))
    second.end()
    append(third := start_owner(), *numbered(6000, 6100))
    third.end(signal.SIGKILL)
    shutil.copy(database, tmp_path / "new")
    shutil.copy(tmp_path / "old", database)
    status, said = start_owner().end()
    assert status == 1
    assert re.search(r"ledger\.db is damaged|is missing in the ledger|holds 3000 entries", said)
    shutil.copy(tmp_path / "new", database)  # the refusal left the write-ahead log as it was
    assert start_owner().ready
    assert audit(first.data_dir) == numbered(0, 6100)


def test_a_copied_directory_that_goes_on_is_a_fork_that_an_outsider_sees(start_owner: Start, tmp_path: Path) -> None:
    append(first := start_owner(), *numbered(0, 300))
    first.end()
    copy = Path(shutil.copytree(first.data_dir, tmp_path / "copy"))
    append(one := start_owner(), b"here")
    append(other := start_owner(copy), b"there")
    # Each by itself is a good log under the same key: nothing on either machine can tell.
    outsider = History(first.data_dir, random.Random(1))
    outsider.read()
    outsider._data_dir = copy
    with pytest.raises(EvidenceBroken):
        outsider.read()
    for owner in (one, other):
        owner.end()
    shutil.copy(Files(first.data_dir).anchor, Files(copy).anchor)
    _, said = start_owner(copy).end()
    assert "are of two logs: they differ within the first 301 entries" in said


def test_a_whole_directory_restored_is_seen_by_whoever_kept_a_checkpoint(start_owner: Start, tmp_path: Path) -> None:
    """With its anchor, an old backup is a good log to this machine: what was signed since is for others to remember."""
    append(first := start_owner(), *numbered(0, 300))
    first.end()
    backup = shutil.copytree(first.data_dir, tmp_path / "backup")
    append(second := start_owner(), *numbered(300, 400))
    second.end()
    outsider = History(first.data_dir, random.Random(1))
    outsider.read()
    shutil.rmtree(first.data_dir)
    shutil.copytree(backup, first.data_dir)
    append(owner := start_owner(), *[b"another %d" % number for number in range(200)])
    with pytest.raises(EvidenceBroken):
        outsider.read()
    owner.end()


def test_a_second_writer_past_the_lock_forks_nothing(start_owner: Start) -> None:
    """Somebody deleted the lock's file and a second owner starts: each takes in what the other committed first."""
    first = start_owner()

    async def run() -> None:
        one = await LedgerClient.connect(first.socket)
        assert await one.append(b"first") == 0
        Files(first.data_dir).lock.unlink()
        second = await asyncio.to_thread(start_owner)
        assert second.ready
        two = await LedgerClient.connect(second.socket)
        assert await two.append(b"second") == 1
        assert await one.append(b"third") == 2
        assert await two.append(b"fourth") == 3
        await one.close()
        await two.close()

    asyncio.run(run())
    assert audit(first.data_dir) == [b"first", b"second", b"third", b"fourth"]
