"""Identifiers: each type found, its key checked, and what only resembles one left alone."""

from __future__ import annotations

import pytest

from riad.privacy import scan
from riad.privacy.checks import iban, luhn, mod97, named


def found(text: str) -> list[tuple[str, str]]:
    return [(finding.type, text[finding.start : finding.end]) for finding in scan(text)]


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("RIB 011519000001205000534921", "RIB", "011519000001205000534921"),
        ("mon compte est le 011 519 0000012050005349 21.", "RIB", "011 519 0000012050005349 21"),
        ("0115 1900 0001 2050 0053 4921", "RIB", "0115 1900 0001 2050 0053 4921"),
        ("IBAN MA64011519000001205000534921", "IBAN", "MA64011519000001205000534921"),
        ("MA64 0115 1900 0001 2050 0053 4921 pour le loyer", "IBAN", "MA64 0115 1900 0001 2050 0053 4921"),
        ("FR76 3000 6000 0112 3456 7890 189", "IBAN", "FR76 3000 6000 0112 3456 7890 189"),
        ("carte 4111-1111-1111-1111", "CARD", "4111-1111-1111-1111"),
        ("378282246310005 (amex)", "CARD", "378282246310005"),
        ("ICE 001524713000062", "ICE", "001524713000062"),
        ("CIN : AB123456", "CIN", "AB123456"),
        ("titulaire de la CIN n° bk 45123", "CIN", "bk 45123"),
        ("ma carte nationale JT 98451", "CIN", "JT 98451"),
        ("numéro EE512478 à vérifier", "CIN", "EE512478"),
        ("tel 0612345678", "PHONE", "0612345678"),
        ("au 05.22.45.67.89", "PHONE", "05.22.45.67.89"),
        ("06/12/34/56/78", "PHONE", "06/12/34/56/78"),
        ("+212 6 12 34 56 78", "PHONE", "+212 6 12 34 56 78"),
        ("+212(0)612345678", "PHONE", "+212(0)612345678"),
        ("00212 612-345-678", "PHONE", "00212 612-345-678"),
        ("wa.me/212612345678", "PHONE", "212612345678"),
        ("+33 1 44 55 66 77 à Paris", "PHONE", "+33 1 44 55 66 77"),
        ("nmrti 612345678", "PHONE", "612345678"),
        ("رقمي ٠٦١٢٣٤٥٦٧٨", "PHONE", "٠٦١٢٣٤٥٦٧٨"),
        ("هاتف ۰۶۱۲۳۴۵۶۷۸", "PHONE", "۰۶۱۲۳۴۵۶۷۸"),
        ("écrire à ahmed.b+x@exemple.co.ma.", "EMAIL", "ahmed.b+x@exemple.co.ma"),
        ("ahmed [at] exemple [dot] ma", "EMAIL", "ahmed [at] exemple [dot] ma"),
        ("ahmed%40exemple.ma", "EMAIL", "ahmed%40exemple.ma"),
        ("passeport n° AB1234567", "PASSPORT", "AB1234567"),
        ("immatriculé à la CNSS : 123456789", "CNSS", "123456789"),
        ("IF : 40287631", "IF", "40287631"),
        ("RC n° 345671", "RC", "345671"),
        ("élève R130012345", "MASSAR", "R130012345"),
        ("véhicule 12345-أ-6", "PLATE", "12345-أ-6"),
        ("matricule 4521 B 26", "PLATE", "4521 B 26"),
        ("depuis 41.250.12.77", "IP", "41.250.12.77"),
        ("depuis 2001:db8:85a3::8a2e:370:7334", "IP", "2001:db8:85a3::8a2e:370:7334"),
        ("née le 12/03/1985", "DOB", "12/03/1985"),
        ("مزداد بتاريخ 12 مارس 1985", "DOB", "12 مارس 1985"),
        ("NIR 1 85 05 78 006 084 91", "NIR", "1 85 05 78 006 084 91"),
        ("position 33.57311, -7.58984", "GPS", "33.57311, -7.58984"),
    ],
)
def test_found(text: str, type_: str, value: str) -> None:
    assert found(text) == [(type_, value)]


