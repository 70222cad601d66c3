"""Surrogates: the same form as what they stand for, a key that holds, nobody's; the same for the same key and value."""

from __future__ import annotations

import ipaddress
import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_privacy_mask import KEY, found_as

from riad.privacy import Finding, Masker, restore, scan
from riad.privacy.checks import named
from riad.privacy.identifiers import table
from riad.privacy.spellings import fold
from riad.privacy.surrogates import make
from riad.privacy.surrogates.data import COUNTRIES, genders, months, plans, script, stock, words
from riad.privacy.surrogates.draw import Draw, keyed

DIGITS = {ord(c): "0" for c in "123456789"} | {ord("٠") + n: "٠" for n in range(1, 10)}
seeds = st.integers(0, 2**32).map(str)


def surrogate(type_: str, value: str, seed: str = "", *, before: str = "") -> str:
    made = make(type_, value, Draw(keyed(KEY, seed)), before=before, known={}, attempt=0)
    assert made is not None
    return made.text


def compact(value: str) -> str:
    return "".join(filter(str.isalnum, value))


KEYED = [
    ("RIB", "011 519 0000012050005349 21", "mod97"),
    ("ICE", "001561191000066", "mod97"),
    ("IBAN", "MA64 0115 1900 0001 2050 0053 4921", "iban"),
    ("IBAN", "FR76 3000 6000 0112 3456 7890 189", "iban"),
    ("IBAN", "ES9121000418450200051332", "iban"),
    ("IBAN", "de89 3704 0044 0532 0130 00", "iban"),
    ("IBAN", "NL91 ABNA 0417 1643 00", "iban"),
    ("CARD", "4111 1111 1111 1111", "luhn"),
    ("CARD", "3782-822463-10005", "luhn"),
    ("SIREN", "732 829 320", "fr.siren"),
    ("SIRET", "732 829 320 00074", "fr.siret"),
    ("TVA", "FR 40 303 265 045", "fr.tva"),
    ("NIR", "2 95 10 99 126 111 93", "fr.nir"),
    ("NIF", "30 23 217 600 053", "fr.nif"),
    ("NIF", "54362315-K", "es.nif"),
    ("DNI", "54362315K", "es.dni"),
    ("NIE", "X-2482300-W", "es.nie"),
    ("CIF", "J99216582", "es.cif"),
    ("NN", "85.07.30-033.28", "be.nn"),
    ("BIS", "98.47.28-997.65", "be.bis"),
    ("VAT", "0403.019.261", "be.vat"),
    ("VAT", "DE 136 695 976", "de.vat"),
    ("BSN", "111222333", "nl.bsn"),
    ("BTW", "NL004495445B01", "nl.btw"),
    ("IDNR", "36 574 261 809", "de.idnr"),
    ("STNR", "2181508150", "de.stnr"),
    ("CODICEFISCALE", "RCCMNL83S58D969L", "it.codicefiscale"),
    ("IVA", "00743110157", "it.iva"),
    ("MF", "1182431/M/A/M/000", "tn.mf"),
    ("NINEA", "306 7221 0Z2", "sn.ninea"),
    ("TN", "100-531-385", "eg.tn"),
]


@pytest.mark.parametrize(("type_", "value", "check"), KEYED)
@given(seed=seeds)
def test_a_number_keeps_its_form_and_a_valid_key(type_: str, value: str, check: str, seed: str) -> None:
    holds = named(check)
    assert holds(compact(value).upper())
    made = surrogate(type_, value, seed)
    assert holds(compact(made).upper())
    assert made != value
    assert re.sub(r"[^\W_]", "x", made) == re.sub(r"[^\W_]", "x", value)
    assert made.isupper() == value.isupper()


