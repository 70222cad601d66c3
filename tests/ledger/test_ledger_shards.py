"""A log a year: begun when it is due, chained, finished after a crash, never grown again. On both databases."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ledger_parts import ORIGIN, OwnerProcess, audit
from typer.testing import CliRunner

from riad.cli.ledger import app
from riad.errors import EvidenceBroken, NotFound
from riad.ledger import place
from riad.ledger.chain import broken_links
from riad.ledger.client import LedgerClient
from riad.ledger.entry import Turn, decode
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.reader import Reader
from riad.ledger.verify import verify


def at(year: int, month: int = 6, day: int = 1) -> Callable[[], float]:
    """A clock that stands."""
    seconds = datetime(year, month, day, tzinfo=UTC).timestamp()
    return lambda: seconds


def record(year: int, number: int = 0) -> bytes:
    return b'{"n":%d,"time":%d}' % (number, at(year)() * 1000)


def use(data_dir: Path, url: str, year: int, count: int, *, day: int = 1) -> list[int]:
    """Open, append, close: the places."""
    log = Log.open(data_dir, ORIGIN, url, now=at(year, day=day))
    try:
        return [log.append([record(year, number)]) for number in range(count)]
    finally:
        log.settle()
        log.close()


def head(data_dir: Path, url: str, shard: int) -> Checkpoint:
    with Reader(data_dir, url, shard) as reader:
        return Checkpoint.parse(Verifier.parse(reader.vkey()).open(reader.checkpoint()))


def test_a_year_ends_and_the_next_begins(tmp_path: Path, ledger_url: str) -> None:
    assert use(tmp_path, ledger_url, 2026, 3) == [0, 1, 2]
    assert use(tmp_path, ledger_url, 2027, 2) == [place.pack(2027, 1), place.pack(2027, 2)]
    assert use(tmp_path, ledger_url, 2029, 1) == [place.pack(2029, 1)]
    first, second, third = (audit(tmp_path, ledger_url, shard) for shard in (0, 2027, 2029))
    assert first[:3] == [record(2026, number) for number in range(3)]
    seal, opening = decode(first[3]), decode(second[0])
    assert isinstance(seal, Turn)
    assert isinstance(opening, Turn)
    assert seal.next_origin == opening.previous_origin + "/2027" == ORIGIN + "/2027"
    with Reader(tmp_path, ledger_url) as old, Reader(tmp_path, ledger_url, 2027) as new:
        assert opening.previous_checkpoint == old.checkpoint()
        assert seal.next_vkey == new.vkey()
        # Receipts of both, each with its own key and no other.
        assert verify(old.receipt(1).encode(), old.vkey()).entry == record(2026, 1)
        assert verify(new.receipt(1).encode(), new.vkey()).entry == record(2027)
    assert len(first) == 4
    assert len(second) == 4
    assert len(third) == 2
    assert head(tmp_path, ledger_url, 2027).origin == ORIGIN + "/2027"


def test_the_last_second_and_the_first(tmp_path: Path, ledger_url: str) -> None:
    clock = [at(2026)()]
    log = Log.open(tmp_path, ORIGIN, ledger_url, now=lambda: clock[0])
    assert log.append([record(2026)]) == 0
    clock[0] = at(2027, 1, 1)() - 0.001
    assert log.append([record(2026)]) == 1
    clock[0] = at(2027, 1, 1)()
    assert log.append([record(2027)] * 3) == place.pack(2027, 1)
    assert log.append([record(2027)]) == place.pack(2027, 4)
    assert (log.shard, log.size, log.origin) == (2027, 5, ORIGIN + "/2027")
    log.close()


def test_an_empty_log_and_one_without_time_go_on(tmp_path: Path, ledger_url: str) -> None:
    Log.open(tmp_path, ORIGIN, ledger_url, now=at(2026)).close()
    log = Log.open(tmp_path, ORIGIN, ledger_url, now=at(2030))
    assert log.append([b"no time"]) == 0
    assert log.append([record(2030)]) == 1
    log.close()
    assert use(tmp_path, ledger_url, 2040, 1) == [2]


def test_a_clock_that_jumps_back_reopens_nothing(tmp_path: Path, ledger_url: str) -> None:
    use(tmp_path, ledger_url, 2026, 1)
    assert use(tmp_path, ledger_url, 2027, 1) == [place.pack(2027, 1)]
    assert use(tmp_path, ledger_url, 2025, 1) == [place.pack(2027, 2)]
    assert use(tmp_path, ledger_url, 2026, 1) == [place.pack(2027, 3)]
    assert len(audit(tmp_path, ledger_url)) == 2


STEPS = ["write:1", "begin:1", "write:2", "create:1", "create:2"]


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_between_the_two_is_finished_at_the_next_start(tmp_path: Path, ledger_url: str, step: str) -> None:
    """The process ends at once, as kill -9 ends it, right before or after a step that writes."""
    data_dir = tmp_path / "data"
    use(data_dir, ledger_url, 2026, 2)
    program = Path(__file__).with_name("ledger_crash.py")
    arguments = [str(data_dir), ORIGIN, ledger_url, step, str(at(2027)())]
    ended = subprocess.run([sys.executable, program, *arguments], capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    (after,) = use(data_dir, ledger_url, 2027, 1)
    assert place.unpack(after)[0] == 2027
    old, new = audit(data_dir, ledger_url), audit(data_dir, ledger_url, 2027)
    assert len(old) == 3
    assert json.loads(new[0])["previous_origin"] == ORIGIN
    assert not [entry for entry in new[1:] if b"previous" in entry]
    assert use(data_dir, ledger_url, 2027, 1) == [after + 1]


def test_a_shard_taken_away_is_missed(tmp_path: Path) -> None:
    use(tmp_path, "", 2026, 2)
    use(tmp_path, "", 2027, 1)
    late = Files(tmp_path, 2027)
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in (late.database, late.anchor):
        shutil.move(path, kept)
    with pytest.raises(EvidenceBroken, match=r"ledger-2027\.checkpoint is missing"):
        Log.open(tmp_path, ORIGIN, now=at(2027))
    shutil.move(kept / late.anchor.name, late.anchor)
    with pytest.raises(EvidenceBroken, match=r"ledger-2027\.db is missing or empty, but 2 entries were signed"):
        Log.open(tmp_path, ORIGIN, now=at(2027))
    late.database.unlink(missing_ok=True)
    shutil.move(kept / late.database.name, late.database)
    assert use(tmp_path, "", 2027, 1) == [place.pack(2027, 2)]


def test_a_finished_shard_may_be_put_away(tmp_path: Path) -> None:
    use(tmp_path, "", 2026, 2)
    use(tmp_path, "", 2027, 1)
    for path in (Files(tmp_path).database, Files(tmp_path).anchor):
        path.unlink()
    assert use(tmp_path, "", 2027, 1) == [place.pack(2027, 2)]
    with Reader(tmp_path) as reader, pytest.raises(NotFound):
        reader.size()


def test_an_old_copy_of_a_finished_shard_forks_nothing(tmp_path: Path) -> None:
    """Its file from before the seal, put back: nobody appends to it, whatever the clock says."""
    use(tmp_path, "", 2026, 2)
    shutil.copy(Files(tmp_path).database, tmp_path / "old")
    use(tmp_path, "", 2027, 1)
    shutil.copy(tmp_path / "old", Files(tmp_path).database)
    assert use(tmp_path, "", 2026, 1) == [place.pack(2027, 2)]


@pytest.mark.parametrize("kind", [b'{"kind":"shard","next_origin":"x"}', b'{"kind":"key","note":"x"}'])
def test_a_client_cannot_end_a_shard_or_change_a_key(tmp_path: Path, ledger_url: str, kind: bytes) -> None:
    log = Log.open(tmp_path, ORIGIN, ledger_url)
    with pytest.raises(ValueError, match="the log's own"):
        log.append([b"good", kind])
    assert log.append([b"good"]) == 0
    log.close()


def test_a_client_is_told_the_place(tmp_path: Path, ledger_url: str, start_owner: Callable[..., OwnerProcess]) -> None:
    """A log of a past year, an owner with today's clock."""
    import asyncio

    use(tmp_path / "data", ledger_url, 2020, 2)
    owner = start_owner(url=ledger_url)

    async def append() -> list[int]:
        client = await LedgerClient.connect(owner.socket)
        places = await asyncio.gather(*(client.append(b"%d" % number) for number in range(300)))
        facts = await client.ping()
        assert facts["origin"].startswith(ORIGIN + "/")
        assert facts["size"] == 301
        await client.close()
        return places

    places = asyncio.run(append())
    shard, first = place.unpack(places[0])
    assert shard >= 2026
    assert first == 1
    assert places == list(range(places[0], places[0] + 300))
    assert owner.end()[0] == 0
    assert audit(tmp_path / "data", ledger_url, shard)[1:] == [b"%d" % number for number in range(300)]
    assert os.path.exists(Files(tmp_path / "data", shard).vkey)


