"""Packs: what is not right inside one is refused when it is read, with its place."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from law_examples import site

from riad.errors import BadSettings, NotFound
from riad.law import Case, Law, Pack
from riad.law.pack import digest, find, installed, recorded_digest
from riad.law.rules import MASKINGS, strictest
from riad.ledger import entry
from riad.tenants import projects


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(find("ma"), tmp_path / "ma")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_the_shipped_pack_is_the_published_one() -> None:
    assert "ma" in installed()
    assert recorded_digest(find("ma")) == digest(find("ma")), "edited: write the new digest to DIGEST"


def test_any_edit_changes_the_digest(folder: Path) -> None:
    before = digest(folder)
    edit(folder / "lists" / "cndp_adequacy.toml", '"FR", ', "")
    middle = digest(folder)
    (folder / "extra.txt").write_text("")
    assert len({before, middle, digest(folder)}) == 3


def test_a_pack_that_is_not_there() -> None:
    for name in ("xx", "../ma", "", "ma/lists"):
        with pytest.raises(NotFound):
            Law.load((name,))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("persons.cedar", 'Persons::"none"', 'Persons::"nome"'),
        ("persons.cedar", "context.persons", "context.person"),
        ("persons.cedar", "permit (", "permit ["),
        ("persons.cedar", '@mark("V1")', '@mark("V9")'),
        ("persons.cedar", '@reading("text")', '@reading("maybe")'),
        ("persons.cedar", '@article("2(1)")', ""),
        ("persons.cedar", '@outcome("allow")', '@outcome("deny")'),
        ("persons.cedar", '@outcome("allow")', '@outcome("compliant")'),
        ("persons.cedar", '@effective_from("2009-03-05")', '@effective_from("2009")'),
        ("persons.cedar", '@id("ma-0908-03-national")', '@id("ma-0908-02-nothing-personal")'),
        ("persons.cedar", '@id("ma-0908-03-national")', ""),
        ("obligations.cedar", '@obligation("pseudonymised")', ""),
        ("obligations.cedar", "context.pseudonymised", "context.masked"),
        ("manifest.toml", 'id = "ma"', 'id = "ma'),
        ("manifest.toml", 'country = "MA"', ""),
        ("manifest.toml", '"state.cedar"', '"stat.cedar"'),
        ("schema.cedarschema", "entity Site", "entity Sight"),
        ("lists/cndp_adequacy.toml", "review_by", "reviewed_by"),
        ("lists/cndp_adequacy.toml", "2016-01-01", '"soon"'),
        ("lists/entities.toml", "entities_05_20", "entities"),
        ("remedies.toml", 'code = "pseudonymise"', ""),
    ],
)
def test_a_broken_pack_is_refused(folder: Path, file: str, old: str, new: str) -> None:
    edit(folder / file, old, new)
    with pytest.raises(BadSettings) as caught:
        Pack(folder)
    assert caught.value.render("en")


def test_a_pack_that_is_not_text(folder: Path) -> None:
    (folder / "state.cedar").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings):
        Pack(folder)


def test_one_day_is_like_the_next_unless_something_starts_or_ends() -> None:
    pack = Pack(find("ma"))
    assert pack.at(date(2026, 11, 23)) is pack.at(date(2026, 11, 24))
    before, after = pack.at(date(2025, 8, 20)), pack.at(date(2025, 8, 21))
    assert len(before.policies) < len(after.policies)
    assert pack.at(None).listed == frozenset()
    assert len(pack.at(None).policies) == len(pack.rules)


def test_a_repealed_rule_stops(folder: Path) -> None:
    edit(
        folder / "persons.cedar",
        '@effective_from("2009-03-05")',
        '@effective_from("2009-03-05") @effective_to("2020-12-31")',
    )
    pack = Pack(folder)
    assert len(pack.at(date(2020, 12, 31)).policies) - len(pack.at(date(2021, 1, 1)).policies) == 1


def test_a_rule_may_ask_how_data_is_masked(folder: Path, at_home: Case) -> None:
    abroad = msgspec.structs.replace(at_home, pseudonymised=True, site=site("FR"))
    assert Law([Pack(folder)]).decide(abroad).masking is None
    edit(
        folder / "transfer.cedar",
        '@id("ma-0908-43-pseudonymised")',
        '@id("ma-0908-43-pseudonymised") @masking("tokens")',
    )
    edit(folder / "persons.cedar", '@id("ma-0908-03-national")', '@id("ma-0908-03-national") @masking("redaction")')
    law = Law([Pack(folder)])
    assert law.decide(abroad).masking == "tokens"  # not the other rule's: it did not determine this
    assert law.decide(at_home).masking == "redaction"


@pytest.mark.parametrize("wrong", ['@masking("blackout")', '@masking("")'])
def test_a_masking_there_is_not_is_refused(folder: Path, wrong: str) -> None:
    edit(folder / "persons.cedar", '@id("ma-0908-03-national")', f'@id("ma-0908-03-national") {wrong}')
    with pytest.raises(BadSettings, match="masking"):
        Pack(folder)


def test_a_rule_that_forbids_asks_for_no_masking(folder: Path) -> None:
    edit(folder / "persons.cedar", '@id("ma-0908-03-no-purpose")', '@id("ma-0908-03-no-purpose") @masking("redaction")')
    with pytest.raises(BadSettings, match="masking"):
        Pack(folder)


def test_of_several_maskings_the_strictest_counts() -> None:
    assert strictest(None, "surrogates", "placeholders") == "placeholders"
    assert strictest("tokens", "redaction", None) == "redaction"
    assert strictest(None) is None


def test_every_word_for_masking_is_known_everywhere() -> None:
    assert set(MASKINGS) == set(projects.MASKINGS) == set(get_args(entry.Masking))
