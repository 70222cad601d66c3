"""The pack's own cases, and that they leave no rule untried."""

from __future__ import annotations

import pytest

from riad.law import Pack
from riad.law.cases import Result, run
from riad.law.pack import find

PACK = Pack(find("ma"))
RESULTS = run(PACK)


@pytest.mark.parametrize("result", RESULTS, ids=[result.example.id for result in RESULTS])
def test_the_law_answers_as_its_text_says(result: Result) -> None:
    assert result.wrong == ""


def test_there_are_many_cases_and_each_names_its_article() -> None:
    assert len(RESULTS) >= 80
    assert all(result.example.law and result.example.article and result.example.example for result in RESULTS)
    assert len({result.example.id for result in RESULTS}) == len(RESULTS)


def test_every_rule_has_a_case() -> None:
    tried = {result.example.rule for result in RESULTS}
    assert {rule.id for rule in PACK.rules.values()} <= tried


def test_every_rule_says_what_it_rests_on() -> None:
    for rule in PACK.rules.values():
        assert rule.law
        assert rule.article
        assert rule.source
        assert all(rule.title[language] for language in ("en", "fr", "ar"))
        assert rule.quote or rule.mark != "V1", f"{rule.id} claims its text was seen and quotes none"


def test_the_list_is_thirty_two_states_and_not_the_european_union() -> None:
    (version,) = PACK.adequacy.version
    assert len(version.countries) == 32
    assert "FR" in version.countries
    assert not version.countries & {"HR", "US", "MA"}
