"""``riad demo``: the main job, shown with real requests through the real door, in under a minute.

Three engines start on this machine: the embedded one at home, and two that *stand in* for a European and a US cloud,
each labelled so on screen. Every claim on screen is checked; the first that does not hold ends the demo with 1.
"""

from __future__ import annotations

import json as stdlib_json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from riad.cli.chat import Answer
from riad.cli.demo_stage import AMERICA, EUROPE, Failed, Stage, stage
from riad.cli.output import JsonOption, console, document
from riad.errors import RiadError
from riad.settings import EMBEDDED_MODEL
from riad.texts import N_, _, terminal_language

NAME, CIN, PHONE, RIB = "Fatima Zahra Benali", "BK123456", "0612345678", "999780000000000000004276"
PERSONAL = (NAME, CIN, PHONE, RIB)
QUESTION = (
    f"Salam, smiti {NAME}, CIN dyali {CIN}, tel {PHONE}. Mon RIB est {RIB}. "
    "Bghit n3ref wach dossier dyali wajed, merci de me répondre."
)
DESK = "You are a front desk. Begin every answer with the person's name exactly as given, in brackets."


def demo(json: JsonOption = False) -> None:
    """Show the main job with real requests; exit 1 at the first step that is not as it should be."""
    began = time.monotonic()
    show = Show(quiet=json)
    show.intro()
    try:
        with tempfile.TemporaryDirectory(prefix="riad-demo-") as directory, stage(Path(directory)) as ready:
            show.cast()
            demo = Demo(show, ready)
            for step in (demo.at_home, demo.to_europe, demo.to_america, demo.receipts):
                step()
    except Failed as failure:
        show.wrong(failure.render(terminal_language()))
        if json:
            document({"ok": False, "failed": failure.render(terminal_language()), "steps": show.steps})
        raise typer.Exit(1) from None
    seconds = round(time.monotonic() - began, 1)
    if json:
        document({"ok": True, "seconds": seconds, "steps": show.steps})
    else:
        show.farewell(seconds)


