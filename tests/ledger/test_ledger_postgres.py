"""The log in PostgreSQL: several machines, one log; whatever is done to it is noticed and named."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_parts import ORIGIN, OwnerProcess, audit, until

from riad.errors import BadSettings, EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger.client import LedgerClient
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.note import Checkpoint, Signer
from riad.ledger.prune import prune
from riad.ledger.reader import Reader
from riad.ledger.verify import verify
from tests.conftest import Cluster, administer, postgresql

Start = Callable[..., OwnerProcess]


def fill(data_dir: Path, url: str, count: int, *, start: int = 0) -> None:
    log = Log.open(data_dir, ORIGIN, url)
    log.append([b"entry %d" % number for number in range(start, start + count)])
    log.settle()
    log.close()


def change(url: str, statement: str, *values: object) -> None:
    with psycopg.connect(url) as db:
        assert db.execute(statement, values).rowcount


def machine(tmp_path: Path, name: str, key_of: Path | None = None) -> Path:
    """A data directory, with another machine's key."""
    data_dir = tmp_path / name
    data_dir.mkdir(mode=0o700)
    if key_of is not None:
        shutil.copy(Files(key_of).key, Files(data_dir).key)
    return data_dir


def anchored(data_dir: Path) -> int:
    """How far this machine's own checkpoint reaches."""
    slots = Files(data_dir).anchor.read_text().split(ORIGIN + "\n")[1:]
    return max(int(slot.partition("\n")[0]) for slot in slots if slot[0].isdigit())


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from([1, 2, 31, 32, 33, 255, 256, 257, 700]), max_size=5), reopen=st.booleans())
def test_it_grows_in_any_steps(
    tmp_path_factory: pytest.TempPathFactory, postgresql_url: str, steps: list[int], reopen: bool
) -> None:
    with psycopg.connect(postgresql_url) as db:
        db.execute("DROP SCHEMA IF EXISTS riad_ledger CASCADE")
    data_dir = tmp_path_factory.mktemp("ledger")
    expected: list[bytes] = []
    log = Log.open(data_dir, ORIGIN, postgresql_url)
    for step in steps:
        entries = [b"%d\0\xff" % (len(expected) + number) for number in range(step)]
        assert log.append(entries) == len(expected)
        log.settle()
        expected += entries
        if reopen:
            log.close()
            log = Log.open(data_dir, ORIGIN, postgresql_url)
        assert log.size == len(expected)
    log.close()
    assert audit(data_dir, postgresql_url) == expected


