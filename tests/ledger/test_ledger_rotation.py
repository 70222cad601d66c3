"""A change of keys, rehearsed: before, in between, after; crashes; several machines. On both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_parts import ORIGIN, audit
from typer.testing import CliRunner

from riad.cli.ledger import app
from riad.errors import BadRequest, EvidenceBroken, LedgerUnavailable
from riad.ledger import rotation
from riad.ledger import verify as verifier
from riad.ledger.entry import KeyChange, decode
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.note import Note, Verifier
from riad.ledger.reader import Reader


def append(data_dir: Path, url: str, entry: bytes) -> str:
    """Append it and close; its receipt."""
    log = Log.open(data_dir, ORIGIN, url)
    index = log.append([entry])
    log.settle()
    log.close()
    with Reader(data_dir, url) as reader:
        return reader.receipt(index)


def good(receipt: str, vkey: str) -> bool:
    try:
        verifier.verify(receipt.encode(), vkey)
    except verifier.BadReceipt:
        return False
    return True


def test_receipts_before_during_and_after(tmp_path: Path, ledger_url: str) -> None:
    before = append(tmp_path, ledger_url, b"before")
    old = Files(tmp_path).vkey.read_text().strip()
    both = rotation.begin(tmp_path, ORIGIN, ledger_url).vkeys
    assert both.split("\n")[0] == old
    new = both.split("\n")[1]
    assert Files(tmp_path).vkey.read_text() == both + "\n"
    during = append(tmp_path, ledger_url, b"during")
    assert rotation.finish(tmp_path, ORIGIN, ledger_url).vkeys == new
    assert Files(tmp_path).vkey.read_text() == new + "\n"
    after = append(tmp_path, ledger_url, b"after")
    assert [good(before, old), good(before, new), good(before, both)] == [True, False, True]
    assert [good(during, old), good(during, new), good(during, both)] == [True, True, True]
    assert [good(after, old), good(after, new), good(after, both)] == [False, True, True]
    entries = audit(tmp_path, ledger_url)
    assert [entries[0], entries[2], entries[4]] == [b"before", b"during", b"after"]
    for entry, keys in ((entries[1], [old, new]), (entries[3], [new])):
        change = decode(entry)
        assert isinstance(change, KeyChange)
        note = Note.parse(change.note)
        assert note.text == "\n".join([ORIGIN, "keys", *keys, ""])
        assert Verifier.parse(both).signed(note) == [True, True]
    # Nothing secret was published, nothing is left of the old secret.
    assert Files(tmp_path).key.read_text().count("PRIVATE") == 1
    assert not Files(tmp_path).next_key.exists()


def test_it_is_refused_out_of_order(tmp_path: Path, ledger_url: str) -> None:
    append(tmp_path, ledger_url, b"x")
    with pytest.raises(BadRequest, match="No change of keys is under way"):
        rotation.finish(tmp_path, ORIGIN, ledger_url)
    rotation.begin(tmp_path, ORIGIN, ledger_url)
    with pytest.raises(BadRequest, match="A change of keys is under way"):
        rotation.begin(tmp_path, ORIGIN, ledger_url)
    running = Log.open(tmp_path, ORIGIN, ledger_url)
    with pytest.raises(LedgerUnavailable, match="owns the ledger"):
        rotation.finish(tmp_path, ORIGIN, ledger_url)
    running.close()
    rotation.finish(tmp_path, ORIGIN, ledger_url)
    with pytest.raises(BadRequest, match="No change"):
        rotation.finish(tmp_path, ORIGIN, ledger_url)


CRASH = """
import os, signal, sys
from pathlib import Path
from riad.ledger import rotation
step, left = sys.argv[4], [int(sys.argv[5])]
def dying(real):
    def counted(*arguments, **named):
        result = real(*arguments, **named)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return counted
if step == "rotate":
    rotation.Log.rotate = dying(rotation.Log.rotate)
elif step == "publish":
    rotation.keys.publish = dying(rotation.keys.publish)
else:
    rotation.write_new = dying(rotation.write_new)
