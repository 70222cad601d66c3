"""The key store: what is written is found, what is erased is nowhere, and a key opens no entry but its own."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_parts import ORIGIN, OwnerProcess

from riad.errors import Erased, LedgerUnavailable, NotFound
from riad.ledger import place
from riad.ledger.client import LedgerClient
from riad.ledger.erasing import erasure
from riad.ledger.log import Log
from riad.ledger.merkle import leaf_hash
from riad.ledger.outcomes import outcome_of
from riad.ledger.reader import Reader
from riad.ledger.record_keys import NAME, RecordKeys

SMALL = 1 << 20  # bytes of the largest file that a test's owner may write

Start = Callable[..., OwnerProcess]
TAGS = [b"a" * 16, b"b" * 16]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[RecordKeys]:
    with RecordKeys(tmp_path / "keys", synchronous="FULL") as opened:
        opened.prepare(0)
        yield opened


def entries(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def fill(keys: RecordKeys, count: int, first: int = 0) -> dict[int, bytes]:
    """Keys for ``count`` entries, every second one with a subject, every tenth with none; → the keys by place."""
    made = {first + n: os.urandom(32) for n in range(count) if n % 10 != 9}
    secrets = [
        made[place] + (TAGS[place % 4 == 0] if place % 2 == 0 else b"") if place in made else b""
        for place in range(first, first + count)
    ]
    keys.write(first, secrets, [leaf_hash(entry) for entry in entries(first + count)[first:]])
    return made


def everything(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(directory.iterdir()))


def test_keys_are_found_again(keys: RecordKeys) -> None:
    made = fill(keys, 50) | fill(keys, 50, first=50)
    for at, entry in enumerate(entries(100)):
        if at in made:
            assert keys.key(at, entry) == made[at]
        else:
            with pytest.raises(NotFound):
                keys.key(at, entry)
    with pytest.raises(NotFound):
        keys.key(100, b"entry 100")
    assert [row.place for row in keys.rows(TAGS[1])] == [place for place in range(0, 100, 4) if place in made]
    assert keys.rows(b"c" * 16) == []
    assert len(keys.rows()) == len(made)


def test_a_key_opens_no_entry_but_its_own(keys: RecordKeys) -> None:
    """As when a commit failed after its keys were written, and another entry took the place."""
    fill(keys, 5)
    with pytest.raises(NotFound):
        keys.key(1, b"another entry")
    keys.write(1, [b"n" * 32], [leaf_hash(b"another entry")])
    assert keys.key(1, b"another entry") == b"n" * 32
    keys.prepare(3)
    assert [row.place for row in keys.rows()] == [0, 1, 2]


def test_what_is_erased_is_in_no_file(keys: RecordKeys, tmp_path: Path) -> None:
    made: dict[int, bytes] = {}
    for first in range(0, 4000, 200):
        made |= fill(keys, 200, first)
    gone, rows = everything(tmp_path / "keys"), keys.rows(TAGS[1])
    assert TAGS[1] in gone
    assert all(made[row.place] in gone for row in rows)
    planned = erasure("subject", "request")
    assert keys.destroy(rows, planned) == len(rows) == 1000
    keys.sweep()
    left = everything(tmp_path / "keys")
    assert TAGS[1] not in left
    assert not any(made[row.place] in left for row in rows)
    assert all(key in left for place, key in made.items() if place % 4)
    with pytest.raises(Erased):
        keys.key(0, b"entry 0")
    assert keys.destroy(rows, planned) == 0
    (pending,) = keys.pending()
    assert (pending.id, pending.count) == (planned.id, 1000)
    keys.recorded(pending)
    assert keys.pending() == []


def test_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    """NORMAL is enough against the end of the process: what ``write`` returned from is there."""
    program = (
        "import sys; from pathlib import Path; from riad.ledger.record_keys import RecordKeys\n"
        f"keys = RecordKeys(Path({str(tmp_path / 'keys')!r})); place = 0\n"
        "while True:\n"
        "    keys.write(place, [b'%032d' % place], [b'%032d' % place]); place += 1\n"
        "    sys.stdout.write(f'{place}\\n'); sys.stdout.flush()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    written = 0
    while written < 500:
        written = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    written = int([str(written), *child.communicate()[0].split()][-1])
    with RecordKeys(tmp_path / "keys") as keys:
        assert [row.place for row in keys.rows()][:written] == list(range(written))


def test_it_is_private(keys: RecordKeys, tmp_path: Path) -> None:
    fill(keys, 3)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="keys_dir"):
        RecordKeys(tmp_path / "none").rows()
    directory = tmp_path / "keys"
    directory.mkdir()
    (directory / NAME).write_bytes(b"no database" * 1000)
    for use in (lambda keys: keys.prepare(0), lambda keys: keys.rows(), lambda keys: keys.key(0, b"x")):
        with pytest.raises(LedgerUnavailable, match="damaged: see docs"):
            use(RecordKeys(directory))
    (directory / NAME).unlink()
    with sqlite3.connect(directory / NAME) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(LedgerUnavailable, match="format 9"):
        RecordKeys(directory).prepare(0)


def test_the_owner_keeps_keys_beside_the_entries(start_owner: Start) -> None:
    owner = start_owner()

    async def use() -> list[int]:
        client = await LedgerClient.connect(owner.socket)
        secrets = [b"", *(b"%032d" % n for n in range(5000)), b"k" * 32 + TAGS[0]]
        places = await asyncio.gather(*(client.append(b"entry %d" % n, s) for n, s in enumerate(secrets)))
        with pytest.raises(ValueError, match="a secret is"):
            client.append(b"entry", b"short")
        await client.close()
        return places

    assert asyncio.run(use()) == list(range(5002))
    with RecordKeys(owner.data_dir / "keys") as keys, Reader(owner.data_dir) as reader:
        assert keys.key(77, reader.entry(77)) == b"%032d" % 76
        assert keys.key(5001, reader.entry(5001)) == b"k" * 32
        assert [row.place for row in keys.rows(TAGS[0])] == [5001]
        with pytest.raises(NotFound):
            keys.key(0, reader.entry(0))


def test_keys_that_the_log_never_reached_are_forgotten_at_the_start(start_owner: Start) -> None:
    owner = start_owner()

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        await client.append(b"entry 0", b"k" * 32)
        await client.close()

    asyncio.run(use())
    owner.end()
    with RecordKeys(owner.data_dir / "keys") as keys:
        keys.write(1, [b"x" * 32 + TAGS[0]], [leaf_hash(b"never logged")])
    start_owner().end()
    with RecordKeys(owner.data_dir / "keys") as keys:
        assert [row.place for row in keys.rows()] == [0]


def test_without_its_key_no_record(start_owner: Start) -> None:
    """A full key store stops records with keys and no others, says why, and lets them go on when there is room."""
    owner = start_owner()
    owner.end()
    store = owner.data_dir / "keys" / NAME
    # Its write-ahead log is nearly full, the ledger's is not; held open here, or closing would empty it.
    other = sqlite3.connect(store)
    other.execute("PRAGMA wal_autocheckpoint = 0")
    other.execute("CREATE TABLE other AS SELECT zeroblob(?) AS filler", (SMALL - 300_000,))
    other.commit()
    owner = start_owner(before=_small_files)

    async def use() -> None:
        client = await LedgerClient.connect(owner.socket)
        places: list[Any] = []
        while not (errors := [place for place in places if not isinstance(place, int)]):
            futures = [client.append(b"e", os.urandom(48)) for _ in range(2000)]
            places += await asyncio.gather(*futures, return_exceptions=True)
        assert {type(error) for error in errors} == {LedgerUnavailable}
        assert re.search("record keys in .* cannot be used", str(errors[0]))
        assert (await client.ping())["failure"].startswith("The record keys")
        recorded = len(places) - len(errors)
        assert recorded > 0
        assert await client.append(b"an outcome has no key") == recorded
        with RecordKeys(store.parent) as keys:
            assert len(keys.rows()) == recorded
        for file in store.parent.iterdir():
            file.unlink()
        assert await client.append(b"entry", b"k" * 32) == recorded + 1
        await client.close()

    with closing(other):
        asyncio.run(use())


def test_an_owner_does_not_start_on_a_damaged_key_store(start_owner: Start) -> None:
    owner = start_owner()
    owner.end()
    (owner.data_dir / "keys" / NAME).write_bytes(b"no database" * 1000)
    again = start_owner()
    status, said = again.end()
    assert (again.ready, status) == (False, 1)
    assert "The record keys in" in said


def _small_files() -> None:
    """No file of the owner's grows beyond this."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))


