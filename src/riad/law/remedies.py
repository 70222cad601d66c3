"""What would make a refused case lawful: the pack's changes of facts, put to the same policies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import msgspec

from riad.law.case import Case, SiteFacts
from riad.law.pack import Remedies, RemedyText
from riad.law.rules import Remedy

MOST_PAIRS = 4  # offered when nothing single helps


def changed(case: Case, change: Mapping[str, Any]) -> Case:
    """The case with those facts changed: ``{"formalities.declared": True, "site.country": "=home"}``."""
    top: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in change.items():
        if isinstance(value, str) and value.startswith("="):
            value = getattr(case, value[1:])
        part, dot, field = name.partition(".")
        if dot:
            inner.setdefault(part, {})[field] = value
        else:
            top[part] = value
    for part, fields in inner.items():
        top[part] = msgspec.structs.replace(getattr(case, part), **fields)
    return msgspec.structs.replace(case, **top)


def variants(remedies: Remedies, case: Case) -> Iterator[Case]:
    """The case under each remedy of the pack, then under all together."""
    for remedy in remedies.remedy:
        yield changed(case, remedy.change)
    everything = case
    for remedy in remedies.remedy:
        everything = changed(everything, remedy.change)
    yield everything


def find(
    remedies: Remedies, case: Case, sites: Mapping[str, SiteFacts], lawful: Callable[[Case], bool]
) -> tuple[Remedy, ...]:
    """The remedies that work: single changes, then named sites, then pairs if no change of papers helps alone."""
    single: list[Remedy] = []
    failed: list[RemedyText] = []
    for remedy in remedies.remedy:
        variant = changed(case, remedy.change)
        if variant != case and lawful(variant):
            single.append(Remedy(remedy.code, remedy.text))
        elif variant != case and not remedy.hypothetical_site:
            failed.append(remedy)
    named, at_home = _sites(remedies, case, sites, lawful)
    hypothetical = {remedy.code for remedy in remedies.remedy if remedy.hypothetical_site}
    ideal = [remedy for remedy in single if remedy.code in hypothetical]
    single = [remedy for remedy in single if remedy.code not in hypothetical]
    pairs = [] if single else _pairs(remedies, case, failed, lawful)
    return (*single, *named, *pairs, *([] if at_home else ideal))


def _sites(
    remedies: Remedies, case: Case, sites: Mapping[str, SiteFacts], lawful: Callable[[Case], bool]
) -> tuple[list[Remedy], bool]:
    """Named sites where the case would be lawful, as it is or pseudonymised; whether one of them is at home."""
    found, at_home = [], False
    for name, site in sites.items():
        if site == case.site:
            continue
        there = msgspec.structs.replace(case, site=site)
        if lawful(there):
            found.append(Remedy("at_site", _named(remedies.at_site, name), name))
        elif not case.pseudonymised and lawful(msgspec.structs.replace(there, pseudonymised=True)):
            found.append(Remedy("at_site_pseudonymised", _named(remedies.at_site_pseudonymised, name), name))
        else:
            continue
        at_home = at_home or site.country == case.home
    return found, at_home


def _pairs(remedies: Remedies, case: Case, failed: list[RemedyText], lawful: Callable[[Case], bool]) -> list[Remedy]:
    found: list[Remedy] = []
    for first, second in combinations(failed, 2):
        if len(found) == MOST_PAIRS:
            break
        once = changed(case, first.change)
        twice = changed(once, second.change)
        if twice not in (once, changed(case, second.change)) and lawful(twice):
            text = {
                language: both.format(first=first.text[language], second=second.text[language])
                for language, both in remedies.both.items()
            }
            found.append(Remedy(f"{first.code}+{second.code}", text))
    return found


def _named(sentence: Mapping[str, str], site: str) -> dict[str, str]:
    return {language: text.format(site=site) for language, text in sentence.items()}
