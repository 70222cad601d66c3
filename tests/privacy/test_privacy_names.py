"""Names: announced, beside a surname, in every script; and the words, places and kings that are not persons."""

from __future__ import annotations

import pytest

from riad.privacy import scan


def names(text: str) -> list[str]:
    return [text[f.start : f.end] for f in scan(text) if f.type == "PERSON"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Je m'appelle Zhor Oumghar.", "Zhor Oumghar"),
        ("je m’appelle ahmed benali et j'habite ici", "ahmed benali"),
        ("smiti zwawi hassan o ana men fes", "zwawi hassan"),
        ("ana khadija men casa", "khadija"),
        ("ismi 3abdellah lgrini", "3abdellah lgrini"),
        ("سميتي سناء بلحاج", "سناء بلحاج"),
        ("اسمي أَحْمَد العلوي", "أَحْمَد العلوي"),
        ("السيد عبد الرحمان اليوسفي حضر", "عبد الرحمان اليوسفي"),
        ("ومحمد العلوي غائب", "محمد العلوي"),
        ("My name is Aminata Diallo", "Aminata Diallo"),
        ("Dear Mrs. O'Connor,", "O'Connor"),
        ("M. Zerktouni est absent", "Zerktouni"),
        ("le contrat de Mme Fatima-Zahra El Idrissi", "Fatima-Zahra El Idrissi"),
        ("Maître Bennis et son client", "Bennis"),
        ("contrat de Youssef Ait Lahcen", "Youssef Ait Lahcen"),
        ("avec Mohamed Ben Abdelkrim El Khatib", "Mohamed Ben Abdelkrim El Khatib"),
        ("BENALI Ahmed", "BENALI Ahmed"),
        ("Nom : ZEROUALI", "ZEROUALI"),
        ("Nom et prénom : Xavier Quelquun", "Xavier Quelquun"),
        ('{"full_name": "Ilyas Berrada"}', "Ilyas Berrada"),
        ("Cordialement,\nNawal Zniber", "Nawal Zniber"),
        ("sahbi mehdi ja", "mehdi"),
        ("ⵉⵙⵎ ⵉⵏⵓ ⵉⴷⵉⵔ", "ⵉⴷⵉⵔ"),
        ("isem inu Massinissa", "Massinissa"),
        ("j'ai vu Youssef hier", "Youssef"),
        ("called Sarah O. Johnson yesterday", "Sarah O. Johnson"),
        ("John's report", "John"),
        ("CV_Ahmed_Benali.pdf", "Ahmed_Benali"),
    ],
)
def test_found(text: str, name: str) -> None:
    assert names(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "Le roi Mohammed VI et Hassan II. الملك محمد السادس والحسن الثاني",
        "avenue Mohammed V, bd Allal Ben Abdellah, rue Ahmed Benali, شارع محمد الخامس",
        "l'hôpital Moulay Youssef et l'université Ibn Zohr",
        "Sidi Ifni, Moulay Bousselham, Ait Melloul, سيدي قاسم",
        "M. le Directeur, Madame la Ministre, السيد الوزير, السيدة المديرة",
        "Victor Hugo, Tahar Ben Jelloun et نجيب محفوظ",
        "amal kbir, nour zwin, salam 3likom, had sabah",
        "عندي أمل كبير، سلام، نور الصباح، حسن السلوك، علي أن أذهب",
        "He said hope and grace will mark the art of life.",
        "je m'appelle comment déjà ? Je suis Directeur Général.",
        "What is your name? name: get_weather",
        "This process is called Meiosis, named Alpha Centauri.",
        "كيتسمى هاد النوع الخلية",
        "Bonjour Monsieur, Cher Client, Hello World, Merci Beaucoup",
        "Cordialement,\nLe service client",
        "the James Madison Memorial Building and the Mary Pickford Theater",
        "BONJOUR JE VEUX SAVOIR LE PRIX",
        "5 m de tissu, p. 12, Me too, Si Possible",
    ],
)
def test_what_resembles_a_name_is_left_alone(text: str) -> None:
    assert names(text) == []


def test_everyday_words_count_beside_a_surname() -> None:
    assert names("Amal Bennani") == ["Amal Bennani"]
    assert names("أمل العلوي") == ["أمل العلوي"]


def test_the_speaker_may_bear_a_famous_name() -> None:
    assert names("je m'appelle Mohamed Salah") == ["Mohamed Salah"]
