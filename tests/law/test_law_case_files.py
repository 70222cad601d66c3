"""Case files: strict, bounded, and every field of the documented one is read."""

from __future__ import annotations

import contextlib
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest, TooLarge
from riad.law import parse_case, site_facts
from riad.settings import laptop

DOCUMENTED = {
    "home": "MA",
    "date": "2026-11-23",
    "action": "infer",
    "tenant_kind": "startup",
    "purpose": "customer_support",
    "request_purpose": "customer_support",
    "legal_basis": None,
    "formalities": {
        "declared": True,
        "authorised": False,
        "transfer_filed": False,
        "transfer_authorised": False,
        "express_consent": False,
    },
    "persons": "personal",
    "state": "none",
    "pseudonymised": False,
    "categories": ["national_id", "health", "genetic", "offences", "interconnection", "biometric"],
    "site": {
        "country": "MA",
        "operator_country": "MA",
        "parent_country": "MA",
        "keys_country": "MA",
        "admin_country": "MA",
        "qualification": 0,
        "qualification_expires": None,
        "retention_days": 0,
        "trains_on_data": False,
        "contract": "none",
        "own_premises": False,
    },
}


def test_the_documented_case_is_read_whole() -> None:
    case = parse_case(json.dumps(DOCUMENTED))
    assert case.date == date(2026, 11, 23)
    assert case.site.retention_days == 0
    assert case.formalities.declared is True
    assert case.id is None
    assert parse_case(json.dumps({**DOCUMENTED, "id": "a"})).id == "a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"MA"',
        "{",
        '{"home": "ma"}',
        '{"home": "MAR"}',
        '{"date": "23/11/2026"}',
        '{"date": "2026-02-30"}',
        '{"action": "Infer"}',
        '{"persons": "some"}',
        '{"state": 1}',
        '{"pseudonymised": "yes"}',
        '{"categories": "health"}',
        '{"categories": ["shoe_size"]}',
        '{"purpose": ""}',
        '{"site": null}',
        '{"site": {"name": "Rabat"}}',
        '{"site": {"qualification": 3}}',
        '{"site": {"retention_days": -1}}',
        '{"formalities": {"declared": 1}}',
        '{"unknown_field": 1}',
        '{"persons": "none", "categories": ["health"]}',
        "\ud800",
        "[" * 5000,
    ],
)
def test_what_is_not_exactly_a_case_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_case(text)
    assert caught.value.remedy


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(BadRequest):
        parse_case(b'{"purpose": "\xff\xfe"}')


def test_a_huge_case_is_refused_unread() -> None:
    with pytest.raises(TooLarge):
        parse_case(b'{"purpose": "' + b"a" * 100_000 + b'"}')


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_breaks_the_reader(text: str | bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse_case(text)


def test_a_configured_site_becomes_facts() -> None:
    (configured,) = laptop("MA")
    facts = site_facts(configured)
    assert facts.country == facts.admin_country == "MA"
    assert facts.own_premises is True
    assert facts.retention_days == 0
