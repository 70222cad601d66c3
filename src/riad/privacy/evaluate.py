"""How good a scan is on texts whose personal data is known: precision, recall and F1, by type and by language.

A sample file is JSON Lines, ``{"id", "text", "lang", "spans": [{"start", "end", "type"}]}`` (``id`` and ``lang`` may be
left out), or, easier to write by hand, a line ``lang | text with ⟦TYPE value⟧`` each, ``\\n`` for a line break and
``lang sensitive |`` where the text's class is sensitive. A finding is right when it overlaps a span of its own type
that no other finding took; *exact* counts those whose ends are right too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from riad.errors import BadRequest
from riad.privacy.finding import Finding, persons_class
from riad.privacy.scan import scan_many
from riad.texts import N_

_MARK = re.compile(r"⟦([A-Z][A-Z0-9_]*) ([^⟧]+)⟧")
_BATCH = 64
Scan = Callable[[Sequence[str]], Sequence[Sequence[Finding]]]
Kind = Literal["wrong", "missed"]


class Span(msgspec.Struct, frozen=True):
    """Personal data known to be there: ``[start, end)`` in code points of the text."""

    start: int
    end: int
    type: str


class Sample(msgspec.Struct, frozen=True):
    """A text and the personal data in it. ``persons`` is its class where that is known."""

    text: str
    spans: tuple[Span, ...] = ()
    lang: str = ""
    id: str | int | None = None
    persons: Literal["", "none", "personal", "sensitive"] = msgspec.field(default="", name="class")


class Counts(msgspec.Struct):
    """Right, wrong and missed findings; ``exact`` of the right ones have both ends right."""

    right: int = 0
    exact: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two; 1 where nothing was to be found and nothing was."""
        return _f1(self.right, self.wrong, self.missed)

    @property
    def f1_exact(self) -> float:
        """The same where a finding with an end off by one is both wrong and missed."""
        off = self.right - self.exact
        return _f1(self.exact, self.wrong + off, self.missed + off)


class Mistake(msgspec.Struct, frozen=True):
    """A finding that is none, or personal data that was missed."""

    kind: Kind
    type: str
    value: str
    why: str
    lang: str
    text: str


class Report(msgspec.Struct):
    """What came out. ``classes`` counts texts whose class was right, of those whose class is known."""

    samples: int
    total: Counts
    by_type: dict[str, Counts]
    by_language: dict[str, Counts]
    mistakes: list[Mistake]
    classes: tuple[int, int]


def _f1(right: int, wrong: int, missed: int) -> float:
    return 2 * right / (2 * right + wrong + missed) if right + wrong + missed else 1.0


def read(data: bytes) -> list[Sample]:
    """The samples of a file, in either form. Raises ``BadRequest`` naming the line that is neither."""
    samples = []
    for number, line in enumerate(data.decode("utf-8-sig", "replace").split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            try:
                samples.append(_json(line) if line.lstrip().startswith("{") else _marked(line))
            except ValueError as error:
                raise BadRequest(
                    N_("Line {line} is no sample: {error}."),
                    remedy=N_(
                        'Write {{"text", "spans": [{{"start", "end", "type"}}]}}, or: lang | text with ⟦TYPE value⟧.'
                    ),
                    line=number,
                    error=str(error),
                ) from None
    return samples


def evaluate(samples: Iterable[Sample], scan: Scan = scan_many) -> Report:
    """Scan every sample and compare. ``scan`` may be another scanner: findings for each of several texts."""
    report = Report(0, Counts(), defaultdict(Counts), defaultdict(Counts), [], (0, 0))
    chosen = list(samples)
    right = known = 0
    for first in range(0, len(chosen), _BATCH):
        batch = chosen[first : first + _BATCH]
        for sample, findings in zip(batch, scan([sample.text for sample in batch]), strict=True):
            report.samples += 1
            _compare(sample, findings, report)
            if sample.persons:
                known += 1
                right += persons_class(findings) == sample.persons
    report.classes = (right, known)
    return report


def _compare(sample: Sample, findings: Sequence[Finding], report: Report) -> None:
    left = list(sample.spans)

    def counted(type_: str) -> tuple[Counts, Counts, Counts]:
        return report.total, report.by_type[type_], report.by_language[sample.lang or "?"]

    def mistake(kind: Kind, span: Span | Finding, why: str) -> None:
        for counts in counted(span.type):
            setattr(counts, kind, getattr(counts, kind) + 1)
        value = sample.text[span.start : span.end]
        report.mistakes.append(Mistake(kind, span.type, value, why, sample.lang, sample.text))

    for finding in findings:
        same = [s for s in left if s.type == finding.type and s.start < finding.end and finding.start < s.end]
        if not same:
            mistake("wrong", finding, finding.why)
            continue
        best = max(same, key=lambda span: min(span.end, finding.end) - max(span.start, finding.start))
        left.remove(best)
        exact = (best.start, best.end) == (finding.start, finding.end)
        for counts in counted(finding.type):
            counts.right += 1
            counts.exact += exact
    for span in left:
        mistake("missed", span, "")


def _json(line: str) -> Sample:
    sample = msgspec.json.decode(line, type=Sample)
    for span in sample.spans:
        if not 0 <= span.start < span.end <= len(sample.text):
            raise ValueError(f"span {span.start}-{span.end} of {len(sample.text)} characters")
    return sample


def _marked(line: str) -> Sample:
    head, separator, marked = line.partition(" | ")
    language, *said = head.split() or [""]
    if not separator or len(said) > 1 or (said and said[0] not in ("none", "personal", "sensitive")):
        raise ValueError("no language before a bar")
    marked = marked.replace("\\n", "\n")
    text, spans, done = "", [], 0
    for match in _MARK.finditer(marked):
        text += marked[done : match.start()]
        spans.append(Span(len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        done = match.end()
    text += marked[done:]
    if "⟦" in text or "⟧" in text:
        raise ValueError("a mark that is not ⟦TYPE value⟧")
    persons = said[0] if said else "personal" if spans else "none"
    return Sample(text, tuple(spans), language, None, persons)  # type: ignore[arg-type]  # checked above
