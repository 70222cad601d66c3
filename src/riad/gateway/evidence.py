"""A request's ledger entries: the decision, then the outcome. Facts, counts and commitments; never content."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from riad.gateway.calls import SUBJECT_FIELDS, Call
from riad.gateway.plan import Crossing, Need, Route
from riad.law.rules import Masking
from riad.ledger import place
from riad.ledger.entry import UNSET, Decision, Outcome, SiteFacts, Tokens, UnsetType, encode
from riad.settings import Site
from riad.tenants.keys import Key

if TYPE_CHECKING:
    from riad.gateway.flow import Request

Verdict = Literal["allow", "deny", "file_first", "human_review"]
NOTHING: Mapping[str, int] = {}


class Evidence:
    """Writes the entries of one request. ``committed`` is the commitment to its content, if there is one."""

    def __init__(
        self, request: Request, key: Key, call: Call, need: Need, counts: dict[str, int], committed: str | None
    ) -> None:
        self.id = request.id
        self.record_key = request.record_key
        self.key = key
        self._experiment = request.experiment
        self._reveal = request.reveal
        self._committed = committed
        self._call = call
        self._need = need
        self._counts = counts
        self._attempt = 0
        self._began = time.monotonic()

    @property
    def subject(self) -> str:
        """Whom the request is for, as the caller names her; empty where it does not."""
        named = (self._call.body.get(field) for field in SUBJECT_FIELDS)
        return next((name for name in named if type(name) is str and name), "")

    def decision(self, route: Route) -> bytes:
        """The entry that goes on disk before anything leaves."""
        entry = self._entry(route, route.decision.outcome, route.crossing, route.masking)
        self._attempt += 1
        return entry

    def refusal(self, route: Route) -> bytes:
        """The entry of a request that goes nowhere."""
        outcome = route.decision.outcome
        return self._entry(route, "deny" if outcome == "allow" else outcome, "none")

    def outcome(
        self,
        route: Route,
        decision: int,
        status: str,
        http: int,
        tokens: tuple[int, int] | None,
        new: Mapping[str, int] = NOTHING,
        said: str | None = None,
    ) -> bytes:
        """The entry that closes an attempt. ``decision`` is the place of the one that opened it, ``http`` the engine's
        status, 0 when it never answered; ``said`` the commitment to its answer.
        """
        shard, index = place.unpack(decision)
        return encode(
            Outcome(
                answer_commitment=said or UNSET,
                answer_findings=dict(new) if new else UNSET,
                answer_masked=self.key.answers == "mask" if new else UNSET,
                decision=index,
                decision_shard=shard or UNSET,
                energy=_energy(route, tokens),
                http=http,
                id=self.id,
                milliseconds=int((time.monotonic() - self._began) * 1000),
                site=route.berth.site.name,
                status=status,
                time=_now(),
                tokens=Tokens(prompt=tokens[0], completion=tokens[1]) if tokens else UNSET,
            )
        )

    def receipt(self, at: int) -> str:
        """The receipt's name: the entry's place in the log, and the request's unguessable id."""
        return f"{place.name(at)}-{self.id}"

    def headers(self, route: Route, at: int, new: Mapping[str, int] = NOTHING) -> list[tuple[bytes, bytes]]:
        """The headers that tell the caller what happened. ``new`` counts what only the answer says of persons."""
        headers = [
            (b"x-request-id", self.id.encode()),
            (b"x-riad-receipt", self.receipt(at).encode()),
            (b"x-riad-site", route.berth.site.name.encode()),
            (b"x-riad-crossing", route.crossing.encode()),
            (b"x-riad-decision", route.decision.outcome.encode()),
        ]
        if route.masking:
            headers.append((b"x-riad-masking", route.masking.encode()))
        if self._reveal:
            headers.append((b"x-riad-record-key", self.record_key.hex().encode()))
        if new:
            said = ",".join(f"{type_}={count}" for type_, count in sorted(new.items()))
            headers.append((b"x-riad-answer-findings", said.encode()))
        return headers

    def _entry(self, route: Route, outcome: Verdict, crossing: Crossing, masking: Masking | None = None) -> bytes:
        need, key, decision = self._need, self.key, route.decision
        return encode(
            Decision(
                action="infer",
                articles=route.articles,
                attempt=self._attempt,
                crossing=crossing,
                endpoint=self._call.endpoint.name,
                experiment=self._experiment or UNSET,
                findings=self._counts,
                id=self.id,
                legal_basis=key.legal_basis or "",
                masking=masking or UNSET,
                model=need.model,
                model_digest=route.berth.digest or UNSET,
                obligations=decision.obligations,
                outcome=outcome,
                packs=route.packs,
                persons=need.persons,
                project=key.project,
                prompt_commitment=self._committed or UNSET,
                purpose=need.request_purpose,
                rules=route.rules,
                site=route.berth.site.name,
                site_facts=_facts(route.berth.site),
                state=need.state,
                tenant=key.tenant_pseudonym,
                time=_now(),
            )
        )


def _energy(route: Route, tokens: tuple[int, int] | None) -> int | UnsetType:
    """An estimate in millijoules, where the site declares what its tokens take (docs/reference/settings.md, Energy)."""
    joules = route.berth.joules
    if joules is None or tokens is None:
        return UNSET
    estimate = (tokens[0] * joules[0] + tokens[1] * joules[1]) * 1000
    return round(estimate) if estimate < 2**53 else UNSET


@lru_cache(1024)
def _facts(site: Site) -> SiteFacts:
    """A site's card as the ledger keeps it; what is unknown stays out."""
    return SiteFacts(
        admin_country=site.admin_country,
        contract=site.contract,
        country=site.country,
        keys_country=site.keys_country,
        operator_country=site.operator_country,
        own_premises=site.own_premises,
        parent_country=site.parent_country,
        qualification=site.qualification,
        qualification_expires=site.qualification_expires.isoformat() if site.qualification_expires else UNSET,
        retention_days=UNSET if site.retention_days is None else site.retention_days,
        stand_in=site.stand_in,
        trains_on_data=UNSET if site.trains_on_data is None else site.trains_on_data,
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
