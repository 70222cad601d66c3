"""May this data be processed so, there, for this purpose? The policies of the home country's pack answer.

Deny is the answer to everything that goes wrong: no pack for the home country, a policy that errors, facts the
schema refuses, an answer nobody explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import cedarpy

from riad.law import remedies
from riad.law.case import Case, SiteFacts
from riad.law.facts import Facts, Place, context, entity, read
from riad.law.pack import Pack, Window, find
from riad.law.rules import GRAVITY, Decision, Remedy, Rule

MEMO = 8192  # entries of one generation; at most two are held


def _own_rule(identity: str, en: str, fr: str, ar: str) -> Rule:
    """A refusal of the engine's own, when no pack can speak."""
    title = {"en": en, "fr": fr, "ar": ar}
    return Rule(identity, "Riad", "–", "deny", title, "", "this engine fails closed", "V1", "careful")


NO_PACK = _own_rule(
    "riad-no-pack",
    "No law pack of this platform speaks for the home country, or the case does not name it",
    "Aucun paquet juridique de cette plateforme ne parle pour le pays d'origine, ou le cas ne le nomme pas",
    "لا توجد في هذه المنصة حزمة قانونية لبلد المنشأ، أو أن الحالة لا تسمّيه",
)
NO_ANSWER = _own_rule(
    "riad-policy-error",
    "A policy could not be evaluated on these facts: nothing is allowed by a rule that fails",
    "Une règle n'a pas pu être évaluée sur ces faits : rien n'est permis par une règle qui échoue",
    "تعذّر تقييم إحدى القواعد على هذه الوقائع: لا شيء يُسمح به بقاعدة فاشلة",
)


