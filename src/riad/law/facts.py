"""From a case to the facts policies reason about: few, canonical, and with no unknown left.

Three words are defined here and nowhere else:

*crossing* – a dispatch to a site whose country is not the home country. An unknown country is a crossing.
*hands* – the countries that operate the site, ultimately own it, hold its keys and administer it.
*national* – not a crossing, and every hand is the home country's. A site inside the country in foreign hands is
neither national nor a crossing: policies treat it by the jurisdictions that reach it.

How an unknown fact is read, always to the protection of the data:

persons, state → ``sensitive`` · categories (when there are personal data) → all of them · pseudonymised, own
premises and every formality → not so · retention, training → it retains, it trains · a country, or a code that ISO
3166-1 does not assign → ``unknown``, which is never home nor on a list · qualification without a date of expiry, or
expired → none · contract → none · tenant kind → subject to law 05-20 · request purpose → not the declared one ·
date → no list and no qualification is current, every rule of the pack's last day applies · action → whichever is
stricter.
"""

from __future__ import annotations

from collections.abc import Container

import msgspec

from riad.law.case import Case, Formalities, SiteFacts
from riad.law.countries import COUNTRIES

ALL_CATEGORIES = ("biometric", "genetic", "health", "interconnection", "national_id", "offences")
SENSITIVE_CATEGORIES = frozenset({"genetic", "health"})  # sensitive by definition: law 09-08, art. 1(3)


class Place(msgspec.Struct, frozen=True, cache_hash=True):
    """A site as policies see it; each country is ``home``, ``listed``, ``unlisted`` or ``unknown``."""

    country: str
    operator: str
    parent: str
    keys: str
    admin: str
    qualification: int
    retains: bool
    trains: bool
    contract: str
    own_premises: bool

    @property
    def hands(self) -> tuple[str, str, str, str]:
        return (self.operator, self.parent, self.keys, self.admin)

    @property
    def crossing(self) -> bool:
        return self.country != "home"

    @property
    def national(self) -> bool:
        return not self.crossing and all(hand == "home" for hand in self.hands)


class Facts(msgspec.Struct, frozen=True):
    """Everything a decision may depend on. Equal facts have equal decisions: this is the memo's key."""

    window: int  # which of the pack's periods the date falls in
    action: str
    tenant: str
    purpose: str  # same, other, unknown (the request's), undeclared (the key's)
    legal_basis: str
    formalities: tuple[bool, bool, bool, bool, bool]  # in the order of case.Formalities
    persons: str
    state: str
    pseudonymised: bool
    categories: tuple[str, ...]
    place: Place
    unread: tuple[str, ...]  # what was unknown or expired and mattered, as ``unknown:site.parent_country``


def read(case: Case, window: int, listed: Container[str]) -> Facts:
    """The facts of a case on a day whose adequacy list is ``listed``."""
    persons = _persons(case)
    state = case.state or "sensitive"
    place = _place(case, listed)
    return Facts(
        window=window,
        action=case.action or "unknown",
        tenant=case.tenant_kind or "unknown",
        purpose=_purpose(case),
        legal_basis=case.legal_basis or "unknown",
        formalities=_formalities(case.formalities),
        persons=persons,
        state=state,
        pseudonymised=bool(case.pseudonymised) and persons != "none",
        categories=_categories(case, persons),
        place=place,
        unread=tuple(_unread(case, persons, state, place)),
    )


def _persons(case: Case) -> str:
    if case.persons is None:
        return "sensitive"
    if not case.categories:
        return case.persons
    if SENSITIVE_CATEGORIES.intersection(case.categories):
        return "sensitive"
    return "personal" if case.persons == "none" else case.persons


def _categories(case: Case, persons: str) -> tuple[str, ...]:
    if persons == "none":
        return ()
    return ALL_CATEGORIES if case.categories is None else tuple(sorted(set(case.categories)))


def _purpose(case: Case) -> str:
    if not case.purpose:
        return "undeclared"
    if not case.request_purpose:
        return "unknown"
    return "same" if case.purpose == case.request_purpose else "other"


def _formalities(filed: Formalities) -> tuple[bool, bool, bool, bool, bool]:
    return (
        bool(filed.declared),
        bool(filed.authorised),
        bool(filed.transfer_filed),
        bool(filed.transfer_authorised),
        bool(filed.express_consent),
    )