@given(seeds)
def test_accounts_are_at_banks_that_there_are_not(seed: str) -> None:
    assert 990 <= int(surrogate("RIB", "011519000001205000534921", seed)[:3]) <= 999
    assert surrogate("IBAN", "MA64011519000001205000534921", seed)[4:6] == "99"
    assert surrogate("IBAN", "FR7630006000011234567890189", seed)[4:9] == "99999"
    assert surrogate("IBAN", "NL91ABNA0417164300", seed)[4:8] == "XXXX"


@given(seeds)
def test_accounts_keep_their_countrys_own_key_too(seed: str) -> None:
    french = surrogate("IBAN", "FR7630006000011234567890189", seed)[4:]
    assert (89 * int(french[:5]) + 15 * int(french[5:10]) + 3 * int(french[10:21]) + int(french[21:])) % 97 == 0
    belgian = surrogate("IBAN", "BE68539007547034", seed)[4:]
    assert int(belgian[:10]) % 97 == int(belgian[10:]) % 97
    assert named("es.ccc")(surrogate("IBAN", "ES9121000418450200051332", seed)[4:])
    assert int(surrogate("IBAN", "TN5910006035183598478831", seed)[4:]) % 97 == 0
    assert int(surrogate("IBAN", "PT50000201231234567890154", seed)[4:]) % 97 == 1


@given(seeds)
def test_identifiers_are_of_ranges_that_are_nobodys(seed: str) -> None:
    assert surrogate("CARD", "4111111111111111", seed)[0] == "0"
    assert surrogate("NIR", "295109912611193", seed)[10:13] == "000"
    assert surrogate("NN", "85073003328", seed)[6:9] == "999"
    assert surrogate("SSN", "219-09-9999", seed)[:4] == "666-"
    assert surrogate("CIN", "AB123456", seed)[:2] not in table_prefixes()
    assert re.fullmatch(r"\d{5} \| [أبدهوط] \| 9\d", surrogate("PLATE", "12345 | ب | 26", seed))
    assert re.fullmatch(r"\d{5}-[ABDHWT]-0", surrogate("PLATE", "12345-A-6", seed))
    assert re.fullmatch(r"[IOU][A-Z]-\d{3}-[A-Z]{2}", surrogate("PLATE", "AB-123-CD", seed))


def table_prefixes() -> frozenset[str]:
    return next(kind.prefixes for kind in table().codes if kind.type == "CIN" and kind.prefixes)


@given(seeds, st.integers(0, 20))
def test_addresses_of_machines_are_those_of_documentation(seed: str, attempt: int) -> None:
    made = make("IP", "10.0.0.7", Draw(keyed(KEY, seed)), before="", known={}, attempt=attempt)
    assert made is not None
    reserved = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"] if attempt < 8 else ["198.18.0.0/15"]
    assert any(ipaddress.ip_address(made.text) in ipaddress.ip_network(network) for network in reserved)
    assert ipaddress.ip_address(surrogate("IP", "2a01:e34::1", seed)) in ipaddress.ip_network("2001:db8::/32")
    assert re.fullmatch(
        r"[a-z]+\.[a-z]+\d\d@example\.(com|net|org)", surrogate("EMAIL", "ahmed.benali85@gmail.com", seed)
    )
    assert re.fullmatch(
        r"[a-z]\.[a-z]+ \[at\] example \[dot\] (com|net|org)",
        surrogate("EMAIL", "a.benali [at] um5 [dot] ac [dot] ma", seed),
    )


PHONES = [
    ("06 12 34 56 78", r"06 8[356] \d\d \d\d \d\d|06 8[356].*"),
    ("0522-345678", r"05[67]\d-\d{6}"),
    ("212 7 12 34 56 78", r"212 7 (3|4).*"),
    ("٠٦١٢٣٤٥٦٧٨", r"٠٦٨[٣٥٦]\d{6}"),
    ("612345678", r"68[356]\d{6}"),
    ("01 42 34 56 78", r"01 99 00 \d\d \d\d"),
    ("33 6 12 34 56 78", r"33 6 39 98 \d\d \d\d"),
    ("0034 612 345 678", r"0034 7[5679]\d \d{3} \d{3}"),
    ("44 7912 345678", r"44 7700 900\d{3}"),
    ("1 (202) 234-5678", r"1 \(\d{3}\) 555-01\d\d"),
    ("202-234-5678", r"\d{3}-555-01\d\d"),
    ("49 30 1234567", r"49 30 23125\d\d"),
    ("221 77 123 45 67", r"221 7[34] \d{3} \d\d \d\d"),
    ("81 3 1234 5678", r"81 3 \d{4} \d{4}"),
]


