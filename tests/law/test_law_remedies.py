"""Remedies: each one offered works, and those that would not are not offered."""

from __future__ import annotations

from law_examples import site
from msgspec.structs import replace

from riad.law import Case, Law, SiteFacts
from riad.law.pack import find
from riad.law.remedies import changed

PARIS, RABAT, VIRGINIA = site("FR"), site("MA"), site("US")


def codes(law: Law, case: Case, sites: dict[str, SiteFacts] | None = None) -> list[str]:
    return [remedy.code for remedy in law.remedies(case, law.decide(case), sites)]


def test_a_lawful_case_needs_none(law: Law, at_home: Case) -> None:
    assert codes(law, at_home, {"paris": PARIS}) == []


def test_clear_data_to_a_listed_state(law: Law, at_home: Case) -> None:
    case = replace(at_home, site=PARIS)
    assert codes(law, case, {"rabat": RABAT, "virginia": VIRGINIA}) == [
        "pseudonymise",
        "file_transfer",
        "authorise_transfer",
        "express_consent",
        "at_site",
    ]
    named = law.remedies(case, law.decide(case), {"rabat": RABAT})[-1]
    assert named.site == "rabat"
    assert named.text["en"] == "Lawful at site rabat."
    assert named.text["fr"] == "Licite sur le site rabat."
    assert "rabat" in named.text["ar"]


def test_an_unlisted_state_is_not_cured_by_masking_or_filing(law: Law, at_home: Case) -> None:
    case = replace(at_home, site=VIRGINIA)
    assert codes(law, case) == ["authorise_transfer", "express_consent", "national_site"]
    assert codes(law, case, {"paris": PARIS})[2:] == ["at_site_pseudonymised", "national_site"]


def test_sensitive_state_data_stays(law: Law, at_home: Case) -> None:
    case = replace(at_home, state="sensitive", tenant_kind="ministry", site=PARIS, pseudonymised=True)
    assert codes(law, case) == ["national_site"]
    assert codes(law, case, {"rabat": RABAT, "virginia": VIRGINIA}) == ["at_site"]


def test_an_unqualified_provider_at_home(law: Law, at_home: Case) -> None:
    cloud = site("MA", own_premises=False)
    case = replace(at_home, state="sensitive", tenant_kind="ministry", site=cloud)
    found = codes(law, case)
    assert "qualify_level_2" in found
    assert "national_site" in found


def test_two_obstacles_need_both_remedies(law: Law, at_home: Case) -> None:
    case = replace(at_home, persons="sensitive", site=PARIS)
    found = law.remedies(case, law.decide(case), {})
    assert found[0].code == "pseudonymise+authorise_processing"
    assert found[0].text["fr"].startswith("Les deux ensemble : Licite")


def test_another_purpose(law: Law, at_home: Case) -> None:
    assert codes(law, replace(at_home, request_purpose="loan_scoring"))[0] == "use_declared_purpose"
    assert codes(law, replace(at_home, purpose=None, request_purpose=None))[0] == "declare_purpose"


def test_a_home_without_a_pack_has_none(law: Law, at_home: Case) -> None:
    assert codes(law, replace(at_home, home="FR"), {"rabat": RABAT}) == []


def test_every_single_remedy_offered_works(law: Law, at_home: Case) -> None:
    pack = law.pack("MA")
    assert pack is not None
    assert pack.directory == find("ma")
    changes = {remedy.code: remedy.change for remedy in pack.remedies.remedy}
    for place in (PARIS, VIRGINIA, site("DE", parent_country="US"), site("MA", trains_on_data=True)):
        for persons in ("personal", "sensitive"):
            case = replace(at_home, site=place, persons=persons, categories=("national_id",))
            for code in codes(law, case):
                lawful = case
                for part in code.split("+"):
                    lawful = changed(lawful, changes[part])
                assert law.decide(lawful).allowed, code