class Law:
    """The law of the loaded packs. Pure after loading: no I/O, no clock; the same case has the same answer."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = {pack.country: pack for pack in packs}
        self.packs: Mapping[str, str] = MappingProxyType({pack.id: pack.digest for pack in packs})
        self._digests = {pack.country: {pack.id: pack.digest} for pack in packs}
        # Two generations of cases, so that a flood of odd cases never empties the memo of the usual ones, and a
        # memo of facts, to which all cases come down.
        self._recent: dict[Case, Decision] = {}
        self._former: dict[Case, Decision] = {}
        self._by_facts: dict[tuple[str, Facts], Decision] = {}
        self._sites: dict[tuple[str, Place], cedarpy.Entities] = {}

    @classmethod
    def load(cls, names: Sequence[str] = ("ma",)) -> Law:
        """Read installed packs. Raises ``NotFound`` or ``BadSettings``."""
        return cls([Pack(find(name)) for name in names])

    def decide(self, case: Case) -> Decision:
        """Decide one case; never raises for a case's content."""
        return self._recent.get(case) or self._remember(case)

    def remedies(
        self, case: Case, decision: Decision, sites: Mapping[str, SiteFacts] | None = None
    ) -> tuple[Remedy, ...]:
        """What would make a refused case lawful; nothing for an allowed one. ``sites`` are this platform's, by name."""
        pack = self._pack(case)
        if decision.allowed or pack is None:
            return ()
        return remedies.find(pack.remedies, case, sites or {}, lambda changed: self.decide(changed).allowed)

    def facts(self, case: Case) -> Facts | None:
        """The facts as the policies see them, every unknown read; ``None`` where no pack speaks."""
        pack = self._pack(case)
        if pack is None:
            return None
        window = pack.at(case.date)
        return read(case, window.number, window.listed)

    def pack(self, country: str) -> Pack | None:
        """The pack that speaks for that country."""
        return self._packs.get(country)

    @property
    def remembered(self) -> int:
        """How many cases the memo holds now."""
        return len(self._recent) + len(self._former)

    def _pack(self, case: Case) -> Pack | None:
        return self._packs.get(case.home) if case.home is not None else None

    def _remember(self, case: Case) -> Decision:
        decision = self._former.get(case) or self._decide(case)
        if len(self._recent) >= MEMO:
            self._former, self._recent = self._recent, {}
        self._recent[case] = decision
        return decision

    def _decide(self, case: Case) -> Decision:
        # (1) The home country's pack speaks; without one nothing is lawful.
        pack = self._pack(case)
        if pack is None:
            return Decision("deny", (NO_PACK,), (), dict(self.packs), (), True)
        # (2) The pack as it stands that day; the facts as it sees them, every unknown read protectively.
        window = pack.at(case.date)
        facts = read(case, window.number, window.listed)
        key = (pack.country, facts)
        decision = self._by_facts.get(key)
        if decision is None:
            if len(self._by_facts) >= MEMO:
                self._by_facts.clear()
            decision = self._by_facts[key] = self._ask(pack, window, facts, case)
        return decision

    def _ask(self, pack: Pack, window: Window, facts: Facts, case: Case) -> Decision:
        # (3) Ask the policies, with the schema: without it a rule that fails would be skipped.
        answer = self._authorize(pack, window.policies, facts)
        matched = _in_order(pack.rules, answer)
        obligations: tuple[str, ...] = ()
        would_permit: tuple[Rule, ...] = ()
        # (4) An error anywhere, or no decision, is a denial, whatever else matched.
        if _failed(answer):
            matched = (NO_ANSWER, *(rule for rule in matched if rule.outcome != "allow"))
        # (5) Allowed: what the decision rests on, and what it leaves to check.
        elif answer.allowed:
            duties = self._authorize(pack, window.obligations, facts)
            obligations = tuple(dict.fromkeys(_in_order(pack.duties, duties)))
            if _failed(duties):
                matched = (NO_ANSWER,)
        # (6) Nothing permits and nothing forbids: which rule would have permitted, were the facts otherwise?
        elif not matched:
            would_permit = self._would_permit(pack, window, case)
        # (7) The gravest of the rules that matched decides; nothing matched: denied.
        matched = tuple(sorted(matched, key=lambda rule: -GRAVITY[rule.outcome]))
        return Decision(
            outcome=matched[0].outcome if matched else "deny",
            rules=matched,
            obligations=obligations,
            packs=self._digests[pack.country],
            warnings=window.warnings + facts.unread,
            crossing=facts.place.crossing,
            would_permit=would_permit,
        )

    def _would_permit(self, pack: Pack, window: Window, case: Case) -> tuple[Rule, ...]:
        for variant in remedies.variants(pack.remedies, case):
            answer = self._authorize(pack, window.policies, read(variant, window.number, window.listed))
            if answer.allowed and not _failed(answer):
                return _in_order(pack.rules, answer)
        return ()

    def _authorize(self, pack: Pack, policies: cedarpy.PolicySet, facts: Facts) -> cedarpy.AuthzResult:
        request = {
            "principal": {"type": "Tenant", "id": facts.tenant},
            "action": {"type": "Action", "id": facts.action},
            "resource": {"type": "Site", "id": "site"},
            "context": context(facts),
        }
        try:
            return cedarpy.is_authorized(request, policies, self._entities(pack, facts.place), pack.schema)
        except ValueError:  # facts built in code that the schema does not know
            return cedarpy.AuthzResult({"decision": "NoDecision"})

    def _entities(self, pack: Pack, place: Place) -> cedarpy.Entities:
        """The tenants' kinds and this site: parsed once a site, then a handle."""
        key = (pack.country, place)
        handle = self._sites.get(key)
        if handle is None:
            if len(self._sites) >= MEMO:
                self._sites.clear()
            handle = self._sites[key] = pack.entities.with_added_json_str(entity(place), pack.schema)
        return handle


def _failed(answer: cedarpy.AuthzResult) -> bool:
    return bool(answer.diagnostics.errors) or answer.decision is cedarpy.Decision.NoDecision


T = TypeVar("T")


def _in_order(named: Mapping[str, T], answer: cedarpy.AuthzResult) -> tuple[T, ...]:
    """What matched, in the order the pack lists it: Cedar's own order is not stable, and evidence must be."""
    reasons = set(answer.diagnostics.reasons)
    return tuple(value for name, value in named.items() if name in reasons)