@pytest.mark.parametrize(("value", "form"), PHONES)
@given(seed=seeds)
def test_telephones_ring_nowhere(value: str, form: str, seed: str) -> None:
    made = surrogate("PHONE", value, seed)
    assert re.fullmatch(form, made)
    assert made.translate(DIGITS) == value.translate(DIGITS)


def test_free_ranges_fit_their_plan() -> None:
    for plan in plans():
        for start in {start for free in plan.free.values() for start in free}:
            numbers = {f"+{plan.code}{start}{n:0{plan.length - len(start)}}" for n in range(0, 100, 7)}
            valid = {phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers}
            assert valid == {False} or plan.code in ("1", "33", "44", "49"), (plan.code, start)


MEN = [
    "Ahmed Benali",
    "AHMED BENALI",
    "ahmed benali",
    "محمد العلوي",
    "عبد الله التازي",
    "Moulay Ahmed",
    "Jean Dupont",
    "José García",
]
WOMEN = [
    "Fatima Zahra El Alaoui",
    "Lalla Khadija",
    "فاطمة الزهراء بن علي",
    "Marie Durand",
    "Carmen López",
    "SALMA Tazi",
]


@pytest.mark.parametrize(("value", "gender"), [*((one, "m") for one in MEN), *((one, "f") for one in WOMEN)])
@given(seed=seeds)
def test_a_name_keeps_words_script_case_particles_and_gender(value: str, gender: str, seed: str) -> None:
    made = surrogate("PERSON", value, seed)
    assert [script(word) for word in made.split()][:1] == [script(value)]
    assert (made.isupper(), made.islower()) == (value.isupper(), value.islower())
    names = [fold(word) for word in made.split()]
    assert gender in {genders().get(name) for name in names}
    assert {"m", "f"} - {gender} - {genders().get(name) for name in names}
    for word in value.split():
        if fold(word) in words("particles"):
            assert word in made.split()
        elif fold(word) not in words("halves") and fold(word) != "الله":
            assert word not in made.split() or seed  # drawn by chance, then refused: see the masker's tests


@pytest.mark.parametrize(
    ("title", "gender"),
    [("Mme ", "f"), ("M. ", "m"), ("السيدة ", "f"), ("السيد ", "m"), ("Sra. ", "f"), ("Mr\u00a0", "m")],
)
@given(seed=seeds)
def test_a_title_says_whose_name_follows(title: str, gender: str, seed: str) -> None:
    value = "ثقفان بنعلي" if script(title) == "arabic" else "Qwrt Benali"
    made = surrogate("PERSON", value, seed, before=f"pour {title}")
    assert genders()[fold(made.split()[0])] == gender


@given(seeds)
def test_names_of_two_countries_and_of_tifinagh(seed: str) -> None:
    for value, country, way in (
        ("Pierre Moreau", "fr", "latin"),
        ("Pilar Gómez", "es", "latin"),
        ("ⵢⴰⵙⵉⵏ ⵓⵃⵎⵎⵓ", "ma", "tifinagh"),
    ):
        given_name, surname = surrogate("PERSON", value, seed).split()
        section = stock(country, way)
        assert section is not None
        assert given_name in section.men + section.women
        assert surname in section.surnames