def test_an_audit_follows_the_chain(tmp_path: Path, ledger_url: str) -> None:
    for year in (2026, 2027, 2029):
        use(tmp_path, ledger_url, year, 2)
    readers = {year: Reader(tmp_path, ledger_url, year) for year in (0, 2027, 2029)}
    assert broken_links(readers) == []
    assert broken_links({0: readers[0]}) == []
    # The year between is taken away: its neighbours name it, and not each other.
    found = broken_links({0: readers[0], 2029: readers[2029]})
    assert [(fault.where, fault.entry) for fault in found] == [("shard 0", 2), ("shard 2029", 0)]
    for reader in readers.values():
        reader.close()


def test_the_command_follows_the_chain(tmp_path: Path) -> None:
    for year in (2026, 2027, 2029):
        use(tmp_path, "", year, 2)
    settings = tmp_path / "riad.toml"
    settings.write_text(f'[ledger]\norigin = "{ORIGIN}"\n')
    command = ["audit", "--data-dir", str(tmp_path), "--config", str(settings)]
    assert "✗ shard" not in CliRunner().invoke(app, command).output  # the records of these tests are no entries
    middle = Files(tmp_path, 2027)
    for path in (middle.database, middle.vkey):
        path.unlink()
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "shard 0: Its last entry does not name the shard of 2029" in done.output
