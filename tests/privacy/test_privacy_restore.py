"""Restoring: whatever a model makes of a placeholder or a surrogate, in whatever pieces it comes, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_privacy_mask import KEY, REVERSIBLE, found_as, masked, texts_of_users

from riad.privacy import Masker, Restorer, restore

MAPPING = {"[PERSON_1]": "Ahmed Benali", "[PERSON_12]": "[PERSON_1]", "[CIN_1]": 'AB"12\\3', "[PHONE_2]": "سلام"}
NAMES = {"Karim Alaoui": "Ahmed Benali", "Karim": "Ahmed", "Alaoui": "Benali", "كريم العلوي": "محمد بنعلي"}
SURROGATES = {**NAMES, "06 83 11 22 33": "06 61 23 45 67", "UO123456": "AB123456", "k@example.com": "a.b@c.ma"}


def fed(restorer: Restorer, text: str, cuts: list[int]) -> str:
    pieces = [text[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(text)], strict=True)]
    return "".join(map(restorer.feed, pieces)) + restorer.flush()


@given(
    texts_of_users,
    texts_of_users,
    st.lists(st.integers(0, 300), max_size=9),
    st.booleans(),
    st.sampled_from(REVERSIBLE),
)
def test_however_it_is_cut_a_stream_is_restored_alike(
    text: str, other: str, cuts: list[int], escape: bool, mode: str
) -> None:
    masker = Masker(mode, key=KEY)
    out = masked(text, masker)
    out = f"{out}{other}{out.upper()} [PERSON_1] \\[person 1\\] [CIN_99] \\u0643 [PER"
    mapping = {**MAPPING, **masker.mapping}
    assert fed(Restorer(mapping, escape_json=escape), out, cuts) == restore(out, mapping, escape_json=escape)


@pytest.mark.parametrize("mapping", [MAPPING, {**MAPPING, **SURROGATES}], ids=["placeholders", "both"])
@given(text=st.text(alphabet="[]{}<>()\\_ *PERSONpersonCINnom شخص١و129`-\n", max_size=60), size=st.integers(1, 5))
def test_near_placeholders_are_restored_alike_in_any_pieces(mapping: dict[str, str], text: str, size: int) -> None:
    assert fed(Restorer(mapping), text, list(range(size, len(text), size))) == restore(text, mapping)


PARTS = [
    "Karim",
    "Alaoui",
    "كريم",
    "العلوي",
    "06",
    "83",
    "11",
    "22",
    "33",
    "0683112233",
    "UO",
    "123456",
    "k",
    "example",
    "com",
]


@given(
    st.lists(
        st.sampled_from([*PARTS, *"و ل-@.,\n\\ua", " ", "\\u0643\\u0631\\u064a\\u0645", '"', "[PERSON_1]"]), max_size=14
    ),
    st.lists(st.integers(0, 60), max_size=9),
    st.booleans(),
)
def test_near_surrogates_are_restored_alike_in_any_pieces(parts: list[str], cuts: list[int], escape: bool) -> None:
    text, mapping = "".join(parts), {**MAPPING, **SURROGATES}
    cuts = [cut for cut in cuts if cut <= len(text)]
    assert fed(Restorer(mapping, escape_json=escape), text, cuts) == restore(text, mapping, escape_json=escape)


SPELLINGS = r"""
[PERSON_1] [person_1] [Person·1] [PERSON-1] [PERSON1] [PERSON\_1] \[PERSON\_1\] \\[PERSON\\_1\\] [·PERSON_1·]
[**PERSON_1**] [`PERSON_1`] {PERSON_1} <PERSON_1> 【PERSON_1】 ［PERSON_1］ {person·1} PERSON_1 PERSON\_1 Person_1
[PERSON_١] [PERSON_۱] PERSON_١ [PERSONNE_1] [Nom·1] [NOM·COMPLET_1] NOM_COMPLET_1 PERSONNE_1 [Prénom_1] [NAME_1]
[PERSONA_1] [Nombre·1] [شخص_1] [الشخص·١] [اسم_1] شخص_1 الاسم_١ [ⵉⵙⵎ_1]
"""


@pytest.mark.parametrize("spelling", SPELLINGS.split())
def test_models_spell_placeholders_their_way(spelling: str) -> None:
    for space in (" ", "\u00a0"):
        assert restore(f"Bonjour {spelling.replace('·', space)}!", MAPPING) == "Bonjour Ahmed Benali!"


@pytest.mark.parametrize(
    ("text", "restored"),
    [
        ("(PERSON_1)", "(Ahmed Benali)"),
        ("«PERSON_1»", "«Ahmed Benali»"),
        ("**PERSON_1**", "**Ahmed Benali**"),
        ("*[PERSON_1]*", "*Ahmed Benali*"),
        ("[[PERSON_1]]", "[Ahmed Benali]"),
        ('"\\nPERSON_1"', '"\\nAhmed Benali"'),
        ("وشخص_1", "وAhmed Benali"),
        ("l'PERSON_1, PERSON_12.", "l'Ahmed Benali, [PERSON_1]."),
        ("[PERSON_1", "[Ahmed Benali"),
    ],
)
def test_what_surrounds_a_placeholder_stays(text: str, restored: str) -> None:
    assert restore(text, MAPPING) == restored


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        ("TÉLÉPHONE", "PHONE"),
        ("Tel", "PHONE"),
        ("هاتف", "PHONE"),
        ("رقم الهاتف", "PHONE"),
        ("Courriel", "EMAIL"),
        ("E-MAIL", "EMAIL"),
        ("البريد الإلكتروني", "EMAIL"),
        ("ADRESSE", "ADDRESS"),
        ("العنوان", "ADDRESS"),
        ("Dirección", "ADDRESS"),
        ("DATE_DE_NAISSANCE", "DOB"),
        ("تاريخ الازدياد", "DOB"),
        ("Carte d'identité", "CIN"),
        ("PASSEPORT", "PASSPORT"),
        ("compte bancaire", "RIB"),
        ("compte bancaire", "IBAN"),
        ("Tarjeta", "CARD"),
        ("بطاقة بنكية", "CARD"),
        ("Immatriculation", "PLATE"),
        ("IDNR", "IDNR"),
    ],
)
def test_types_are_known_in_translation(word: str, type_: str) -> None:
    mapping = {f"[{type_}_3]": "value", "[PERSON_3]": "somebody"}
    assert restore(f"[{word}_3] [{word} 4]", mapping) == f"value [{word} 4]"


UNKNOWN = """
[PERSON_2] PERSON_2 [PERSON_01] [STREET_1] [PERSON_1_2] PERSON_1_2 PERSON_11 person_1 PERSON self.PERSON xPERSON_1
MY_PERSON_1 [PERSON_0] [PERSON_00000000000000000001]
"""


@pytest.mark.parametrize("text", [*UNKNOWN.split(), "PERSON 1", "person_1 = 2", "[PERSON 1)"])
def test_what_is_not_known_stays(text: str) -> None:
    assert restore(text, MAPPING) == text


def test_a_restored_value_is_not_read_again() -> None:
    assert restore("[PERSON_12] [PERSON_1]", MAPPING) == "[PERSON_1] Ahmed Benali"
    assert restore("Nadia Karim", {"Nadia": "Karim", "Karim": "Nadia"}) == "Karim Nadia"


def test_only_what_may_become_a_known_placeholder_is_held_back() -> None:
    restorer = Restorer(MAPPING)
    assert restorer.feed("Bonjour [") == "Bonjour "
    assert restorer.feed("PERSON") == ""
    assert restorer.feed("NEL] et [PHONE_1") == "[PERSONNEL] et [PHONE_1"
    assert restorer.feed(" [CIN_") == " "
    assert restorer.feed("1") == ""
    assert restorer.feed("] fin, P") == 'AB"12\\3 fin, '
    assert restorer.feed("ersonn") == ""
    assert restorer.feed("ellement, p") == "Personnellement, p"
    assert restorer.feed("erson_1 PERSON_1") == "erson_1 "
    assert restorer.flush() == "Ahmed Benali"
    assert restorer.flush() == ""


def test_only_what_may_become_a_known_surrogate_is_held_back() -> None:
    restorer = Restorer(SURROGATES)
    assert restorer.feed("Cher K") == "Cher "
    assert restorer.feed("ar") == ""
    assert restorer.feed("ton et Karim") == "Karton et "
    assert restorer.feed(" B") == "Ahmed B"  # "Karim Alaoui" it is not
    assert restorer.feed("ien, Karim ") == "ien, "
    assert restorer.feed("ALAOUI") == ""
    assert restorer.feed(", 06 83 11") == "Ahmed Benali, "
    assert restorer.feed(" 22 44 et 06") == "06 83 11 22 44 et "
    assert restorer.flush() == "06"


@pytest.mark.parametrize(
    ("text", "restored"),
    [
        ("Cher Karim,", "Cher Ahmed,"),
        ("M. ALAOUI, M. KARIM  ALAOUI", "M. BENALI, M. AHMED BENALI"),
        ("salut karim alaoui", "salut ahmed benali"),
        ("Karim-Alaoui et Alaoui Karim", "Ahmed Benali et Benali Ahmed"),
        ("Karima Alaouite, Karimalaouix, xKarim", "Karima Alaouite, Karimalaouix, xKarim"),
        ("| Karim | Alaoui |", "| Ahmed | Benali |"),
        ("كريم العلوي ولكريم، لكريم العلوي", "محمد بنعلي ولكريم، لمحمد بنعلي"),
        ("كَرِيم العلوي", "محمد بنعلي"),
        ("0683112233, 06.83.11.22.33, ٠٦ ٨٣ ١١ ٢٢ ٣٣", "06 61 23 45 67, 06 61 23 45 67, 06 61 23 45 67"),
        ("06831122334 106 83 11 22 33", "06831122334 106 83 11 22 33"),
        ("uo 123456 K@EXAMPLE.COM", "AB123456 a.b@c.ma"),
    ],
)
def test_models_spell_surrogates_their_way(text: str, restored: str) -> None:
    assert restore(text, SURROGATES) == restored


def test_a_name_written_small_is_restored_with_capitals_where_the_model_gave_them() -> None:
    assert restore("Karim, karim, KARIM", {"karim": "ahmed"}) == "Ahmed, ahmed, AHMED"
    assert restore("Karim", {"KARIM": "AHMED"}) == "Ahmed"


def test_without_a_mapping_text_passes_untouched() -> None:
    restorer = Restorer({})
    text = "[PERSON_1] ["
    assert restorer.feed(text) is text
    assert restorer.flush() == ""


def test_values_are_escaped_in_tool_arguments() -> None:
    mapping = {"[PERSON_1]": 'A "B"\n\\ é', "[PERSON_2]": "\ud800", "Karim": 'A "B"', "212683112233": "+212 6-61"}
    restored = restore(
        '{"a": "[PERSON_1]", "b": "[PERSON\\\\_2]", "c": "x\\nKARIM", "d": 212683112233, "e": ["212 683112233"]}',
        mapping,
        escape_json=True,
    )
    assert json.loads(restored) == {
        "a": 'A "B"\n\\ é',
        "b": "\ud800",
        "c": 'x\nA "B"',
        "d": "+212 6-61",
        "e": ["+212 6-61"],
    }


def test_a_number_stays_one_where_its_value_is_one() -> None:
    mapping = {"212683112233": "212661234567"}
    arguments = '{"a": 212683112233, "b": -212683112233, "c": 212683112233.5, "d": [1, 212683112233]}'
    for size in (1, 3, 100):
        restorer = Restorer(mapping, escape_json=True)
        out = (
            "".join(restorer.feed(arguments[at : at + size]) for at in range(0, len(arguments), size))
            + restorer.flush()
        )
        assert json.loads(out) == {"a": 212661234567, "b": -212683112233, "c": 212683112233.5, "d": [1, 212661234567]}


def test_arabic_surrogates_are_known_when_arguments_escape_them() -> None:
    arguments = json.dumps({"name": "وكريم العلوي", "x": "é\nكريم العلوي"})
    assert json.loads(restore(arguments, SURROGATES, escape_json=True)) == {"name": "ومحمد بنعلي", "x": "é\nمحمد بنعلي"}


def test_a_name_of_several_is_not_restored_once_two_have_it() -> None:
    masker = Masker("surrogates", key=KEY)
    for number in range(300):
        name = f"Ahmed{'abcdefghij'[number % 10]} Benali{'abcdefghij'[number // 10 % 10]}{'xyz'[number // 100]}"
        assert restore(masker.mask(name, found_as("PERSON", name)), masker.mapping) == name
    whole = {surrogate for surrogate in masker.mapping if " " in surrogate}
    assert len(whole) == 300
    for surrogate in whole:
        given_name, surname = surrogate.split()
        for part, index in ((given_name, 0), (surname, 1)):
            if part in masker.mapping:
                assert masker.mapping[part] == masker.mapping[surrogate].split()[index]
