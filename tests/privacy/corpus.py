"""Read the marked texts of ``corpus_*.txt`` and count what a scan got right."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from riad.privacy import Finding, scan

_MARK = re.compile(r"⟦([A-Z]+) ([^⟧]+)⟧")


class Sample(NamedTuple):
    language: str
    text: str
    spans: frozenset[tuple[str, int, int]]


def samples(name: str) -> list[Sample]:
    """The texts of ``corpus_<name>.txt`` with their spans, in code points."""
    found = []
    for line in (Path(__file__).parent / f"corpus_{name}.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            language, _, marked = line.partition(" | ")
            found.append(_sample(language, marked.replace("\\n", "\n")))
    return found


def _sample(language: str, marked: str) -> Sample:
    text, spans, done = "", [], 0
    for match in _MARK.finditer(marked):
        text += marked[done : match.start()]
        spans.append((match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        done = match.end()
    return Sample(language, text + marked[done:], frozenset(spans))


def overlaps(span: tuple[str, int, int], finding: Finding) -> bool:
    return span[0] == finding.type and span[1] < finding.end and finding.start < span[2]


def count(chosen: list[Sample], *, exact: bool = True) -> tuple[Counter[str], list[str]]:
    """Right, wrong and missed findings, and a line about each error. ``exact``: the whole span must be right."""
    counts: Counter[str] = Counter()
    errors = []
    for sample in chosen:
        findings = scan(sample.text)
        for finding in findings:
            right = any(
                (finding.type, finding.start, finding.end) == span if exact else overlaps(span, finding)
                for span in sample.spans
            )
            counts["right" if right else "wrong"] += 1
            if not right:
                errors.append(
                    f"+ {finding.type} {sample.text[finding.start : finding.end]!r} ({finding.why}) in {sample.text!r}"
                )
        for span in sample.spans:
            if not any((f.type, f.start, f.end) == span if exact else overlaps(span, f) for f in findings):
                counts["missed"] += 1
                errors.append(f"- {span[0]} {sample.text[span[1] : span[2]]!r} in {sample.text!r}")
    return counts, errors


def f1(counts: Counter[str]) -> float:
    return 2 * counts["right"] / (2 * counts["right"] + counts["wrong"] + counts["missed"] or 1)
