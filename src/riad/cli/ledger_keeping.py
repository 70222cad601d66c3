"""``riad ledger export|audit|prune``: publish the log, re-read it, let its oldest part go."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import output
from riad.cli.ledger_common import (
    Config,
    DataDir,
    Shard,
    all_shards,
    instant,
    open_reader,
    print_facts,
    progress,
)
from riad.errors import BadRequest, EvidenceBroken, NotFound
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.audit import Report
    from riad.ledger.prune import Plan
    from riad.ledger.ranges import Fault


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help=_("Where the files go; made if it is not there."))],
    shard: Shard = 0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    """Write the log as static files that any web server can publish; running it again adds what is new."""
    from riad.ledger.export import export as write

    began = time.monotonic()
    with open_reader(data_dir, config, shard) as reader, progress(_("Exporting"), quiet=as_json) as bar:
        done = write(reader, directory, bar)
    facts = {
        "directory": str(directory),
        "origin": done.head.origin,
        "size": done.head.size,
        "root": done.head.root.hex(),
        "added": done.head.size - done.before,
        "minimum": done.minimum,
        "files": done.files,
        "bytes": done.bytes,
        "seconds": round(time.monotonic() - began, 3),
    }
    text = _(
        "{directory} holds {origin} up to its {size} entries, {added} of them new; the checkpoint was written last.",
        directory=directory,
        origin=done.head.origin,
        size=done.head.size,
        added=done.head.size - done.before,
    )
    print_facts(facts, text, as_json)


def audit(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help=_("An exported copy (default: this platform's ledger)."))
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help=_("The log's public key or its file (default: the log's own)."))
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help=_("Read again what an earlier audit has read."))
    ] = False,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, max=1024, help=_("How many processes (default: one a core)."))
    ] = None,
    shard: Shard = 0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    """Re-read the whole log and say what is wrong where: exit status 0 if nothing is, 1 if something is."""
    from riad import settings
    from riad.ledger.audit import audit as check
    from riad.ledger.files import Files
    from riad.ledger.reader import Reader
    from riad.ledger.source import Export

    vkeys = _vkeys(key)
    if directory is None:
        if vkeys is not None:
            raise BadRequest(N_("--key is for an exported copy."), remedy=N_("Name its directory, or leave --key out."))
        open_reader(data_dir, config, shard).close()
        chosen = settings.load(config, data_dir=data_dir)
        open_source: Any = partial(Reader, chosen.data_dir, chosen.ledger_url, shard)
        # Beside somebody's export no mark is believed: whoever wrote the files could have written it too.
        marked: Path | None = Files(chosen.data_dir, shard).audited
    else:
        open_source, marked = partial(Export, directory, vkeys), None
    began = time.monotonic()
    with progress(_("Auditing"), quiet=as_json) as bar:
        report = check(
            open_source,
            processes=processes or _cores(),
            shard=shard,
            marked=marked,
            from_start=from_start,
            progress=bar,
        )
    if directory is None:
        report = report._replace(faults=[*report.faults, *_chain(data_dir, config)])
    seconds = time.monotonic() - began
    own_key = directory is not None and vkeys is None
    if as_json:
        output.document(_audit_document(report, seconds))
    else:
        for line in _audit_lines(report, seconds, own_key=own_key):
            typer.echo(line)
    if report.faults:
        raise typer.Exit(1)


def prune(
    before: Annotated[
        str | None, typer.Option("--before", metavar="DATE", help=_("What was recorded before then may go."))
    ] = None,
    shard: Annotated[
        int | None, typer.Option("--shard", help=_("A finished shard's year: all but its last entries may go."))
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=_("Do it; without, only say what would go."))] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help=_("Give the room back to the disk; writes what stays once more."))
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: output.JsonOption = False,
) -> None:
    """Let the oldest entries go, by whole bundles; the platform must be stopped. Says what would go, without --yes."""
    from riad import settings
    from riad.ledger.prune import plan
    from riad.ledger.prune import prune as delete

    if (before is None) == (shard is None):
        raise BadRequest(N_("Say which entries may go."), remedy=N_("Use --before DATE, or --shard YEAR."))
    cut = instant(before)
    with open_reader(data_dir, config, shard or 0) as reader, progress(_("Looking"), quiet=as_json) as bar:
        planned = plan(reader, cut, bar)
    chosen = settings.load(config, data_dir=data_dir)
    done = yes and planned.entries > 0
    freed = 0
    if done:
        origin, url = chosen.ledger.origin, chosen.ledger_url
        freed = delete(chosen.data_dir, origin, planned.keep, url=url, shard=shard or 0, vacuum=vacuum)
    facts = {
        "size": planned.size,
        "minimum": planned.keep,
        "minimum_before": planned.minimum,
        "entries": planned.entries,
        "bytes": planned.bytes,
        "freed": freed,
        "done": done,
    }
    print_facts(facts, _prune_text(planned, done, freed), as_json)


def _prune_text(planned: Plan, done: bool, freed: int) -> str:
    if planned.entries == 0:
        return _("Nothing may go: whole bundles of 256 entries go, from the first on, and the last bundle stays.")
    values = {
        "first": planned.minimum,
        "last": planned.keep - 1,
        "size": planned.size,
        "megabytes": f"{planned.bytes / 1e6:.1f}",
    }
    if not done:
        return "\n".join(
            (
                _("Entries {first} to {last} of {size} would go: {megabytes} MB.", **values),
                _("Nothing was changed. First copy it: riad ledger export DIR. Then stop the platform and add --yes."),
            )
        )
    said = _("Entries {first} to {last} of {size} are gone: {megabytes} MB.", **values)
    if freed > 0:
        return f"{said} " + _("The disk has {megabytes} MB back.", megabytes=f"{freed / 1e6:.1f}")
    return f"{said} " + _("The file keeps its size and fills that room first; --vacuum gives it back.")


def _chain(data_dir: Path | None, config: Path | None) -> list[Fault]:
    """What is wrong between this ledger's shards."""
    from riad.ledger.chain import broken_links
    from riad.ledger.ranges import Fault

    with ExitStack() as stack:
        shards = {year: stack.enter_context(reader) for year, reader in all_shards(data_dir, config).items()}
        try:
            return broken_links(shards)
        except (
            EvidenceBroken,
            NotFound,
        ) as error:  # one of them has no checkpoint that verifies: its own audit says why
            return [Fault("shards", error.render().replace("{", "{{").replace("}", "}}"))]


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _vkeys(key: str | None) -> list[str] | None:
    from riad.ledger.note import Verifier

    if key is None:
        return None
    try:
        given = Path(key).read_text("utf-8") if len(key) < 4096 and Path(key).is_file() else key
    except (OSError, UnicodeDecodeError):
        raise BadRequest(N_("Cannot read {file}."), remedy=N_("Give the key or its file."), file=key) from None
    return [Verifier.parse(line).vkey for line in given.split() or [given]]


