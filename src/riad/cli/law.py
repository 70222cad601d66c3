"""``riad law``: explain a case, look at the packs, run their cases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from riad.cli import output
from riad.cli.output import JsonOption
from riad.texts import N_, _, terminal_language, translate

if TYPE_CHECKING:
    from riad.law import CaseLine, Decision, Law, Pack, Remedy, SiteFacts

app = typer.Typer(help=_("The law as running code: decisions, their articles, the packs."), no_args_is_help=True)
packs = typer.Typer(help=_("The law packs: lists, rules, digests."), no_args_is_help=True)
app.add_typer(packs, name="packs")

ConfigOption = Annotated[Path | None, typer.Option("--config", help=_("The riad.toml whose sites and packs count."))]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help=_("Where Riad keeps its data."))]

OUTCOMES = {
    "allow": N_("Allowed."),
    "human_review": N_("A person must decide."),
    "file_first": N_("File with the authority first."),
    "deny": N_("Refused."),
}
MARKS = {
    "V1": N_("text seen"),
    "V2": N_("secondary source only"),
    "R": N_("recalled, not seen"),
}
READINGS = {
    "text": N_("the article says so"),
    "inference": N_("an inference"),
    "careful": N_("uncertain: the protective reading"),
}
WARNINGS = {
    "unknown": N_("{what} is unknown and was read to the protection of the data."),
    "expired": N_("{what} has expired."),
    "list_due": N_("The list {what} is soon due for review; unreviewed, it will hold no country."),
    "list_stale": N_("The list {what} is past its review date and holds no country."),
}


# ---------------------------------------------------------------------- explain


@app.command()
def explain(
    file: Annotated[Path | None, typer.Argument(help=_("The case file; - is standard input."))] = None,
    case: Annotated[Path | None, typer.Option("--case", help=_("The case file; - is standard input."))] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help=_("Many cases, one a line; an answer a line."))] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide a case, step by step: facts, rules with their articles, outcome, what would make it lawful."""
    from riad.errors import BadRequest
    from riad.law import Law, parse_case, site_facts
    from riad.law.case import MAX_CASE_BYTES
    from riad.settings import load

    settings = load(config, data_dir=data_dir)
    law = Law.load(settings.platform.packs)
    sites = {site.name: site_facts(site) for site in settings.sites}
    source = file or case
    if source is None and not jsonl:
        raise BadRequest(
            N_("No case was given."), remedy=N_("Use --case FILE, or --jsonl with many on standard input.")
        )
    with _opened(source) as stream:
        if jsonl:
            wrong = sum(_answer_line(law, sites, line, number) for number, line in enumerate(_lines(stream), 1))
            raise typer.Exit(2 if wrong else 0)
        parsed = parse_case(stream.read(MAX_CASE_BYTES + 1))
    decision = law.decide(parsed)
    found = law.remedies(parsed, decision, sites)
    if as_json:
        output.document(_document(parsed, decision, found))
    else:
        _print_steps(law, parsed, decision, found)


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    """The file, or standard input for ``-`` or nothing."""
    from riad.errors import BadRequest

    if path is None or str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BadRequest(
            N_("Cannot read {file}: {error}."),
            remedy=N_("Give the path of a case file."),
            file=path,
            error=error.strerror,
        ) from None
    with stream:
        yield stream


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines that hold something; of one that is too long, only as much as shows that it is."""
    from riad.law.case import MAX_CASE_BYTES

    while line := stream.readline(MAX_CASE_BYTES + 2):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_CASE_BYTES)
        if line.strip():
            yield line.rstrip(b"\r\n")


def _answer_line(law: Law, sites: dict[str, SiteFacts], line: bytes, number: int) -> bool:
    """Answer one line on standard output; true when the line is not a case."""
    import msgspec

    from riad.errors import RiadError
    from riad.law import parse_case

    try:
        case = parse_case(line)
    except RiadError as error:
        text = error.render(terminal_language())
        answer: dict[str, Any] = {"line": number, "error": {"code": error.code, "message": text}}
        wrong = True
    else:
        decision = law.decide(case)
        answer = _document(case, decision, law.remedies(case, decision, sites))
        wrong = False
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()
    return wrong


def _document(case: CaseLine, decision: Decision, remedies: tuple[Remedy, ...]) -> dict[str, Any]:
    document: dict[str, Any] = {"id": case.id} if case.id is not None else {}
    return document | {
        "outcome": decision.outcome,
        "rules": decision.rules,
        "obligations": decision.obligations,
        "remedies": remedies,
        "would_permit": decision.would_permit,
        "warnings": decision.warnings,
        "crossing": decision.crossing,
        "packs": decision.packs,
    }


def _print_steps(law: Law, case: CaseLine, decision: Decision, remedies: tuple[Remedy, ...]) -> None:
    say = output.console.print
    language = terminal_language()
    say(_("1. Facts, as the rules see them"), markup=False, style="bold")
    facts = law.facts(case)
    for name, value in _facts(facts) if facts is not None else ():
        say(f"   {name}: {value}", markup=False)
    for warning in decision.warnings:
        say(f"   ! {_warning(warning)}", markup=False)
    crossing = _("yes: it leaves the country") if decision.crossing else _("no: the site is in the country")
    say(_("2. Crossing: {answer}", answer=crossing), markup=False, style="bold")
    say(_("3. Rules"), markup=False, style="bold")
    if not decision.rules:
        say("   " + _("No rule permits this case. With other facts, these would:"), markup=False)
    for rule in decision.rules or decision.would_permit:
        say(f"   [{rule.outcome}] {rule.title[language]}", markup=False)
        article = _("law {law}, art. {article}", law=rule.law, article=rule.article)
        how = f"{_(READINGS[rule.reading])}; {_(MARKS[rule.mark])}"
        say(f"       {article} ({how}) – {rule.id}", markup=False)
        if rule.quote:
            say(f"       « {rule.quote} »", markup=False)
    say(_("4. Outcome: {outcome}", outcome=_(OUTCOMES[decision.outcome])), markup=False, style="bold")
    if decision.obligations:
        say(_("5. Obligations"), markup=False, style="bold")
        for obligation in decision.obligations:
            say(f"   {obligation}", markup=False)
    if decision.outcome != "allow":
        say(_("5. What would make it lawful"), markup=False, style="bold")
        for remedy in remedies:
            say(f"   {remedy.text[language]}", markup=False)
        if not remedies:
            say("   " + _("No single change of facts would: complete the unknown ones first."), markup=False)
    named = ", ".join(f"{name} {digest}" for name, digest in decision.packs.items())
    say(_("Under the packs {packs}. Not legal advice.", packs=named), markup=False)


def _facts(facts: Any) -> Iterator[tuple[str, str]]:
    """Each fact by its name, as a line for a person."""
    import msgspec

    from riad.law import Formalities

    hidden = ("window", "unread", "formalities", "place")
    plain = {name: value for name, value in msgspec.structs.asdict(facts).items() if name not in hidden}
    named = zip(Formalities.__struct_fields__, facts.formalities, strict=True)
    plain["formalities"] = ", ".join(name for name, done in named if done) or "none"
    plain |= {f"site.{name}": value for name, value in msgspec.structs.asdict(facts.place).items()}
    for name, value in plain.items():
        if isinstance(value, bool):
            yield name, _("yes") if value else _("no")
        else:
            yield name, ", ".join(value) if isinstance(value, tuple) else str(value)


def _warning(code: str) -> str:
    kind, _colon, what = code.partition(":")
    return translate(WARNINGS[kind], terminal_language(), what=what)


# ---------------------------------------------------------------------- packs


@packs.command("list")
def list_packs(as_json: JsonOption = False) -> None:
    """The packs that came with this Riad."""
    from riad.law.pack import installed

    rows = [_pack_row(_pack(name)) for name in installed()]
    if as_json:
        output.document(rows)
        return
    columns = [_("pack"), _("version"), _("rules"), _("title"), _("digest")]
    language = terminal_language()
    output.table(
        columns,
        [[row["id"], row["version"], row["rules"], row["title"][language], row["digest"][:19]] for row in rows],
        empty=_("No pack is installed."),
    )


@packs.command("show")
def show_pack(name: str, as_json: JsonOption = False) -> None:
    """A pack's rules and lists, each with its article and how sure it is."""
    pack = _pack(name)
    rules = list(pack.rules.values())
    if as_json:
        sources, lists = pack.manifest.source, [pack.adequacy]
        output.document({**_pack_row(pack), "sources": sources, "policies": rules, "lists": lists})
        return
    language = terminal_language()
    rows = [[rule.outcome, rule.law, rule.article, rule.mark, rule.reading, rule.title[language]] for rule in rules]
    columns = [_("outcome"), _("law"), _("article"), _("mark"), _("reading"), _("title")]
    output.table(columns, rows, empty=_("The pack has no rule."))
    for version in pack.adequacy.version:
        line = _(
            "{title}: {version} ({mark}), {n} countries, from {start}, to be reviewed by {end}.",
            title=pack.adequacy.title[language],
            version=version.id,
            mark=version.mark,
            n=len(version.countries),
            start=version.effective_from,
            end=version.review_by,
        )
        output.console.print(line, markup=False)


