"""A request's ledger entries: the decision, then the outcome. Facts and counts; never content."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from riad.gateway.calls import Call
from riad.gateway.plan import Crossing, Need, Route
from riad.law.rules import Masking
from riad.ledger import place
from riad.ledger.entry import UNSET, Decision, Outcome, SiteFacts, Tokens, encode
from riad.settings import Site
from riad.tenants.keys import Key

Verdict = Literal["allow", "deny", "file_first", "human_review"]
NOTHING: Mapping[str, int] = {}


class Evidence:
    """Writes the entries of one request."""

    def __init__(self, request_id: str, key: Key, call: Call, need: Need, counts: dict[str, int]) -> None:
        self.id = request_id
        self.key = key
        self._call = call
        self._need = need
        self._counts = counts
        self._attempt = 0
        self._began = time.monotonic()

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
    ) -> bytes:
        """The entry that closes an attempt. ``decision`` is the place of the one that opened it, ``http`` the engine's
        status, 0 when it never answered."""
        shard, index = place.unpack(decision)
        return encode(
            Outcome(
                answer_findings=dict(new) if new else UNSET,
                answer_masked=self.key.answers == "mask" if new else UNSET,
                decision=index,
                decision_shard=shard or UNSET,
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
                findings=self._counts,
                id=self.id,
                legal_basis=key.legal_basis or "",
                masking=masking or UNSET,
                model=need.model,
                obligations=decision.obligations,
                outcome=outcome,
                packs=route.packs,
                persons=need.persons,
                project=key.project,
                purpose=need.request_purpose,
                rules=route.rules,
                site=route.berth.site.name,
                site_facts=_facts(route.berth.site),
                state=need.state,
                tenant=key.tenant_pseudonym,
                time=_now(),
            )
        )


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
