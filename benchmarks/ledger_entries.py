"""Entries as the gateway writes them: a decision for every request, an outcome when it ended.

Facts and lengths are those of a request with personal data that stays in the country; what differs from one request to
the next (identifier, time, tenant, commitments, counts) differs here too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from riad.ledger import entry as entries

BEGAN = 1_790_000_000_000  # Unix milliseconds
LATER = 256  # requests that began before a request's outcome is written
TENANTS = tuple(f"t-{number:016x}" for number in range(64))
FACTS = entries.SiteFacts(
    admin_country="MA",
    contract="none",
    country="MA",
    keys_country="MA",
    operator_country="MA",
    own_premises=True,
    parent_country="MA",
    qualification=0,
    retention_days=0,
    stand_in=False,
    trains_on_data=False,
)
FINDINGS = ({}, {"PERSON": 1}, {"PERSON": 2, "CIN": 1, "PHONE": 1}, {"EMAIL": 1, "PERSON": 1})
MODEL = "sha256:" + "c" * 64
PACKS = {"ma": "sha256:" + "a" * 64, "eu": "sha256:" + "b" * 64}
ARTICLES, OBLIGATIONS, RULES = ("09-08 art. 43", "09-08 art. 44"), ("no_training",), ("ma.national",)
TOKENS = entries.Tokens(completion=211, prompt=187)


def decision(number: int = 2) -> entries.Decision:
    """What is recorded before a request is answered. Request 2 has the most findings."""
    return entries.Decision(
        action="infer",
        articles=ARTICLES,
        attempt=0,
        crossing="none",
        endpoint="chat.completions",
        findings=FINDINGS[number % len(FINDINGS)],
        id=os.urandom(16).hex(),
        legal_basis="contract",
        model="smollm2-135m",
        model_digest=MODEL,
        obligations=OBLIGATIONS,
        outcome="allow",
        packs=PACKS,
        persons="personal",
        project="support",
        prompt_commitment=os.urandom(32).hex(),
        purpose="customer_support",
        rules=RULES,
        site="laptop",
        site_facts=FACTS,
        state="none",
        tenant=TENANTS[number % len(TENANTS)],
        time=BEGAN + number,
    )


def outcome(number: int, request: str, place: int) -> entries.Outcome:
    """What is recorded when it ended. ``place`` is its decision's."""
    return entries.Outcome(
        answer_commitment=os.urandom(32).hex(),
        decision=place,
        energy=73_000,
        http=200,
        id=request,
        milliseconds=1843,
        site="laptop",
        status="ok",
        time=BEGAN + 1843 + number,
        tokens=TOKENS,
    )


def traffic(requests: int, batch: int) -> Iterator[list[bytes]]:
    """The encoded entries of so many requests in the order of a log that they begin, ``batch`` at a time.

    Decisions come one after the other; an outcome follows its decision ``LATER`` requests on.
    """
    waiting = [("", 0)] * LATER
    gathered: list[bytes] = []
    place = 0
    for number in range(requests + LATER):
        if number >= LATER:
            gathered.append(entries.encode(outcome(number - LATER, *waiting[number % LATER])))
            place += 1
        if number < requests:
            made = decision(number)
            gathered.append(entries.encode(made))
            waiting[number % LATER] = (made.id, place)
            place += 1
        if len(gathered) >= batch:
            yield gathered[:batch]
            gathered = gathered[batch:]
    if gathered:
        yield gathered
