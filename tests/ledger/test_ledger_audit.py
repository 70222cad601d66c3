"""An audit reads everything, and says what is wrong where."""

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
from riad.errors import BadRequest, EvidenceBroken, NotFound
from riad.ledger import merkle
from riad.ledger.audit import Report, audit
from riad.ledger.files import Files
from riad.ledger.ranges import MAX_FAULTS, RANGE
from riad.ledger.reader import Reader
from riad.ledger.storage import tile_key

SIZE = 70_000
TILE = tile_key


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The specification's example: a tree of 70,000, in two ranges."""
    data_dir = tmp_path_factory.mktemp("audit") / "data"
    write(data_dir, list(entries(0, SIZE)))
    return data_dir


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


def audited(data_dir: Path, **options: object) -> Report:
    return audit(partial(Reader, data_dir), **options)  # type: ignore[arg-type]


def found(report: Report) -> dict[str, str]:
    return {fault.where: fault.what.format(**fault.values) for fault in report.faults}


def put_hash(level: int, number: int, at: int, value: str = "zeroblob(32)") -> str:
    return (
        f"UPDATE tile SET hashes = CAST(substr(hashes, 1, {32 * at}) || {value} || substr(hashes, {32 * at + 33})"
        f" AS BLOB) WHERE id = {TILE(level, number)}"
    )


