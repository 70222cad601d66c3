"""docs/law.md: a rule, an obligation or a field of a case file that is not documented fails here."""

from __future__ import annotations

from pathlib import Path

from riad.law import Case, Formalities, Pack, SiteFacts
from riad.law.pack import find

PAGE = (Path(__file__).parents[2] / "docs" / "law.md").read_text()
PACK = Pack(find("ma"))


def test_every_rule_stands_in_the_page_as_it_is() -> None:
    for rule in PACK.rules.values():
        sure = f"{rule.mark}, {rule.reading}"
        row = f"| `{rule.id}` | {rule.law} | {rule.article} | {rule.outcome} | {sure} | {rule.title['en']} |"
        assert row in PAGE


def test_no_rule_stands_there_that_is_gone() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `ma-")]
    assert len(rows) == len(PACK.rules)


def test_every_field_and_obligation_is_documented() -> None:
    names = {*Case.__struct_fields__, *Formalities.__struct_fields__, *SiteFacts.__struct_fields__}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
    papers = {"formality_12_1_a", "formality_12_1_c", "formality_12_1_d", "formality_12_1_f"}  # "and so on"
    undocumented = {name for name in PACK.duties.values() if f"`{name}`" not in PAGE}
    assert {name.removesuffix("_to_check") for name in undocumented} == papers
