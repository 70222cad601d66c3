"""Decisions: invariants over the finite domain, unknown facts, memo, failing rules."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from law_examples import DAY, site
from msgspec.structs import asdict, replace

from riad.law import Case, Decision, Formalities, Law, Pack, SiteFacts
from riad.law.pack import find
from riad.law.rules import GRAVITY

LAW = Law.load(("ma",))
SITES = {
    "own": site("MA"),
    "qualified": site("MA", own_premises=False, qualification=2, qualification_expires=DAY + timedelta(days=1)),
    "expired": site("MA", own_premises=False, qualification=2, qualification_expires=DAY - timedelta(days=1)),
    "home, US parent": site("MA", parent_country="US"),
    "home, FR keys": site("MA", keys_country="FR"),
    "home, unknown admin": site("MA", admin_country=None),
    "home, trains": site("MA", trains_on_data=True),
    "listed": site("FR"),
    "listed, US parent": site("DE", parent_country="US"),
    "listed, retains": site("FR", retention_days=30),
    "listed, silent": SiteFacts(country="FR"),
    "unlisted": site("US"),
    "unassigned": site("ZZ"),
}


def national(place: SiteFacts) -> bool:
    countries = (
        place.country,
        place.operator_country,
        place.parent_country,
        place.keys_country,
        place.admin_country,
    )
    return set(countries) == {"MA"}


def domain() -> list[tuple[Case, Decision]]:
    cases = []
    flags = list(product((False, True), repeat=5))
    for action, persons, state, masked, place, flag in product(
        ("infer", "train"),
        ("none", "personal", "sensitive"),
        ("none", "restricted", "sensitive"),
        (False, True),
        SITES.values(),
        flags,
    ):
        case = Case(
            home="MA",
            date=DAY,
            action=action,  # type: ignore[arg-type]
            tenant_kind="ministry",
            purpose="p",
            request_purpose="p",
            legal_basis="public_mission",
            formalities=Formalities(**dict(zip(Formalities.__struct_fields__, flag, strict=True))),
            persons=persons,  # type: ignore[arg-type]
            state=state,  # type: ignore[arg-type]
            pseudonymised=masked,
            categories=(),
            site=place,
        )
        cases.append((case, LAW.decide(case)))
    return cases


DOMAIN = domain()
ALLOWED = [case for case, decision in DOMAIN if decision.allowed]


def test_the_domain_holds_every_answer() -> None:
    assert len(DOMAIN) > 14_000
    assert {decision.outcome for _case, decision in DOMAIN} == {"allow", "file_first", "human_review", "deny"}


def test_no_sensitive_state_data_ever_leaves() -> None:
    leaving = [case for case in ALLOWED if case.state == "sensitive" and case.site.country != "MA"]
    assert leaving == []


def test_no_state_data_leaves_moroccan_hands() -> None:
    assert [case for case in ALLOWED if case.state != "none" and not national(case.site)] == []


def test_no_personal_data_reaches_an_unlisted_state_without_a_ground() -> None:
    for case in ALLOWED:
        if case.persons == "none" or national(case.site):
            continue
        ground = case.formalities.transfer_authorised or case.formalities.express_consent
        assert ground or case.site in (SITES["listed"], SITES["home, FR keys"])


def test_no_clear_personal_data_leaves_unfiled() -> None:
    for case in ALLOWED:
        if case.persons == "none" or national(case.site) or (case.pseudonymised and case.action == "infer"):
            continue
        assert case.formalities.transfer_authorised or case.formalities.transfer_filed


def test_no_sensitive_person_leaves_unauthorised() -> None:
    abroad = [case for case in ALLOWED if case.persons == "sensitive" and not national(case.site)]
    assert abroad
    assert all(case.formalities.authorised for case in abroad)


def test_no_provider_abroad_keeps_or_trains_on_personal_data() -> None:
    for case in ALLOWED:
        if case.persons != "none" and not national(case.site):
            assert case.site.retention_days == 0
            assert case.site.trains_on_data is False


def test_an_unknown_country_gets_nothing_protected() -> None:
    unknown = (SITES["unassigned"], SITES["listed, silent"], SITES["home, unknown admin"])
    assert all(case.persons == case.state == "none" for case in ALLOWED if case.site in unknown)


def test_every_answer_has_its_rules() -> None:
    for _case, decision in DOMAIN:
        assert decision.rules or decision.would_permit
        assert list(decision.packs) == ["ma"]
        if decision.allowed:
            assert {rule.outcome for rule in decision.rules} == {"allow"}
        elif decision.rules:
            assert decision.outcome == decision.rules[0].outcome
            assert "allow" not in {rule.outcome for rule in decision.rules}
            assert decision.outcome == max((rule.outcome for rule in decision.rules), key=GRAVITY.__getitem__)


# ---------------------------------------------------------------------- unknown facts

countries = st.sampled_from(["MA", "FR", "DE", "US", "HR", "ZZ"])
places = st.builds(
    SiteFacts,
    country=countries,
    operator_country=countries,
    parent_country=countries,
    keys_country=countries,
    admin_country=countries,
    qualification=st.sampled_from([0, 1, 2]),
    qualification_expires=st.sampled_from([DAY - timedelta(days=1), DAY, date(2040, 1, 1)]),
    retention_days=st.sampled_from([0, 30]),
    trains_on_data=st.booleans(),
    contract=st.sampled_from(["none", "processor_terms", "standard_clauses", "moroccan_law"]),
    own_premises=st.booleans(),
) | st.sampled_from(
    [value for value in SITES.values() if value.country is not None and value.admin_country is not None]
)
kinds = [
    "startup",
    "company",
    "university",
    "ministry",
    "public_body",
    "local_authority",
    "vital_infrastructure",
    "ngo",
]
category = st.sampled_from(["national_id", "health", "genetic", "offences", "interconnection", "biometric"])
full_cases = st.builds(
    Case,
    home=st.just("MA"),
    date=st.sampled_from([date(2025, 8, 21), DAY, date(2027, 12, 31), date(2030, 1, 1)]),
    action=st.sampled_from(["infer", "train", "store", "export", "batch"]),
    tenant_kind=st.sampled_from(kinds),
    purpose=st.sampled_from(["a", "b"]),
    request_purpose=st.sampled_from(["a", "b"]),
    legal_basis=st.sampled_from(["consent", "contract"]),
    formalities=st.builds(
        Formalities,
        declared=st.booleans(),
        authorised=st.booleans(),
        transfer_filed=st.booleans(),
        transfer_authorised=st.booleans(),
        express_consent=st.booleans(),
    ),
    persons=st.sampled_from(["none", "personal", "sensitive"]),
    state=st.sampled_from(["none", "restricted", "sensitive"]),
    pseudonymised=st.booleans(),
    categories=st.lists(category, max_size=2).map(tuple),
    site=places,
)
ERASABLE = [name for name in Case.__struct_fields__ if name not in ("site", "formalities")]
ERASABLE += [f"site.{name}" for name in SiteFacts.__struct_fields__]
ERASABLE += [f"formalities.{name}" for name in Formalities.__struct_fields__]


def erase(case: Case, name: str) -> Case:
    part, dot, field = name.partition(".")
    if dot:
        return replace(case, **{part: replace(getattr(case, part), **{field: None})})
    return replace(case, **{name: None})


@given(case=full_cases, names=st.sets(st.sampled_from(ERASABLE), min_size=1, max_size=4))
@settings(max_examples=600, deadline=None)
def test_not_knowing_a_fact_never_frees_the_data(case: Case, names: set[str]) -> None:
    assume(case.persons != "none" or not case.categories)
    if case.persons == "none":  # with nothing personal, a purpose that is merely unnamed restricts nothing
        names = names - {"purpose", "request_purpose"}
    erased = case
    for name in names:
        erased = erase(erased, name)
    assert GRAVITY[LAW.decide(erased).outcome] >= GRAVITY[LAW.decide(case).outcome]


def test_a_case_that_says_nothing_is_denied(law: Law) -> None:
    assert law.decide(Case()).outcome == "deny"
    empty = law.decide(Case(home="MA"))
    assert empty.outcome == "deny"
    assert "unknown:persons" in empty.warnings
    assert "unknown:site.country" in empty.warnings


def test_every_unknown_that_mattered_is_named(law: Law, at_home: Case) -> None:
    assert law.decide(at_home).warnings == ()
    masked = replace(at_home, site=site("FR", keys_country=None), pseudonymised=True)
    assert law.decide(masked).warnings == ("unknown:site.keys_country",)
    unassigned = replace(at_home, site=site("FR", keys_country="ZZ"), pseudonymised=True)
    assert law.decide(unassigned).warnings == ("unknown:site.keys_country",)


def test_facts_the_schema_does_not_know_are_denied(law: Law, at_home: Case) -> None:
    for odd in (
        replace(at_home, persons="perhaps"),
        replace(at_home, action="teleport"),
        replace(at_home, site=site("MA", contract="handshake")),
    ):
        assert law.decide(odd).rules[0].id == "riad-policy-error"


def test_categories_lift_the_class_never_lower_it(law: Law, at_home: Case) -> None:
    abroad = replace(at_home, site=site("FR"), pseudonymised=True)
    assert law.decide(abroad).allowed
    assert law.decide(replace(abroad, categories=("health",))).outcome == "deny"
    assert not law.decide(replace(at_home, site=site("US"), persons="none", categories=("national_id",))).allowed


# ---------------------------------------------------------------------- dates


def test_the_list_announces_its_review_and_then_holds_nobody(law: Law, at_home: Case) -> None:
    abroad = replace(at_home, site=site("FR"), pseudonymised=True)
    assert law.decide(abroad).warnings == ()
    due = law.decide(replace(abroad, date=date(2027, 12, 1)))
    assert (due.outcome, due.warnings) == ("allow", ("list_due:ma-cndp-adequacy",))
    last = law.decide(replace(abroad, date=date(2027, 12, 31)))
    assert last.allowed
    stale = law.decide(replace(abroad, date=date(2028, 1, 1)))
    assert (stale.outcome, stale.warnings) == ("deny", ("list_stale:ma-cndp-adequacy",))


def test_before_its_laws_a_pack_permits_nothing(law: Law, at_home: Case) -> None:
    early = law.decide(replace(at_home, date=date(1999, 1, 1)))
    assert early.outcome == "deny"
    assert early.rules == ()


# ---------------------------------------------------------------------- memo


def test_the_memo_changes_no_answer(at_home: Case) -> None:
    fresh, used = Law.load(("ma",)), Law.load(("ma",))
    sample = [case for case, _decision in DOMAIN[::997]] + [at_home]
    for case in sample:
        used.decide(case)
    for case in reversed(sample):
        again = used.decide(replace(case))
        assert again == fresh.decide(case)
        assert again is used.decide(case)


def test_the_memo_is_bounded_and_survives_a_flood_of_purposes(law: Law, at_home: Case) -> None:
    usual = law.decide(at_home)
    for number in range(20_000):
        assert law.decide(replace(at_home, request_purpose=f"flood {number}")).outcome == "deny"
    assert law.decide(at_home) == usual
    assert law.remembered <= 2 * 8192


def test_an_answer_does_not_depend_on_the_order_of_categories(law: Law, at_home: Case) -> None:
    one = replace(at_home, categories=("national_id", "offences"))
    other = replace(at_home, categories=("offences", "national_id", "offences"))
    assert law.decide(one) is law.decide(other)


def test_a_decision_carries_the_pack_digest(law: Law, at_home: Case) -> None:
    assert law.decide(at_home).packs == dict(law.packs)
    assert law.packs["ma"].startswith("sha256:")


# ---------------------------------------------------------------------- rules that fail

FAILING = """
@id("broken") @law("x") @article("1") @outcome("{outcome}") @mark("R") @reading("careful") @source("test")
@effective_from("2009-01-01") @title_en("t") @title_fr("t") @title_ar("t") @quote("")
{effect} (principal, action, resource)
when {{ resource.qualification + 9223372036854775807 > 0 }};
"""


@pytest.mark.parametrize(("effect", "outcome"), [("permit", "allow"), ("forbid", "deny")])
def test_nothing_is_allowed_beside_a_rule_that_fails(tmp_path: Path, at_home: Case, effect: str, outcome: str) -> None:
    folder = shutil.copytree(find("ma"), tmp_path / "ma")
    with (folder / "state.cedar").open("a") as file:
        file.write(FAILING.format(effect=effect, outcome=outcome))
    broken = Law([Pack(folder)])
    qualified = replace(at_home, site=SITES["qualified"])
    assert LAW.decide(qualified).allowed
    decision = broken.decide(qualified)  # 2 + the largest integer overflows
    assert decision.outcome == "deny"
    assert [rule.id for rule in decision.rules] == ["riad-policy-error"]


def test_an_obligation_that_fails_denies_too(tmp_path: Path, at_home: Case) -> None:
    folder = shutil.copytree(find("ma"), tmp_path / "ma")
    with (folder / "obligations.cedar").open("a") as file:
        file.write(FAILING.format(effect="permit", outcome="allow").replace("@law", '@obligation("o") @law'))
    assert Law([Pack(folder)]).decide(replace(at_home, site=SITES["qualified"])).outcome == "deny"


def test_a_denial_no_rule_pronounced_says_which_rule_would_permit(tmp_path: Path, at_home: Case) -> None:
    folder = shutil.copytree(find("ma"), tmp_path / "ma")
    policies = (folder / "transfer.cedar").read_text()
    head, rest = policies.split('@id("ma-cndp-f118")')
    (folder / "transfer.cedar").write_text(head)  # now clear data to a listed State is merely not permitted
    decision = Law([Pack(folder)]).decide(replace(at_home, site=site("FR")))
    assert rest
    assert (decision.outcome, decision.rules) == ("deny", ())
    assert [rule.id for rule in decision.would_permit] == ["ma-0908-43-pseudonymised"]
    assert decision.articles == ("09-08 art. 43",)


def test_the_struct_fields_are_the_case_file_fields() -> None:
    assert set(asdict(SiteFacts())) == {
        "country",
        "operator_country",
        "parent_country",
        "keys_country",
        "admin_country",
        "qualification",
        "qualification_expires",
        "retention_days",
        "trains_on_data",
        "contract",
        "own_premises",
    }
