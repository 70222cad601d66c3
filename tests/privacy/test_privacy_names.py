"""Names: announced, beside a surname, in every script; and the words, places and kings that are not persons."""

from __future__ import annotations

from pathlib import Path

import pytest

from riad.privacy import scan, scan_many
from riad.privacy.evaluate import read


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
        "je suis content, c'est clair, c'est bon",
        "rue Mohammed Diouri, lycée Ibn Sina, pharmacie Amine, Colegio Español Jacinto Benavente",
        "Crédit Agricole, Wafa Assurance, Visual Studio Code, New York Times, Black Friday",
        "karim dyal lwjeh, ramadan karim, nadia f lw9t, nour l9mar",
        "أنا سعيد بهذا الخبر وأنا مغربي، هو كريم الخلق",
        "فيلم ديال حسن الفد ورواية لمحمد زفزاف، وسجل يوسف النصيري الهدف",
        "معروفة بسمية أخرى، عمارة الياسمين، صيدلية ابن البيطار",
        "nom du produit : Huile d'argan\nnom : à compléter",
        "Nekk d amaziɣ, nekk seg Umazir",
        "Dacia Sandero, Peugeot Partner et Renault Clio",
    ],
)
def test_what_resembles_a_name_is_left_alone(text: str) -> None:
    assert names(text) == []


def test_a_list_of_persons_makes_persons_of_everyday_words() -> None:
    assert names("les héritiers : Saïda, Mounia et Abdelfettah") == ["Saïda", "Mounia", "Abdelfettah"]
    assert "Amal" not in names("Amal du produit, livraison demain")


def test_the_headings_of_a_table_announce_its_columns() -> None:
    text = "id;prenom;nom;score\n1;Marwa;Zouhri;12\n2;Ilias;Chafik;9\n"
    assert names(text) == ["Marwa", "Zouhri", "Ilias", "Chafik"]
    assert names("nom,prix\nHuile d'argan,120\nSavon noir,30\n") == []
    assert names('"الاسم","المدينة"\n"سلوى أوحمو","فاس"\n') == ["سلوى أوحمو"]


def test_why_says_whether_a_cue_a_list_or_the_model_was_believed() -> None:
    def why(text: str) -> str:
        return next(finding.why for finding in scan(text) if finding.type == "PERSON")

    assert why("je m'appelle Ahmed Benali") == "cue: je m'appelle"
    assert why("Ahmed Benali") == "list: given name, surname"
    assert why("vu Oulhadri Tazouzi hier").startswith("model: ")
    assert "; model: " in why("smiti zwinrouk")


def test_everyday_words_count_beside_a_surname() -> None:
    assert names("Amal Bennani") == ["Amal Bennani"]
    assert names("أمل العلوي") == ["أمل العلوي"]


def test_the_speaker_may_bear_a_famous_name() -> None:
    assert names("je m'appelle Mohamed Salah") == ["Mohamed Salah"]


def test_most_persons_are_found_and_few_others() -> None:
    right = wrong = missed = 0
    for sample in read((Path(__file__).parent / "corpus_names.txt").read_bytes()):
        wanted = {(span.start, span.end) for span in sample.spans if span.type == "PERSON"}
        found = {(finding.start, finding.end) for finding in scan(sample.text) if finding.type == "PERSON"}
        right += len(wanted & found)
        wrong += len(found - wanted)
        missed += len(wanted - found)
    assert 2 * right / (2 * right + wrong + missed) >= 0.93


