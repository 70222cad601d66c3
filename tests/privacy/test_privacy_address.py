"""Postal addresses and handles: found as people write them, and not where a street is only a street."""

from __future__ import annotations

import pytest

from riad.privacy import scan


def values(text: str, type_: str) -> list[str]:
    return [text[f.start : f.end] for f in scan(text) if f.type == type_]


@pytest.mark.parametrize(
    ("before", "address", "behind"),
    [
        ("demeurant au ", "12, rue Ibn Sina, apt 4, Agdal, Rabat 10090", ", déclare"),
        ("j'habite ", "27 rue oued ziz appt 6 agdal rabat", " je cherche"),
        ("sis ", "Résidence Yasmine, Imm B étage 3 n° 11, route de Sefrou, Fès", "."),
        ("Livrer au ", "3 bis bd Mohammed V, 20250 Casablanca", " SVP"),
        ("adresse : ", "lot Al Wahda n° 45, Témara", ""),
        ("Adresse : ", "Hay Essalam, Bloc C, N° 17, Salé", ""),
        ("il vit au ", "8 avenue de la République, 75011 Paris", "."),
        ("ship it to ", "24 Baker Street, London", " please"),
        ("", "Flat 9, 118 Anfa Boulevard, Casablanca 20050", ". Amount due"),
        ("vivo en la ", "C/ Mayor 12, 3º B, 28013 Madrid", " y"),
        ("domicilio en ", "Avenida de la Constitución, 27, 4.º izda., 41004 Sevilla", ""),
        ("أقطن ب", "رقم 12 زنقة فاس حي السلام سلا", " وأرغب"),
        ("العنوان: ", "18 شارع محمد الخامس، عمارة ب، شقة 9، القنيطرة 14000", ""),
        ("ساكن ف ", "حي الرحمة، بلوك 4، رقم 37، سلا الجديدة", "، كل ليلة"),
        ("sakn f ", "derb 3 ra9m 12 hay mohammadi casa", " o kanchri"),
        ("", "imm 14 appt 6 residence al firdaous hay riad rabat", " o nmra"),
    ],
)
def test_an_address_is_found(before: str, address: str, behind: str) -> None:
    assert values(before + address + behind, "ADDRESS") == [address]


@pytest.mark.parametrize(
    "text",
    [
        "La rue Mohammed V est fermée jusqu'au 12 mars 2025.",
        "Le boulevard Zerktouni à Casablanca est embouteillé à 18h.",
        "Le stade Mohammed V accueille 45 000 spectateurs.",
        "voiture 12, place 45",
        "fin ja chari3 mohammed 5 f casa? 9rib l gare?",
        "Le parc contient 120 arbres et la route nationale 7 le longe.",
        "étage 3, porte B : le photocopieur est en panne",
        "Le lot 12 du marché public comprend 3 tranches.",
        "Wall Street fell 2% while Main Street waited.",
        "شارع محمد الخامس مغلق يوم 12 مارس",
        "حي الرياض من أجمل أحياء الرباط فيه 20 مقهى",
        "https://example.com/rue/12/appartement?lot=4",
        "une impasse budgétaire de 12 milliards",
        "L'avenue est longue de 3 km.",
    ],
)
def test_a_street_alone_is_no_address(text: str) -> None:
    assert values(text, "ADDRESS") == []


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("suis-moi sur insta @manal.cake_fes stp", "@manal.cake_fes"),
        ("@ahmed_benali", "@ahmed_benali"),
        ("insta dyali hamza_99 tab3ni", "hamza_99"),
        ("linkedin.com/in/adil-senhaji-4b81a2", "adil-senhaji-4b81a2"),
        ("https://www.instagram.com/sara.bnj/ regarde", "sara.bnj"),
        ("فالتيكتوك @chef.hanane_taza وديرو", "@chef.hanane_taza"),
    ],
)
def test_a_handle_is_found(text: str, handle: str) -> None:
    assert values(text, "HANDLE") == [handle]


@pytest.mark.parametrize(
    "text",
    [
        "@property\ndef name(self): ...",
        "@app.route('/x')",
        "import x from '@angular/core'",
        "@media (max-width: 600px)",
        "git@example.org:riad.git",
        "@everyone réunion à 10h",
        "instagram.com/explore",
        "un post insta de 2024",
    ],
)
def test_code_is_no_handle(text: str) -> None:
    assert values(text, "HANDLE") == []
