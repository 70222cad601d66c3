"""Derive the name lists of ``src/riad/privacy/packs`` that are not written by hand.

    uv pip install arabic-name-romanizer names Faker
    apt-get install wamerican wfrench wspanish
    python tools/privacy_names.py    # writes given_derived.txt and surnames_derived.txt beside the hand-written lists

``ma``: the rows of ``arabic-name-romanizer`` whose source is Wikidata (CC0 1.0). A Moroccan name is taken however rare;
an Algerian or Tunisian one when more than one person bears it. ``world``: the given names borne by most in the United
States census of 1990 (public domain, through ``names``) and those of Faker (MIT) for France, Spain, Portugal and Italy;
``?`` after those that a dictionary of three languages also knows in small letters: everyday words.

Names are folded as ``riad.privacy.fold`` folds text before it looks them up.
"""

from __future__ import annotations

import re
import sqlite3
import textwrap
from collections import Counter
from importlib import import_module
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


def everyday() -> set[str]:
    """The words that dictionaries of three languages have in small letters, folded."""
    return {
        fold_word(word)
        for language in ("american-english", "french", "spanish")
        for word in Path("/usr/share/dict", language).read_text("utf-8").split()
        if word[0].islower()
    }


def western(kinds: dict[str, int], attributes: tuple[str, ...], words: set[str]) -> list[str]:
    """Names of the census, so many of each kind, and of Faker, folded; ``?`` after those that are words too."""
    found: set[str] = set()
    for kind, most in kinds.items():
        text = (files("names") / f"dist.{kind}").read_text("utf-8")
        found |= {line.split()[0].lower() for line in text.splitlines()[:most]}
    for locale in ("fr_FR", "es_ES", "pt_PT", "it_IT"):
        provider = import_module(f"faker.providers.person.{locale}").Provider
        for attribute in attributes:
            names = getattr(provider, attribute, ())
            found |= {fold_word(part) for name in names for part in re.split(r"[\s'-]+", name)}
    found = {name for name in found if len(name) > 2 and name.isascii() and name.isalpha()} - PARTICLES
    return sorted(name + ("?" if name in words or len(name) == 3 else "") for name in found)


def main() -> None:
    words = everyday()
    given = western({"female.first": 700, "male.first": 500}, ("first_names_male", "first_names_female"), words)
    surnames = western({"all.last": 2500}, ("last_names",), words)
    for role, names_ in (("given", given), ("surnames", surnames)):
        head = f"# Made by tools/privacy_names.py from the 1990 US census (public domain) and Faker (MIT): {role}.\n"
        body = textwrap.fill(" ".join(names_), 118)
        (TARGET.parent / "world" / f"{role}_derived.txt").write_text(head + body + "\n", encoding="utf-8")
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