@pytest.mark.parametrize(
    "text",
    [
        "رجب وشعبان ورمضان شهور كنصومو فيهم",
        "قريت سورة ياسين ومريم هاد الصباح",
        "النبي محمد صلى الله عليه وسلم وأصحابه",
        "قصة موسى وهارون مع فرعون",
        "خالد بن الوليد قائد عظيم",
        "موسم مولاي عبد الله أمغار فالصيف",
        "زاوية سيدي بوعلي قريبة من هنا",
        "خويا الكبير ساكن معانا",
        "ختي الصغيرة كتقرا مزيان",
        "ولدي الصغير عندو السخانة",
        "مراتي باغية تبدل الخدمة",
        "جارتي ديما كتغوت",
        "الدري طاح من الدروج",
        "الطبيب قال ليا نرتاح شوية",
        "الحارس ما كانش فالباب",
        "السيد الوزير حضر الاجتماع",
        "عندي أمل كبير فهاد المشروع",
        "نور الصباح زوين فالجبل",
        "سعيد بزاف بهاد الخبر",
        "الجو جميل والسماء صافية",
        "مدرسة ابن خلدون الابتدائية",
        "شارع علال بن عبد الله",
        "سلام، شحال الثمن ديال هاد المنتوج؟",
        "المبلغ | التاريخ",
        "حكاية عيشة قنديشة كتخلع الدراري",
        "khouya lkbir khdam f lmarché",
        "khti sghira mrida had lyoum",
        "l prof ma jach lyoum",
        "si bghit nsafer chno ndir",
        "3ndi amal kbir f had lkhdma",
        "nour lqmar zwin had lila",
        "lfarmacie l9riba mn hna",
        "tbib 9al liya nrta7 chwiya",
        "mrati bghat tbeddel lkhedma",
        "jari dima kaydir sda3",
        "moussem moulay abdellah f sif",
        "Tiziri tɣli-d f idurar",
        "Itri iqqim waḥdu g igenna",
        "Tafsut tewweḍ-d, ijeǧǧigen llan",
        "Massinissa iga agllid n Numidya",
        "tullist n Ḥmad Unamir",
        "Tilelli d ayda",
        "aslmad isaqsa inlmadn",
        "ⵜⵉⵣⵉⵔⵉ ⵜⵖⵍⵉ ⴷ",
        "ⵎⴰⵙⵙⵉⵏⵉⵙⴰ ⵉⴳⴰ ⴰⴳⵍⵍⵉⴷ",
        "ⴰⵣⵓⵍ ⴼⵍⵍⴰⵡⵏ",
        "mi hermana mayor vive en el centro",
        "la profesora explicó la lección",
        "el médico me dijo que descansara",
        "mi vecino hace ruido por la noche",
        "Monsieur le Wali a présidé la réunion",
        "mon petit frère et ma grande sœur",
        "le directeur est absent",
        "la cathédrale Notre-Dame et la basilique",
        "Alice and Bob exchange keys",
        "my older brother works downtown",
        "the doctor told me to rest",
        '{"products": [{"name": "Argan Nour", "price": 12}]}',
        '{"المنتجات": [{"الاسم": "زيت أركان نور", "الثمن": 120}]}',
        "Note: voir la page",
        "Date: demain",
        "Question: why?",
        "Answer: because",
    ],
)
def test_everyday_sentences_name_nobody(text: str) -> None:
    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("كمال ومنى شراو البرطمة", ["كمال", "منى"]),
        ("تلاقات بنوفل فالطريق", ["نوفل"]),
        ("قال ليا الشاف بنيس مع رشيد", ["بنيس", "رشيد"]),
        ("عند الحارس امبارك", ["امبارك"]),
        ("باع للتاجرة عائشاتو ديالو", ["عائشاتو ديالو"]),
        ("حموتي رقية جات", ["رقية"]),
        ("ba 3llal l3ssas tte7", ["3llal"]),
        ("lprof Tazi ma jach", ["Tazi"]),
        ("سميتي فاطمة العلوي نمرتي 0612345678", ["فاطمة العلوي"]),
        ("Isem: Numidya\nIsem n twacult: Ayt Mulay\n", ["Numidya", "Ayt Mulay"]),
        ("Tiziri tenna-yas ad d-yas", []),
        ("Massa Tiziri tella da", ["Tiziri"]),
        ("ⵎⴰⵙⵙ ⴰⵥⵏⴰⴳ ⵉⴳⴰ ⴰⵙⵍⵎⴰⴷ", ["ⴰⵥⵏⴰⴳ"]),
        ("ⵢⵓⴹⵏ ⵎⵓⵃⴰ ⵙ ⵡⵓⵍ", ["ⵎⵓⵃⴰ"]),
        ("السمية | المبلغ\nكنزة لمريني | 1200\nحميد أوعلي | 850\n", ["كنزة لمريني", "حميد أوعلي"]),
    ],
)
def test_names_beside_kin_functions_and_verbs(text: str, found: list[str]) -> None:
    assert names(text) == found


