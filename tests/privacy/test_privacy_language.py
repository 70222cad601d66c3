"""What language a text is in: what a person who types it would say, and what must hold for any text at all."""

from __future__ import annotations

import hashlib
import shutil
import tracemalloc
from itertools import pairwise, product
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import RiadError
from riad.privacy import language_words
from riad.privacy.language import LANGUAGES, MIXED, UND, language, languages

PROMPTS = {
    "fr": [
        "Bonjour, pouvez-vous m'aider à écrire une lettre à mon propriétaire ?",
        "bonjour je cherche un medecin a casa pour demain",
        "est ce que le bureau est ouvert le samedi",
        "QUEL EST LE DELAI POUR CONTESTER UNE AMENDE",
        "merci beaucoup",
    ],
    "en": [
        "Could you help me write a letter to my landlord?",
        "hi i need a doctor in casablanca for tomorrow",
        "is the office open on saturday",
        "WHAT IS THE DEADLINE TO CONTEST A FINE",
        "thank you very much",
    ],
    "es": [
        "¿Me ayudas a escribir una carta a mi casero?",
        "hola necesito un medico en tetuan para mañana",
        "esta abierta la oficina los sabados",
        "CUAL ES EL PLAZO PARA RECURRIR UNA MULTA",
        "muchas gracias",
    ],
    "arb": [
        "هل يمكنك مساعدتي في كتابة رسالة إلى مالك المنزل؟",
        "أبحث عن طبيب في الدار البيضاء لموعد يوم غد",
        "ما هو الأجل القانوني للطعن في الغرامة",
        "لماذا لم يصل الجواب بعد",
    ],
    "ary": [
        "واش ممكن تعاوني نكتب شي رسالة لمول الدار؟",
        "كنقلب على شي طبيب فكازا غدا",
        "شحال من نهار عندي باش نشكي على هاد الغرامة",
        "علاش مازال ماجاوبوني",
    ],
    "ary_Latn": [
        "Wach momkin t3aweni nkteb chi risala l moul dar?",
        "kan9elleb 3la chi tbib f casa ghedda",
        "ch7al mn nhar 3ndi bach nchki 3la had lghrama",
        "wakha a khouya chokran bzaf",
    ],
    "zgh": ["ⴰⵣⵓⵍ ⴼⵍⵍⴰⵡⵏ", "ⵔⵉⵖ ⴰⴷ ⵍⵎⴷⵖ ⵜⴰⵎⴰⵣⵉⵖⵜ"],
    "tzm_Latn": ["azul fellawen, manik ad tgam", "riɣ ad lmdeɣ tamaziɣt", "tamazight tga tutlayt tamaddudt n tmazirt"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in PROMPTS.items() for text in texts])
def test_each_language_is_told(name: str, text: str) -> None:
    assert language(text) == name
    assert [segment.language for segment in languages(text)] == [name]


def test_every_language_has_its_prompts() -> None:
    assert PROMPTS.keys() == set(LANGUAGES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "0612345678",
        "١٢٣ + ٤٥ = ١٦٨",
        "…?!",
        "x = 3",
        "https://exemple.ma/a?b=c",
        "for (let i = 0; i < n; i++) { out[i] = f(i); }",
        "привет, как дела",
        "你好吗",
        "Guten Tag, wie geht es Ihnen heute?",
        "Oggi andiamo al mercato con i nostri amici",
        "سلام حال شما چطور است؟ امروز هوا خیلی خوب است",
        "🙂🙂",
    ],
)
def test_what_tells_nothing_is_undetermined(text: str) -> None:
    assert language(text) == UND


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "salam khouya, je voudrais annuler ma commande, 3afak jawbni daba",
            [
                ("ary_Latn", "salam khouya,"),
                ("fr", "je voudrais annuler ma commande,"),
                ("ary_Latn", "3afak jawbni daba"),
            ],
        ),
        (
            "بغيت نعرف واش le colis est déjà parti ولا مازال ماخرجش",
            [("ary", "بغيت نعرف واش"), ("fr", "le colis est déjà parti"), ("ary", "ولا مازال ماخرجش")],
        ),
        (
            "Translate this into French please. Los niños juegan en el jardín de la casa.",
            [("en", "Translate this into French please."), ("es", "Los niños juegan en el jardín de la casa.")],
        ),
        (
            "Comment dit-on en amazighe :\nⵜⴰⵏⵎⵎⵉⵔⵜ ⴱⴰⵀⵔⴰ",
            [("fr", "Comment dit-on en amazighe :"), ("zgh", "ⵜⴰⵏⵎⵎⵉⵔⵜ ⴱⴰⵀⵔⴰ")],
        ),
    ],
)
def test_a_text_of_two_languages_is_mixed_and_its_parts_are_found(text: str, parts: list[tuple[str, str]]) -> None:
    assert language(text) == MIXED
    assert [(segment.language, text[segment.start : segment.end]) for segment in languages(text)] == parts


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("wach 3ndkom chi weekend khawi had chher", "ary_Latn"),
        ("on se fait un brainstorming demain matin avec toute l'équipe", "fr"),
        ("بغيت نصيفط ليك WhatsApp من بعد ما نسالي الخدمة", "ary"),
        ("L'élève Rayan El Khattabi a été absent trois jours", "fr"),
    ],
)
def test_a_borrowed_word_or_a_name_changes_nothing(text: str, name: str) -> None:
    assert language(text) == name
    assert [segment.language for segment in languages(text)] == [name]