# What can be done to a ledger of 700 entries while nobody runs it, and what the refusal must name.
DAMAGE: dict[str, tuple[str, str]] = {
    "an entry changed": ("UPDATE riad_ledger.entry SET data = 'forged' WHERE id = 690", "Entries 512 to 699"),
    "the last entry taken away": ("DELETE FROM riad_ledger.entry WHERE id = 699", "holds 699 entries, its checkpoint"),
    "a recent entry taken away": ("DELETE FROM riad_ledger.entry WHERE id = 600", "Entries 512 to 699"),
    "an entry added": ("INSERT INTO riad_ledger.entry VALUES (700, 'smuggled')", "holds 701 entries"),
    "all entries taken away": ("DELETE FROM riad_ledger.entry", "holds 0 entries"),
    "a tile changed": (
        "UPDATE riad_ledger.tile SET hashes = decode(repeat('00', length(hashes)), 'hex') WHERE id = 2",
        "a tile was changed",
    ),
    "an upper tile changed": (
        "UPDATE riad_ledger.tile SET hashes = decode(repeat('00', 64), 'hex') WHERE id = 1::bigint << 48",
        "a tile was changed",
    ),
    "a tile cut short": ("UPDATE riad_ledger.tile SET hashes = substr(hashes, 1, 100) WHERE id = 2", "Tile tile/0/002"),
    "a tile taken away": ("DELETE FROM riad_ledger.tile WHERE id = 2", "Tile tile/0/002"),
    "the checkpoint's size changed": (
        "UPDATE riad_ledger.checkpoint SET note = replace(note, '700', '699')",
        "does not fit",
    ),
    "the checkpoint taken away": ("DELETE FROM riad_ledger.checkpoint", "lost its checkpoint"),
    "a format of the future": ("UPDATE riad_ledger.checkpoint SET format = 99", "format 99"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_and_named(tmp_path: Path, postgresql_url: str, name: str) -> None:
    statement, sentence = DAMAGE[name]
    fill(tmp_path, postgresql_url, 700)
    change(postgresql_url, statement)
    for _ in range(2):  # it stays refused
        with pytest.raises((EvidenceBroken, BadSettings)) as caught:
            Log.open(tmp_path, ORIGIN, postgresql_url)
        assert sentence in str(caught.value)
        assert caught.value.remedy


def test_the_ledger_taken_away_is_not_begun_again(tmp_path: Path, postgresql_url: str) -> None:
    fill(tmp_path, postgresql_url, 3)
    with psycopg.connect(postgresql_url) as db:
        db.execute("DROP SCHEMA riad_ledger CASCADE")
    with pytest.raises(EvidenceBroken, match="ends at 0 entries, but 3 were signed"):
        Log.open(tmp_path, ORIGIN, postgresql_url)
    with psycopg.connect(postgresql_url) as db:
        assert db.execute("SELECT to_regclass('riad_ledger.checkpoint')").fetchone() == (None,)


def test_the_anchor_taken_away(tmp_path: Path, postgresql_url: str) -> None:
    fill(tmp_path, postgresql_url, 3)
    Files(tmp_path).anchor.unlink()
    with pytest.raises(EvidenceBroken, match=r"ledger\.checkpoint is missing"):
        Log.open(tmp_path, ORIGIN, postgresql_url)


def test_a_second_machine_needs_the_key(tmp_path: Path, postgresql_url: str) -> None:
    first, second = machine(tmp_path, "first"), machine(tmp_path, "second")
    fill(first, postgresql_url, 3)
    with pytest.raises(EvidenceBroken) as caught:
        Log.open(second, ORIGIN, postgresql_url)
    assert "Copy ledger.key" in caught.value.remedy
    assert not Files(second).key.exists()
    shutil.copy(Files(first).key, Files(second).key)
    fill(second, postgresql_url, 2, start=3)
    assert audit(second, postgresql_url) == [b"entry %d" % number for number in range(5)]
    assert Files(second).vkey.read_bytes() == Files(first).vkey.read_bytes()


def test_another_ledgers_key_is_refused(tmp_path: Path, postgresql_url: str) -> None:
    other = machine(tmp_path, "other")
    fill(machine(tmp_path, "first"), postgresql_url, 3)
    Files(other).key.write_text(Signer.generate(ORIGIN).skey)
    with pytest.raises(EvidenceBroken, match="no signature by") as caught:
        Log.open(other, ORIGIN, postgresql_url)
    assert "Copy ledger.key" in caught.value.remedy


@pytest.mark.parametrize("with_key", [False, True])
def test_two_machines_start_at_once_on_nothing(
    tmp_path: Path, postgresql_url: str, start_owner: Start, with_key: bool
) -> None:
    """One makes the log. The other joins it, or is refused for want of its key; there are never two logs."""
    machines = [machine(tmp_path, "a"), machine(tmp_path, "b")]
    if with_key:
        for data_dir in machines:
            Files(data_dir).key.write_text(KEY.skey)
    with ThreadPoolExecutor(2) as threads:
        owners = list(threads.map(lambda data_dir: start_owner(data_dir, url=postgresql_url), machines))
    ready = sorted(owner.ready for owner in owners)
    ends = [owner.end() for owner in owners]
    assert ready == ([True, True] if with_key else [False, True]), ends
    if not with_key:
        refused = next(end for end, owner in zip(ends, owners, strict=True) if not owner.ready)
        assert "Copy ledger.key" in refused[1]
        assert sum(Files(data_dir).key.exists() for data_dir in machines) == 1
    for owner in owners:
        if owner.ready:
            fill(owner.data_dir, postgresql_url, 1)
            audit(owner.data_dir, postgresql_url)


KEY = Signer.generate(ORIGIN)


class Load:
    """Callers of one machine's owner: what they were acknowledged."""

    def __init__(self, data_dir: Path, acknowledged: dict[int, bytes]) -> None:
        self._data_dir = data_dir
        self._acknowledged = acknowledged
        self.mine = 0
        self.refused = 0

    async def run(self, stop: asyncio.Event, callers: int = 10) -> None:
        self.client = await LedgerClient.connect(Files(self._data_dir).socket)
        await asyncio.gather(*(self._call(number, stop) for number in range(callers)))
        await self.client.close()

    async def _call(self, caller: int, stop: asyncio.Event) -> None:
        sent = 0
        while not stop.is_set():
            entry = b"%s %d %d" % (self._data_dir.name.encode(), caller, sent)
            sent += 1
            try:
                index = await self.client.append(entry)
            except LedgerUnavailable:
                self.refused += 1
                await asyncio.sleep(0.01)
            else:
                assert index not in self._acknowledged
                self._acknowledged[index] = entry
                self.mine += 1


def check(data_dir: Path, url: str, acknowledged: dict[int, bytes]) -> list[bytes]:
    """No gap, no fork, nothing acknowledged is lost, nothing is there twice."""
    entries = audit(data_dir, url)
    assert {index: entries[index] for index in acknowledged} == acknowledged
    assert len(set(entries)) == len(entries)
    return entries


def test_two_machines_interleave(tmp_path: Path, postgresql_url: str, start_owner: Start) -> None:
    a = machine(tmp_path, "a")
    first = start_owner(a, url=postgresql_url)
    b = machine(tmp_path, "b", a)
    second = start_owner(b, url=postgresql_url)
    assert first.ready
    assert second.ready
    acknowledged: dict[int, bytes] = {}

    async def use() -> None:
        stop, loads = asyncio.Event(), [Load(a, acknowledged), Load(b, acknowledged)]
        running = [asyncio.create_task(load.run(stop)) for load in loads]
        await until(lambda: min(load.mine for load in loads) > 700)
        stop.set()
        await asyncio.gather(*running)
        assert not sum(load.refused for load in loads)

    asyncio.run(use())
    assert first.end() == second.end() == (0, "")
    entries = check(a, postgresql_url, acknowledged)
    assert len(entries) == len(acknowledged)
    owners = [entry[:1] for entry in entries]
    assert sum(x != y for x, y in pairwise(owners)) > 10  # they did take turns


def test_a_machine_is_killed_and_the_other_goes_on(tmp_path: Path, postgresql_url: str, start_owner: Start) -> None:
    a = machine(tmp_path, "a")
    start_owner(a, url=postgresql_url).end()
    b = machine(tmp_path, "b", a)
    assert start_owner(b, url=postgresql_url).ready
    acknowledged: dict[int, bytes] = {}

    async def use() -> None:
        chance = random.Random(1)
        stop, loads = asyncio.Event(), [Load(a, acknowledged), Load(b, acknowledged)]
        running = [asyncio.create_task(load.run(stop)) for load in loads]
        for _ in range(5):
            owner = await asyncio.to_thread(start_owner, a, url=postgresql_url)
            assert owner.ready
            before = loads[0].mine
            await until(lambda: loads[0].mine > before + 20)  # noqa: B023
            await asyncio.sleep(chance.uniform(0, 0.05))
            owner.send(signal.SIGKILL)
            before = loads[1].mine
            await until(lambda: loads[1].mine > before + 50)  # noqa: B023
            await asyncio.to_thread(owner.end, signal.SIGKILL)
        stop.set()
        await asyncio.gather(*running)
        assert not loads[1].refused

    asyncio.run(use())
    Log.open(a, ORIGIN, postgresql_url).close()
    check(b, postgresql_url, acknowledged)


def test_connections_cut_under_load(tmp_path: Path, postgresql_url: str, start_owner: Start) -> None:
    """The fate of a commit under way is unknown then: nothing is acknowledged that is not there, or twice."""
    a = machine(tmp_path, "a")
    owner = start_owner(a, url=postgresql_url)
    acknowledged: dict[int, bytes] = {}

    async def use() -> None:
        stop, load = asyncio.Event(), Load(a, acknowledged)
        running = asyncio.create_task(load.run(stop))
        for _ in range(20):
            before = load.mine
            await until(lambda: load.mine > before + 10)  # noqa: B023
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'riad ledger'"
            await asyncio.to_thread(change, postgresql_url, cut)
        stop.set()
        await running
        assert load.refused

    asyncio.run(use())
    status, said = owner.end()
    assert status == 0
    assert "writing again" in said
    check(a, postgresql_url, acknowledged)


def test_an_idle_machine_keeps_up(tmp_path: Path, postgresql_url: str, start_owner: Start) -> None:
    a = machine(tmp_path, "a")
    owner = start_owner(a, url=postgresql_url)
    fill(machine(tmp_path, "b", a), postgresql_url, 300)

    async def use() -> None:
        await until(lambda: anchored(a) == 300)
        client = await LedgerClient.connect(owner.socket)
        async with asyncio.timeout(60):
            while (await client.ping())["size"] != 300:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await client.close()

    asyncio.run(use())
    assert owner.end() == (0, "")


def test_a_lock_held_too_long(tmp_path: Path, postgresql_url: str) -> None:
    log = Log.open(tmp_path, ORIGIN, postgresql_url + "&options=-c%20lock_timeout%3D200ms")
    assert log.append([b"before"]) == 0
    number = log._shard._storage._number  # type: ignore[attr-defined]
    with psycopg.connect(postgresql_url) as db:
        db.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
        with pytest.raises(LedgerUnavailable) as caught:
            log.append([b"meanwhile"])
        assert caught.value.retry_after
        db.rollback()
    assert log.append([b"after"]) == 1
    log.close()


def backup(url: str, name: str) -> None:
    """What pg_dump and a restore leave: the whole database as it is now, under another name."""
    source, server = url.partition("@/")[2].split("?host=")
    administer(Path(server), f"CREATE DATABASE {name} TEMPLATE {source}")


def restore(url: str, name: str) -> None:
    source, server = url.partition("@/")[2].split("?host=")
    administer(Path(server), f"DROP DATABASE {source} WITH (FORCE)")
    administer(Path(server), f"ALTER DATABASE {name} RENAME TO {source}")


@pytest.mark.parametrize("more", [0, 5, 50])
def test_an_old_backup_is_refused(tmp_path: Path, postgresql_url: str, more: int) -> None:
    """At a start, and by an owner that runs; also where the log has gone on from it, to the same size and beyond."""
    a = machine(tmp_path, "a")
    fill(a, postgresql_url, 10)
    name = postgresql_url.partition("@/")[2].partition("?")[0] + "_old"
    backup(postgresql_url, name)
    fill(a, postgresql_url, 5, start=10)
    running = Log.open(machine(tmp_path, "b", a), ORIGIN, postgresql_url)
    restore(postgresql_url, name)
    if more:
        fill(machine(tmp_path, "c", a), postgresql_url, more, start=1000)  # a machine that knows no better
    sentence = "two logs" if more else "ends at 10 entries, but 15 were signed"
    with pytest.raises(EvidenceBroken, match=sentence):
        Log.open(a, ORIGIN, postgresql_url)
    with pytest.raises(LedgerUnavailable):
        running.append([b"the connection is gone"])
    for _ in range(2):  # it stays refused
        with pytest.raises(EvidenceBroken, match=sentence):
            running.append([b"on the old one"])
    running.close()


@pytest.mark.parametrize("how", ["older", "same size", "other key", "emptied"])
def test_a_checkpoint_swapped_underneath(tmp_path: Path, postgresql_url: str, how: str) -> None:
    log = Log.open(tmp_path, ORIGIN, postgresql_url)
    log.append([b"entry 0"])
    with Reader(tmp_path, postgresql_url) as reader:
        older = reader.checkpoint()
    log.append([b"entry 1"])
    mine = Signer.parse(Files(tmp_path).key.read_text())
    fork = Checkpoint(ORIGIN, 2, b"\1" * 32).text
    note = {
        "older": older,
        "same size": mine.sign(fork),
        "other key": Signer.generate(ORIGIN).sign(fork),
        "emptied": "",
    }[how]
    change(postgresql_url, "UPDATE riad_ledger.checkpoint SET note = %s", note)
    for _ in range(2):
        with pytest.raises(EvidenceBroken):
            log.append([b"on it"])
    with pytest.raises(EvidenceBroken):
        log.follow()
    log.close()
    with Reader(tmp_path, postgresql_url) as reader:
        assert reader.entries(0, 9) == [b"entry 0", b"entry 1"]


def test_a_hand_that_takes_no_lock(tmp_path: Path, postgresql_url: str) -> None:
    """Compare-and-swap: a size that is not the note's, written by somebody who knows of no lock."""
    log = Log.open(tmp_path, ORIGIN, postgresql_url)
    log.append([b"entry 0"])
    change(postgresql_url, "UPDATE riad_ledger.checkpoint SET size = 7")
    with pytest.raises(EvidenceBroken, match="without the ledger's lock"):
        log.append([b"entry 1"])
    change(postgresql_url, "UPDATE riad_ledger.checkpoint SET size = 1")
    assert log.append([b"entry 1"]) == 1
    log.close()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    with postgresql() as cluster:
        yield cluster


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_the_database_is_away_for_a_while(
    tmp_path: Path, own_cluster: Cluster, start_owner: Start, number: signal.Signals
) -> None:
    """Stopped in order, and as by a crash: refused meanwhile, and on by itself when it is back."""
    url = f"postgresql://postgres@/postgres?host={own_cluster.data}"
    a = machine(tmp_path, "a")
    owner = start_owner(a, url=url)
    acknowledged: dict[int, bytes] = {}

    async def use() -> None:
        stop, load = asyncio.Event(), Load(a, acknowledged)
        running = asyncio.create_task(load.run(stop))
        await until(lambda: load.mine > 100)
        await asyncio.to_thread(own_cluster.stop, number)
        before = load.mine
        failed = load.refused
        await until(lambda: load.refused > failed + 20)
        await asyncio.sleep(1.5)
        assert load.mine <= before + 10  # what was answered just before the end
        assert (await load.client.ping())["failure"]
        await asyncio.to_thread(own_cluster.start)
        await until(lambda: load.mine > before + 100)
        assert "failure" not in await load.client.ping()
        stop.set()
        await running

    asyncio.run(use())
    status, said = owner.end()
    assert status == 0
    assert "writing again" in said
    check(a, url, acknowledged)


def test_readers_outlive_a_restart(tmp_path: Path, own_cluster: Cluster) -> None:
    url = f"postgresql://postgres@/postgres?host={own_cluster.data}"
    fill(tmp_path, url, 300)
    with Reader(tmp_path, url) as reader:
        assert reader.size() == 300
        own_cluster.stop()
        with pytest.raises(LedgerUnavailable):
            reader.size()
        own_cluster.start()
        assert verify(reader.receipt(7).encode(), reader.vkey()).entry == b"entry 7"
        own_cluster.stop()
        own_cluster.start()
        assert reader.size() == 300  # and without an error in between, where nobody asked meanwhile


def test_many_threads_read_while_it_grows(tmp_path: Path, postgresql_url: str) -> None:
    log = Log.open(tmp_path, ORIGIN, postgresql_url)
    log.append([b"entry 0"])
    reader, stop = Reader(tmp_path, postgresql_url), threading.Event()

    def read() -> int:
        count = 0
        while not stop.is_set() or count < 5:
            size = reader.size()
            report = verify(reader.receipt(size - 1).encode(), reader.vkey())
            assert report.entry == b"entry %d" % (size - 1)
            count += 1
        return count

    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(read) for _ in range(4)]
        for start in range(1, 501, 10):
            log.append([b"entry %d" % number for number in range(start, start + 10)])
        stop.set()
        assert all(future.result() >= 5 for future in reads)
    reader.close()
    log.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:geheim@h/d", "postgresql://u:geheim@h:port:x/d?x=y", "://"])
def test_a_url_that_cannot_be(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadSettings) as caught:
        Log.open(tmp_path, ORIGIN, url)
    assert "geheim" not in caught.value.render()
    with pytest.raises(BadSettings):
        Reader(tmp_path, url)


def test_nobody_there(tmp_path: Path) -> None:
    began = time.monotonic()
    url = f"postgresql://postgres:geheim@/riad?host={tmp_path}"
    with pytest.raises(LedgerUnavailable) as caught:
        Log.open(tmp_path, ORIGIN, url)
    assert "geheim" not in caught.value.render() + str(caught.value.__cause__)
    assert str(tmp_path) not in caught.value.render()  # that is for the operator, not for callers
    assert time.monotonic() - began < 30
    assert not Files(tmp_path).key.exists()


def test_reading_where_there_is_nothing(tmp_path: Path, postgresql_url: str) -> None:
    with Reader(tmp_path, postgresql_url) as reader:
        for read in (reader.size, reader.checkpoint, reader.vkey, lambda: reader.receipt(0)):
            with pytest.raises(NotFound, match="no ledger"):
                read()


def test_the_url_may_be_sqlalchemys(tmp_path: Path, postgresql_url: str) -> None:
    fill(tmp_path, postgresql_url.replace("postgresql://", "postgresql+psycopg://"), 2)
    assert len(audit(tmp_path, postgresql_url)) == 2


def test_a_ledger_that_began_in_a_file_stays_there(tmp_path: Path, postgresql_url: str) -> None:
    fill(tmp_path, "", 2)
    with pytest.raises(BadSettings) as caught:
        Log.open(tmp_path, ORIGIN, postgresql_url)
    assert 'ledger.url = "sqlite"' in caught.value.remedy
    fill(tmp_path, "", 1, start=2)


def test_a_commit_with_a_warning_is_not_acknowledged(tmp_path: Path, postgresql_url: str) -> None:
    """As one that reached no standby: PostgreSQL then says so in a warning, and that it committed."""
    log = Log.open(tmp_path, ORIGIN, postgresql_url)
    assert log.append([b"entry 0"]) == 0
    with psycopg.connect(postgresql_url) as db:
        db.execute("""CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql
                      AS $$ BEGIN RAISE WARNING 'not replicated'; RETURN NULL; END $$""")
        db.execute("""CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON riad_ledger.entry DEFERRABLE INITIALLY DEFERRED
                      FOR EACH ROW EXECUTE FUNCTION warn()""")
    with pytest.raises(LedgerUnavailable):
        log.append([b"entry 1"])
    with psycopg.connect(postgresql_url) as db:
        db.execute("DROP TRIGGER warn ON riad_ledger.entry")
    assert log.append([b"entry 2"]) == 2  # what was not acknowledged is in the log all the same
    log.close()


@pytest.mark.parametrize("vacuum", [False, True])
def test_pruning(tmp_path: Path, postgresql_url: str, vacuum: bool) -> None:
    fill(tmp_path, postgresql_url, 70_000)
    prune(tmp_path, ORIGIN, 66_048, url=postgresql_url, vacuum=vacuum)
    with Reader(tmp_path, postgresql_url) as reader:
        assert reader.minimum() == 66_048
        assert reader.entries(0, 70_000) == [b"entry %d" % number for number in range(66_048, 70_000)]
        with pytest.raises(NotFound, match="pruned"):
            reader.entry(5)
        assert verify(reader.receipt(66_048).encode(), reader.vkey()).index == 66_048
        with pytest.raises(NotFound, match="pruned"):
            reader.tile("tile/0/000")
    fill(tmp_path, postgresql_url, 1, start=70_000)