def _audit_document(report: Report, seconds: float) -> dict[str, Any]:
    return {
        "ok": not report.faults,
        "origin": report.head.origin,
        "size": report.head.size,
        "root": report.head.root.hex(),
        "pruned": report.pruned,
        "skipped": report.skipped,
        "read": report.read,
        "decisions": report.decisions,
        "outcomes": report.outcomes,
        "others": report.others,
        "decided_elsewhere": report.elsewhere,
        "jumps_back": [{"index": jump.entry, "milliseconds": jump.milliseconds} for jump in report.jumps],
        "complete": report.complete,
        "faults": [
            {"where": fault.where, "index": fault.entry, "what": _(fault.what, **fault.values)}
            for fault in report.faults
        ],
        "seconds": round(seconds, 3),
        "entries_per_second": round(report.read / seconds) if seconds else None,
    }


def _audit_lines(report: Report, seconds: float, *, own_key: bool) -> list[str]:
    lines = [_("{origin}: {size} entries.", origin=report.head.origin, size=report.head.size)]
    if report.pruned:
        lines.append(_("Pruned: the entries before {first}; the rest is audited.", first=report.pruned))
    if report.skipped:
        lines.append(
            _(
                "Not read again: {count} entries, up to {last}, in which an earlier audit found nothing. "
                "--from-start reads them too.",
                count=report.skipped,
                last=report.first - 1,
            )
        )
    lines.append(
        _(
            "Read: {read} entries in {seconds} s: {decisions} decisions, {outcomes} outcomes, {others} others.",
            read=report.read,
            seconds=f"{seconds:.1f}",
            decisions=report.decisions,
            outcomes=report.outcomes,
            others=report.others,
        )
    )
    if report.elsewhere:
        lines.append(_("{count} outcomes close decisions that are not in this log any more.", count=report.elsewhere))
    for jump in report.jumps:
        lines.append(
            _(
                "The clock went back by {seconds} s before entry {index}. This proves nothing against the log.",
                seconds=f"{jump.milliseconds / 1000:.1f}",
                index=jump.entry,
            )
        )
    for fault in report.faults:
        lines.append(f"✗ {fault.where}: {_(fault.what, **fault.values)}")
    if not report.complete:
        lines.append(_("Stopped at {count} faults; there may be more.", count=len(report.faults)))
    if report.faults:
        lines.append(_("BAD. Restore the newest copy; see docs/reference/ledger.md, When the ledger refuses."))
    elif own_key:
        lines.append(
            _("GOOD, by the key in the directory itself. Compare it with the one the operator publishes: --key.")
        )
    elif report.skipped:
        lines.append(_("GOOD: what was read now, the tiles above and the signed root agree."))
    else:
        lines.append(_("GOOD: every entry, every tile and the signed root agree."))
    return lines