def test_no_name_is_twice_in_a_list_or_an_everyday_one() -> None:
    for country in COUNTRIES:
        for way in ("latin", "arabic", "tifinagh"):
            section = stock(country, way)
            for names in (section.men, section.women, section.surnames, section.streets) if section else ():
                assert len(set(map(fold, names))) == len(names)
            if section:
                assert not {*section.men, *section.women} & {*section.known_men, *section.known_women}
                assert all(len(postal) == 5 for _city, postal in section.cities)
    assert all(len(names) == 12 for names, _number in months().values())


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("12/03/1985", r"[0-2]\d/[01]\d/19[789]\d"),
        ("1985-03-12", r"19[89]\d-[01]\d-[0-2]\d"),
        ("12 mars 1985", r"[0-2]\d \w+ 19[89]\d"),
        ("١٢ مارس ١٩٨٥", r"[٠-٢][٠-٩] \w+ ١٩[٨٩][٠-٩]"),
        ("5/3/85", r"\d{1,2}/\d{1,2}/[89]\d"),
    ],
)
@given(seed=seeds)
def test_a_date_of_birth_is_moved_by_some_years(value: str, form: str, seed: str) -> None:
    made = surrogate("DOB", value, seed)
    assert re.fullmatch(form, made)
    year = int(re.findall(r"\d+", made)[0 if value[4:5] == "-" else -1]) % 100
    assert 1 <= abs(year - 85) <= 4
    assert all(fold(word) in months() for word in re.findall(r"[^\W\d]+", made))


@given(seeds)
def test_places_are_elsewhere(seed: str) -> None:
    made = surrogate("ADDRESS", "12, rue Ibn Batouta, Maârif, 20100 Casablanca", seed)
    assert re.fullmatch(r"[1-9]\d, rue \w+ \w+, \w+, \d{5} [\w ]+", made)
    city = made.partition(" ")[2].split(", ")[-1]
    section = stock("ma", "latin")
    assert section is not None
    assert city.split(" ", 1)[::-1] in [list(one) for one in section.cities]
    made = surrogate("ADDRESS", "شارع محمد الخامس، رقم ٥", seed)
    assert re.fullmatch(r"شارع \w+ \w+، رقم [١-٩]", made)
    latitude, longitude = map(float, surrogate("GPS", "33.57311, -7.58980", seed).split(", "))
    assert 21 <= latitude < 23
    assert -36 < longitude <= -34
    assert re.fullmatch(r"6[45]\.\d{4}", surrogate("GPS", "33.5731,7.5898", seed).split(",")[1])


def test_the_same_key_and_value_have_the_same_surrogate_in_every_request() -> None:
    text = "Ahmed Benali, CIN AB123456, tel 0612345678"
    one, again, other = (Masker("surrogates", key=key).mask(text, scan(text)) for key in (KEY, KEY, KEY[::-1]))
    assert one == again != other
    assert not set(one.split(", ")) & set(other.split(", "))


def test_a_conversation_sent_again_is_masked_alike() -> None:
    said = [
        "M. Ahmed Benali, tel 0612345678",
        "Et Mme Salma Tazi ? M. Benali est Ahmed.",
        "CIN AB123456, M. Ahmed Benali",
    ]

    def masked(count: int) -> list[str]:
        masker = Masker("surrogates", key=KEY)
        return [masker.mask(text, scan(text)) for text in said[:count]]

    assert masked(3)[:2] == masked(2)
    assert masked(2)[:1] == masked(1)


def test_a_value_in_two_spellings_has_one_surrogate_written_as_each() -> None:
    masker = Masker("surrogates", key=KEY)
    text = "M. Ahmed Benali, M. AHMED BENALI, tel 06 12 34 56 78, tel 0612345678, tel ٠٦١٢٣٤٥٦٧٨"
    first, shouted, *phones = masker.mask(text, scan(text)).split(", ")
    assert first.upper() == shouted
    assert [phone.removeprefix("tel ").translate(DIGITS) for phone in phones] == ["00 00 00 00 00", "0" * 10, "٠" * 10]
    assert restore(shouted, masker.mapping) == "M. AHMED BENALI"
    assert len({fold(compact(phone)) for phone in phones}) == 1
    assert restore(phones[2], masker.mapping) == "tel 06 12 34 56 78"


