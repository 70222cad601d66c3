"""Searching and counting: the index finds what the log holds, and can always be made again from it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ledger_parts import ORIGIN
from reading_parts import START, damage, decision, entries, outcome, write
from typer.testing import CliRunner, Result

from riad.cli.ledger import app
from riad.errors import BadRequest, EvidenceBroken, LedgerUnavailable, NotFound
from riad.ledger import index as indexing
from riad.ledger import query
from riad.ledger.files import Files
from riad.ledger.index import Index
from riad.ledger.prune import prune
from riad.ledger.query import Filter, Found
from riad.ledger.reader import Reader
from riad.tenants.keys import KeyStore

HOUR = 3_600_000
LOGGED = [
    decision(0),
    decision(1, tenant="b" * 32, site="paris", crossing="pseudonymised", rules=("ma-1", "eu-2"), time=START + HOUR),
    outcome(2, of=1, status="client_gone", time=START + HOUR + 5),
    b"no json",
    decision(4, outcome="deny", site="", rules=("ma-43",), purpose="scoring", model="large", time=START + 2 * HOUR),
    outcome(5, of=0),
    decision(6, id=f"{0:032x}", attempt=1, project="other", persons="sensitive", time=START + 3 * HOUR),
]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    write(tmp_path / "data", LOGGED)
    return tmp_path / "data"


def updated(data_dir: Path, wanted: Filter = Filter(), limit: int = 100) -> list[int]:  # noqa: B008  (frozen)
    """The places of the decisions that match, once the index is up to date."""
    with Reader(data_dir) as reader, Index(Files(data_dir).searched) as index:
        index.update(reader)
        return [found.decision for found in query.search(index, wanted, limit)]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ({}, [6, 4, 1, 0]),
        ({"tenant": "b" * 32}, [1]),
        ({"tenant": "c" * 32}, []),
        ({"site": "paris"}, [1]),
        ({"decision": "deny"}, [4]),
        ({"decision": "allow", "site": "rabat"}, [6, 0]),
        ({"crossing": "pseudonymised"}, [1]),
        ({"rule": "ma-1"}, [6, 1, 0]),
        ({"rule": "eu-2"}, [1]),
        ({"rule": "ma"}, []),
        ({"rule": "ma-1\neu-2"}, []),
        ({"purpose": "scoring"}, [4]),
        ({"model": "large"}, [4]),
        ({"project": "other"}, [6]),
        ({"status": "client_gone"}, [1]),
        ({"status": "ok"}, [0]),
        ({"experiment": "x"}, []),
        ({"id": f"{0:032x}"}, [6, 0]),
        ({"id": "none"}, []),
        ({"since": START + 1}, [6, 4, 1]),
        ({"since": START + HOUR, "until": START + 2 * HOUR}, [1]),
        ({"since": START + 3 * HOUR, "until": START}, []),
    ],
)
def test_what_is_found(data_dir: Path, wanted: dict[str, Any], places: list[int]) -> None:
    assert updated(data_dir, Filter(**wanted)) == places


def test_the_newest_first_and_no_more_than_asked(data_dir: Path) -> None:
    assert updated(data_dir, limit=2) == [6, 4]


def test_outcomes_find_their_decisions_in_any_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "BATCH", 3)
    write(tmp_path, LOGGED)
    updated(tmp_path)
    write(
        tmp_path,
        [
            outcome(7, of=6, id=f"{0:032x}"),
            outcome(8, of=4, id="another request"),  # of another request: it closes nothing
            outcome(9, of=1),  # a second one: the first stays
        ],
    )
    assert updated(tmp_path) == [6, 4, 1, 0]
    with Index(Files(tmp_path).searched) as index:
        found = query.search(index, Filter(), 10)
    assert found == [Found(6, 7), Found(4, None), Found(1, 2), Found(0, 5)]


def test_it_is_made_again(data_dir: Path) -> None:
    path = Files(data_dir).searched
    all_of = updated(data_dir)
    assert path.stat().st_mode & 0o777 == 0o600
    for ruin in (path.unlink, lambda: path.write_bytes(b"no database" * 999), lambda: path.write_bytes(b"")):
        for beside in data_dir.glob("ledger-index.db-*"):
            beside.unlink()
        ruin()
        assert updated(data_dir) == all_of


def test_it_forgets_another_logs_rows(data_dir: Path, tmp_path: Path) -> None:
    """A data directory whose log was put back from an old copy and went on elsewhere."""
    shutil.copytree(data_dir, tmp_path / "old")
    write(data_dir, list(entries(10, 20)))
    updated(data_dir)
    write(tmp_path / "old", [decision(7, site="oujda"), *entries(10, 14)])
    shutil.copy(Files(data_dir).searched, Files(tmp_path / "old").searched)
    assert updated(tmp_path / "old", Filter(site="oujda")) == [7]
    assert updated(tmp_path / "old", Filter(site="rabat")) == [10, 8, 6, 0]


def test_it_forgets_what_was_pruned(tmp_path: Path) -> None:
    write(tmp_path, list(entries(0, 600)))
    assert len(updated(tmp_path, limit=1000)) == 300
    prune(tmp_path, ORIGIN, 256)
    assert min(updated(tmp_path, limit=1000)) == 256
    Files(tmp_path).searched.unlink()
    assert min(updated(tmp_path, limit=1000)) == 256


def test_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "BATCH", 50)
    write(tmp_path, list(entries(0, 2000)))
    barrier = threading.Barrier(4)

    def work(_: int) -> list[int]:
        barrier.wait()
        return updated(tmp_path, limit=5000)

    with ThreadPoolExecutor(4) as threads:
        assert all(places == list(range(1998, -1, -2)) for places in threads.map(work, range(4)))


def test_a_log_with_a_gap_is_named(data_dir: Path) -> None:
    damage(data_dir, "DELETE FROM entry WHERE id = 2")
    with pytest.raises(EvidenceBroken, match="missing"):
        updated(data_dir)


def test_a_directory_that_cannot_be_written(data_dir: Path) -> None:
    with pytest.raises(LedgerUnavailable):
        Index(data_dir / "none" / "ledger-index.db")


def test_counting(data_dir: Path) -> None:
    with Reader(data_dir) as reader, Index(Files(data_dir).searched) as index:
        index.update(reader)
        counted = query.count(index, Filter())
        paris = query.count(index, Filter(site="paris"))
        nothing = query.count(index, Filter(site="nowhere"))
    assert (counted["attempts"], counted["ended"], counted["refused"], counted["refused_share"]) == (4, 2, 1, 0.25)
    by = counted["by"]
    assert by["decision"] == {"allow": 3, "deny": 1}
    assert by["site"] == {"rabat": 2, "paris": 1, "": 1}
    assert by["crossing"] == {"none": 3, "pseudonymised": 1}
    assert by["rule"] == {"ma-1": 3, "eu-2": 1, "ma-43": 1}
    assert by["persons"] == {"none": 3, "sensitive": 1}
    assert by["status"] == {"": 2, "ok": 1, "client_gone": 1}
    assert counted["tokens"] == {"prompt": 6, "completion": 4}
    assert counted["energy"] is None
    held = sum(len(entry) for entry in LOGGED if entry != b"no json")
    assert counted["entry_bytes"] == held
    assert (paris["attempts"], paris["tokens"]["prompt"], paris["by"]["rule"]) == (1, 3, {"ma-1": 1, "eu-2": 1})
    assert (nothing["attempts"], nothing["refused_share"], nothing["by"]["rule"]) == (0, None, {})


def test_fields_of_later_formats_are_counted(tmp_path: Path) -> None:
    """Experiments and energy, where entries tell them; kinds that are no attempt are passed over."""
    first = json.loads(decision(0)) | {"experiment": "exp-7"}
    second = json.loads(outcome(1)) | {"energy": 1250}
    seal = {"kind": "shard", "time": START, "v": 1, "next_origin": "x"}
    write(tmp_path, [json.dumps(entry, sort_keys=True).encode() for entry in (first, second, seal)])
    assert updated(tmp_path, Filter(experiment="exp-7")) == [0]
    write(
        tmp_path, [json.dumps(json.loads(outcome(3, of=0)) | {"decision_shard": shard}).encode() for shard in (2, -1)]
    )
    assert updated(tmp_path, Filter(status="ok")) == [0]
    with Index(Files(tmp_path).searched) as index:
        assert query.count(index, Filter())["energy"] == 1250


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answer(*arguments: object) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_search_shows_what_the_log_holds(data_dir: Path) -> None:
    options = ("--data-dir", data_dir)
    (match,) = answer("search", "--crossing", "pseudonymised", *options)["matches"]
    assert (match["place"], match["outcome_place"]) == ("1", "2")
    assert match["decision"] == json.loads(LOGGED[1])
    assert match["outcome"] == json.loads(LOGGED[2])
    assert len(answer("search", "--limit", 2, *options)["matches"]) == 2
    text = invoke("search", "--since", "2026-09-21", "--until", "2026-09-21", *options).stdout
    assert "4 of them, each proved to be in the log" in text
    assert "Nothing matches; the log has 4 attempts from 2026-09-21 14:13:20" in " ".join(
        invoke("search", "--until", "2026-09-20", *options).stdout.split()
    )
    assert answer("search", "--until", "2026-09-20", *options)["matches"] == []


def test_search_believes_no_index_and_no_damaged_log(data_dir: Path) -> None:
    updated(data_dir)
    damage(data_dir, "UPDATE entry SET data = CAST(replace(data, 'paris', 'rabat') AS BLOB) WHERE id = 1")
    assert isinstance(invoke("search", "--data-dir", data_dir).exception, EvidenceBroken)


def test_a_tenant_by_its_name(data_dir: Path) -> None:
    options = ("--data-dir", data_dir)
    with_store = KeyStore.open(f"sqlite:///{data_dir / 'riad.db'}", data_dir)
    tenant = with_store.create_tenant("Ville de Fès", "local_authority")
    with_store.close()
    write(data_dir, [decision(7, tenant=tenant.pseudonym)])
    assert [match["place"] for match in answer("search", "--tenant", tenant.slug, *options)["matches"]] == ["7"]
    assert [match["place"] for match in answer("search", "--tenant", "b" * 32, *options)["matches"]] == ["1"]
    assert isinstance(invoke("search", "--tenant", "nobody", *options).exception, NotFound)


def test_show_by_any_name_and_both_halves(data_dir: Path) -> None:
    options = ("--data-dir", data_dir)
    request = f"{1:032x}"
    for name in ("1", f"1-{request}", request):
        shown = answer("show", name, *options)
        assert (shown["index"], shown["related"]["index"]) == (1, 2)
        assert shown["related"]["entry"] == json.loads(LOGGED[2])
        text = invoke("show", name, *options).stdout
        assert "paris" in text
        assert "client_gone" in text
    assert answer("show", "2", *options)["related"]["entry"] == json.loads(LOGGED[1])
    assert answer("show", f"{0:032x}", *options)["index"] == 6  # the last attempt of it
    assert "related" not in answer("show", "4", *options)
    assert "tlog-proof" in invoke("show", request, "--receipt", *options).stdout


def test_tail(data_dir: Path) -> None:
    options = ("--data-dir", data_dir)
    lines = invoke("tail", "-n", 4, *options).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "4", "5", "6"]
    assert "decision" in lines[1]
    assert "outcome=deny" in lines[1]
    told = answer("tail", *options)
    assert (told["size"], len(told["entries"]), told["entries"][0]["entry"]) == (7, 7, json.loads(LOGGED[0]))
    assert answer("tail", "-n", 0, *options)["entries"] == []


def test_tail_of_an_empty_log(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert invoke("tail", "--data-dir", tmp_path).stdout == "The log has no entry yet.\n"
    assert "no decision yet" in invoke("search", "--data-dir", tmp_path).stdout
    assert "no decision yet" in invoke("stats", "--data-dir", tmp_path).stdout


def test_tail_follows(data_dir: Path) -> None:
    command = [sys.executable, "-m", "riad", "ledger", "tail", "-n", "1", "--follow", "--json", "--data-dir", data_dir]
    following = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert following.stdout is not None
    try:
        assert json.loads(following.stdout.readline())["place"] == "6"
        write(data_dir, [decision(7, site="oujda")])
        assert json.loads(following.stdout.readline())["entry"]["site"] == "oujda"
    finally:
        following.kill()
        following.communicate()


def test_what_an_entry_holds_cannot_move_the_cursor(tmp_path: Path) -> None:
    write(tmp_path, [decision(0, project="\x1b[2J", site="[bold]x")])
    for command in ("tail", "search", "stats"):
        text = invoke(command, "--data-dir", tmp_path).stdout
        assert "\x1b[2J" not in text
        assert "[bold]x" in text


def test_shards_are_searched_together(tmp_path: Path) -> None:
    """A later year's entries have names of their own, and may close what an earlier year decided."""
    write(tmp_path, [decision(0), decision(1)])
    late = json.loads(outcome(2, of=1))
    write(tmp_path, [decision(3, site="oujda"), json.dumps(late).encode()], now=1_798_800_000.0)
    options = ("--data-dir", tmp_path)
    found = answer("search", *options)["matches"]
    assert [match["place"] for match in found] == ["2027.1", "1", "0"]
    assert found[1]["outcome_place"] == "2027.2"
    assert answer("show", "1", *options)["related"]["entry"] == late
    assert answer("show", "2027.2", *options)["related"]["entry"] == json.loads(decision(1))
    assert answer("show", "1", "--shard", 2027, *options)["entry"]["site"] == "oujda"
    assert answer("show", f"2027.1-{3:032x}", *options)["entry"]["site"] == "oujda"
    assert answer("stats", *options)["attempts"] == 3
    assert [entry["place"] for entry in answer("tail", *options)["entries"]] == ["2027.0", "2027.1", "2027.2"]


