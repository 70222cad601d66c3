"""Mask: every finding of a request is replaced, in one of four ways; what is reversible can be restored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from riad.errors import BadRequest
from riad.privacy.disguise import Disguise
from riad.privacy.finding import Finding
from riad.privacy.numbering import Numbering, same, type_name
from riad.privacy.pieces import Span, unescaped
from riad.privacy.placeholders import may_hold
from riad.privacy.scan import scan
from riad.privacy.surrogates.draw import keyed
from riad.privacy.walk import JsonText
from riad.texts import N_

MODES = ("placeholders", "surrogates", "redaction", "tokens")
SHORTEST_KEY = 16
"""Bytes of a key, at least: whoever can guess it can try every identity card number against a surrogate or a token."""
TOKEN = re.compile(r"\[([A-Z]{2,24})_([0-9]{20})\]")
"""A token: the type of the value, and twenty digits that only the key and the value determine."""

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER = "0123456789+-.eE"


class Masked(NamedTuple):
    """A masked text, and what stands for what in it; nothing where it cannot be restored."""

    text: str
    mapping: dict[str, str]


class Masker:
    """Masks the texts of one request. Never share one between requests: its mapping is personal data.

    ``mode``
    - ``placeholders``: ``[PERSON_1]``, numbered by first appearance within its type.
    - ``surrogates``: realistic values of the same kind (``surrogates``), the same for the same ``key`` and value; a
      placeholder where there is no surrogate that would be read back for certain.
    - ``redaction``: ``[PERSON_0]``, whoever it is. Nothing is kept: it cannot be restored.
    - ``tokens``: ``[PERSON_07418529630741852963]`` (``TOKEN``), the same in every request for the same ``key`` and
      value, to count and join by. Nothing is kept: without the key it cannot be undone, with it only by trying values.

    Placeholders and surrogates are kept in ``mapping``. The same value has the same one wherever it stands in the
    request: identifiers are compared without spaces, dashes and case, names without case and with single spaces. It is
    restored as it was first written; ``exact=True`` gives each spelling its own, so that restoring gives the text back
    even where it spells one value in two ways. What the text itself has that reads like a placeholder or a surrogate of
    ours is a value too: ``[PERSON_1]`` written by the user never comes back as somebody's name.

    Raises ``BadRequest`` for an unknown mode, and for one that needs a key without one of ``SHORTEST_KEY`` bytes.
    """

    def __init__(self, mode: str = "placeholders", *, key: bytes = b"", exact: bool = False) -> None:
        if mode not in MODES:
            raise BadRequest(
                N_("There is no way of masking called {mode}."),
                remedy=N_("Use one of: {modes}."),
                param="mode",
                mode=mode,
                modes=", ".join(MODES),
            )
        if mode in ("surrogates", "tokens") and len(key) < SHORTEST_KEY:
            raise BadRequest(
                N_("Masking with {mode} needs a secret key of at least {size} bytes."),
                remedy=N_("Give one, and the same one for as long as values must be masked alike."),
                param="key",
                mode=mode,
                size=SHORTEST_KEY,
            )
        self.mode = mode
        self._key = key
        self._numbering = Numbering(exact=exact)
        self._disguise = Disguise(key, self._numbering, exact=exact) if mode == "surrogates" else None
        ways = {"redaction": _redaction, "tokens": self._token}
        self._stand_in: Callable[[str, str], str] = ways.get(mode, self._numbering.stand_in)
        self.mapping = self._numbering.mapping

    def mask(self, text: str, findings: Iterable[Finding], *, again: bool = False) -> str:
        """``text`` with its findings, in order and without overlaps as ``scan`` gives them, replaced.

        A ``JsonText`` stays valid JSON: values are kept unescaped, and a bare number becomes a string, or another
        number where a surrogate is one.

        ``again=True``: the text is this masker's own work, in which a second scan still found something (a shorter
        text can bring a cue within reach of a value). What stands for a value in it is left as it is.
        """
        spans = _spans(text, findings, again=again)
        if self._disguise:
            return self._disguise.mask(text, map(Span._make, spans), in_json=isinstance(text, JsonText), again=again)
        return self._replaced(text, spans, escapes=not again and self.mode == "placeholders" and may_hold(text))

    def is_ours(self, type_: str, value: str) -> bool:
        """Whether a value that a scan found in a masked text is what this masker put there, and nothing else."""
        return not self.foreign(value, (Finding(type_, 0, len(value), 1.0, ""),))

    def foreign(self, text: str, findings: Iterable[Finding]) -> list[Finding]:
        """Of what a scan found in a masked text, all that is not only this masker's own work."""
        if self._disguise is None:
            return [finding for finding in findings if not self._is_written(text[finding.start : finding.end])]
        whole = list(findings)
        spans = (Span(one.start, one.end, one.type, text[one.start : one.end]) for one in whole)
        left = self._disguise.foreign(text, spans)
        return [finding for finding in whole if (finding.start, finding.end) in left]

    def _is_written(self, value: str) -> bool:
        return value in self.mapping or (self.mode == "tokens" and TOKEN.fullmatch(value) is not None)

    def _replaced(self, text: str, spans: Iterable[tuple[int, int, str, str, bool]], *, escapes: bool) -> str:
        pieces: list[str] = []
        done = 0
        for start, end, type_, value, bare in spans:
            gap = text[done:start]
            placeholder = self._stand_in(type_, value)
            pieces += (self._numbering.escaped(gap) if escapes else gap, f'"{placeholder}"' if bare else placeholder)
            done = end
        if not pieces and not escapes:
            return text
        return "".join((*pieces, self._numbering.escaped(text[done:]) if escapes else text[done:]))

    def _token(self, type_: str, value: str) -> str:
        number = int.from_bytes(keyed(self._key, "token", type_, same(type_, value))) % 10**20
        return f"[{type_name(type_)}_{number:020}]"