def test_a_good_log(whole: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = audited(whole, progress=lambda done, total: seen.append((done, total)))
    assert report.faults == []
    assert report.jumps == []
    assert (report.read, report.decisions, report.outcomes, report.others) == (SIZE, SIZE // 2, SIZE // 2, 0)
    assert (report.first, report.pruned, report.complete, report.head.size) == (0, 0, True, SIZE)
    assert seen == [(RANGE, SIZE), (SIZE, SIZE)]


def test_an_empty_log(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert audited(tmp_path)[3:] == ([], [], True, 0, 0, 0, 0, 0)


CHANGED = "UPDATE entry SET data = CAST(replace(data, 'support', 'support!') AS BLOB) WHERE id = {}"
OTHER = decision(512, purpose="another")
LEAF = merkle.leaf_hash(OTHER).hex()


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([CHANGED.format(40_000)], {"entry 40000": "not those that were logged"}),
        ([CHANGED.format(69_998)], {"entry 69998": "not those that were logged"}),
        (["DELETE FROM entry WHERE id = 300"], {"entry 300": "missing"}),
        (["DELETE FROM entry WHERE id / 256 = 7"], {"tile/entries/007": "Entries 1792 to 2047 are missing."}),
        ([put_hash(0, 5, 3)], {"tile/0/005": "Hashes 3 in it were changed."}),
        ([put_hash(1, 0, 9)], {"tile/1/000": "Hashes 9 in it were changed."}),
        (
            [f"UPDATE entry SET data = x'{OTHER.hex()}' WHERE id = 512", put_hash(0, 2, 0, f"x'{LEAF}'")],
            {"tile/0/002": "It does not lead to tile/1/000"},
        ),
        (
            [put_hash(0, 273, 111)],
            {"checkpoint": "do not lead to its root", "tile/0/273.p/112": "Hashes 111 are not those"},
        ),
        ([put_hash(2, 0, 0)], {"checkpoint": "do not lead", "tile/2/000.p/1": "Hashes 0 in it do not follow"}),
        ([f"DELETE FROM tile WHERE id = {TILE(0, 100)}"], {"tile/0/100": "missing or cut short"}),
        ([f"DELETE FROM tile WHERE id = {TILE(1, 0)}"], {"tile/1/000": "missing or cut short"}),
        (
            [CHANGED.format(2), "DELETE FROM entry WHERE id = 66000", put_hash(0, 40, 0)],
            {"entry 2": "logged", "tile/0/040": "Hashes 0", "entry 66000": "missing"},
        ),
    ],
)
def test_what_is_wrong_and_where(copy: Path, statements: list[str], expected: dict[str, str]) -> None:
    damage(copy, *statements)
    report = audited(copy)
    assert found(report).keys() == expected.keys(), found(report)
    for where, words in expected.items():
        assert words in found(report)[where]
    assert report.read == SIZE


def test_processes_find_the_same(copy: Path) -> None:
    assert audited(copy, processes=2) == audited(copy)
    damage(copy, CHANGED.format(4), CHANGED.format(66_666))
    assert audited(copy, processes=2) == audited(copy)
    assert found(audited(copy)).keys() == {"entry 4", "entry 66666"}


def test_a_forged_checkpoint(copy: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", [b"{}"])
    with Reader(tmp_path / "other") as reader:
        note = reader.checkpoint()
    damage(copy, f"UPDATE checkpoint SET note = '{note}'")
    assert "no signature" in audited(copy).faults[0].what
    damage(copy, "UPDATE checkpoint SET note = 'no checkpoint'")
    with pytest.raises(EvidenceBroken):
        audited(copy)


def test_it_stops_at_a_bound(copy: Path) -> None:
    damage(copy, "UPDATE entry SET data = x'00' WHERE id < 1000")
    report = audited(copy)
    assert (len(report.faults), report.complete) == (MAX_FAULTS, False)


def test_what_entries_say(tmp_path: Path) -> None:
    """These were logged as they are: the tree is right, what it holds is not."""
    logged = [
        decision(0),
        b"no json",
        decision(2).replace(b":", b": ", 1),  # not canonical
        decision(3) + b"\n",
        outcome(4, of=0),
        outcome(5, of=4),
        outcome(6, of=0, id="another request"),
        outcome(7, of=9),  # of a decision that comes later
        outcome(8, of=1 << 50),
        decision(9),
        outcome(10, of=9, time=START + 10),
    ]
    write(tmp_path, logged)
    report = audited(tmp_path)
    assert list(found(report)) == [f"entry {index}" for index in (1, 2, 3, 5, 6, 7, 8)]
    assert "not an entry" in found(report)["entry 1"]
    assert "canonical" in found(report)["entry 2"]
    assert "no earlier decision" in found(report)["entry 7"]


def test_a_decision_far_back_is_found(tmp_path: Path) -> None:
    write(tmp_path, [*entries(0, RANGE + 2), outcome(RANGE + 2, of=0), outcome(RANGE + 3, of=1)])
    assert list(found(audited(tmp_path))) == [f"entry {RANGE + 3}"]


def test_the_clock_may_go_back(tmp_path: Path) -> None:
    """A clock that was set back is told and is no fault; workers that overtake each other are not even told."""
    times = [0, 900, 300, 7200_000, 0, 10]
    write(tmp_path, [decision(index, time=START + time) for index, time in enumerate(times)])
    report = audited(tmp_path)
    assert (report.faults, report.jumps) == ([], [(4, 7200_000)])


def test_between_two_ranges_the_clock_is_watched(tmp_path: Path) -> None:
    write(tmp_path, [*entries(0, RANGE), decision(RANGE, time=START)])
    assert audited(tmp_path).jumps == [(RANGE, RANGE - 1)]


def test_it_goes_on_where_it_ended(copy: Path) -> None:
    mark = Files(copy).audited
    assert audited(copy, marked=mark).read == SIZE
    again = audited(copy, marked=mark)
    assert (again.read, again.skipped, again.faults) == (0, SIZE, [])
    write(copy, list(entries(SIZE, SIZE + 1000)))
    grown = audited(copy, marked=mark)
    assert (grown.skipped, grown.read) == (SIZE // 256 * 256, 1000 + SIZE % 256)
    damage(copy, CHANGED.format(6))
    assert audited(copy, marked=mark).faults == []
    assert found(audited(copy, marked=mark, from_start=True)).keys() == {"entry 6"}
    # A mark is believed only of the log that it was made of.
    mark.write_text(json.dumps([ORIGIN, SIZE, "00" * 32]))
    assert found(audited(copy, marked=mark)).keys() == {"entry 6"}
    mark.write_text("no mark")
    assert found(audited(copy, marked=mark)).keys() == {"entry 6"}


def test_an_interrupted_audit_goes_on(copy: Path) -> None:
    mark = Files(copy).audited

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audited(copy, marked=mark, progress=interrupt)
    assert audited(copy, marked=mark).skipped == RANGE


def test_no_mark_beyond_a_fault(copy: Path) -> None:
    mark = Files(copy).audited
    damage(copy, CHANGED.format(RANGE))
    assert audited(copy, marked=mark).faults
    second = audited(copy, marked=mark)
    assert (second.skipped, list(found(second))) == (RANGE, [f"entry {RANGE}"])


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def test_the_command(copy: Path) -> None:
    options = ("--data-dir", copy, "--processes", 1)
    result = invoke(*options)
    assert (result.exit_code, "GOOD" in result.stdout) == (0, True)
    assert "Not read again: 70000 entries, up to 69999" in invoke(*options).stdout
    answer = json.loads(invoke(*options, "--from-start", "--json").stdout)
    assert (answer["ok"], answer["read"], answer["skipped"], answer["faults"]) == (True, SIZE, 0, [])
    damage(copy, CHANGED.format(40_000))
    result = invoke(*options, "--from-start")
    assert result.exit_code == 1
    assert "entry 40000: Its bytes are not those that were logged." in result.stdout
    assert "Restore the newest copy" in result.stdout
    answer = json.loads(invoke(*options, "--from-start", "--json").stdout)
    assert (answer["ok"], [fault["index"] for fault in answer["faults"]]) == (False, [40_000])


def test_wrong_usage(whole: Path, tmp_path: Path) -> None:
    assert isinstance(invoke("--data-dir", tmp_path).exception, NotFound)
    assert isinstance(invoke(tmp_path).exception, NotFound)
    assert isinstance(invoke(tmp_path, "--key", "nonsense").exception, BadRequest)
    assert isinstance(invoke("--data-dir", whole, "--key", "nonsense").exception, BadRequest)
    assert isinstance(invoke("--data-dir", whole, "--key", whole).exception, BadRequest)
    assert invoke("--data-dir", whole, "--processes", 0).exit_code == 2
