"""``riad ledger show|tail|search|stats``: what the log says. Rows come from the log, each proved before it is shown."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from riad.cli import ledger_forms, output
from riad.cli.ledger_common import (
    Config,
    DataDir,
    Shard,
    all_shards,
    find_data_dir,
    instant,
    moment,
    print_facts,
    progress,
    shown,
)
from riad.errors import BadRequest, NotFound
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.index import Index
    from riad.ledger.query import Filter, Found
    from riad.ledger.reader import Reader

Facts = dict[str, Any] | None

MAX_ROWS = 100_000
POLL = 0.5  # seconds between two looks at a log that is followed

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


def show(
    entry: Annotated[
        str, typer.Argument(metavar="ENTRY", help=_("Its place in the log, a receipt's name, or a request's id."))
    ],
    receipt: Annotated[bool, typer.Option("--receipt", help=_("Print its receipt instead."))] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", help=_("The receipt as text or cose, or the entry as it was logged: entry.")),
    ] = None,
    to: ledger_forms.Output = None,
    shard: Shard = 0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    """Show an entry of the log, with the decision or the outcome that belongs to it, once their proofs are verified."""
    from riad.ledger import place

    with _logs(data_dir, config) as logs:
        at, request = _parse_name(entry, shard)
        if at is None:
            assert request is not None
            with _indexed(logs, data_dir, config, quiet=as_json) as index:
                at = _of_request(index, logs, request)
        of, number = place.unpack(at)
        if receipt or form or to:
            form = form or "text"
            data = ledger_forms.receipt(_log(logs, of), number, form)
            name = "entry" if form == "entry" else "receipt"
            ledger_forms.deliver(data, to, {"index": number}, name, as_json=as_json)
            return
        facts = _read(logs, [at])[at]
        if request is not None and (facts or {}).get("id") != request:
            raise NotFound(
                N_("Entry {name} is not of the request {request}."),
                remedy=N_("Give the receipt's name as x-riad-receipt told it."),
                name=place.name(at),
                request=shown(request[:64]),
            )
        other = _related(logs, at, facts, data_dir, config, quiet=as_json)
        more = _read(logs, [other]) if other is not None else {}
    document = {"index": number, "entry": facts}
    lines = _sentences(at, facts)
    for related, found in more.items():
        document |= {"related": {"index": place.unpack(related)[1], "entry": found}}
        lines += ["", *_sentences(related, found)]
    print_facts(document, "\n".join(lines), as_json)


def tail(
    count: Annotated[int, typer.Option("-n", "--lines", min=0, max=MAX_ROWS, help=_("How many entries."))] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help=_("Go on as the log grows, until Ctrl-C."))] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    """Show the newest entries, one a line, each once its proof is verified."""
    from riad.ledger import place

    with _logs(data_dir, config) as logs:
        shard = max(logs)
        size = logs[shard].size()
        start = max(size - count, logs[shard].minimum())
        entries = _read(logs, [place.pack(shard, index) for index in range(start, size)])
        if as_json and not follow:
            output.document({"size": size, "entries": [_entry(at, facts) for at, facts in entries.items()]})
            return
        if not entries and not follow:
            typer.echo(_("The log has no entry yet."))
        _print_lines(entries, as_json)
        while follow:
            time.sleep(POLL)
            begin, size = size, logs[shard].size()
            _print_lines(_read(logs, [place.pack(shard, index) for index in range(begin, size)]), as_json)


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
    with _logs(data_dir, config) as logs, _indexed(logs, data_dir, config, quiet=as_json) as index:
        found = query.search(index, wanted, limit)
        rows = list(_rows(logs, found))
        span = index.span()
    if wanted.id is not None:
        rows = [row for row in rows if (row.decision or {}).get("id") == wanted.id]
    if as_json:
        output.document({"matches": [_attempt(row) for row in rows], "limit": limit, "attempts": span[0]})
        return
    columns = (_("entry"), _("time"), _("decision"), _("site"), _("crossing"), _("project"), _("rules"), _("ended"))
    output.table(columns, map(_cells, rows), empty=_nothing(span))
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
    from riad.ledger.files import Files

    wanted = _filter(locals())
    with _logs(data_dir, config) as logs, _indexed(logs, data_dir, config, quiet=as_json) as index:
        size = sum(reader.size() for reader in logs.values())
        origin = logs[max(logs)].vkey().partition("+")[0]
        counted = query.count(index, wanted)
        span = index.span()
    database = Files(find_data_dir(data_dir, config)).database
    files = [database, database.with_name(database.name + "-wal")]
    held = sum(file.stat().st_size for file in files if file.exists())
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
        output.console.print(_nothing(span), markup=False)
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


@contextmanager
def _logs(data_dir: Path | None, config: Path | None) -> Iterator[dict[int, Reader]]:
    logs = all_shards(data_dir, config)
    with ExitStack() as stack:
        for reader in logs.values():
            stack.enter_context(reader)
        yield logs


@contextmanager
def _indexed(logs: dict[int, Reader], data_dir: Path | None, config: Path | None, *, quiet: bool) -> Iterator[Index]:
    """The index, once it has taken in what the log has gained."""
    from riad.ledger.files import Files
    from riad.ledger.index import Index

    for reader in logs.values():
        reader.checkpoint()  # where there is no ledger, no index is begun
    with Index(Files(find_data_dir(data_dir, config)).searched) as index:
        with progress(_("Indexing"), quiet=quiet) as bar:
            for shard, reader in logs.items():
                index.update(reader, shard, bar)
        yield index


def _log(logs: dict[int, Reader], shard: int) -> Reader:
    if shard not in logs:
        raise NotFound(N_("There is no shard {shard} of this ledger."), remedy=N_("Use 0 or a year."), shard=shard)
    return logs[shard]


def _parse_name(name: str, shard: int) -> tuple[int | None, str | None]:
    """What ``show`` was given: a place, the id of a request, or both (a receipt's name)."""
    from riad.ledger import place

    number, dash, request = name.partition("-")
    if not re.fullmatch(r"[0-9.]{1,24}", number, re.ASCII) or (dash and not request):
        if not 0 < len(name) <= 200:
            raise BadRequest(N_("This names no entry."), remedy=N_("Give 41, 41-… or a request's id."))
        return None, name
    if dash == "" and len(number) > 16:  # a request's id may well be all digits
        return None, name
    at = place.parse(number)
    if shard and at >> place.INDEX_BITS == 0:
        at = place.pack(shard, at)
    return at, request if dash else None


def _of_request(index: Index, logs: dict[int, Reader], request: str) -> int:
    """The place of a request's last decision. Raises ``NotFound``."""
    from riad.ledger import query

    for found in query.search(index, query.Filter(id=request), 20):
        facts = _read(logs, [found.decision])[found.decision]
        if facts is not None and facts.get("id") == request:
            return found.decision
    raise NotFound(
        N_("No entry is of the request {request}. {why}"),
        remedy=N_("Give its place, as 41, or the receipt's name, as 41-…"),
        request=shown(request[:64]),
        why=_nothing(index.span()),
    )


def _related(
    logs: dict[int, Reader], at: int, facts: Facts, data_dir: Path | None, config: Path | None, *, quiet: bool
) -> int | None:
    """The place of the outcome of a decision, or of the decision of an outcome, if there is one to show."""
    from riad.ledger import place, query

    if facts is None:
        return None
    if facts.get("kind") == "outcome" and isinstance(decision := facts.get("decision"), int):
        of, number = place.unpack(decision)
        known = of in logs and logs[of].minimum() <= number < logs[of].size() and decision != at
        return decision if known else None
    if facts.get("kind") == "decision":
        with _indexed(logs, data_dir, config, quiet=quiet) as index:
            found = query.attempt(index, at)
        return found.outcome if found else None
    return None


def _read(logs: dict[int, Reader], places: Iterable[int]) -> dict[int, Facts]:
    """The entries at those places, each proved; None for one that is not a JSON object."""
    from riad.ledger import place
    from riad.ledger.proved import proved

    by_shard: dict[int, list[int]] = {}
    for at in places:
        shard, index = place.unpack(at)
        by_shard.setdefault(shard, []).append(index)
    found = {}
    for shard, indices in by_shard.items():
        for index, data in proved(_log(logs, shard), indices).items():
            found[place.pack(shard, index)] = _facts(data)
    return found


def _facts(data: bytes) -> Facts:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _rows(logs: dict[int, Reader], found: Sequence[Found]) -> Iterator[Row]:
    entries = _read(logs, [at for attempt in found for at in attempt if at is not None])
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


def _entry(at: int, facts: Facts) -> dict[str, Any]:
    from riad.ledger import place

    return {"place": place.name(at), "entry": facts}


def _print_lines(entries: dict[int, Facts], as_json: bool) -> None:
    for at, facts in entries.items():
        typer.echo(json.dumps(_entry(at, facts), ensure_ascii=False) if as_json else _line(at, facts))


def _line(at: int, facts: Facts) -> str:
    """An entry on one line."""
    from riad.ledger import place

    if facts is None:
        return f"{place.name(at)}  " + _("It is not JSON.")
    names = {
        "decision": ("outcome", "site", "crossing", "project", "purpose", "model", "id"),
        "outcome": ("status", "http", "site", "milliseconds", "decision", "id"),
    }.get(str(facts.get("kind")), tuple(name for name in facts if name not in ("kind", "time", "v")))
    said = "  ".join(f"{shown(name)}={shown(facts[name])}" for name in names if facts.get(name) not in (None, "", []))
    return f"{place.name(at)}  {moment(facts.get('time'))}  {shown(facts.get('kind'))}  {said}"


def _sentences(at: int, facts: Facts) -> list[str]:
    from riad.ledger import verify as verifier

    return list(verifier.words(facts, _)) if facts is not None else [_("It is not JSON.")]


def _nothing(span: tuple[int, int, int]) -> str:
    count, first, last = span
    if not count:
        return _("The log holds no decision yet.")
    return _(
        "Nothing matches; the log has {count} attempts from {first} to {last} UTC.",
        count=count,
        first=moment(first),
        last=moment(last),
    )