@pytest.mark.parametrize(
    "text",
    [
        "Le prix est de 12 500 000 DH, soit 1.250.000,50 € ou $1,250,000.",
        "En 2023-2024, du 01/09/2023 au 30.06.2024, puis 2024-01-15 06:12:34.",
        "05.06.2024 12:30 et 06-07-2024 08",
        "uuid 550e8400-e29b-41d4-a716-446655440000",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "https://exemple.ma/articles/2024/06/12345-titre?id=987654&page=2",
        "version 1.2.3.4, v10.0.19041, Python 3.12.4",
        "réf. AB123456, commande AB123456, facture n° BK451236, vol AT12345",
        "#A12345 #FF5733 REF-AB123456 path/AB12345/x E12345.py",
        "127.0.0.1 0.0.0.0 192.168.1.1 255.255.255.0 10.0.0.1 224.0.0.1",
        "x = 3.141592653589793; y = 0.0612345678; z = 1e-12345",
        "1700000000 1700000000000 20240115063000",
        "ISBN 978-2-07-036822-8, EAN 6111234567890",
        "0123456789 9876543210 0000000000 1111111111111111",
        "10 20 30 40 50 60 70 80 90 100 110 120",
        "à 12:30:45, score 3-2, 100 000 habitants, ratio 16:9",
        "@property def f(): return a@b",
        "de 15000 à 20000 DH; le 12345; au 98765",
        "12345 و 6 أشخاص",
        "if 12345678 == n: rc = 45678",
        "00:1A:2B:3C:4D:5E std::vector<int> ::1",
        "l'article 12 de la loi 09-08 du 18 février 2009",
        "Code postal 20000 Casablanca, BP 12345",
    ],
)
def test_what_resembles_an_identifier_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_wrong_key_lowers_the_score_and_keeps_the_span() -> None:
    right, wrong = "011519000001205000534921", "011519000001205000534922"
    assert found(wrong) == [("RIB", wrong)]
    assert scan(wrong)[0].score < scan(right)[0].score
    assert scan(wrong)[0].why == "key wrong"
    card = "4111 1111 1111 1112"
    assert found(card) == [("CARD", card)]


def test_a_cue_raises_the_score() -> None:
    assert scan("CIN AB123456")[0].score > scan("voici AB123456")[0].score


def test_lower_case_codes_need_a_cue() -> None:
    assert found("ab123456") == []
    assert found("cin ab123456") == [("CIN", "ab123456")]


def test_identifiers_side_by_side_are_told_apart() -> None:
    text = "06 12 34 56 78 06 98 76 54 32 011 519 0000012050005349 21"
    assert [value for _, value in found(text)] == ["06 12 34 56 78", "06 98 76 54 32", "011 519 0000012050005349 21"]


def test_spaces_marks_and_dashes_inside_a_number() -> None:
    for text in (
        "06\u00a012\u202f34\u200956\u00a078",
        "06\u200b12345678",
        "\u202a0612345678\u202c",
        "06\u201112\u201134\u201156\u201178",
    ):
        (finding,) = scan("tel " + text)
        assert finding.type == "PHONE"
        assert ("tel " + text)[finding.start : finding.end].strip("\u202a\u202c") == text.strip("\u202a\u202c")


def test_escapes_are_read_through() -> None:
    text = '{"cin": "\\u0041B123456", "tel": "06&#49;2345678"}'
    assert found(text) == [("CIN", "\\u0041B123456"), ("PHONE", "06&#49;2345678")]


def test_checks_hold_on_published_examples() -> None:
    assert mod97("011519000001205000534921")
    assert iban("MA64011519000001205000534921")
    assert iban("GB82WEST12345698765432")
    assert not iban("GB82WEST12345698765433")
    assert not iban("XX82WEST12345698765432")
    assert luhn("4539148803436467")
    assert not luhn("0000000000000000")
    assert named("fr.nir")("185057800608491")
    assert named("ip")("41.250.12.9")
    assert not named("ip")("300.1.1.1")
    assert named("gps")("33.57311, -7.58984")
    assert not named("gps")("133.57311, -7.58984")
