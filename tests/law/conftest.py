"""One law for all the tests of this room: loading it is the slow part, and it keeps no state but a memo."""

from __future__ import annotations

import pytest
from law_examples import DAY, site

from riad.law import Case, Formalities, Law


@pytest.fixture(scope="session")
def law() -> Law:
    return Law.load(("ma",))


@pytest.fixture
def at_home() -> Case:
    """A start-up's customer letter, in clear, answered in Morocco."""
    return Case(
        home="MA",
        date=DAY,
        action="infer",
        tenant_kind="startup",
        purpose="customer_support",
        request_purpose="customer_support",
        legal_basis="consent",
        formalities=Formalities(
            declared=True, authorised=False, transfer_filed=False, transfer_authorised=False, express_consent=False
        ),
        persons="personal",
        state="none",
        pseudonymised=False,
        categories=(),
        site=site("MA"),
    )
