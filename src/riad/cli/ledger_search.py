"""``riad ledger search|stats``: what was decided. The index finds and counts; rows come from the log, each proved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from riad.cli import output
from riad.cli.ledger_common import Config, DataDir, instant, moment, shown
from riad.cli.ledger_logs import Facts, nothing_matches, opened_index, opened_logs, read_proved
from riad.errors import BadRequest
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.query import Filter, Found
    from riad.ledger.reader import Reader

MAX_ROWS = 100_000
_PSEUDONYM = re.compile(r"[0-9a-f]{32}", re.ASCII)
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help=_("From then on: 2026-11-24, 2026-11-24T18:00, 2h, 7d."))
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help=_("Before then; a date alone is that day's end."))
]
Tenant = Annotated[str | None, typer.Option("--tenant", help=_("The organisation, or its pseudonym in the log."))]
Project = Annotated[str | None, typer.Option("--project", help=_("Its project."))]
Site = Annotated[str | None, typer.Option("--site", help=_("Where it went, or would have gone."))]
Decision = Annotated[
    str | None, typer.Option("--decision", help=_("What was decided: allow, deny, file_first or human_review."))
]
Rule = Annotated[str | None, typer.Option("--rule", help=_("A rule that determined it."))]
Experiment = Annotated[str | None, typer.Option("--experiment", help=_("The experiment it was part of."))]
CrossingOption = Annotated[
    str | None, typer.Option("--crossing", help=_("What left the country: none, pseudonymised or clear."))
]
Purpose = Annotated[str | None, typer.Option("--purpose", help=_("The declared purpose."))]
Model = Annotated[str | None, typer.Option("--model", help=_("The model asked for."))]
Status = Annotated[str | None, typer.Option("--status", help=_("How it ended: ok, refused, client_gone, …"))]
Id = Annotated[str | None, typer.Option("--id", help=_("The request's id."))]


class Row(NamedTuple):
    """An attempt as the log has it: places and entries of its decision and outcome, where it has them."""

    place: int
    decision: Facts
    outcome_place: int | None
    outcome: Facts


def search(
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    project: Project = None,
    site: Site = None,
    decision: Decision = None,
    rule: Rule = None,
    experiment: Experiment = None,
    crossing: CrossingOption = None,
    purpose: Purpose = None,
    model: Model = None,
    status: Status = None,
    request: Id = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_ROWS, help=_("How many, the newest."))] = 20,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    """Find what was decided, newest first. The index finds; what is shown is read from the log and proved."""
    from riad.ledger import query

    wanted = _filter(locals())
    with opened_logs(data_dir, config) as logs, opened_index(logs, data_dir, config, quiet=as_json) as index:
        found = query.search(index, wanted, limit)
        rows = list(_rows(logs, found))
        span = index.span()
    if wanted.id is not None:
        rows = [row for row in rows if (row.decision or {}).get("id") == wanted.id]
    if as_json:
        output.document({"matches": [_attempt(row) for row in rows], "limit": limit, "attempts": span[0]})
        return
    columns = (_("entry"), _("time"), _("decision"), _("site"), _("crossing"), _("project"), _("rules"), _("ended"))
    output.table(columns, map(_cells, rows), empty=nothing_matches(span))
    if rows:
        output.console.print(_("{count} of them, each proved to be in the log.", count=len(rows)), style="dim")


def stats(
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    project: Project = None,
    site: Site = None,
    decision: Decision = None,
    rule: Rule = None,
    experiment: Experiment = None,
    crossing: CrossingOption = None,
    purpose: Purpose = None,
    model: Model = None,
    status: Status = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    """Show how large the log is, and count what was decided: by decision, site, crossing, rule, data class."""
    from riad.ledger import query

    wanted = _filter(locals())
    with opened_logs(data_dir, config) as logs, opened_index(logs, data_dir, config, quiet=as_json) as index:
        size = sum(reader.size() for reader in logs.values())
        origin = logs[max(logs)].vkey().partition("+")[0]
        held = sum(reader.bytes_held() for reader in logs.values())
        counted = query.count(index, wanted)
        span = index.span()
    facts = {"origin": origin, "entries": size, "bytes": held, "bytes_per_entry": held // size if size else None}
    if as_json:
        output.document(facts | counted)
        return
    rows = [
        (_("origin"), origin),
        (_("entries"), size),
        (_("bytes on disk"), held),
        (_("bytes per entry"), facts["bytes_per_entry"]),
    ]
    output.table(["", ""], rows, empty="")
    output.console.print()
    if not counted["attempts"]:
        output.console.print(nothing_matches(span), markup=False)
        return
    output.table(["", ""], _counted(counted), empty="")
    output.console.print(_("Counted in the index; riad ledger audit verifies the log itself."), style="dim")


def _counted(counted: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield _("attempts"), counted["attempts"]
    yield _("from"), moment(counted["first_time"])
    yield _("to"), moment(counted["last_time"])
    yield _("refused"), f"{counted['refused']} ({100 * counted['refused_share']:.1f} %)"
    titles = {
        "decision": _("decision"),
        "site": _("site"),
        "crossing": _("crossing"),
        "persons": _("data about persons"),
        "state": _("data of the State"),
        "experiment": _("experiment"),
        "rule": _("rule"),
        "status": _("ended"),
    }
    for name, title in titles.items():
        for word, number in counted["by"][name].items():
            if word or name != "experiment":
                yield f"{title} {shown(word) or '–'}", number
    yield _("tokens of prompts"), counted["tokens"]["prompt"]
    yield _("tokens of answers"), counted["tokens"]["completion"]
    if counted["energy"] is not None:
        yield _("energy, joules"), f"{counted['energy'] / 1000:.1f}"
    yield _("bytes of entries"), counted["entry_bytes"]


def _filter(given: dict[str, Any]) -> Filter:
    """The filter that a command's options describe. Raises ``BadRequest`` for a word that no entry can hold."""
    from riad.ledger import query

    allowed = {
        "decision": ("allow", "deny", "file_first", "human_review"),
        "crossing": ("none", "pseudonymised", "clear"),
    }
    for option, words in allowed.items():
        if given[option] is not None and given[option] not in words:
            raise BadRequest(
                N_("--{option} {value} does not exist."),
                remedy=N_("It is one of: {words}."),
                option=option,
                value=shown(given[option][:40]),
                words=", ".join(words),
            )
    return query.Filter(
        since=instant(given["since"]),
        until=instant(given["until"], end=True),
        tenant=_pseudonym(given["tenant"], given["data_dir"], given["config"]),
        id=given.get("request"),
        **{name: given[name] for name in query.WORDS if name != "tenant"},
        rule=given["rule"],
    )


