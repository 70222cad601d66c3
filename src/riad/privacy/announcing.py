"""What stands between a cue and the name it announces, and how sure each kind of cue is."""

from __future__ import annotations

import re

from riad.privacy.fold import fold_words

TITLES = re.compile(
    r"(?:m|mr|mme|mlle|ms|mrs|dr|pr|me|sr|sra|don|doña|monsieur|madame|mademoiselle|docteur|professeur|maître|maitre|si|ssi|"
    r"le|la|l'|est|c'est|is|hiya|howa|huwa|hya|es|d|السيد|السيدة|الأستاذ|الأستاذة|الدكتور|الدكتورة|الآنسة|هو|هي|"
    r"ⵉⴳⴰ|ⴷ|:)(?:\.? |(?<=') ?|(?<=:) ?)",
    re.IGNORECASE,
)
TITLE_WORDS = fold_words(
    "m mr mme mlle ms mrs dr pr me sr sra don doña monsieur madame mademoiselle docteur professeur maître si ssi "
    "le la est c'est is hiya howa huwa hya es d "
    "السيد السيدة الأستاذ الأستاذة الدكتور الدكتورة الآنسة هو هي ⵉⴳⴰ ⴷ"
)
DELIMITERS = ("|", "\t")
"""What stands between the cells of a table, and in some forms behind a label."""
SPACE = re.compile(r"[ \t]{0,2}[:,]?[ \t]{1,2}")
GAPS = {
    "self": re.compile(r"[ \t]{0,3}[:,\-=]?[ \t]{0,3}[\"'*(]{0,3}"),
    "field": re.compile(r"[\"'*)\]]{0,3}[ \t]{0,4}[:=|>\t][ \t]{0,4}[\"'*>]{0,3}"),
    "title": re.compile(r"\.? {1,2}"),
    "closing": re.compile(r"[ \t]{0,4}[,.!;:]?[ \t]{0,8}(?:\r?\n[ \t\r\n]{0,8}|(?<=[,:] ))(?:-{1,2}[ \t]?)?"),
    **dict.fromkeys(("role", "weak", "kin"), SPACE),
}
GAPS |= {"thing": GAPS["field"], "short_title": GAPS["title"], "honorific": GAPS["title"], "called": GAPS["self"]}
SCORES = {
    "self": 0.9,
    "field": 0.9,
    "thing": 0.75,
    "title": 0.85,
    "short_title": 0.85,
    "honorific": 0.8,
    "role": 0.75,
    "weak": 0.7,
    "kin": 0.7,
    "called": 0.75,
    "closing": 0.75,
}