class Show:
    """What is printed, and the same as data for ``--json``."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.steps: list[dict[str, Any]] = []

    def line(self, text: str = "", style: str | None = None) -> None:
        if not self.quiet:
            console.print(text, style=style)

    def intro(self) -> None:
        self.line("[bold]Riad[/]  " + _("three engines start on this machine; two only stand in for clouds abroad"))
        self.line(
            "[dim]"
            + _(
                "The embedded model is SmolLM2 (135 M parameters, mostly English): small, so that everything works "
                "offline in a second; it repeats more than it answers. A better one: riad models list, then riad "
                "models pull NAME."
            )
            + "[/]"
        )

    def cast(self) -> None:
        """Who plays: the site at home, and the stand-ins labelled as what they are."""
        place = _("{site} ({country}): {what}")
        self.line("   [green]●[/] " + place.format(site="rabat", country="MA", what=_("embedded engine, real weights")))
        for site, country, label in (("paris", "FR", _("European cloud")), ("virginia", "US", _("US cloud"))):
            what = _("stand-in for a {label}, on this machine", label=label)
            self.line("   [yellow]●[/] " + place.format(site=site, country=country, what=what))

    def title(self, number: int, text: str) -> None:
        self.steps.append({"step": number, "title": text})
        self.line()
        self.line(f"[bold]{number}  {escape(text)}[/]")

    def fact(self, name: str, label: str, value: str) -> None:
        self.steps[-1].setdefault(name, []).append(value)
        self.aside(label, value)

    def aside(self, label: str, value: str, style: str = "") -> None:
        """A label and its text, which wraps under itself."""
        if not self.quiet:
            grid = Table.grid(Column(width=13), Column(overflow="fold"))
            grid.add_row(Text(f"   {label}", style="dim"), Text(value, style=style))
            console.print(grid, soft_wrap=False)

    def receipt(self, name: str) -> None:
        self.steps[-1]["receipt"] = name
        self.line("   [dim]" + _("receipt {name}", name=name) + "[/]")

    def good(self, text: str) -> None:
        self.line(f"   [green]✓[/] {escape(text)}")

    def wrong(self, text: str) -> None:
        if not self.quiet:
            console.print(f"\n   [red]✗ {escape(text)}[/]")

    def answer(self, answer: Answer) -> str:
        """Print an answer while it streams."""
        if not self.quiet:
            console.print("   [cyan]│[/] ", end="")
        parts = []
        for part in answer:
            parts.append(part)
            if not self.quiet:
                sys.stdout.write(part.replace("\n", "\n   │ "))
                sys.stdout.flush()
        self.line()
        text = "".join(parts)
        self.steps[-1]["answer"] = text
        self.steps[-1].update(answer.facts)
        self.line(
            "   [dim]"
            + _(
                "decision {decision} · site {site} · crossing {crossing} · first word {first} ms · {seconds} s",
                first=round(answer.first * 1000),
                seconds=f"{answer.seconds:.1f}",
                decision=answer.facts["decision"],
                site=answer.facts["site"],
                crossing=answer.facts["crossing"],
            )
            + "[/]"
        )
        self.receipt(answer.facts["receipt"])
        return text

    def farewell(self, seconds: float) -> None:
        self.line()
        self.line("[bold green]" + _("All four steps are as they should be ({seconds} s).", seconds=seconds) + "[/]")
        self.line()
        self.line(_("Keep it running:") + "      .venv/bin/riad up")
        self.line(
            _("Get a key:") + "            .venv/bin/riad keys create --tenant me --project first --purpose trying"
        )
        self.line(_("Point your SDK at it:") + " OPENAI_BASE_URL=http://127.0.0.1:8080/v1")
        self.line(_("Talk to it:") + '           .venv/bin/riad chat "Salam!"')
        self.line()


class Demo:
    """The four steps."""

    def __init__(self, show: Show, ready: Stage) -> None:
        self._show = show
        self._stage = ready
        self._receipts: list[str] = []

    def at_home(self) -> None:
        """A question with a name, a CIN, a phone and a RIB, answered on national soil, untouched."""
        show = self._show
        show.title(1, _("A question with personal data, to a model served at home"))
        show.fact("question", _("question"), QUESTION)
        answer = self._ask(EMBEDDED_MODEL)
        show.answer(answer)
        self._must(answer.facts["site"] == "rabat" and answer.facts["crossing"] == "none", _("it stayed at home"))
        self._receipts.append(answer.facts["receipt"])

    def to_europe(self) -> None:
        """The same, to a model that only the European site has: masked before it crosses, restored on return."""
        show = self._show
        show.title(2, _("The same question, to a model that only the European site has"))
        answer = self._ask(EUROPE)
        text = show.answer(answer)
        body = self._stand_in("europe")["last_body"]
        show.fact("crossed", _("crossed"), body)
        self._must(answer.facts["crossing"] == "pseudonymised", _("it crossed the border pseudonymised"))
        raw = stdlib_json.dumps(stdlib_json.loads(body), ensure_ascii=False)  # whatever way it was escaped
        self._must(
            not any(value in raw for value in PERSONAL), _("the exact body above holds no name, CIN, phone or RIB")
        )
        self._must("[PERSON_1]" in raw, _("placeholders stand in their places"))
        restored = [value for value in PERSONAL if value in text]
        self._must(
            bool(restored) and "[PERSON_1]" not in text,
            _("the answer came back with the real values, restored while it streamed"),
        )
        self._receipts.append(answer.facts["receipt"])

    def to_america(self) -> None:
        """The same, to a model that only the US site has: refused, nothing sent."""
        show = self._show
        show.title(3, _("The same question, to a model that only the US site has"))
        before = self._stand_in("america")["requests"]
        try:
            self._ask(AMERICA)
        except RiadError as refusal:
            detail = refusal.detail
        else:
            raise Failed(N_("The US site's model answered, though no law allows it."))
        language = terminal_language()
        show.fact("decision", _("decision"), str(detail.get("decision")))
        articles = detail.get("articles", [])
        for article in articles:
            where = _("law {law}, article {article}", law=article["law"], article=article["article"])
            show.fact("because", _("because"), f"{article['title'][language]} ({where})")
            if article["quote"]:
                show.aside("", f"« {article['quote']} »", style="dim")
        for remedy in detail.get("remedies", []):
            show.fact("instead", _("instead"), remedy["text"][language])
        self._must(bool(articles) and detail.get("decision") != "allow", _("refused, with its articles"))
        after = self._stand_in("america")["requests"]
        self._must(after == before == 0, _("nothing was sent: the stand-in's own counter says {n}", n=after))
        self._receipts.append(str(detail.get("receipt", "")))
        show.receipt(self._receipts[-1])

    def receipts(self) -> None:
        """The three receipts, verified offline by the standalone verifier; a tampered copy is rejected."""
        from riad.ledger import verify

        show = self._show
        show.title(4, _("Anyone can verify what happened, offline, without trusting this platform"))
        verifier, vkey = Path(verify.__file__), self._stage.data_dir / "ledger.vkey"
        text = ""
        for number, name in enumerate(self._receipts, 1):
            text = self._get(f"/v1/receipts/{name}")
            path = self._stage.data_dir / f"receipt-{number}.tlog-proof"
            path.write_text(text)
            self._must(
                _verify(verifier, path, vkey), _("receipt {number} verified by the standalone verifier", number=number)
            )
        index = text.index("extra ") + 40
        other = "A" if text[index] != "A" else "B"
        tampered = self._stage.data_dir / "tampered.tlog-proof"
        tampered.write_text(text[:index] + other + text[index + 1 :])
        self._must(not _verify(verifier, tampered, vkey), _("a copy with one letter changed is rejected"))

    def _ask(self, model: str) -> Answer:
        messages = [{"role": "system", "content": DESK}, {"role": "user", "content": QUESTION}]
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 90}
        return Answer(self._stage.url, self._stage.key, body)

    def _stand_in(self, name: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._stage.ports[name]}/stand-in", timeout=10) as response:
            return dict(stdlib_json.load(response))

    def _get(self, path: str) -> str:
        request = urllib.request.Request(self._stage.url + path, headers={"authorization": f"Bearer {self._stage.key}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.read().decode())

    def _must(self, true: bool, claim: str) -> None:
        if not true:
            raise Failed(N_("This should be so, but is not: {claim}"), claim=claim)
        self._show.good(claim)


def _verify(verifier: Path, receipt: Path, vkey: Path) -> bool:
    """Run the verifier as a stranger would: its own file, isolated from Riad."""
    done = subprocess.run(
        [sys.executable, "-I", str(verifier), str(receipt), "--key", str(vkey)], capture_output=True, check=False
    )
    return done.returncode == 0