getattr(rotation, sys.argv[6])(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
"""


def killed(data_dir: Path, url: str, step: str, what: str) -> None:
    name, _, calls = step.partition(":")
    command = [sys.executable, "-c", CRASH, str(data_dir), ORIGIN, url, name, calls, what]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == -9


@pytest.mark.parametrize("step", ["write_new:1", "rotate:1", "write_new:2"])
def test_a_crash_while_it_begins(tmp_path: Path, ledger_url: str, step: str) -> None:
    before = append(tmp_path, ledger_url, b"before")
    old = Files(tmp_path).vkey.read_text().strip()
    killed(tmp_path, ledger_url, step, "begin")
    append(tmp_path, ledger_url, b"between")  # the platform starts all the same
    if step == "write_new:2":
        assert len(Files(tmp_path).vkey.read_text().split()) == 2
    else:
        rotation.begin(tmp_path, ORIGIN, ledger_url)
    during = append(tmp_path, ledger_url, b"during")
    new = rotation.finish(tmp_path, ORIGIN, ledger_url).vkey
    after = append(tmp_path, ledger_url, b"after")
    assert [good(before, old), good(during, old), good(during, new), good(after, new)] == [True] * 4
    audit(tmp_path, ledger_url)


@pytest.mark.parametrize("step", ["rotate:1", "write_new:1"])
def test_a_crash_while_it_finishes(tmp_path: Path, ledger_url: str, step: str) -> None:
    append(tmp_path, ledger_url, b"before")
    new = rotation.begin(tmp_path, ORIGIN, ledger_url).vkeys.split("\n")[1]
    append(tmp_path, ledger_url, b"during")
    killed(tmp_path, ledger_url, step, "finish")
    append(tmp_path, ledger_url, b"between")
    if step == "rotate:1":
        rotation.finish(tmp_path, ORIGIN, ledger_url)
    assert Files(tmp_path).vkey.read_text().strip() == new
    assert good(append(tmp_path, ledger_url, b"after"), new)
    audit(tmp_path, ledger_url)


def test_the_next_year_is_signed_by_the_keys_of_its_time(tmp_path: Path, ledger_url: str) -> None:
    """A change that overlaps the turn of the year, and one after it: the finished log keeps the key it ended with."""
    clock = [1_790_000_000.0]  # 2026
    log = Log.open(tmp_path, ORIGIN, ledger_url, now=lambda: clock[0])
    log.append([b'{"time":1790000000000}'])
    log.close()
    both = rotation.begin(tmp_path, ORIGIN, ledger_url, now=lambda: clock[0]).vkeys
    clock[0] += 365 * 86_400
    log = Log.open(tmp_path, ORIGIN, ledger_url, now=lambda: clock[0])
    log.append([b"next year"])
    assert len(log.vkey.split()) == 2
    log.close()
    rotation.finish(tmp_path, ORIGIN, ledger_url, now=lambda: clock[0])
    assert Files(tmp_path).vkey.read_text().strip() == both
    with Reader(tmp_path, ledger_url) as first, Reader(tmp_path, ledger_url, 2027) as second:
        assert good(first.receipt(0), first.vkey())
        assert good(second.receipt(1), second.vkey())
        assert (len(first.vkey().split()), len(second.vkey().split())) == (2, 1)


def test_several_machines(tmp_path: Path, postgresql_url: str) -> None:
    """One keeps the old key for a while, is given both, then the new one."""
    here, there = tmp_path / "here", tmp_path / "there"
    append(here, postgresql_url, b"0")
    there.mkdir()
    copy = lambda: (there / "ledger.key").write_bytes((here / "ledger.key").read_bytes())  # noqa: E731
    copy()
    append(there, postgresql_url, b"1")
    rotation.begin(here, ORIGIN, postgresql_url)
    append(there, postgresql_url, b"3")  # with the old key alone
    append(here, postgresql_url, b"4")
    append(there, postgresql_url, b"5")
    with pytest.raises(BadRequest, match="a machine still has the old one alone"):
        rotation.finish(here, ORIGIN, postgresql_url)
    copy()
    append(there, postgresql_url, b"6")
    rotation.finish(here, ORIGIN, postgresql_url)
    append(there, postgresql_url, b"8")  # with both
    append(here, postgresql_url, b"9")
    copy()
    append(there, postgresql_url, b"10")
    assert len(audit(there, postgresql_url)) == 11
    assert Files(there).vkey.read_text() == Files(here).vkey.read_text()


def test_a_machine_that_missed_the_change_is_stopped(tmp_path: Path, postgresql_url: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    append(here, postgresql_url, b"0")
    there.mkdir()
    (there / "ledger.key").write_bytes((here / "ledger.key").read_bytes())
    slow = Log.open(there, ORIGIN, postgresql_url)
    rotation.begin(here, ORIGIN, postgresql_url)
    rotation.finish(here, ORIGIN, postgresql_url)
    append(here, postgresql_url, b"new key alone")
    with pytest.raises(EvidenceBroken, match="no signature by") as caught:
        slow.append([b"old key alone"])
    assert "Copy ledger.key" in caught.value.remedy
    slow.close()


def test_another_pair_of_two_is_refused(tmp_path: Path, ledger_url: str) -> None:
    append(tmp_path / "a", ledger_url, b"x")
    rotation.begin(tmp_path / "a", ORIGIN, ledger_url)
    append(tmp_path / "b", "", b"x")
    os.replace(Files(tmp_path / "b").key, Files(tmp_path / "a").key)
    with pytest.raises(EvidenceBroken, match="not the public half"):
        Log.open(tmp_path / "a", ORIGIN, ledger_url)


def test_the_command(tmp_path: Path) -> None:
    append(tmp_path, "", b"x")
    old = Files(tmp_path).vkey.read_text().strip()
    config = tmp_path / "riad.toml"
    config.write_text(f'[ledger]\norigin = "{ORIGIN}"\n')
    options = ["--data-dir", str(tmp_path), "--config", str(config)]

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, *options])
        assert result.exit_code == 0, result.exception
        return result.stdout

    assert old in run("rotate-key")
    assert len(run("key").split()) == 2
    finished = json.loads(run("rotate-key", "--finish", "--json"))
    assert finished["finished"]
    assert finished["keys"] == run("key").split() != [old]
    assert isinstance(CliRunner().invoke(app, ["rotate-key", "--finish", *options]).exception, BadRequest)
    receipt = tmp_path / "r"
    receipt.write_text(append(tmp_path, "", b"y"))
    keys = tmp_path / "keys"
    keys.write_text(old + "\n" + "\n".join(finished["keys"]) + "\n")
    assert "GOOD" in run("verify", str(receipt), "--key", str(keys))