def test_numbers_say_nothing_against_the_words_beside_them() -> None:
    assert language("The chart shows values of 45.123456, 67.891011 and 12.50.") == "en"


def test_numbers_and_code_belong_to_the_part_before_them() -> None:
    text = "Je dois payer 2 350,00 avant le 12/05. I will call 0612345678 tomorrow morning."
    assert [text[segment.start : segment.end] for segment in languages(text)] == [
        "Je dois payer 2 350,00 avant le 12/05.",
        "I will call 0612345678 tomorrow morning.",
    ]


def test_a_long_text_is_told_by_its_pieces() -> None:
    french = "La réunion est reportée à jeudi, merci de prévenir les autres. "
    assert language(french * 5_000) == "fr"
    assert language(french * 2_500 + "هاد الخدمة خاصها تسالا قبل نهار الجمعة وإلا غادي نتعطلو. " * 2_500) == MIXED


@given(st.text())
def test_any_text_has_ordered_parts_that_cover_its_words(text: str) -> None:
    segments = languages(text)
    assert language(text) in {*LANGUAGES, MIXED, UND}
    for segment in segments:
        part = text[segment.start : segment.end]
        assert 0 <= segment.start < segment.end <= len(text)
        assert part == part.strip()
        assert segment.language in {*LANGUAGES, UND}
        assert 0 <= segment.score <= 1
    for before, after in pairwise(segments):
        assert before.end <= after.start
        assert before.language != after.language
    assert [word for segment in segments for word in text[segment.start : segment.end].split()] == text.split()


@given(st.lists(st.sampled_from(["bonjour.", "hello", "salam", "الدار", "ديال؟", "ⴰⵣⵓⵍ", "12", "\n", "f(x)", "ok,"])))
def test_any_mix_of_scripts_has_ordered_parts_that_cover_its_words(words: list[str]) -> None:
    test_any_text_has_ordered_parts_that_cover_its_words.hypothesis.inner_test(" ".join(words))  # type: ignore[attr-defined]


def test_what_was_seen_before_does_not_change_the_answer() -> None:
    texts = [text for texts in PROMPTS.values() for text in texts]
    once = [languages(text) for text in texts]
    language_words.forget()
    assert [languages(text) for text in reversed(texts)] == once[::-1]


def test_memory_does_not_grow_with_the_words_seen() -> None:
    words = ["".join(letters) for letters in product("abdeilmnorst", repeat=5)][:40_000]
    language_words.forget()
    language("bonjour")
    tracemalloc.start()
    for start in range(0, len(words), 3_000):
        language(" ".join(words[start : start + 3_000]))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    language_words.forget()
    assert grown < 8_000_000  # all 40,000 would be 12 MB


def _copied(folder: Path) -> Path:
    for path in (language_words.MODEL, language_words.MODEL.with_suffix(".sha256")):
        shutil.copy(path, folder)
    return folder / language_words.MODEL.name


def test_the_packaged_weights_match_their_digest(tmp_path: Path) -> None:
    assert language_words.load(_copied(tmp_path)) == language_words.tables()
    assert language_words.MODEL.stat().st_size <= 600_000


@pytest.mark.parametrize("damage", ["changed", "cut", "missing", "no digest", "empty digest"])
def test_a_damaged_model_says_so(tmp_path: Path, damage: str) -> None:
    path = _copied(tmp_path)
    data = path.read_bytes()
    if damage == "changed":
        path.write_bytes(data[:1000] + bytes([data[1000] ^ 1]) + data[1001:])
    elif damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "missing":
        path.unlink()
    elif damage == "no digest":
        path.with_suffix(".sha256").unlink()
    else:
        path.with_suffix(".sha256").write_text("")
    with pytest.raises(RiadError, match=r"language\.msgpack is missing or damaged\. Install Riad again\."):
        language_words.load(path)


@pytest.mark.parametrize(
    "change", [{"bits": 15}, {"bits": 40}, {"weights": b""}, {"languages": ["fr"]}, {"surprise": 1}]
)
def test_a_model_of_the_wrong_shape_is_refused_even_with_its_digest(tmp_path: Path, change: dict[str, object]) -> None:
    model = msgspec.msgpack.decode(language_words.MODEL.read_bytes())
    model["latin"] |= change
    path = tmp_path / "language.msgpack"
    path.write_bytes(msgspec.msgpack.encode(model))
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(RiadError):
        language_words.load(path)