def _place(case: Case, listed: Container[str]) -> Place:
    site = case.site

    def where(code: str | None) -> str:
        if code is None or code not in COUNTRIES:
            return "unknown"
        if code == case.home:
            return "home"
        return "listed" if code in listed else "unlisted"

    return Place(
        country=where(site.country),
        operator=where(site.operator_country),
        parent=where(site.parent_country),
        keys=where(site.keys_country),
        admin=where(site.admin_country),
        qualification=(site.qualification or 0) if qualified(case) else 0,
        retains=site.retention_days != 0,
        trains=site.trains_on_data is not False,
        contract=site.contract or "none",
        own_premises=bool(site.own_premises),
    )


def qualified(case: Case) -> bool:
    """Whether the site's qualification is shown to be current: decree 2-24-921, art. 9, gives each one a term."""
    expires = case.site.qualification_expires
    return bool(case.site.qualification) and expires is not None and case.date is not None and case.date <= expires


def _unread(case: Case, persons: str, state: str, place: Place) -> list[str]:
    """The unknown facts that a rule looked at: a case that protects nothing has few."""
    site: SiteFacts = case.site
    personal, official, abroad = persons != "none", state != "none", not place.national
    looked_at = [
        ("date", case.date, True),
        ("action", case.action, personal),
        ("tenant_kind", case.tenant_kind, state == "sensitive"),
        ("purpose", case.purpose, personal),
        ("request_purpose", case.request_purpose, personal),
        ("persons", case.persons, True),
        ("state", case.state, True),
        ("pseudonymised", case.pseudonymised, personal and abroad),
        ("categories", case.categories, personal),
        ("site.country", site.country, True),
        ("site.operator_country", site.operator_country, personal or official),
        ("site.parent_country", site.parent_country, personal or official),
        ("site.keys_country", site.keys_country, personal or official),
        ("site.admin_country", site.admin_country, personal or official),
        ("site.retention_days", site.retention_days, personal and abroad),
        ("site.trains_on_data", site.trains_on_data, personal),
        ("site.contract", site.contract, (personal or official) and not place.own_premises),
        ("site.qualification", site.qualification, state == "sensitive" and not place.own_premises),
    ]
    unread = [f"unknown:{name}" for name, value, matters in looked_at if matters and value is None]
    for name in ("country", "operator", "parent", "keys", "admin"):
        field = "country" if name == "country" else f"{name}_country"
        if getattr(place, name) == "unknown" and getattr(site, field) is not None:
            unread.append(f"unknown:site.{field}")
    if state == "sensitive" and site.qualification and not qualified(case):
        unread.append(
            "expired:site.qualification" if site.qualification_expires else "unknown:site.qualification_expires"
        )
    return unread


class _Entity(msgspec.Struct, frozen=True):
    type: str
    id: str


def context(facts: Facts) -> str:
    """What is processed and why, as the JSON context of a Cedar request; the pack's schema documents each fact."""
    names = ("declared", "authorised", "transfer_filed", "transfer_authorised", "express_consent")
    return msgspec.json.encode(
        {
            "persons": _Entity("Persons", facts.persons),
            "state": _Entity("State", facts.state),
            "pseudonymised": facts.pseudonymised,
            "categories": [_Entity("Category", category) for category in facts.categories],
            "purpose": _Entity("Purpose", facts.purpose),
            "legal_basis": _Entity("Basis", facts.legal_basis),
            "formalities": dict(zip(names, facts.formalities, strict=True)),
        }
    ).decode()


def entity(place: Place) -> str:
    """The site as a Cedar entity, ``Site::"site"``, in a JSON list of one."""
    countries = {name: getattr(place, name) for name in ("country", "operator", "parent", "keys", "admin")}
    attributes = {
        **{name: _Entity("Country", value) for name, value in countries.items()},
        "jurisdictions": [_Entity("Country", value) for value in sorted(set(countries.values()))],
        "crossing": place.crossing,
        "national": place.national,
        "qualification": place.qualification,
        "retains": place.retains,
        "trains": place.trains,
        "contract": _Entity("Contract", place.contract),
        "own_premises": place.own_premises,
    }
    return msgspec.json.encode([{"uid": _Entity("Site", "site"), "attrs": attributes, "parents": []}]).decode()