def test_stats(data_dir: Path) -> None:
    options = ("--data-dir", data_dir)
    facts = answer("stats", "--decision", "deny", *options)
    assert (facts["origin"], facts["entries"], facts["attempts"], facts["refused_share"]) == (ORIGIN, 7, 1, 1.0)
    text = invoke("stats", *options).stdout
    for words in ("1 (25.0 %)", "site paris", "rule eu-2", "tokens of prompts", "riad ledger audit verifies"):
        assert words in text
    assert "Nothing matches" in invoke("stats", "--site", "nowhere", *options).stdout


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("search", "--since", "soon"), BadRequest),
        (("search", "--since", "2026-13-01"), BadRequest),
        (("search", "--decision", "maybe"), BadRequest),
        (("search", "--crossing", "often"), BadRequest),
        (("stats", "--until", "1y"), BadRequest),
        (("show", ""), BadRequest),
        (("show", "1.2"), BadRequest),
        (("show", "9999.0"), NotFound),
        (("show", "99"), NotFound),
        (("show", "1-another"), NotFound),
        (("show", "nobody's"), NotFound),
        (("show", "-"), NotFound),
        (("search", "--limit", "0"), SystemExit),
        (("tail", "-n", "-1"), SystemExit),
        (("tail", "-n", "x"), SystemExit),
    ],
)
def test_wrong_usage(data_dir: Path, arguments: tuple[str, ...], kind: type[BaseException]) -> None:
    result = invoke(*arguments, "--data-dir", data_dir)
    assert isinstance(result.exception, kind)
    assert result.exit_code in (1, 2)


@pytest.mark.parametrize("command", [("search",), ("stats",), ("tail",), ("show", "a-request")])
def test_no_ledger_no_index(command: tuple[str, ...], tmp_path: Path) -> None:
    assert isinstance(invoke(*command, "--data-dir", tmp_path).exception, NotFound)
    assert list(tmp_path.iterdir()) == []
