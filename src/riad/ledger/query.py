"""Questions to the index: which attempts, and how many of what."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from riad.ledger.index import Index, request_key


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt must be; what is None may be anything. Times are Unix milliseconds, ``until`` is excluded."""

    since: int | None = None
    until: int | None = None
    id: str | None = None
    tenant: str | None = None
    project: str | None = None
    site: str | None = None
    decision: str | None = None
    rule: str | None = None
    experiment: str | None = None
    crossing: str | None = None
    purpose: str | None = None
    model: str | None = None
    status: str | None = None


class Found(NamedTuple):
    """An attempt: the places of its decision and of its outcome, None where it has none."""

    decision: int
    outcome: int | None


WORDS = ("tenant", "project", "site", "decision", "experiment", "crossing", "purpose", "model", "status")
GROUPS = ("decision", "site", "crossing", "persons", "state", "experiment", "status")


def search(index: Index, wanted: Filter, limit: int) -> list[Found]:
    """The newest attempts that match, newest first."""
    where, values = _where(index, wanted)
    rows = index.db.execute(
        f"SELECT place, outcome FROM attempt WHERE {where} ORDER BY place DESC LIMIT ?",  # noqa: S608  (our own words)
        (*values, limit),
    )
    return [Found(*row) for row in rows]


def attempt(index: Index, place: int) -> Found | None:
    """The attempt whose decision is at a place."""
    row = index.db.execute("SELECT place, outcome FROM attempt WHERE place = ?", (place,)).fetchone()
    return Found(*row) if row else None


def count(index: Index, wanted: Filter) -> dict[str, Any]:
    """How many attempts match, how many of them by decision, site, crossing, rule and data class, and what they took.

    ``energy`` is in millijoules and None where no outcome tells it; ``bytes`` are those of the entries.
    """
    where, values = _where(index, wanted)
    total = index.db.execute(
        "SELECT count(*), count(outcome), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),"  # noqa: S608
        f" sum(energy), coalesce(sum(bytes), 0), min(time), max(time) FROM attempt WHERE {where}",
        values,
    ).fetchone()
    by = {name: _group(index, name, where, values) for name in GROUPS}
    by["rule"] = dict(
        index.db.execute(
            "SELECT term.text, sum(n) FROM"  # noqa: S608
            f" (SELECT rules, count(*) AS n FROM attempt WHERE {where} GROUP BY rules) AS held"
            " JOIN rule ON rule.rules = held.rules JOIN term ON term.id = rule.rule"
            " GROUP BY rule.rule ORDER BY 2 DESC",
            values,
        )
    )
    attempts = total[0]
    refused = attempts - by["decision"].get("allow", 0)
    return {
        "attempts": attempts,
        "ended": total[1],
        "refused": refused,
        "refused_share": round(refused / attempts, 6) if attempts else None,
        "first_time": total[6],
        "last_time": total[7],
        "by": by,
        "tokens": {"prompt": total[2], "completion": total[3]},
        "energy": total[4],
        "entry_bytes": total[5],
    }


def _group(index: Index, column: str, where: str, values: tuple[Any, ...]) -> dict[str, int]:
    rows = index.db.execute(
        f"SELECT coalesce(text, ''), n FROM (SELECT {column} AS word, count(*) AS n FROM attempt WHERE {where}"  # noqa: S608
        " GROUP BY 1) LEFT JOIN term ON term.id = word ORDER BY n DESC",
        values,
    )
    return dict(rows.fetchall())


def _where(index: Index, wanted: Filter) -> tuple[str, tuple[Any, ...]]:
    conditions = ["1"]
    values: list[Any] = []
    if wanted.since is not None:
        conditions.append("time >= ?")
        values.append(wanted.since)
    if wanted.until is not None:
        conditions.append("time < ?")
        values.append(wanted.until)
    if wanted.id is not None:
        conditions.append("request = ?")
        values.append(request_key(wanted.id))
    for name in WORDS:
        word = getattr(wanted, name)
        if word is not None:
            # A word that no entry holds has no number, and NULL equals nothing: no row matches.
            conditions.append(f"{name} = ?")
            values.append(index.term(word))
    if wanted.rule is not None:
        conditions.append("rules IN (SELECT rules FROM rule WHERE rule = ?)")
        values.append(index.term(wanted.rule))
    return " AND ".join(conditions), tuple(values)
