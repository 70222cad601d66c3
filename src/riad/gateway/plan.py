"""Where may this request go, and where should it? Lawful first, then the least intrusive.

Candidates are berths × transformations (as is, pseudonymised). Each is decided by the law; the lawful ones are
ordered: at home before across a border, masked before in clear, then cost. The result depends on few facts, so it
is remembered; health is looked at afterwards, on every request.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from riad.errors import Forbidden, NotFound, Refused, Unavailable, Unlawful
from riad.gateway.inspection import PERSONS, STATES, Inspection, Persons, State
from riad.law import Case, Decision, Law
from riad.law.case import Category, site_facts
from riad.law.rules import Masking, strictest
from riad.sites.catalogue import Berth, Catalogue
from riad.sites.health import Board
from riad.tenants.keys import Key
from riad.texts import N_

Crossing = Literal["none", "pseudonymised", "clear"]
INTRUSION: dict[str, int] = {"none": 0, "pseudonymised": 1, "clear": 2}
SEVERITY = ("allow", "human_review", "file_first", "deny")
MAX_MEMORY = 4096


class Need(msgspec.Struct, frozen=True):
    """All that decides where a request may go; equal needs have equal routes."""

    key: Key
    model: str
    kind: str
    persons: Persons
    state: State
    categories: tuple[Category, ...]
    maskable: bool
    request_purpose: str
    national_only: bool
    date: datetime.date  # decisions depend on the day, as laws and qualifications start and end


class Route(msgspec.Struct, frozen=True, eq=False):
    """One lawful way: a berth, what crosses the border, and the decision that allows it.

    ``masking`` is how what crosses pseudonymised is masked: as the project chose, or more strictly where the law asks.
    """

    berth: Berth
    crossing: Crossing
    decision: Decision
    case: Case
    rules: tuple[str, ...]  # the decision's, as the ledger names them
    articles: tuple[str, ...]
    packs: dict[str, str]
    masking: Masking | None = None


class Planned(msgspec.Struct, frozen=True, eq=False):
    """The lawful routes, best first; when there is none, ``refusal`` says why."""

    routes: tuple[Route, ...]
    refusal: Refused | None = None
    refused: Route | None = None  # the candidate whose decision the refusal reports


class Planner:
    """Plans for one catalogue under one law.

    ``media_purposes`` are those under which a caller may vouch that an image or a sound holds no personal data.
    """

    def __init__(self, law: Law, catalogue: Catalogue, board: Board, media_purposes: Iterable[str] = ()) -> None:
        self.media_purposes = frozenset(media_purposes)
        self._law = law
        self._catalogue = catalogue
        self._board = board
        self._memory: dict[Need, Planned] = {}
        self._facts = {berth.site.name: site_facts(berth.site) for berth in catalogue.berths}

    def need(
        self, key: Key, call_model: str, kind: str, found: Inspection, purpose: str, national: bool, date: datetime.date
    ) -> Need:
        """The need of a request: the key's, the body's and the caller's own wishes together."""
        return Need(
            key=key,
            model=call_model,
            kind=kind,
            persons=found.persons,
            state=found.state,
            categories=found.categories,
            maskable=found.maskable,
            request_purpose=purpose or key.purpose,
            national_only=national or key.locality == "national",
            date=date,
        )

    def plan(self, need: Need) -> Planned:
        """The lawful routes for a need, remembered."""
        planned = self._memory.get(need)
        if planned is None:
            if len(self._memory) >= MAX_MEMORY:
                self._memory.clear()
            planned = self._memory[need] = self._plan(need)
        return planned

    def choose(self, planned: Planned, tried: set[str]) -> Route:
        """The best route that answers and has not failed this request yet. Raises ``Unavailable``."""
        for route in planned.routes:
            if route.berth.name not in tried and self._board.of(route.berth).up:
                return route
        raise Unavailable(
            N_("Every site that may lawfully answer this is down."),
            remedy=N_("Try again in a moment; riad sites check says which site fails and why."),
            code="no_site_available",
            retry_after=1.0,
        )

    def redecide(self, route: Route, *, pseudonymised: bool) -> Decision:
        """The decision on a route with the facts as they are after the transformation."""
        return self._law.decide(msgspec.structs.replace(route.case, pseudonymised=pseudonymised))

    def _plan(self, need: Need) -> Planned:
        berths = [berth for berth in self._catalogue.serving(need.model) if berth.model.kind == need.kind]
        if not berths:
            known = [name for name, _ in self._catalogue.models()]
            raise NotFound(
                N_("No site serves a model of that name for this endpoint."),
                remedy=N_("Ask for one of: {known}."),
                param="model",
                code="model_not_found",
                known=", ".join(known[:20]),
            )
        candidates = [route for berth in berths for route in self._candidates(need, berth)]
        ceiling = self._ceiling(need)
        if ceiling is not None:
            return Planned((), ceiling, candidates[0])
        at_reach = [r for r in candidates if not (need.national_only and r.berth.crosses)]
        if not at_reach:
            return Planned((), self._not_national(need), candidates[0])
        lawful = [route for route in at_reach if route.decision.outcome == "allow"]
        if lawful:
            lawful.sort(key=lambda route: (INTRUSION[route.crossing], route.berth.site.cost))
            return Planned(tuple(lawful))
        mildest = min(at_reach, key=lambda route: SEVERITY.index(route.decision.outcome))
        return Planned((), self._unlawful(mildest), mildest)

    def _candidates(self, need: Need, berth: Berth) -> list[Route]:
        """The ways to use a berth. Masked text crosses only where something was found to mask."""
        crossings: list[Crossing] = ["none"]
        if berth.crosses:
            crossings = ["pseudonymised", "clear"] if need.maskable else ["clear"]
        routes = []
        for crossing in crossings:
            case = Case(
                home=self._catalogue.home,
                date=need.date,
                action="infer",
                tenant_kind=need.key.tenant_kind,
                purpose=need.key.purpose,
                request_purpose=need.request_purpose,
                legal_basis=need.key.legal_basis,
                persons=need.persons,
                state=need.state,
                pseudonymised=crossing == "pseudonymised",
                categories=need.categories,
                site=self._facts[berth.site.name],
            )
            decision = self._law.decide(case)
            rules = tuple(rule.id for rule in decision.rules)
            masking = strictest(need.key.masking, decision.masking) if crossing == "pseudonymised" else None
            packs = dict(decision.packs)
            routes.append(Route(berth, crossing, decision, case, rules, decision.articles, packs, masking))
        return routes

    def _ceiling(self, need: Need) -> Forbidden | None:
        key = need.key
        if PERSONS.index(need.persons) > PERSONS.index(key.max_persons):
            return _above("persons", need.persons, key.max_persons)
        if STATES.index(need.state) > STATES.index(key.max_state):
            return _above("state", need.state, key.max_state)
        return None

    def _not_national(self, need: Need) -> Forbidden:
        return Forbidden(
            N_("This model is only served abroad, and the key or the request asks for national sites only."),
            remedy=N_("Choose a model that a national site serves (GET /v1/models), or use a key with locality any."),
            code="locality_ceiling",
            detail={"decision": "deny", "model": need.model},
        )

    def _unlawful(self, route: Route) -> Unlawful:
        decision = route.decision
        remedies = self._law.remedies(route.case, decision, self._facts)
        rules = decision.rules or decision.would_permit  # a denial by default: what would have permitted it
        first = rules[0] if rules else None
        return Unlawful(
            N_("No lawful route ({outcome}). {rule} {law}, article {article}.")
            if first
            else N_("No lawful route ({outcome}): no rule permits it."),
            remedy=N_("What would make it lawful: {remedies}."),
            code=f"law_{decision.outcome}",
            detail={
                "decision": decision.outcome,
                "articles": [
                    {"rule": r.id, "law": r.law, "article": r.article, "title": r.title, "quote": r.quote}
                    for r in rules
                ],
                "remedies": [{"code": remedy.code, "text": remedy.text} for remedy in remedies],
                "site": route.berth.site.name,
            },
            outcome=decision.outcome,
            rule=first.title if first else "",
            law=first.law if first else "",
            article=first.article if first else "",
            remedies=_join([remedy.text for remedy in remedies]),
        )


def _join(texts: list[dict[str, str]]) -> dict[str, str]:
    return {
        language: "; ".join(text.get(language, text.get("en", "")).rstrip(".") for text in texts)
        for language in ("en", "fr", "ar")
    }


def _above(scale: str, value: str, ceiling: str) -> Forbidden:
    detail: dict[str, Any] = {"decision": "deny", "scale": scale, "found": value, "ceiling": ceiling}
    return Forbidden(
        N_("This request is of data class {value} ({scale}); the key stops at {ceiling}."),
        remedy=N_("Remove that data, or ask your operator for a key with a higher ceiling."),
        code="data_class_ceiling",
        detail=detail,
        scale=scale,
        value=value,
        ceiling=ceiling,
    )
