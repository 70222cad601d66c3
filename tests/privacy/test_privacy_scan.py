"""The scan as a whole: offsets, several texts at once, texts nobody should send, classes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.privacy import Finding, categories, persons_class, scan, scan_many
from riad.privacy.normalise import SEPARATOR

PIECES = [
    *(
        "Ahmed Benali",
        "سميتي محمد العلوي",
        "smiti hamza",
        "M. ",
        "Fatima-Zahra El Idrissi",
        "السيد ",
        "je m'appelle ",
        "Moulay ",
    ),
    *(
        "06 12 34 56 78",
        "٠٦١٢٣٤٥٦٧٨",
        "+212612345678",
        "0612345678",
        "011519000001205000534921",
        "MA64 0115 1900 0001 2050 0053 4921",
    ),
    *(
        "AB123456",
        "cin ab 123456",
        "a@b.ma",
        "4111 1111 1111 1111",
        "41.250.1.9",
        "née le 12/03/1985",
        "R130012345",
        "12345-أ-6",
    ),
    *(
        "\u200b",
        "\u202a",
        "\xa0",
        "’",
        "،",
        "é",
        "\\u0041",
        "&#48;",
        "%40",
        "\\n",
        "\n",
        " ",
        "  ",
        ".",
        ",",
        "-",
        "'",
        '"',
        "[",
        "]",
    ),
    *(
        "\ud800",
        "\x00",
        "\x1e",
        "😀",
        "e\u0301",
        "diabète",
        "[PERSON_1]",
        "\\[cin 2\\]",
        "{",
        "}",
        ":",
        "/",
        "Mohammed VI",
    ),
    *(
        "\nid,dob,cin\n",
        "1,04/02/1981,AB123456\n",
        "| rib |\n",
        "P<MARA<<B<<<",
        "WE48271350MAR8805120F2903116<<",
        "@sara_bnj",
    ),
    *(
        "12, rue Ibn Sina, ",
        "apt 4",
        " Rabat 10090",
        "شارع ",
        "حي السلام ",
        "رقم 12 ",
        "flat 9, ",
        "Baker Street",
        "Adresse : ",
    ),
    *(
        "&#54;",
        "&eacute;",
        "ВК",
        "lat: 33.57, lng: -7.58",
        "(at)",
        " arobase ",
        " point com",
        "sk-abcdefghijklmnopqrstuv",
    ),
]
messy = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=14).map("".join)


def well_formed(text: str, findings: list[Finding]) -> None:
    previous = 0
    for finding in findings:
        assert previous <= finding.start < finding.end <= len(text)
        assert 0.4 <= finding.score <= 1
        assert finding.why
        assert finding.persons in ("personal", "sensitive")
        previous = finding.end


@given(messy)
def test_findings_are_ordered_apart_and_inside_the_text(text: str) -> None:
    well_formed(text, scan(text))


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_any_text_is_scanned(text: str) -> None:
    well_formed(text, scan(text))


@given(st.lists(messy, max_size=5))
def test_several_texts_at_once_are_each_read_alone(texts: list[str]) -> None:
    together = scan_many(texts)
    assert len(together) == len(texts)
    for text, findings in zip(texts, together, strict=True):
        well_formed(text, findings)
        # Whether a text holds something odd is decided for all at once; what is found in it is not.
        if SEPARATOR.strip() not in text:
            assert findings == scan(text)


@given(st.lists(st.sampled_from(["", "\u200b", "\u0651", "\\n", "é", "؟", "🙂"]), max_size=8).map("".join))
def test_offsets_slice_the_original(noise: str) -> None:
    text = f"{noise} AB123456 {noise}"
    assert [text[f.start : f.end] for f in scan(text)] == ["AB123456"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cin ВК451236", "ВК451236"),  # Cyrillic letters drawn as Latin ones
        ("mail: hаmza@exemple.ma", "hаmza@exemple.ma"),
        ("t&eacute;l&nbsp;: 06&#32;61&#x20;23 45 67", "06&#32;61&#x20;23 45 67"),
        ("tél ٠٦ ٦١ ٢٣ ٤٥ ٦٧", "٠٦ ٦١ ٢٣ ٤٥ ٦٧"),
        ("tel \u202a06\u200b61\u2060234567\u202c", "06\u200b61\u2060234567"),
        ("hamza&#64;exemple&period;ma", "hamza&#64;exemple&period;ma"),
        ('{"note":"{\\"cin\\":\\"BK451236\\"}"}', "BK451236"),
        ("mon mail : younes point mekouar arobase gmail point com", "younes point mekouar arobase gmail point com"),
    ],
)
def test_what_is_disguised_is_found_where_it_stands(text: str, found: str) -> None:
    assert [text[f.start : f.end] for f in scan(text)] == [found]


@pytest.mark.parametrize(
    "texts",
    [
        ("je m'appelle", "ahmed"),
        ("dob,cin\n", "04/02/1981,x"),
        ("06 12 34", "56 78"),
        ("Ahmed", "benali"),
        ("cin", "ab123456"),
        ("a@b", ".ma"),
    ],
)
def test_nothing_spans_two_texts(texts: tuple[str, str]) -> None:
    assert [f.type for f in scan_many(texts)[1]] == []


def test_no_texts() -> None:
    assert scan_many([]) == []
    assert scan("") == []
    assert scan_many(["", ""]) == [[], []]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "1" * 1_000_000,
        "1 " * 300_000,
        "a@" * 300_000,
        "\\" * 1_000_000,
        "\x00" * 100_000,
        "\ud800" * 10_000,
        "{" * 100_000,
    ],
    ids=["brackets", "digits", "spaced digits", "at signs", "backslashes", "NUL", "surrogates", "braces"],
)
def test_a_bomb_is_only_a_long_text(text: str) -> None:
    assert scan(text) == []


def test_one_letter_repeated_between_findings() -> None:
    chosen = random.Random(7)
    text = "".join(
        chosen.choice(["0612345678 ", "ahmed-", "smiti ", "merci \n", "10 20 ", "AB123456 ", "x"])
        for _ in range(20_000)
    )
    well_formed(text, scan(text))


def test_an_ordinary_text_has_no_class() -> None:
    assert persons_class(scan("Quelle est la capitale du Maroc ?")) == "none"
    assert categories([]) == ()


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Mme Nadia Berrada est diabétique", "health"),
        ("Ahmed Benali is HIV positive", "health"),
        ("khti salma mrida b sokar", "health"),
        ("السيد كريم الغزالي مصاب بالسرطان", "health"),
        ("Youssef Amrani, syndicaliste", "union"),
        ("Karim Tazi est athée", "religion"),
        ("سعيد العمراني عضو في حزب", "political"),
        ("Omar Sefrioui, d'origine subsaharienne", "origin"),
    ],
)
def test_words_near_a_person_make_it_sensitive(text: str, category: str) -> None:
    findings = scan(text)
    assert persons_class(findings) == "sensitive"
    assert category in categories(findings)
    assert category + ": " in findings[0].why


def test_a_topic_alone_is_not_sensitive() -> None:
    assert scan("Quels sont les symptômes du diabète et du cancer ?") == []


def test_far_from_the_person_it_is_another_matter() -> None:
    text = "Ahmed Benali arrive demain. " + "La réunion est prévue à dix heures. " * 12 + "Le diabète est une maladie."
    assert persons_class(scan(text)) == "personal"


def test_a_word_in_another_text_says_nothing_of_this_person() -> None:
    first, second = scan_many(["Ahmed Benali", "le diabète"])
    assert persons_class(first) == "personal"
    assert second == []


def test_an_identity_number_is_a_category() -> None:
    assert categories(scan("CIN AB123456")) == ("national_id",)
    assert categories(scan("tel 0612345678")) == ()


def test_offences_are_reported_and_stay_personal() -> None:
    findings = scan("Ahmed Benali, casier judiciaire chargé")
    assert persons_class(findings) == "personal"
    assert categories(findings) == ("offences",)


def test_a_company_number_is_not_made_sensitive() -> None:
    assert persons_class(scan("ICE 001524713000062, clinique du diabète")) == "personal"
