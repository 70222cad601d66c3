"""May this data go there, for this purpose? Cedar policies in country packs answer, with their articles."""

from __future__ import annotations

from riad.law.case import Case, CaseLine, Formalities, SiteFacts, parse_case, site_facts
from riad.law.decide import Law
from riad.law.pack import Pack
from riad.law.rules import Decision, Remedy, Rule

__all__ = [
    "Case",
    "CaseLine",
    "Decision",
    "Formalities",
    "Law",
    "Pack",
    "Remedy",
    "Rule",
    "SiteFacts",
    "parse_case",
    "site_facts",
]