def test_who_speaks_in_a_conversation_is_a_person() -> None:
    assert names("سكينة: فين وصلتي؟\nالمعطي: راني فالطرام") == ["سكينة", "المعطي"]
    assert names("ⵙⵉⴼⴰⵡ: ⵎⴰⵏⵉ ⵜⵍⵍⵉⴷ?\nⵜⵉⵍⵉⵍⴰ: ⵍⵍⵉⵖ ⴳ ⵜⵉⵏⵎⵍ") == ["ⵙⵉⴼⴰⵡ", "ⵜⵉⵍⵉⵍⴰ"]
    assert names("Question: where?\nAmal: why\n") == []


def test_each_text_of_a_request_is_judged_alone() -> None:
    talk = "Soukaina: mchiti?\nMarouane: la ba9i"
    together = scan_many(("Question: pourquoi ?\nNote: rien", talk))[1]
    assert [talk[f.start : f.end] for f in together if f.type == "PERSON"] == ["Soukaina", "Marouane"]


def test_a_key_of_a_priced_thing_announces_nobody() -> None:
    assert names('{"name": "Argan Nour", "price": 12}') == []
    assert names('{"name": "Nadia Bennani", "email": "n@x.ma"}') == ["Nadia Bennani"]


def test_the_language_tells_a_word_of_darija_from_a_letter() -> None:
    assert names("mchit l karima ghedda f sbah") == ["karima"]
    assert names("Dans le plan, le point b karima désigne la zone nord du chantier") == []


