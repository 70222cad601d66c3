"""A case: the facts a decision rests on, and nothing else.

The same structs serve the gateway (built in code) and a lawyer's case file (JSON). A field left out, or ``null``, is
*unknown*; facts.py says how each unknown is read, always to the protection of the data. Countries are ISO 3166-1
alpha-2 codes in capitals, dates ``YYYY-MM-DD``, retention is in days.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec

from riad.errors import BadRequest, TooLarge
from riad.texts import N_

Action = Literal["infer", "train", "store", "export", "batch"]
TenantKind = Literal[
    "startup",
    "company",
    "university",
    "ministry",
    "public_body",
    "local_authority",
    "vital_infrastructure",
    "ngo",
]
LegalBasis = Literal[
    "consent", "legal_obligation", "contract", "vital_interest", "public_mission", "legitimate_interest"
]
Category = Literal["national_id", "health", "genetic", "offences", "interconnection", "biometric"]
Contract = Literal["none", "processor_terms", "standard_clauses", "moroccan_law"]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
Purpose = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
MAX_CASE_BYTES = 64 * 1024


class SiteFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """A place where work runs: where the data is, who operates, owns, holds the keys and administers, and the rest."""

    country: Country | None = None
    operator_country: Country | None = None
    parent_country: Country | None = None
    keys_country: Country | None = None
    admin_country: Country | None = None
    qualification: Literal[0, 1, 2] | None = None
    qualification_expires: datetime.date | None = None
    retention_days: Annotated[int, msgspec.Meta(ge=0)] | None = None
    trains_on_data: bool | None = None
    contract: Contract | None = None
    own_premises: bool | None = None


class Formalities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """What was filed with, or granted by, the data protection authority; ``express_consent`` is the persons' own."""

    declared: bool | None = None
    authorised: bool | None = None
    transfer_filed: bool | None = None
    transfer_authorised: bool | None = None
    express_consent: bool | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """One question to the law: may this data be processed so, there, for this purpose, on that day?"""

    home: Country | None = None
    date: datetime.date | None = None
    action: Action | None = None
    tenant_kind: TenantKind | None = None
    purpose: Purpose | None = None
    request_purpose: Purpose | None = None
    legal_basis: LegalBasis | None = None
    formalities: Formalities = Formalities()
    persons: Literal["none", "personal", "sensitive"] | None = None
    state: Literal["none", "restricted", "sensitive"] | None = None
    pseudonymised: bool | None = None
    categories: tuple[Category, ...] | None = None
    site: SiteFacts = SiteFacts()


class CaseLine(Case, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A case with the ``id`` its answer will carry: one line of a JSON Lines file."""

    id: str | int | None = None


_decoder = msgspec.json.Decoder(CaseLine)


def parse_case(data: bytes | str) -> CaseLine:
    """Read one case file.

    Raises ``TooLarge`` above 64 KiB, ``BadRequest`` for anything that is not exactly a case: bad JSON, an unknown
    field or value, or facts that contradict each other.
    """
    if len(data) > MAX_CASE_BYTES:
        raise TooLarge(
            N_("The case is larger than {limit} bytes."),
            remedy=N_("A case holds facts, never the data itself."),
            limit=MAX_CASE_BYTES,
        )
    try:
        case = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(
            N_("The case cannot be read: {error}."),
            remedy=N_("docs/law.md documents every field of a case file."),
            error=error,
        ) from None
    if case.persons == "none" and case.categories:
        raise BadRequest(
            N_("The case contradicts itself: persons is none, but categories names {categories}."),
            remedy=N_("Set persons to personal or sensitive, or empty categories."),
            categories=", ".join(case.categories),
        )
    return case


def site_facts(site: Any) -> SiteFacts:
    """The law's view of a configured site: any object whose attributes carry these names."""
    return msgspec.convert(site, SiteFacts, from_attributes=True)