def test_one_name_of_somebody_has_the_same_surrogate_as_in_the_whole() -> None:
    masker = Masker("surrogates", key=KEY)
    whole = masker.mask("Ahmed Benali", found_as("PERSON", "Ahmed Benali")).split()
    assert masker.mask("Benali", found_as("PERSON", "Benali")) == whole[1]
    assert masker.mask("AHMED", found_as("PERSON", "AHMED")) == whole[0].upper()
    assert masker.mask("Ahmed Tazi", found_as("PERSON", "Ahmed Tazi")).split()[0] != whole[0]
    assert masker.mask("ahmed@gmail.com", found_as("EMAIL", "ahmed@gmail.com")) not in (
        f"{whole[0].lower()}@example.com",
    )
    for name in whole:
        assert restore(f"Cher {name},", masker.mapping) in ("Cher Ahmed,", "Cher Benali,")


@given(seeds)
def test_a_surrogate_is_no_word_and_no_number_of_the_text(seed: str) -> None:
    section = stock("ma", "latin")
    assert section is not None
    taken = " ".join((*section.men[::2], *section.surnames[::2]))
    masker = Masker("surrogates", key=KEY + seed.encode())
    text = f"{taken}. Ahmed Benali"
    out = masker.mask(text, [Finding("PERSON", len(text) - 12, len(text), 1.0, "x")])
    assert not set(out.removeprefix(taken)[2:].split()) & set(taken.split())
    assert restore(out, masker.mapping) == text


def test_a_surrogate_that_a_later_text_says_itself_is_told_apart() -> None:
    masker = Masker("surrogates", key=KEY)
    out = masker.mask("Ahmed Benali", found_as("PERSON", "Ahmed Benali"))
    later = masker.mask(f"On parle de {out}.", [])
    assert restore(out, masker.mapping) == "Ahmed Benali"
    assert restore(later, masker.mapping) == f"On parle de {out}."


def test_where_no_surrogate_would_be_read_back_a_placeholder_stands() -> None:
    masker = Masker("surrogates", key=KEY)
    assert masker.mask("xAhmedx", [Finding("PERSON", 1, 6, 1.0, "x")]) == "x[PERSON_1]x"
    assert masker.mask("Иван Петров", found_as("PERSON", "Иван Петров")) == "[PERSON_2]"
    assert masker.mask("1234", found_as("RC", "1234")) == "[RC_1]"  # too likely to stand in an answer by chance
    assert set(masker.mapping) == {"[PERSON_1]", "[PERSON_2]", "[RC_1]"}


def test_a_second_scan_tells_our_surrogates_from_what_was_missed() -> None:
    masker = Masker("surrogates", key=KEY)
    text = "M. Ahmed Benali, tel 0612345678, CIN AB123456"
    out = masker.mask(text, scan(text)[:2])
    left = masker.foreign(out, scan(out))
    assert [out[one.start : one.end] for one in left] == ["AB123456"]
    assert all(masker.is_ours(one.type, out[one.start : one.end]) != (one in left) for one in scan(out))
    again = masker.mask(out, left, again=True)
    assert masker.foreign(again, scan(again)) == []
    assert restore(again, masker.mapping) == text
    assert not masker.is_ours("PERSON", "Ahmed Benali")
    assert Masker().is_ours("PERSON", "Ahmed Benali") is False


def test_what_is_masked_again_keeps_the_surrogates_it_touches() -> None:
    masker = Masker("surrogates", key=KEY)
    out = masker.mask("Ahmed Benali Directeur", [Finding("PERSON", 0, 12, 1.0, "x")])
    again = masker.mask(out, found_as("PERSON", out), again=True)
    assert again.startswith(out.removesuffix("Directeur"))
    assert not again.endswith("Directeur")
    assert restore(again, masker.mapping) == "Ahmed Benali Directeur"
