"""Mask every text of a decoded JSON value, and look again at what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riad.privacy.finding import Finding
from riad.privacy.mask import Masker
from riad.privacy.scan import scan_many
from riad.privacy.walk import replace, texts

Findings = Sequence[Sequence[Finding]]


def mask_everywhere(value: Any, found: Sequence[str], findings: Findings, masker: Masker) -> tuple[Any, bool]:
    """The value masked, and whether a second scan then finds nothing left. ``found`` are its ``texts``, scanned."""
    pairs = zip(found, findings, strict=True)
    # Texts without findings too: one that looks like a placeholder must not come back as somebody's name.
    value = replace(value, iter([masker.mask(text, group) for text, group in pairs]))
    left = texts(value)
    findings = _others(left, masker)
    if any(findings):
        # A shorter text can bring a cue within reach of a value that stood too far from it before.
        pairs = zip(left, findings, strict=True)
        value = replace(value, iter([masker.mask(text, group, again=True) for text, group in pairs]))
        findings = _others(texts(value), masker)
    return value, not any(findings)


def _others(said: Sequence[str], masker: Masker) -> Findings:
    """What a scan of masked texts finds, less the surrogates that masking put there."""
    return [masker.foreign(text, found) for text, found in zip(said, scan_many(said), strict=True)]
