"""Columns of a table, machine-readable zones, and numbers broken over lines."""

from __future__ import annotations

import pytest

from riad.privacy import mrz, scan


def found(text: str) -> list[tuple[str, str]]:
    return [(f.type, text[f.start : f.end]) for f in scan(text)]


@pytest.mark.parametrize(
    "text",
    [
        "id,birth_date,cnss\n1,04/02/1981,114578963\n2,,998877665",
        "id;birth_date;cnss\n1;04/02/1981;114578963\n2;;998877665",
        "| id | birth_date | cnss |\n|---|---|---|\n| 1 | 04/02/1981 | 114578963 |\n| 2 | | 998877665 |",
        "id\tbirth_date\tN° CNSS\n1\t04/02/1981\t114578963\n2\t\t998877665",
        'id,birth_date,cnss\n"1","04/02/1981","114578963"\n"2, 3","","998877665"\n',
    ],
)
def test_a_header_announces_its_column(text: str) -> None:
    assert found(text) == [("DOB", "04/02/1981"), ("CNSS", "114578963"), ("CNSS", "998877665")]


def test_a_line_of_another_width_ends_the_table() -> None:
    assert found("id,birth_date\n1,04/02/1981\nune phrase\n2,05/03/1982") == [("DOB", "04/02/1981")]


def test_a_table_without_cues_is_only_a_table() -> None:
    assert found("ville,total\nRabat,114578963\nFès,998877665") == []


PASSPORT = "P<MAREL<GHALI<<NADIA<<<<<<<<<<<<<<<<<<<<<<<<\nWE48271350MAR8805120F2903116<<<<<<<<<<<<<<06"


def test_a_passport_zone() -> None:
    assert found(PASSPORT) == [("PERSON", "EL<GHALI<<NADIA"), ("PASSPORT", "WE4827135"), ("DOB", "880512")]


def test_a_zone_read_badly_is_believed_less() -> None:
    right, wrong = (
        next(f for f in scan(text) if f.type == "PASSPORT")
        for text in (PASSPORT, PASSPORT.replace("WE48271350", "WE48271351"))
    )
    assert right.score > wrong.score
    assert wrong.why == "key wrong"


def test_check_digits_are_those_of_the_specification() -> None:
    assert mrz.check_digit("L898902C<") == 3  # ICAO Doc 9303-3's own example: L898902C<3, 690806 1, 940623 6
    assert mrz.check_digit("690806") == 1
    assert mrz.check_digit("940623") == 6


def test_a_number_broken_over_lines_needs_its_cue() -> None:
    assert found("RIB :\n164 640\n2173485457553000\n52\n") == [("RIB", "164 640\n2173485457553000\n52")]
    assert found("tél : 06 61\n23 45 67") == [("PHONE", "06 61\n23 45 67")]
    assert found("06 61\n23 45 67\n") == []
