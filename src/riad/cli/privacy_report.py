"""What ``riad privacy evaluate`` shows: figures by type and by language, and some of the mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riad.cli import output
from riad.privacy.evaluate import Counts, Mistake, Report
from riad.texts import _


def some(mistakes: Sequence[Mistake], most: int) -> list[Mistake]:
    """The first few of each type and kind, in the order of types."""
    kept: dict[tuple[str, str], list[Mistake]] = {}
    for mistake in mistakes:
        same = kept.setdefault((mistake.type, mistake.kind), [])
        if len(same) < most:
            same.append(mistake)
    return [mistake for key in sorted(kept) for mistake in kept[key]]


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "right": counts.right,
        "exact": counts.exact,
        "wrong": counts.wrong,
        "missed": counts.missed,
        "precision": round(counts.precision, 4),
        "recall": round(counts.recall, 4),
        "f1": round(counts.f1, 4),
        "f1_exact": round(counts.f1_exact, 4),
    }


def document(report: Report, mistakes: Sequence[Mistake]) -> dict[str, Any]:
    """The figures and these mistakes, for ``--json``."""
    right, known = report.classes
    return {
        "samples": report.samples,
        "total": _figures(report.total),
        "by_type": {name: _figures(report.by_type[name]) for name in sorted(report.by_type)},
        "by_language": {name: _figures(report.by_language[name]) for name in sorted(report.by_language)},
        "classes": {"right": right, "known": known},
        "mistakes": mistakes,
    }


def show(report: Report, mistakes: Sequence[Mistake]) -> None:
    """Print the figures, then the mistakes."""

    def rows(named: dict[str, Counts]) -> list[tuple[str, ...]]:
        return [
            (name, str(c.right), str(c.wrong), str(c.missed), *(f"{x:.3f}" for x in (c.precision, c.recall, c.f1)),
             f"{c.f1_exact:.3f}")
            for name, c in named.items()
        ]  # fmt: skip

    figures = (_("right"), _("wrong"), _("missed"), _("precision"), _("recall"), "F1", _("exact F1"))
    for title, named in ((_("type"), report.by_type), (_("language"), report.by_language)):
        total = {_("all"): report.total} if named is report.by_type else {}
        output.table((title, *figures), rows({name: named[name] for name in sorted(named)} | total), empty="")
        output.console.print()
    right, known = report.classes
    said = _("{n} texts; the class of {right} of {known} is right.", n=report.samples, right=right, known=known)
    output.console.print(said, markup=False, style="bold")
    for mistake in mistakes:
        kind = _("wrong") if mistake.kind == "wrong" else _("missed")
        why = f" ({mistake.why})" if mistake.why else ""
        line = f"{kind} {mistake.type} {mistake.lang}: {mistake.value!r}{why}  ‹{mistake.text!r}›"
        output.console.print(line, markup=False)