@pytest.mark.parametrize(
    "text",
    [
        "رجب وشعبان ورمضان شهور كنصومو فيهم",
        "قريت سورة ياسين ومريم هاد الصباح",
        "النبي محمد صلى الله عليه وسلم وأصحابه",
        "قصة موسى وهارون مع فرعون",
        "خالد بن الوليد قائد عظيم",
        "موسم مولاي عبد الله أمغار فالصيف",
        "زاوية سيدي بوعلي قريبة من هنا",
        "خويا الكبير ساكن معانا",
        "ختي الصغيرة كتقرا مزيان",
        "ولدي الصغير عندو السخانة",
        "مراتي باغية تبدل الخدمة",
        "جارتي ديما كتغوت",
        "الدري طاح من الدروج",
        "الطبيب قال ليا نرتاح شوية",
        "الحارس ما كانش فالباب",
        "السيد الوزير حضر الاجتماع",
        "عندي أمل كبير فهاد المشروع",
        "نور الصباح زوين فالجبل",
        "سعيد بزاف بهاد الخبر",
        "الجو جميل والسماء صافية",
        "مدرسة ابن خلدون الابتدائية",
        "شارع علال بن عبد الله",
        "سلام، شحال الثمن ديال هاد المنتوج؟",
        "المبلغ | التاريخ",
        "حكاية عيشة قنديشة كتخلع الدراري",
        "khouya lkbir khdam f lmarché",
        "khti sghira mrida had lyoum",
        "l prof ma jach lyoum",
        "si bghit nsafer chno ndir",
        "3ndi amal kbir f had lkhdma",
        "nour lqmar zwin had lila",
        "lfarmacie l9riba mn hna",
        "tbib 9al liya nrta7 chwiya",
        "mrati bghat tbeddel lkhedma",
        "jari dima kaydir sda3",
        "moussem moulay abdellah f sif",
        "Tiziri tɣli-d f idurar",
        "Itri iqqim waḥdu g igenna",
        "Tafsut tewweḍ-d, ijeǧǧigen llan",
        "Massinissa iga agllid n Numidya",
        "tullist n Ḥmad Unamir",
        "Tilelli d ayda",
        "aslmad isaqsa inlmadn",
        "ⵜⵉⵣⵉⵔⵉ ⵜⵖⵍⵉ ⴷ",
        "ⵎⴰⵙⵙⵉⵏⵉⵙⴰ ⵉⴳⴰ ⴰⴳⵍⵍⵉⴷ",
        "ⴰⵣⵓⵍ ⴼⵍⵍⴰⵡⵏ",
        "mi hermana mayor vive en el centro",
        "la profesora explicó la lección",
        "el médico me dijo que descansara",
        "mi vecino hace ruido por la noche",
        "Monsieur le Wali a présidé la réunion",
        "mon petit frère et ma grande sœur",
        "le directeur est absent",
        "la cathédrale Notre-Dame et la basilique",
        "Alice and Bob exchange keys",
        "my older brother works downtown",
        "the doctor told me to rest",
        '{"products": [{"name": "Argan Nour", "price": 12}]}',
        '{"المنتجات": [{"الاسم": "زيت أركان نور", "الثمن": 120}]}',
        "Note: voir la page",
        "Date: demain",
        "Question: why?",
        "Answer: because",
    ],
)
def test_everyday_sentences_name_nobody(text: str) -> None:
    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("كمال ومنى شراو البرطمة", ["كمال", "منى"]),
        ("قال ليا الشاف بنيس مع رشيد", ["بنيس", "رشيد"]),
        ("عند الحارس امبارك", ["امبارك"]),
        ("باع للتاجرة عائشاتو ديالو", ["عائشاتو ديالو"]),
        ("حموتي رقية جات", ["رقية"]),
        ("ba 3llal l3ssas tte7", ["3llal"]),
        ("lprof Tazi ma jach", ["Tazi"]),
        ("سميتي فاطمة العلوي نمرتي 0612345678", ["فاطمة العلوي"]),
        ("Isem: Numidya\nIsem n twacult: Ayt Mulay\n", ["Numidya", "Ayt Mulay"]),
        ("Tiziri tenna-yas ad d-yas", []),
        ("Massa Tiziri tella da", ["Tiziri"]),
        ("ⵎⴰⵙⵙ ⴰⵥⵏⴰⴳ ⵉⴳⴰ ⴰⵙⵍⵎⴰⴷ", ["ⴰⵥⵏⴰⴳ"]),
        ("ⵢⵓⴹⵏ ⵎⵓⵃⴰ ⵙ ⵡⵓⵍ", ["ⵎⵓⵃⴰ"]),
        ("السمية | المبلغ\nكنزة لمريني | 1200\nحميد أوعلي | 850\n", ["كنزة لمريني", "حميد أوعلي"]),
    ],
)
def test_names_beside_kin_functions_and_verbs(text: str, found: list[str]) -> None:
    assert names(text) == found


def test_who_speaks_in_a_conversation_is_a_person() -> None:
    assert names("سكينة: فين وصلتي؟\nالمعطي: راني فالطرام") == ["سكينة", "المعطي"]
    assert names("ⵙⵉⴼⴰⵡ: ⵎⴰⵏⵉ ⵜⵍⵍⵉⴷ?\nⵜⵉⵍⵉⵍⴰ: ⵍⵍⵉⵖ ⴳ ⵜⵉⵏⵎⵍ") == ["ⵙⵉⴼⴰⵡ", "ⵜⵉⵍⵉⵍⴰ"]
    assert names("Question: where?\nAmal: why\n") == []


def test_each_text_of_a_request_is_judged_alone() -> None:
    talk = "Soukaina: mchiti?\nMarouane: la ba9i"
    together = scan_many(("Question: pourquoi ?\nNote: rien", talk))[1]
    assert [talk[f.start : f.end] for f in together if f.type == "PERSON"] == ["Soukaina", "Marouane"]


def test_a_key_of_a_priced_thing_announces_nobody() -> None:
    assert names('{"name": "Argan Nour", "price": 12}') == []
    assert names('{"name": "Nadia Bennani", "email": "n@x.ma"}') == ["Nadia Bennani"]