def mask(
    text: str,
    findings: Iterable[Finding] | None = None,
    *,
    mode: str = "placeholders",
    key: bytes = b"",
    exact: bool = False,
) -> Masked:
    """``text`` with its personal data masked: with these findings, or with all that a scan finds.

    What each mode does, and what is raised, is ``Masker``'s. Texts of one request belong to one ``Masker`` instead.
    """
    masker = Masker(mode, key=key, exact=exact)
    if findings is not None:
        return Masked(masker.mask(text, findings), masker.mapping)
    found = scan(text)
    masked = masker.mask(text, found)
    left = masker.foreign(masked, scan(masked)) if found else []
    return Masked(masker.mask(masked, left, again=True) if left else masked, masker.mapping)


def _redaction(type_: str, _value: str) -> str:
    """Like a placeholder, so that a scan does not take its type for a cue; no placeholder has the number 0."""
    return f"[{type_name(type_)}_0]"


def _spans(text: str, findings: Iterable[Finding], *, again: bool) -> Iterator[tuple[int, int, str, str, bool]]:
    """What to replace: in order, apart, and with the quotes that a bare number of JSON will need."""
    in_json = isinstance(text, JsonText)
    spans = [(finding.start, finding.end, finding.type) for finding in findings]
    done = 0
    for start, end, type_, bare in _in_json(text, spans) if in_json else ((*span, False) for span in spans):
        value = text[start:end]
        if start < done or (again and ("[" in value or "]" in value)):
            continue  # never a placeholder inside a value: what is restored is not read again
        done = end
        yield start, end, type_, unescaped(value) if in_json else value, bare


def _in_json(text: str, spans: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str, bool]]:
    """The spans, and whether each is a bare number, whose placeholder needs quotes."""
    literals = _LITERAL.finditer(text)
    literal = next(literals, None)
    for start, end, type_ in spans:
        while literal and literal.end() <= start:
            literal = next(literals, None)
        if literal and literal.start() < start and end < literal.end():
            yield start, end, type_, False
            continue
        if not text[start].isdigit():
            continue  # a bare word of JSON: true, false, null
        while text[start - 1] in _NUMBER:
            start -= 1
        while text[end] in _NUMBER:
            end += 1
        yield start, end, type_, True
