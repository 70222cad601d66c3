"""A decision's time: remembered, cold, at a site never seen, with its remedies; and the packs' loading.

    python -m benchmarks.law [--rounds 5]

*remembered* is what every request pays: the case is built anew from the key's and the request's facts, then decided.
*cold* is the first decision on facts never seen, at sites already known: policies, and obligations when allowed.
Prints one JSON document; microseconds unless named otherwise. Each value is the median over the rounds with its
extremes; of a round, the median and the 99th percentile of its decisions.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from msgspec.structs import replace

from benchmarks.spread import quantile, spread
from riad.law import Case, Formalities, Law, SiteFacts

DAY = datetime.date(2026, 11, 23)
REMEMBERED = 20_000  # decisions a round


def site(country: str, *, admin: str | None = None, contract: str = "moroccan_law") -> SiteFacts:
    """A site in one country's hands, but for its administration."""
    return SiteFacts(
        country=country,
        operator_country=country,
        parent_country=country,
        keys_country=country,
        admin_country=admin or country,
        qualification=0,
        retention_days=0,
        trains_on_data=False,
        contract=contract,  # type: ignore[arg-type]
        own_premises=country == "MA",
    )


RABAT, PARIS, VIRGINIA = site("MA"), site("FR"), site("US")


def case(persons: str = "personal", state: str = "none", place: SiteFacts = RABAT, **facts: Any) -> Case:
    """A start-up's request as the gateway describes it."""
    return Case(
        home="MA",
        date=DAY,
        action="infer",
        tenant_kind="startup",
        purpose="customer_support",
        request_purpose="customer_support",
        legal_basis="consent",
        persons=persons,  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        site=place,
        **{"pseudonymised": False, "categories": ("national_id",), **facts},
    )


def distinct(place: SiteFacts) -> Iterable[Case]:
    """Cases that are all different in their facts, at one site."""
    flags = product((False, True), repeat=5)
    for declared, persons, masked, categories in product(
        flags, ("personal", "sensitive"), (False, True), ((), ("national_id",), ("offences",), ("interconnection",))
    ):
        filed = Formalities(**dict(zip(Formalities.__struct_fields__, declared, strict=True)))
        yield case(persons, place=place, pseudonymised=masked, categories=categories, formalities=filed)


def timed(action: Callable[[Case], Any], cases: Iterable[Case]) -> list[float]:
    """Microseconds of each."""
    times = []
    for one in cases:
        began = time.perf_counter_ns()
        action(one)
        times.append((time.perf_counter_ns() - began) / 1000)
    return times


def one_round() -> dict[str, float]:
    """Every measure once, on a law loaded for it."""
    began = time.perf_counter()
    law = Law.load(("ma",))
    result = {"load_ms": (time.perf_counter() - began) * 1000}
    first = [case(place=place) for place in (RABAT, PARIS, VIRGINIA)]
    for one in first:
        law.decide(one)
    began = time.perf_counter()
    for number in range(REMEMBERED):
        law.decide(case(place=(RABAT, PARIS)[number & 1]))
    result["remembered_with_building"] = (time.perf_counter() - began) / REMEMBERED * 1e6
    began = time.perf_counter()
    for number in range(REMEMBERED):
        law.decide(first[number & 1])
    result["remembered"] = (time.perf_counter() - began) / REMEMBERED * 1e6
    for name, place in (("home", RABAT), ("listed", PARIS), ("unlisted", VIRGINIA)):
        times = timed(law.decide, distinct(place))
        result[f"cold_{name}_p50"] = quantile(times, 0.5)
        result[f"cold_{name}_p99"] = quantile(times, 0.99)
    contracts = ("none", "processor_terms", "standard_clauses")
    unseen = [
        site(country, admin=admin, contract=contract)
        for country, admin, contract in product(("MA", "FR", "US"), ("MA", "FR", "US"), contracts)
    ]
    result["first_at_a_site_p50"] = quantile(timed(law.decide, [case(place=place) for place in unseen]), 0.5)
    refused = replace(first[1], persons="sensitive")
    sites = {"rabat": RABAT, "paris": PARIS, "virginia": VIRGINIA}
    decision = law.decide(refused)
    ask: Callable[[Case], Any] = lambda one: law.remedies(one, decision, sites)  # noqa: E731
    result["remedies_first"] = timed(ask, [refused])[0]
    result["remedies_again"] = quantile(timed(ask, [refused] * 50), 0.5)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.law", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = [one_round() for _number in range(max(1, options.rounds))]
    measures = {}
    for name in rounds[0]:
        found = spread(one[name] for one in rounds)
        if found is not None:
            measures[name] = {part: round(found[part], 3) for part in ("median", "min", "max")}  # type: ignore[literal-required]
    worst = max(measures[name]["median"] for name in ("cold_home_p50", "cold_listed_p50", "cold_unlisted_p50"))
    law = Law.load(("ma",))
    pack = law.pack("MA")
    document = {
        "unit": "microseconds",
        "rounds": len(rounds),
        "rules": len(pack.rules) if pack else 0,
        "decision": measures,
        "promises": {
            "memoised": {"measured": measures["remembered_with_building"]["median"], "floor": 10, "aim": 3},
            "cold": {"measured": worst, "floor": 500, "aim": 250},
        },
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
