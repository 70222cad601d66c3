"""Derive the name lists of ``src/riad/privacy/packs/ma`` from the package ``arabic-name-romanizer``.

    uv pip install arabic-name-romanizer      # MIT; the rows used here come from Wikidata, CC0 1.0
    python tools/privacy_names.py             # writes given_derived.txt and surnames_derived.txt beside the hand-written lists

Only rows whose source is Wikidata are read. A Moroccan name is taken however rare; an Algerian or Tunisian one when
more than one person bears it. Names are folded as ``riad.privacy.fold`` folds text before it looks them up.
"""

from __future__ import annotations

import re
import sqlite3
import textwrap
from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path

from riad.privacy.fold import fold_word

TARGET = Path(__file__).parent.parent / "src/riad/privacy/packs/ma"
_PARTICLES = """
al el ben bin ibn abu abou bou bel bint bent ould ait aal da de la van si sidi dj il oulad
ال بن ابن بنت ابو بو ايت ولد اولاد عبد ام
"""
PARTICLES = frozenset(_PARTICLES.split())
_NOT_GIVEN = """
arba az bel don edan es french haddaoui jones junior lbenj mechiche med mister moby mous neta ou pakken pakkun radad
samsam tabarak weld mah tah sefan id fal fama fidadi da van cheb cheba france bani mir gad jaly mony
"""
NOT_GIVEN = frozenset(_NOT_GIVEN.split())
RARE = 3
"""A given name borne by fewer persons counts only beside a cue or a certain name."""
QUERY = """
    SELECT latin, arabic_key, count FROM units WHERE role = ? AND source = 'wikidata'
    AND (country = 'MA' OR (country IN ('DZ', 'TN') AND count > 1))
"""


def names(database: sqlite3.Connection, role: str) -> tuple[list[str], list[str]]:
    """The folded names of that role, in Latin and in Arabic script, sorted; ``?`` after the rare given names."""
    found: Counter[str] = Counter()
    for latin, arabic, count in database.execute(QUERY, (role,)):
        for name in (latin, arabic):
            words = [fold_word(word) for word in re.split(r"[\s'’`ʿʾ-]+", name) if word]
            words = [word for word in words if word not in PARTICLES]
            if role == "given" and (len(words) != 1 or words[0] in NOT_GIVEN):
                continue  # a compound is found by its parts
            found.update({word: count for word in words if len(word) > 2 and word.isalpha()})
    if role == "given":
        found = Counter(
            {word + ("" if count >= RARE and word[:2] != "ال" else "?"): count for word, count in found.items()}
        )
    return sorted(w for w in found if w.isascii()), sorted(w for w in found if "\u0600" <= w[0] <= "\u06ff")


def main() -> None:
    with as_file(files("arabic_name_romanizer") / "resources" / "names.sqlite3") as path:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        for role, target in (("given", "given_derived.txt"), ("surname", "surnames_derived.txt")):
            latin, arabic = names(database, role)
            head = f"# Made by tools/privacy_names.py from arabic-name-romanizer: {role} names, Wikidata, CC0 1.0.\n"
            body = "\n".join(textwrap.fill(" ".join(part), 118) for part in (latin, arabic))
            (TARGET / target).write_text(head + body + "\n", encoding="utf-8")
            print(f"{target}: {len(latin)} in Latin script, {len(arabic)} in Arabic script")


if __name__ == "__main__":
    main()
