"""Data about persons in an answer that was not in its prompt: found, counted, and masked where the project asks.

The engine's own words are read, before any original is put back into them: a placeholder is nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from riad.privacy import Finding, Masker, scan
from riad.privacy.numbering import same
from riad.privacy.pieces import unescaped
from riad.privacy.walk import JsonText, is_json

LONGEST = 512
"""Characters of a stream that are held back at most."""
BEHIND = 80
"""Characters read behind a place before what stands in front of it goes out: what is found there will not change."""
BEFORE = 256
"""Characters that went out already and are read again: the words that announce a name or a number."""
_END = re.compile(r"[.!?…؟۔](?=\s)\s*|\n+")

Pairs = Iterable[tuple[str, Sequence[Finding]]]


class Prompted:
    """What a prompt says of persons; ``masker`` knows what stands for it in the prompt as the engine got it."""

    def __init__(self, found: Pairs = (), masker: Masker | None = None) -> None:
        self._found = found
        self._masker = masker
        self._known: set[tuple[str, str]] | None = None
        self._names: list[frozenset[str]] = []

    def new(self, text: str, findings: Sequence[Finding]) -> list[Finding]:
        """Those findings of an answer's text that its prompt did not hold."""
        if findings and self._masker is not None:
            findings = self._masker.foreign(text, findings)
        return [finding for finding in findings if not self._is_known(text, finding)]

    def _is_known(self, text: str, finding: Finding) -> bool:
        value = _value(text, finding)
        escaped = value != text[finding.start : finding.end]
        if escaped and self._masker is not None and self._masker.is_ours(finding.type, value):
            return True
        if self._known is None:
            self._known = {_plain(f.type, _value(text, f)) for text, found in self._found for f in found}
            self._names = [frozenset(name.split()) for kind, name in self._known if kind == "PERSON"]
        plain = _plain(finding.type, value)
        if plain in self._known:
            return True
        # Half a name is no new person: an answer says "Monsieur Benali" to Ahmed Benali.
        return finding.type == "PERSON" and any(name.issuperset(plain[1].split()) for name in self._names)


def _plain(type_: str, value: str) -> tuple[str, str]:
    """What two spellings of one value have in common; a telephone number, with its country code or without."""
    plain = same(type_, value)
    return (type_, plain[-9:]) if type_ == "PHONE" else (type_, plain)


def masked(text: str, findings: Sequence[Finding]) -> str:
    """The text without these values, for good. Placeholders in it stay what they are, and JSON stays JSON."""
    if isinstance(text, JsonText) and not is_json(text):
        text = str(text)  # cut by the engine
    return Masker("redaction").mask(text, findings)


def _value(text: str, finding: Finding) -> str:
    """What was found, as it reads: without the escapes of JSON."""
    value = text[finding.start : finding.end]
    return unescaped(value) if isinstance(text, JsonText) else value


class Held:
    """Masks one streamed text: what goes out was read with enough before and behind it.

    A sentence or a line goes out once ``BEHIND`` more characters are there and nothing that was found reaches across
    its end; where none ends, the text is cut between two words after ``LONGEST`` characters. What goes out depends on
    the text alone, not on the pieces it came in. JSON, the arguments of a tool call, is held until it is whole.
    """

    def __init__(self, prompted: Prompted, new: Counter[str], *, is_json: bool = False) -> None:
        self._prompted = prompted
        self._new = new
        self._is_json = is_json
        self._before = ""
        self._waiting = ""
        self._tried = 0  # no sentence that ends before here can go out by itself

    def feed(self, text: str) -> str:
        """The next piece of the answer, as far as it may go out."""
        self._waiting += text
        if self._is_json or len(self._waiting) <= BEHIND:
            return ""
        out = []
        while end := self._end():
            out.append(self._release(end, self._read(end + BEHIND)))
        return "".join(out)

    def flush(self) -> str:
        """All that was held back: no more text will come."""
        text = self._waiting
        if self._is_json:
            text, self._waiting = JsonText(text), ""
            new = self._prompted.new(text, scan(text))
            self._new.update(finding.type for finding in new)
            return masked(text, new)
        return self._release(len(text), self._read(len(text)))

    @property
    def size(self) -> int:
        """Characters of JSON that wait: they will be read at once."""
        return len(self._waiting) if self._is_json else 0

    def _end(self) -> int:
        """How much of what waits may go out now; 0 for nothing."""
        while match := _END.search(self._waiting, self._tried):
            end = match.end()
            if end + BEHIND > LONGEST or end + BEHIND > len(self._waiting):
                break
            if not self._across(end):
                return end
            self._tried = end
        if len(self._waiting) < LONGEST:
            return 0
        end = self._waiting.rfind(" ", 1, LONGEST - BEHIND) + 1 or LONGEST - BEHIND
        across = self._across(end)
        if across is None:
            return end
        return across.start if across.start > 0 else min(across.end, LONGEST)

    def _across(self, end: int) -> Finding | None:
        """What was found to reach across that place."""
        return next((one for one in self._read(end + BEHIND) if one.start < end < one.end), None)

    def _read(self, end: int) -> list[Finding]:
        """What is new in the first ``end`` characters that wait, by their places there."""
        context = self._before + self._waiting[: min(end, LONGEST)]
        shift = len(self._before)
        found = [finding for finding in scan(context) if finding.end > shift]
        return [_moved(finding, -shift) for finding in self._prompted.new(context, found)]

    def _release(self, end: int, new: Sequence[Finding]) -> str:
        text, self._waiting = self._waiting[:end], self._waiting[end:]
        inside = [finding for finding in new if finding.start < end]
        self._new.update(finding.type for finding in inside)
        self._before = (self._before + text)[-BEFORE:]
        self._tried = 0
        return masked(text, inside)


def _moved(finding: Finding, by: int) -> Finding:
    start = max(finding.start + by, 0)
    return Finding(finding.type, start, finding.end + by, finding.score, finding.why)