@packs.command("verify")
def verify_packs(
    names: Annotated[list[str] | None, typer.Argument(help=_("Which packs; all of them by default."))] = None,
    as_json: JsonOption = False,
) -> None:
    """Check each pack: its schema, its annotations, its recorded digest and its own cases. Status 1 on a finding."""
    from riad.law.pack import installed

    rows = [_verified(name) for name in names or installed()]
    if as_json:
        output.document(rows)
    else:
        columns = [_("pack"), _("verdict"), _("digest")]
        output.table(
            columns,
            [[row["id"], "; ".join(row["findings"]) or _("as published"), row["digest"]] for row in rows],
            empty=_("No pack is installed."),
        )
    if any(row["findings"] for row in rows):
        raise typer.Exit(1)


@app.command("test")
def run_cases(
    names: Annotated[list[str] | None, typer.Argument(help=_("Which packs; all of them by default."))] = None,
    as_json: JsonOption = False,
) -> None:
    """Run each pack's cases: article, example, expected outcome. Status 1 when one is not as expected."""
    from riad.law.cases import run
    from riad.law.pack import installed

    results = [(name, result) for name in names or installed() for result in run(_pack(name))]
    rows = [
        {
            "pack": name,
            "id": result.example.id,
            "law": result.example.law,
            "article": result.example.article,
            "example": result.example.example,
            "expected": result.example.outcome,
            "outcome": result.outcome,
            "rules": result.rules,
            "wrong": result.wrong,
        }
        for name, result in results
    ]
    wrong = [row for row in rows if row["wrong"]]
    if as_json:
        output.document({"cases": len(rows), "wrong": len(wrong), "results": rows})
    else:
        columns = [_("case"), _("law"), _("article"), _("outcome"), _("example"), ""]
        shown = [[row["id"], row["law"], row["article"], row["outcome"], row["example"], row["wrong"]] for row in rows]
        output.table(columns, shown, empty=_("The packs have no case."))
        output.console.print(_("{n} cases, {wrong} not as expected.", n=len(rows), wrong=len(wrong)), markup=False)
    if wrong:
        raise typer.Exit(1)


def _pack(name: str) -> Pack:
    from riad.law.pack import Pack, find

    return Pack(find(name))


def _pack_row(pack: Pack) -> dict[str, Any]:
    return {
        "id": pack.id,
        "country": pack.country,
        "version": pack.manifest.version,
        "title": pack.title,
        "rules": len(pack.rules),
        "digest": pack.digest,
    }


def _verified(name: str) -> dict[str, Any]:
    from riad.errors import BadSettings
    from riad.law.cases import run
    from riad.law.pack import Pack, digest, find, recorded_digest

    directory = find(name)
    found, recorded, findings, cases = digest(directory), recorded_digest(directory), [], 0
    if found != recorded:
        findings.append(_("the digest is not the recorded one, {recorded}", recorded=recorded or _("absent")))
    try:
        results = run(Pack(directory))
        cases = len(results)
        findings += [f"{result.example.id}: {result.wrong}" for result in results if result.wrong]
    except BadSettings as error:
        findings.append(error.render(terminal_language()))
    return {"id": name, "digest": found, "recorded": recorded, "cases": cases, "findings": findings}
