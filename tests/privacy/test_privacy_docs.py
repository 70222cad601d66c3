"""The reference says what there is: every type, key, category, command and spelling."""

from __future__ import annotations

import re
from pathlib import Path

import riad.privacy
from riad.privacy import knowledge, restore, scan
from riad.privacy.identifiers import Entry, table

REFERENCE = Path(__file__).parents[2] / "docs/reference"
PAGE = (REFERENCE / "privacy.md").read_text("utf-8")
PACKS = (REFERENCE / "privacy-packs.md").read_text("utf-8")


def test_every_type_is_documented() -> None:
    for type_ in {"PERSON", *table().types}:
        assert f"| `{type_}` |" in PAGE


def test_every_key_of_an_identifier_is_documented() -> None:
    for key in Entry.__struct_fields__:
        assert f"`{key}`" in PACKS, key


def test_every_section_of_a_language_is_documented() -> None:
    for language in knowledge.languages():
        for section, said in language.items():
            assert f"`[{section}" in PACKS
            for role in said if section in ("names", "address") else ():
                assert f"`{role}`" in PACKS, role


def test_every_category_is_documented() -> None:
    for language in knowledge.languages():
        for category in language.get("sensitive", {}):
            assert f"`{category}`" in PAGE


def test_every_public_name_is_exported_and_documented() -> None:
    assert riad.privacy.__all__ == sorted(riad.privacy.__all__)
    for name in riad.privacy.__all__:
        assert hasattr(riad.privacy, name)
        assert name in PAGE


def test_the_documented_spellings_are_restored() -> None:
    (line,) = re.findall(r"these all mean `\[PERSON_1\]`: (.*?)\. Without", PAGE, re.DOTALL)
    spellings = re.findall(r"`([^`]+)`", line)
    assert len(spellings) == 8
    for spelling in spellings:
        assert restore(spelling, {"[PERSON_1]": "x"}) == "x"


def test_the_documented_example_is_true() -> None:
    assert [finding.type for finding in scan("smiti Ahmed Benali, cin ab123456")] == ["PERSON", "CIN"]


def test_word_lists_hold_words() -> None:
    for path in knowledge.PACKS.glob("*/*.txt"):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("#") or ":" in line or "|" in line:
                continue
            for word in line.split():
                assert re.fullmatch(r"[\w'’-]+\??", word), (path.name, word)
