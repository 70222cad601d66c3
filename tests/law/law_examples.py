"""The day and the sites these tests speak of."""

from __future__ import annotations

from datetime import date

from riad.law import SiteFacts

DAY = date(2026, 11, 23)


def site(country: str, **facts: object) -> SiteFacts:
    """A site whose five facts are one country, that keeps nothing and trains on nothing."""
    return SiteFacts(
        **{  # type: ignore[arg-type]
            "country": country,
            "operator_country": country,
            "parent_country": country,
            "keys_country": country,
            "admin_country": country,
            "qualification": 0,
            "retention_days": 0,
            "trains_on_data": False,
            "contract": "moroccan_law" if country == "MA" else "processor_terms",
            "own_premises": country == "MA",
            **facts,
        }
    )
