"""Reading beside a running owner: C2SP paths, proofs, threads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from riad.errors import BadRequest, EvidenceBroken, NotFound
from riad.ledger import cose, merkle
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.reader import Reader
from riad.ledger.tiles import unbundle
from riad.ledger.verify import verify

ENTRIES = [b"entry %d" % number for number in range(70_000)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    data_dir = tmp_path_factory.mktemp("reader")
    log = Log.open(data_dir, "test.example/ledger")
    for start in range(0, 70_000, 7_001):
        log.append(ENTRIES[start : start + 7_001])
    log.close()
    with Reader(data_dir) as opened:
        yield opened


def head(reader: Reader) -> Checkpoint:
    return Checkpoint.parse(Verifier.parse(reader.vkey()).open(reader.tile("checkpoint").decode()))


def test_the_paths_of_the_specifications_example(reader: Reader) -> None:
    """A tree of 70,000: which tiles there are, full and partial, and what they hold."""
    assert head(reader).size == reader.size() == 70_000
    level0 = b"".join(LEAVES)
    assert reader.tile("tile/0/000") == level0[:8192]
    assert reader.tile("tile/0/272") == level0[272 * 8192 : 273 * 8192]
    assert reader.tile("tile/0/273.p/112") == level0[273 * 8192 :]
    assert reader.tile("tile/0/273.p/5") == level0[273 * 8192 :][: 5 * 32]
    assert reader.tile("tile/0/000.p/1") == LEAVES[0]
    assert len(reader.tile("tile/1/000")) == 8192
    assert len(reader.tile("tile/1/001.p/17")) == 17 * 32
    assert len(reader.tile("tile/2/000.p/1")) == 32
    assert unbundle(reader.tile("tile/entries/001")) == ENTRIES[256:512]
    assert unbundle(reader.tile("tile/entries/273.p/112")) == ENTRIES[-112:]
    assert unbundle(reader.tile("tile/entries/273.p/7")) == ENTRIES[273 * 256 :][:7]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/273",
        "tile/0/273.p/113",
        "tile/0/274.p/1",
        "tile/1/001",
        "tile/2/000",
        "tile/3/000.p/1",
        "tile/63/000.p/1",
        "tile/entries/273",
        "tile/entries/x999/x999/x999/999",
        "../ledger.key",
        "checkpoint/",
        "",
    ],
)
def test_what_the_log_has_not(reader: Reader, path: str) -> None:
    with pytest.raises(NotFound):
        reader.tile(path)


@pytest.mark.parametrize("index", [0, 255, 256, 65_535, 65_536, 69_999])
def test_proofs_and_receipts(reader: Reader, index: int) -> None:
    root = head(reader).root
    merkle.verify_inclusion(LEAVES[index], index, 70_000, reader.inclusion(index, 70_000), root)
    old = merkle.Frontier().extend(LEAVES[: index + 1], 8)[0].root()
    merkle.verify_inclusion(LEAVES[index], index, index + 1, reader.inclusion(index, index + 1), old)
    merkle.verify_consistency(index + 1, 70_000, reader.consistency(index + 1, 70_000), old, root)
    report = verify(reader.receipt(index).encode(), reader.vkey())
    assert (report.entry, report.index, report.size) == (ENTRIES[index], index, 70_000)
    assert reader.entry(index) == ENTRIES[index]


def test_bad_requests(reader: Reader) -> None:
    for index in (-1, 70_000, 2**70):
        with pytest.raises(NotFound):
            reader.entry(index)
        with pytest.raises(NotFound):
            reader.receipt(index)
    with pytest.raises(NotFound):
        reader.inclusion(0, 70_001)
    with pytest.raises(BadRequest):
        reader.inclusion(5, 5)
    with pytest.raises(NotFound):
        reader.consistency(1, 70_001)
    with pytest.raises(BadRequest):
        reader.consistency(6, 5)


def test_many_threads_while_it_grows(tmp_path: Path) -> None:
    log = Log.open(tmp_path, "test.example/ledger")
    log.append([b"entry 0"])
    reader, stop = Reader(tmp_path), threading.Event()

    def read() -> int:
        count = 0
        while not stop.is_set() or count < 20:
            size = reader.size()
            report = verify(reader.receipt(size - 1).encode(), reader.vkey())
            assert report.entry == b"entry %d" % (size - 1)
            assert report.size >= size
            count += 1
        return count

    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(read) for _ in range(4)]
        for start in range(1, 1001, 10):
            log.append([b"entry %d" % number for number in range(start, start + 10)])
            log.settle()
        stop.set()
        assert all(future.result() >= 20 for future in reads)
    reader.close()
    assert reader.size() == 1001
    reader.close()
    log.close()


def test_cose_receipts(reader: Reader, tmp_path: Path) -> None:
    keys = [Verifier.parse(reader.vkey())]
    for index in (0, 255, 69_999):
        report = cose.verify(reader.cose_receipt(index), reader.entry(index), keys)
        assert (report.index, report.size, report.root) == (index, 70_000, head(reader).root.hex())
    for index in (-1, 70_000):
        with pytest.raises(NotFound):
            reader.cose_receipt(index)
    with Reader(tmp_path) as empty, pytest.raises(NotFound):
        empty.cose_receipt(0)


def test_a_changed_entry_has_no_cose_receipt(tmp_path: Path) -> None:
    log = Log.open(tmp_path, "test.example/ledger")
    log.append([b"first", b"second", b"third"])
    log.close()
    with sqlite3.connect(Files(tmp_path).database) as db:
        db.execute("UPDATE entry SET data = 'changed' WHERE id = 1")
    db.close()
    with Reader(tmp_path) as reader, pytest.raises(EvidenceBroken, match="not what was logged"):
        reader.cose_receipt(1)