def _pseudonym(tenant: str | None, data_dir: Path | None, config: Path | None) -> str | None:
    """An organisation's name in the log. Raises ``NotFound`` for one that is not there."""
    from riad.cli.keys import opened

    if tenant is None or _PSEUDONYM.fullmatch(tenant):
        return tenant
    with opened(config, data_dir) as (keys, _settings):
        return keys.tenant(tenant).pseudonym


def _rows(logs: dict[int, Reader], found: Sequence[Found]) -> Iterator[Row]:
    entries = read_proved(logs, [at for attempt in found for at in attempt if at is not None])
    for decision, outcome in found:
        yield Row(decision, entries[decision], outcome, entries.get(outcome) if outcome is not None else None)


def _attempt(row: Row) -> dict[str, Any]:
    from riad.ledger import place

    facts: dict[str, Any] = {"place": place.name(row.place), "decision": row.decision}
    if row.outcome_place is not None:
        facts |= {"outcome_place": place.name(row.outcome_place), "outcome": row.outcome}
    return facts


def _cells(row: Row) -> tuple[str, ...]:
    from riad.ledger import place

    facts, ended = row.decision or {}, row.outcome or {}
    words = [shown(facts.get(name)) for name in ("outcome", "site", "crossing", "project", "rules")]
    return place.name(row.place), moment(facts.get("time")), *words, shown(ended.get("status"))
