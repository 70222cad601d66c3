"""Packs: other countries' numbers, an operator's own folder, and folders that are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from riad.errors import BadSettings
from riad.privacy import knowledge, scan
from riad.privacy.identifiers import table


@pytest.fixture
def packs() -> Iterator[None]:
    yield
    knowledge.choose("MA")


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("Fournisseur : SIREN 974 479 289, Lyon", "SIREN", "974 479 289"),
        ("TVA FR81974479289", "TVA", "FR81974479289"),
        ("titular del DNI 74058907B,", "DNI", "74058907B"),
        ("mi NIE es X1162099R", "NIE", "X1162099R"),
        ("factura CIF G69389898", "CIF", "G69389898"),
        ("registre national NN 85.12.01-930.36", "NN", "85.12.01-930.36"),
        ("VAT BE 0882.419.688", "VAT", "BE 0882.419.688"),
        ("btw NL213381382B02", "BTW", "NL213381382B02"),
        ("mijn BSN is 111222333", "BSN", "111222333"),
        ("Steuer-ID 36 574 261 809", "IDNR", "36 574 261 809"),
        ("Steuernummer 181/815/08155", "STNR", "181/815/08155"),
        ("codice fiscale RCCMNL83S18D969H", "CODICEFISCALE", "RCCMNL83S18D969H"),
        ("partita IVA 00743110157", "IVA", "00743110157"),
        ("matricule fiscal 1496298/T/P/N/000", "MF", "1496298/T/P/N/000"),
        ("NIF 408 020 000 150 039", "NIF", "408 020 000 150 039"),
        ("notre NINEA 30672212G2 à Dakar", "NINEA", "30672212G2"),
        ("Egyptian tax number 100-531-385", "TN", "100-531-385"),
        ("SSN 903-28-0907", "SSN", "903-28-0907"),
        ("call 234-555-0153", "PHONE", "234-555-0153"),
        ("aws key AKIAIOSFODNN7EXAMPLE", "SECRET", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_other_countries_numbers(text: str, type_: str, value: str) -> None:
    assert [(f.type, text[f.start : f.end]) for f in scan(text)] == [(type_, value)]


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def scanned_with(folder: Path) -> None:
    knowledge.choose("MA", [folder])
    scan("x")


@pytest.mark.usefixtures("packs")
def test_a_folder_adds_a_country(tmp_path: Path) -> None:
    text = "numéro d'électeur GN-4821-77"
    assert scan(text) == []
    kind = '[[kind]]\ntype = "VOTER"\nafter = \'GN-\\d{4}-\\d\\d\'\ncue = 0.9\ncues = ["numéro d\'électeur"]\n'
    knowledge.choose("GN", [write(tmp_path / "gn", "identifiers.toml", kind)])
    assert [(f.type, text[f.start : f.end]) for f in scan(text)] == [("VOTER", "GN-4821-77")]
    assert "RIB" in table().types  # the shipped packs stay


@pytest.mark.usefixtures("packs")
def test_the_home_country_comes_first() -> None:
    knowledge.choose("sn")
    assert knowledge.folders()[0].name == "sn"
    assert knowledge.folders()[-1].name == "world"


@pytest.mark.usefixtures("packs")
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("notes.md", "", "no privacy pack"),
        ("identifiers.toml", "[[kind]\n", "not valid TOML"),
        ("identifiers.toml", "[[kind]]\nshape = '\\d'\n", "type"),
        ("identifiers.toml", '[[kind]]\ntype = "XX"\nshape = "("\n', "XX"),
        ("identifiers.toml", '[[kind]]\ntype = "XX"\nshape = "y"\ncheck = "xx.nothing"\n', "xx.nothing"),
        ("identifiers.toml", '[[kind]]\ntype = "XX"\nshape = "y"\nvalidd = 1\n', "validd"),
        ("identifiers.toml", 'kind = "X"\n', "kind"),
    ],
)
def test_a_bad_folder_is_refused_by_name(tmp_path: Path, name: str, text: str, said: str) -> None:
    folder = write(tmp_path / "own", name, text)
    with pytest.raises(BadSettings, match=said) as refused:
        scanned_with(folder)
    assert "own" in str(refused.value)
    assert refused.value.remedy
