"""Retention: what goes, what stays, and that what stays proves all it must."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from ledger_parts import ORIGIN
from reading_parts import START, damage, decision, entries, outcome, write
from typer.testing import CliRunner, Result

from riad.cli.ledger import app
from riad.errors import BadRequest, EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger import merkle
from riad.ledger.audit import audit
from riad.ledger.export import export
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.prune import plan, prune
from riad.ledger.reader import Reader
from riad.ledger.source import Export, head
from riad.ledger.tiles import end_index
from riad.ledger.verify import verify

SIZE = 70_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("prune") / "data"
    write(data_dir, list(entries(0, SIZE)))
    return data_dir


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


@pytest.mark.parametrize("keep", [256, 768, 65_536, 65_536 + 512, SIZE // 256 * 256])
def test_all_that_the_specification_promises_stays(copy: Path, keep: int) -> None:
    with Reader(copy) as reader:
        before, vkey = reader.receipt(0), reader.vkey()
        root = head(reader.checkpoint(), [vkey]).root
        leaf = merkle.leaf_hash(reader.entry(keep))
        sizes = [size for size in (keep + 1, keep + 300, 65_537, 69_001, SIZE) if keep < size <= SIZE]
        roots = {size: _root(reader, size) for size in sizes}
    prune(copy, ORIGIN, keep)
    with Reader(copy) as reader:
        assert reader.minimum() == keep
        # What is gone is answered as gone, and names what is left.
        for index in (0, keep - 1):
            for gone in (partial(reader.entry, index), partial(reader.receipt, index)):
                with pytest.raises(NotFound, match=f"from {keep} on") as error:
                    gone()
                assert error.value.code == "pruned"
        for level, number in ((0, 0), (0, keep // 256 - 1), (None, 0), (1, 0)):
            path = f"tile/{'entries' if level is None else level}/{number:03}"
            if end_index(level or 0, number) <= keep:
                with pytest.raises(NotFound, match="was pruned"):
                    reader.tile(path)
            else:
                assert reader.tile(path)
        # Every entry that is left, in every tree that holds it; every two trees from there on.
        for index in (keep, (keep + SIZE) // 2, SIZE - 1):
            assert verify(reader.receipt(index).encode(), vkey).index == index
        for size in sizes:
            merkle.verify_inclusion(leaf, keep, size, reader.inclusion(keep, size), roots[size])
            merkle.verify_consistency(size, SIZE, reader.consistency(size, SIZE), roots[size], root)
        if keep > 256:
            with pytest.raises(NotFound):
                reader.inclusion(255, SIZE)
        assert len(reader.entries(keep, SIZE)) == SIZE - keep
    # A receipt of what is gone verifies as before: it needs nothing from the log.
    assert verify(before.encode(), vkey).index == 0
    # The log goes on.
    write(copy, list(entries(SIZE, SIZE + 600)))
    for processes in (1, 2):
        report = audit(partial(Reader, copy), processes=processes)
        assert report.faults == []
        assert (report.pruned, report.read) == (keep, SIZE + 600 - keep)


def _root(reader: Reader, size: int) -> bytes:
    from riad.ledger.source import nodes

    return merkle.root(size, nodes(reader, SIZE))


def test_a_damage_below_the_minimum_is_none(copy: Path) -> None:
    prune(copy, ORIGIN, 512)
    damage(copy, "UPDATE entry SET data = x'00' WHERE id = 600")
    assert [fault.where for fault in audit(partial(Reader, copy)).faults] == ["entry 600"]


def test_a_start_looks_for_holes_above_the_minimum(copy: Path) -> None:
    prune(copy, ORIGIN, 512)
    Log.open(copy, ORIGIN).close()
    damage(copy, "DELETE FROM entry WHERE id = 512")
    with pytest.raises(EvidenceBroken, match="Entry 512"):
        Log.open(copy, ORIGIN)


def test_a_crash_between_the_minimum_and_the_deletion(copy: Path) -> None:
    """Rows below the minimum are left: nobody promises them, the log opens, and the next prune deletes them."""
    prune(copy, ORIGIN, 256)
    damage(copy, "UPDATE pruned SET minimum = 1024")  # as such a crash leaves it
    with Reader(copy) as reader:
        assert reader.minimum() == 1024
    assert audit(partial(Reader, copy)).faults == []
    prune(copy, ORIGIN, 1024)
    with Reader(copy) as reader, pytest.raises(NotFound):
        reader.entry(0)


def test_what_may_go(tmp_path: Path) -> None:
    """Up to the first entry that is not older, whatever the clock did later; whole bundles; never the last."""
    times = [START + index for index in range(2000)]
    times[700] = START + 10_000  # the clock was wrong for one entry
    write(tmp_path, [decision(index, time=time) for index, time in enumerate(times)])
    with Reader(tmp_path) as reader:
        assert plan(reader, START).keep == 0
        assert plan(reader, START + 255).keep == 0
        assert plan(reader, START + 256).keep == 256
        assert plan(reader, START + 5000).keep == 512
        assert plan(reader, START + 20_000).keep == 1792
        planned = plan(reader, START + 600)
        assert (planned.keep, planned.entries, planned.size) == (512, 512, 2000)
        assert planned.bytes >= 512 * len(reader.entry(0)) * 0.9
        with pytest.raises(BadRequest, match="not finished"):
            plan(reader, None)
    prune(tmp_path, ORIGIN, 256)
    with Reader(tmp_path) as reader:
        assert plan(reader, START).entries == 0
        assert plan(reader, START + 600).entries == 256


NEXT_YEAR = 1_798_800_000.0  # 2027-01-01 10:40 UTC


def test_a_finished_shard(tmp_path: Path) -> None:
    """It loses all but its last bundle, whose last entry names the next shard; that one is untouched."""
    write(tmp_path, list(entries(0, 600)))
    write(tmp_path, [decision(600), outcome(1, of=0)], now=NEXT_YEAR)
    with Reader(tmp_path) as reader:
        assert plan(reader, None).keep == 512
    with Reader(tmp_path, shard=2027) as reader, pytest.raises(BadRequest, match="not finished"):
        plan(reader, None)
    prune(tmp_path, ORIGIN, 512, shard=0)
    with Reader(tmp_path) as reader:
        assert json.loads(reader.entry(600))["next_origin"] == f"{ORIGIN}/2027"
        assert reader.minimum() == 512
    first = audit(partial(Reader, tmp_path))
    assert (first.faults, first.pruned, first.others) == ([], 512, 1)
    second = audit(partial(Reader, tmp_path, shard=2027), shard=2027)
    # Its outcome closes a decision of the shard before, which cannot be looked at from here.
    assert (second.faults, second.read, second.others, second.elsewhere) == ([], 3, 1, 1)


def test_an_outcome_of_a_pruned_decision_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path, [*entries(0, 600), outcome(600, of=2)])
    prune(tmp_path, ORIGIN, 256)
    report = audit(partial(Reader, tmp_path))
    assert (report.faults, report.elsewhere) == ([], 1)


def test_an_export_of_a_pruned_log(copy: Path, tmp_path: Path) -> None:
    """An older export goes on and keeps what it has; a new one begins at the minimum; one with a gap is refused."""
    with Reader(copy) as reader:
        export(reader, tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "behind")
    write(copy, list(entries(SIZE, SIZE + 5000)))
    prune(copy, ORIGIN, 68_096)
    with Reader(copy) as reader:
        assert export(reader, tmp_path / "old").before == SIZE
        assert export(reader, tmp_path / "new").minimum == 68_096
    assert (audit(partial(Export, tmp_path / "old")).read, audit(partial(Export, tmp_path / "old")).faults) == (
        SIZE + 5000,
        [],
    )
    report = audit(partial(Export, tmp_path / "new"))
    assert (report.pruned, report.faults) == (68_096, [])
    prune(copy, ORIGIN, 74_752)
    with Reader(copy) as reader, pytest.raises(BadRequest, match="a gap"):
        export(reader, tmp_path / "behind")


def test_only_what_is_whole_and_stopped(copy: Path) -> None:
    log = Log.open(copy, ORIGIN)
    with pytest.raises(LedgerUnavailable, match="Another process"):
        prune(copy, ORIGIN, 256)
    log.close()
    damage(copy, "UPDATE entry SET data = x'00' WHERE id = 69999")
    with pytest.raises(EvidenceBroken):
        prune(copy, ORIGIN, 256)
    with Reader(copy) as reader:
        assert reader.minimum() == 0


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["prune", *map(str, arguments)])


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "riad.toml"
    file.write_text(f'[ledger]\norigin = "{ORIGIN}"\n')
    return file


def test_the_command(copy: Path, settings: Path) -> None:
    options = ("--data-dir", copy, "--config", settings, "--before", "2026-09-21T14:13:21")
    answer = json.loads(invoke(*options, "--json").stdout)
    assert (answer["minimum"], answer["entries"], answer["done"]) == (768, 768, False)
    assert "Entries 0 to 767 of 70000 would go" in invoke(*options).stdout
    with Reader(copy) as reader:
        assert reader.entry(0)
    held = Files(copy).database.stat().st_size
    assert "The file keeps its size" in invoke(*options, "--yes").stdout
    assert Files(copy).database.stat().st_size >= held
    held = Files(copy).database.stat().st_size
    assert "Nothing may go" in invoke(*options, "--yes").stdout
    options = (*options[:-1], "2026-09-21T14:14")
    answer = json.loads(invoke(*options, "--yes", "--vacuum", "--json").stdout)
    assert answer["done"]
    assert answer["freed"] > answer["bytes"] * 0.5
    assert Files(copy).database.stat().st_size == held - answer["freed"]
    assert audit(partial(Reader, copy)).faults == []


def test_wrong_usage(copy: Path, settings: Path, tmp_path: Path) -> None:
    options = ("--data-dir", copy, "--config", settings)
    for wrong in (
        (),
        ("--before", "2026-01-01", "--shard", 0),
        ("--before", "tomorrow"),
        ("--before", "99999999999d"),
        ("--shard", 0),
    ):
        assert isinstance(invoke(*options, *wrong, "--yes").exception, BadRequest), wrong
    assert isinstance(invoke(*options, "--shard", 2031, "--yes").exception, NotFound)
    assert isinstance(invoke("--data-dir", tmp_path / "none", "--before", "1d").exception, NotFound)
    assert not (tmp_path / "none").exists()
    assert invoke(*options, "--shard", "last").exit_code == 2
