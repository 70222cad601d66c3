"""How well a scanner finds what was marked by hand, by language: spans found, spans invented.

An evaluation set holds one text a line, ``LANGUAGE[ note] | text with ⟦TYPE value⟧``; ``\\n`` stands for a line break.
A finding is right when a marked span has its type and overlaps it (*overlap*) or is it (*exact*). Precision counts
findings, recall counts marked spans, F1 is their harmonic mean.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_MARK = re.compile(r"⟦([A-Z_]+) ([^⟧]+)⟧")


class Span(NamedTuple):
    """``types``: what it is; more than one where the finder does not tell them apart. Offsets in code points."""

    types: frozenset[str]
    start: int
    end: int


class Sample(NamedTuple):
    language: str
    text: str
    spans: tuple[Span, ...]


class Score(NamedTuple):
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def read(path: Path) -> list[Sample]:
    """The texts of an evaluation set. Raises ``ValueError`` at a line that has no language or a broken mark."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        head, separator, marked = line.partition(" | ")
        sample = parse(head.split(" ")[0], marked.replace("\\n", "\n"))
        if not separator or "⟦" in sample.text or "⟧" in sample.text:
            raise ValueError(f"{path.name}, line {number}: not LANGUAGE | text with ⟦TYPE value⟧")
        found.append(sample)
    return found


def parse(language: str, marked: str) -> Sample:
    """One marked text, its marks taken out."""
    text, spans, done = "", [], 0
    for match in _MARK.finditer(marked):
        text += marked[done : match.start()]
        spans.append(Span(frozenset([match[1]]), len(text), len(text) + len(match[2])))
        text += match[2]
        done = match.end()
    return Sample(language, text + marked[done:], tuple(spans))


def score(
    samples: Sequence[Sample], found: Sequence[Sequence[Span]], *, exact: bool, types: Collection[str] | None = None
) -> Score:
    """Precision and recall over the texts; ``types`` leaves out every span and finding of another type.

    Where nothing was found nothing was wrong (precision 1); where nothing was marked nothing was missed (recall 1).
    Raises ``ValueError`` when the two do not have the same number of texts.
    """
    findings = right = marked = met = 0
    for sample, spans in zip(samples, found, strict=True):
        wanted = [span for span in sample.spans if types is None or span.types & set(types)]
        given = [span for span in spans if types is None or span.types & set(types)]
        findings += len(given)
        marked += len(wanted)
        right += sum(any(_same(one, other, exact) for other in wanted) for one in given)
        met += sum(any(_same(one, other, exact) for other in given) for one in wanted)
    return Score(right / findings if findings else 1.0, met / marked if marked else 1.0)


def _same(one: Span, other: Span, exact: bool) -> bool:
    if not one.types & other.types:
        return False
    if exact:
        return (one.start, one.end) == (other.start, other.end)
    return one.start < other.end and other.start < one.end


def left_alone(samples: Sequence[Sample], found: Sequence[Sequence[Span]]) -> tuple[int, int]:
    """Of the texts without anything marked: how many were left alone, and how many there are."""
    clean = [spans for sample, spans in zip(samples, found, strict=True) if not sample.spans]
    return sum(not spans for spans in clean), len(clean)


def languages(samples: Sequence[Sample]) -> list[str]:
    """The languages in the order they first appear."""
    return list(dict.fromkeys(sample.language for sample in samples))


Found = Sequence[Sequence[Span]]  # what was found in each text, in their order


def sheet(samples: Sequence[Sample], found: Found, known: Collection[str]) -> dict[str, float]:
    """One finder's scores: overlapping spans first, exact ones, and both again for the ``known`` types alone."""
    overlap = score(samples, found, exact=False)
    return {
        "f1": round(overlap.f1, 4),
        "precision": round(overlap.precision, 4),
        "recall": round(overlap.recall, 4),
        "f1_exact": round(score(samples, found, exact=True).f1, 4),
        "f1_known_types": round(score(samples, found, exact=False, types=known).f1, 4),
        "f1_known_types_exact": round(score(samples, found, exact=True, types=known).f1, 4),
    }


def compare(
    samples: Sequence[Sample], ours: Found, theirs: Mapping[str, Found], known: Collection[str]
) -> dict[str, Any]:
    """Both sheets for each language and for all texts; ``theirs`` by the model used, none without a peer.

    The peer's sheet for a language is that of the model that did better on it, which nobody who uses it can know
    beforehand; for all texts it uses that model for each.
    """
    by_language: dict[str, Any] = {}
    best: list[Sequence[Span]] = [()] * len(samples)
    for language in languages(samples):
        places = [place for place, sample in enumerate(samples) if sample.language == language]
        chosen = [samples[place] for place in places]
        row: dict[str, Any] = {
            "texts": len(chosen),
            "spans": sum(len(sample.spans) for sample in chosen),
            "riad": sheet(chosen, [ours[place] for place in places], known),
        }
        sheets = {model: sheet(chosen, [found[place] for place in places], known) for model, found in theirs.items()}
        if sheets:
            model = max(sheets, key=lambda name: sheets[name]["f1"])
            row["presidio"] = {**sheets[model], "model": model}
            for place in places:
                best[place] = theirs[model][place]
        by_language[language] = row
    finders = {"riad": ours, **({"presidio": best} if theirs else {})}
    return {
        "languages": by_language,
        "all": {name: sheet(samples, found, known) for name, found in finders.items()},
        "left_alone": {name: left_alone(samples, found)[0] for name, found in finders.items()},
        "without_personal_data": left_alone(samples, ours)[1],
    }
