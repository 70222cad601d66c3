"""What each finder finds in an evaluation set, by language, counted as ``riad privacy evaluate`` counts.

A finding is right when it overlaps a marked span of its own type that no other finding took; *exact* asks for its ends
too. Everything is counted twice: with all types, and with those alone that the peer can find.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from riad.privacy import Finding
from riad.privacy.evaluate import Sample, evaluate


class Found(NamedTuple):
    """``types``: what it is; more than one where the finder does not tell them apart. Offsets in code points."""

    types: frozenset[str]
    start: int
    end: int


Sheet = Sequence[Sequence[Found]]  # what was found in each text, in the texts' order


def settled(sample: Sample, found: Sequence[Found]) -> list[Finding]:
    """Findings of one type each: where there is a choice, the type of a marked span that it overlaps."""
    findings = []
    for one in found:
        met = [span.type for span in sample.spans if span.start < one.end and one.start < span.end]
        fitting = [type_ for type_ in met if type_ in one.types]
        findings.append(Finding(fitting[0] if fitting else min(one.types), one.start, one.end, 1.0, ""))
    return findings


def scores(samples: Sequence[Sample], sheet: Sheet, types: Collection[str] | None = None) -> dict[str, float]:
    """F1, precision and recall over the texts; ``types`` leaves out every span and finding of another type.

    Raises ``ValueError`` when the two do not have the same number of texts.
    """
    chosen, findings = [], []
    for sample, found in zip(samples, sheet, strict=True):
        spans = tuple(span for span in sample.spans if types is None or span.type in types)
        chosen.append(Sample(sample.text, spans, sample.lang))
        kept = (one for one in settled(sample, found) if types is None or one.type in types)
        findings.append(list(kept))
    rest = iter(findings)
    total = evaluate(chosen, lambda batch: [next(rest) for _text in batch]).total
    return {
        "f1": round(total.f1, 4),
        "f1_exact": round(total.f1_exact, 4),
        "precision": round(total.precision, 4),
        "recall": round(total.recall, 4),
    }


def both(samples: Sequence[Sample], sheet: Sheet, known: Collection[str]) -> dict[str, float]:
    """The scores of all types, and the F1 of the known ones."""
    alone = scores(samples, sheet, known)
    return {**scores(samples, sheet), "f1_known_types": alone["f1"], "f1_known_types_exact": alone["f1_exact"]}


def left_alone(samples: Sequence[Sample], sheet: Sheet) -> int:
    """Of the texts without anything marked: in how many nothing was found."""
    return sum(not sample.spans and not found for sample, found in zip(samples, sheet, strict=True))


def compare(
    samples: Sequence[Sample], ours: Sheet, theirs: Mapping[str, Sheet], known: Collection[str]
) -> dict[str, Any]:
    """Scores by language and over all texts; ``theirs`` by the peer's model, empty without a peer.

    The peer is scored in each language with that model of its own which did better there: more than anybody who has to
    choose beforehand can count on. Over all texts it uses the same one for each language.
    """
    rows: dict[str, Any] = {}
    best: list[Sequence[Found]] = [()] * len(samples)
    for language in dict.fromkeys(sample.lang for sample in samples):
        places = [place for place, sample in enumerate(samples) if sample.lang == language]
        chosen = [samples[place] for place in places]
        row: dict[str, Any] = {
            "texts": len(chosen),
            "spans": sum(len(sample.spans) for sample in chosen),
            "riad": both(chosen, [ours[place] for place in places], known),
        }
        tried = {model: both(chosen, [sheet[place] for place in places], known) for model, sheet in theirs.items()}
        if tried:
            model = max(tried, key=lambda name: tried[name]["f1"])
            row["presidio"] = {**tried[model], "model": model}
            for place in places:
                best[place] = theirs[model][place]
        rows[language] = row
    sheets: dict[str, Sheet] = {"riad": ours, **({"presidio": best} if theirs else {})}
    return {
        "languages": rows,
        "all": {name: both(samples, sheet, known) for name, sheet in sheets.items()},
        "without_personal_data": {
            "texts": sum(not sample.spans for sample in samples),
            **{f"{name}_left_alone": left_alone(samples, sheet) for name, sheet in sheets.items()},
        },
    }
