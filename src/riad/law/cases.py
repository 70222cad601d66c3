"""A pack's own cases: article → example → expected outcome. A pack whose cases fail is not to be relied on."""

from __future__ import annotations

from typing import Any

import msgspec

from riad.errors import BadRequest, BadSettings
from riad.law.case import CaseLine, parse_case
from riad.law.decide import Law
from riad.law.pack import Pack
from riad.law.rules import Outcome
from riad.texts import N_


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One example. ``site`` names one of the file's sites; ``change`` sets facts, a site's as ``site.NAME``.

    A fact changed to ``null`` is unknown. ``rule`` is one that must be among the determining rules (or, for a denial
    that no rule pronounces, among those that would permit); ``obligations`` must be among the decision's.
    """

    id: str
    law: str
    article: str
    example: str
    outcome: Outcome
    site: str
    rule: str
    change: dict[str, Any] = {}
    obligations: tuple[str, ...] = ()


class _Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base: dict[str, Any]
    sites: dict[str, dict[str, Any]]
    cases: tuple[Example, ...]


class Result(msgspec.Struct, frozen=True):
    """What the pack answered to one of its examples; ``wrong`` is empty when it is as expected."""

    example: Example
    case: CaseLine
    outcome: Outcome
    rules: tuple[str, ...]
    wrong: str


def run(pack: Pack) -> list[Result]:
    """Decide every example of the pack. Raises ``BadSettings`` for a file of cases that cannot be read."""
    law = Law([pack])
    file = pack.directory / pack.manifest.cases
    try:
        examples = msgspec.json.decode(file.read_bytes(), type=_Examples)
        return [_result(law, example, _case(examples, example)) for example in examples.cases]
    except (OSError, msgspec.DecodeError, KeyError, BadRequest) as error:
        raise BadSettings(
            N_("Law pack {pack}: {file} is not right: {error}."),
            remedy=N_("Mend it, or install the pack again."),
            pack=pack.id,
            file=file.name,
            error=error,
        ) from None


def _case(examples: _Examples, example: Example) -> CaseLine:
    facts = {**examples.base, "site": dict(examples.sites[example.site]), "id": example.id}
    facts["formalities"] = dict(facts["formalities"])
    for name, value in example.change.items():
        part, dot, field = name.partition(".")
        if dot:
            facts[part][field] = value
        else:
            facts[part] = value
    return parse_case(msgspec.json.encode(facts))


def _result(law: Law, example: Example, case: CaseLine) -> Result:
    decision = law.decide(case)
    rules = tuple(rule.id for rule in decision.rules or decision.would_permit)
    wrong = ""
    if decision.outcome != example.outcome:
        wrong = f"expected {example.outcome}, got {decision.outcome}"
    elif example.rule not in rules:
        wrong = f"expected rule {example.rule}, got {', '.join(rules) or 'none'}"
    elif missing := [name for name in example.obligations if name not in decision.obligations]:
        wrong = f"missing obligations {', '.join(missing)}"
    return Result(example, case, decision.outcome, rules, wrong)