def test_keys_follow_their_entries_into_the_next_year(start_owner: Start) -> None:
    """The owner writes keys before it knows that the commit will begin a new shard."""
    owner = start_owner()
    last_year = b'{"kind":"test","time":%d}' % int((time.time() - 366 * 86_400) * 1000)

    async def use() -> list[int]:
        client = await LedgerClient.connect(owner.socket)
        first = await client.append(last_year, b"f" * 32)
        places = await asyncio.gather(*(client.append(b'{"n":%d}' % n, b"%032d" % n) for n in range(5)))
        await client.close()
        return [first, *places]

    first, *places = asyncio.run(use())
    shard, index = place.unpack(places[0])
    assert (first, shard, index) == (0, time.gmtime().tm_year, 1)
    with RecordKeys(owner.data_dir / "keys") as keys, Reader(owner.data_dir, shard=shard) as reader:
        assert [row.place for row in keys.rows()] == [0, *places]
        assert [keys.key(at, reader.entry(n)) for n, at in enumerate(places, 1)] == [b"%032d" % n for n in range(5)]


def test_an_outcome_is_found_in_the_next_year(tmp_path: Path) -> None:
    now = [1_790_000_000.0]
    log = Log.open(tmp_path, ORIGIN, now=lambda: now[0])
    entries = [b'{"kind":"decision","time":1790000000000}', b'{"decision":7,"kind":"outcome"}']
    log.append([*entries, *([b'{"n":1}'] * 600), b'{"decision":0,"http":1,"kind":"outcome"}'])
    now[0] += 366 * 86_400
    begun = log.append([b'{"decision":1,"http":1,"kind":"outcome"}', b'{"n":2}'])
    of, _ = place.unpack(begun)
    log.append([b'{"decision":2,"decision_shard":%d,"http":1,"kind":"outcome"}' % of])
    log.append([b'{"decision":2,"http":1,"kind":"outcome"}'])
    log.settle()
    log.close()
    readers = {number: Reader(tmp_path, shard=number) for number in (0, of)}
    found = [outcome_of(readers.__getitem__, decision) for decision in (0, 1, 2, 3, place.pack(of, 2), begun)]
    assert found == [602, begun, begun + 3, None, begun + 2, None]
    for reader in readers.values():
        reader.close()
