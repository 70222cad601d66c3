from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest
from riad.tenants import names


@given(st.text(max_size=100))
def test_a_name_is_accepted_whole_or_refused_safely(value: str) -> None:
    try:
        name = names.name(value, "tenant")
    except BadRequest as refused:
        assert str(refused).isprintable()  # noqa: PT017
        return
    slug = names.slug(name)
    assert slug == names.slug(slug)  # a slug names what it came from
    assert slug
    assert name.isprintable() or any(unicodedata.category(c) in {"Zs", "Zl", "Zp"} for c in name)
    assert not any(unicodedata.category(c)[0] in "CZS" for c in slug)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme", "acme"),
        (" Université  Hassan II ", "université-hassan-ii"),
        ("universite\u0301 hassan ii", "université-hassan-ii"),
        ("وزارة الصحة", "وزارة-الصحة"),
        ("ⵜⴰⵎⴰⵣⵉⵖⵜ", "ⵜⴰⵎⴰⵣⵉⵖⵜ"),
        ("R&D (Rabat)", "r-d-rabat"),
        ("a.b_c", "a.b_c"),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert names.slug(names.name(name, "tenant")) == slug


@pytest.mark.parametrize("bad", ["", "  ", "---", "a\x00b", "a\nb", "a\x1b[31m", "a\u202eb", "x" * 81, "\ud800", "🏛"])
def test_bad_names(bad: str) -> None:
    with pytest.raises(BadRequest, match="cannot be the name of a project"):
        names.name(bad, "project")


@pytest.mark.parametrize("bad", ["", "1st", "customer-support", "a b", "é", "a" * 65, "_a", "a\n", "a;b"])
def test_bad_purposes(bad: str) -> None:
    if bad == "a\n":  # trimmed, as a shell would
        assert names.purpose(bad) == "a"
        return
    with pytest.raises(BadRequest, match="is not a purpose"):
        names.purpose(bad)


def test_purposes_are_lower_case() -> None:
    assert names.purpose("Customer_Support") == "customer_support"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2027-06-30", 1814400000),  # its last day is whole
        ("2027-06-30T00:00", 1814313600),
        ("2027-06-30T01:00+01:00", 1814313600),
        ("2027-06-30T00:00Z", 1814313600),
    ],
)
def test_expiry(written: str, seconds: int) -> None:
    assert names.expiry(written) == seconds


@given(st.text(max_size=40))
def test_an_expiry_is_a_date_or_refused(value: str) -> None:
    try:
        assert isinstance(names.expiry(value), int)
    except BadRequest as refused:
        assert str(refused).isprintable()  # noqa: PT017


@pytest.mark.parametrize("bad", ["", "tomorrow", "2027-02-30", "30/06/2027", "9999-12-31"])
def test_bad_expiries(bad: str) -> None:
    with pytest.raises(BadRequest, match="is not a date"):
        names.expiry(bad)


@pytest.mark.parametrize("bad", [0, -1, 10**15 + 1])
def test_bad_limits(bad: int) -> None:
    with pytest.raises(BadRequest, match="cannot be the limit requests per minute"):
        names.limit(bad, "requests per minute")
