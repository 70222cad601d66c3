"""``riad ledger show|tail``: the log's entries, each proved before it is shown."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import ledger_forms, output
from riad.cli.ledger_common import Config, DataDir, Shard, all_shards, moment, print_facts, shown
from riad.cli.ledger_logs import Facts, log_of, nothing_matches, opened_index, opened_logs, read_proved
from riad.cli.ledger_search import MAX_ROWS
from riad.errors import BadRequest, NotFound
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.index import Index
    from riad.ledger.reader import Reader

POLL = 0.5  # seconds between two looks at a log that is followed


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

    with opened_logs(data_dir, config) as logs:
        at, request = _parse_name(entry, shard)
        if at is None:
            assert request is not None
            with opened_index(logs, data_dir, config, quiet=as_json) as index:
                at = _of_request(index, logs, request)
        of, number = place.unpack(at)
        facts = read_proved(logs, [at])[at]
        if request is not None and (facts or {}).get("id") != request:
            raise NotFound(
                N_("Entry {name} is not of the request {request}."),
                remedy=N_("Give the receipt's name as x-riad-receipt told it."),
                name=place.name(at),
                request=shown(request[:64]),
            )
        if receipt or form or to:
            form = form or "text"
            data = ledger_forms.receipt(log_of(logs, of), number, form)
            name = "entry" if form == "entry" else "receipt"
            ledger_forms.deliver(data, to, {"index": number}, name, as_json=as_json)
            return
        other = _related(logs, at, facts, data_dir, config, quiet=as_json)
        more = read_proved(logs, [other]) if other is not None else {}
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

    with opened_logs(data_dir, config) as logs:
        shard = max(logs)
        size = logs[shard].size()
        start = max(size - count, logs[shard].minimum())
        entries = read_proved(logs, [place.pack(shard, index) for index in range(start, size)])
        if as_json and not follow:
            output.document({"size": size, "entries": [_entry(at, facts) for at, facts in entries.items()]})
            return
        if not entries and not follow:
            typer.echo(_("The log has no entry yet."))
        _print_lines(entries, as_json)
        while follow:
            time.sleep(POLL)
            begin, size = size, logs[shard].size()
            _print_lines(read_proved(logs, [place.pack(shard, index) for index in range(begin, size)]), as_json)
            if begin == size:  # a finished shard has been shown to its end before the next one is looked for
                logs |= {number: reader for number, reader in all_shards(data_dir, config).items() if number > shard}
                shard, size = (shard, size) if max(logs) == shard else (min(key for key in logs if key > shard), 0)


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
        facts = read_proved(logs, [found.decision])[found.decision]
        if facts is not None and facts.get("id") == request:
            return found.decision
    raise NotFound(
        N_("No entry is of the request {request}. {why}"),
        remedy=N_("Give its place, as 41, or the receipt's name, as 41-…"),
        request=shown(request[:64]),
        why=nothing_matches(index.span()),
    )


def _related(
    logs: dict[int, Reader], at: int, facts: Facts, data_dir: Path | None, config: Path | None, *, quiet: bool
) -> int | None:
    """The place of the outcome of a decision, or of the decision of an outcome, if there is one to show."""
    from riad.ledger import place, query

    if facts is None:
        return None
    if facts.get("kind") == "outcome":
        of, number = facts.get("decision_shard", 0), facts.get("decision")
        if of in logs and isinstance(number, int) and logs[of].minimum() <= number < logs[of].size():
            decision = place.pack(of, number)
            return decision if decision != at else None
        return None
    if facts.get("kind") == "decision":
        with opened_index(logs, data_dir, config, quiet=quiet) as index:
            found = query.attempt(index, at)
        return found.outcome if found else None
    return None


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
