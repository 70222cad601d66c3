"""Identifiers made of digits and letters: the same form, a key that holds, and an owner that cannot be.

What has a country's check key and no rule of its own here is drawn until python-stdnum finds the key right.
"""

from __future__ import annotations

from collections.abc import Callable

from riad.privacy.checks import named
from riad.privacy.surrogates.accounts import iban, key97, rib
from riad.privacy.surrogates.draw import Draw
from riad.privacy.surrogates.people import same_digits
from riad.privacy.surrogates.phones import phone
from riad.privacy.surrogates.shape import LETTERS, shape

_TRIES = 20_000

_STANDARD = {
    "NIF": ("fr.nif", "es.nif", "dz.nif"),
    "DNI": ("es.dni",),
    "NIE": ("es.nie",),
    "CIF": ("es.cif",),
    "VAT": ("be.vat", "de.vat"),
    "BSN": ("nl.bsn",),
    "BTW": ("nl.btw",),
    "IDNR": ("de.idnr",),
    "STNR": ("de.stnr",),
    "CODICEFISCALE": ("it.codicefiscale",),
    "IVA": ("it.iva",),
    "MF": ("tn.mf",),
    "NINEA": ("sn.ninea",),
    "TN": ("eg.tn",),
}
"""By type, the modules of python-stdnum that may know its key."""
_PREFIXES = frozenset(("BE", "DE", "ES", "FR", "IT", "NL"))
"""Countries that write their code in front of a tax number."""


def number(type_: str, value: str, draw: Draw) -> str | None:
    """Another number in place of ``value``, with its separators, digits and case; None where none can be made."""
    plain = "".join(_plain(character) for character in value if character.isalnum())
    if not plain.isalnum() or len(plain) != sum(map(str.isalnum, value)):
        return None
    if type_ == "CODICEFISCALE" and len(plain) == 16:
        made: str | None = _until_valid(type_, plain, lambda: _codice_fiscale(plain, draw))
    elif type_ == "NIF" and len(plain) == 13 and plain.isdecimal():
        made = _french_nif(draw)
    elif type_ in _STANDARD:
        country = plain[:2] if plain[:2] in _PREFIXES else ""
        made = _until_valid(type_, plain, lambda: country + shape(plain[len(country) :], draw))
    else:
        made = _MAKERS.get(type_, shape)(plain, draw)
    return _written(value, made) if made else None


def _plain(character: str) -> str:
    return str(int(character)) if character.isdecimal() else character.upper()


def _written(value: str, made: str) -> str:
    """The characters of ``made`` in place of the letters and digits of ``value``."""
    left = iter(made)
    return "".join(_like(next(left), character) if character.isalnum() else character for character in value)


def _like(character: str, other: str) -> str:
    if other.isascii() and not other.islower():
        return character
    if character.isdecimal():
        return same_digits(character, other) if other.isdecimal() else character
    return character.lower() if other.islower() else character


def _until_valid(type_: str, plain: str, make: Callable[[], str]) -> str | None:
    """Drawn again until every key that the original has right is right again; None if that never happens."""
    kept = [check for check in map(named, _STANDARD[type_]) if check(plain)]
    for _ in range(_TRIES if kept else 1):
        made = make()
        if all(check(made) for check in kept):
            return made
    return None


def luhn_digit(digits: str) -> str:
    """The last digit that makes Luhn's sum of the whole a multiple of ten (ISO/IEC 7812-1, annex B)."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    return str(-(doubled + sum(map(int, digits[-2::-2]))) % 10)


def _ice(plain: str, draw: Draw) -> str:
    """A company number from 900 000 000, far above those given so far."""
    if len(plain) != 15 or not plain.isdecimal():
        return shape(plain, draw)
    body = "9" + draw.digits(12)
    return body + key97(body)


def _card(plain: str, draw: Draw) -> str:
    """An issuer that starts with 0, which no payment network has (ISO/IEC 7812-1: kept for other industries)."""
    body = "0" + draw.digits(len(plain) - 2)
    return body + luhn_digit(body)


def _siren(plain: str, draw: Draw) -> str:
    body = str(draw.between(1, 9)) + draw.digits(7)
    return body + luhn_digit(body) if len(plain) == 9 and plain.isdecimal() else shape(plain, draw)


def _siret(plain: str, draw: Draw) -> str:
    if len(plain) != 14 or not plain.isdecimal():
        return shape(plain, draw)
    body = _siren(plain[:9], draw) + draw.digits(4)
    return body + luhn_digit(body)


def _tva(plain: str, draw: Draw) -> str:
    siren = _siren("0" * 9, draw)
    made = f"{(12 + 3 * (int(siren) % 97)) % 97:02}{siren}"
    return f"FR{made}" if len(plain) == 13 else made if len(plain) == 11 else shape(plain, draw)


def _nir(plain: str, draw: Draw) -> str:
    """The same sex, another month and place, and birth number 000: they start at 001."""
    if len(plain) not in (13, 15):
        return shape(plain, draw)
    body = f"{plain[0]}{draw.digits(2)}{draw.between(1, 12):02}{draw.between(21, 95)}{draw.between(1, 899):03}000"
    return body + f"{97 - int(body) % 97:02}" if len(plain) == 15 else body


def _nn(plain: str, draw: Draw) -> str:
    """The same sex, another day, and serial number 000 or 999: they run from 001 to 998. Born before 2000."""
    if len(plain) != 11 or not plain.isdecimal():
        return shape(plain, draw)
    month = draw.between(1, 12) + int(plain[2:4]) // 20 * 20
    body = f"{draw.between(40, 99)}{month:02}{draw.between(1, 28):02}" + ("999" if int(plain[8]) % 2 else "000")
    return body + f"{97 - int(body) % 97:02}"


def _french_nif(draw: Draw) -> str:
    """The tax number of a household: ten digits from 0 to 3 billion, and what they leave divided by 511."""
    body = str(draw.below(4)) + draw.digits(9)
    return body + f"{int(body) % 511:03}"


def _codice_fiscale(plain: str, draw: Draw) -> str:
    """Letters, a date and a place of the form; the last letter is the key."""
    name = "".join(draw.one("BCDFGLMNPRSTVZ") for _ in range(6))
    day = draw.between(1, 28) + (40 if plain[9:11].isdecimal() and int(plain[9:11]) > 40 else 0)
    birth = f"{draw.digits(2)}{draw.one('ABCDEHLMPRST')}{day:02}"
    return f"{name}{birth}{draw.one('ABCDEFGHIL')}{draw.digits(3)}{draw.one(LETTERS)}"


def _ssn(plain: str, draw: Draw) -> str:
    """Area 666, which the Social Security Administration never gave out."""
    return f"666{draw.between(1, 99):02}{draw.between(1, 9999):04}" if len(plain) == 9 else shape(plain, draw)


def _cin(plain: str, draw: Draw) -> str:
    """Two letters become a pair that no identity card is known to start with; one letter is any."""
    made = shape(plain, draw)
    return made[0] + draw.one("QRU") + made[2:] if made[1:2].isalpha() else made


def _plate(plain: str, draw: Draw) -> str:
    """Moroccan: prefecture 90 to 99, or 0: they are numbered 1 to 89. French and Spanish: letters that are not used."""
    digits = [character.isdecimal() for character in plain]
    split = digits.index(False) if False in digits else len(plain)
    middle, behind = plain[split : split + 1], plain[split + 1 :]
    if split and middle and behind.isdecimal() and len(behind) <= 2:
        series = draw.one("أبدهوط") if middle not in LETTERS else draw.one("ABDHWT")
        return shape(plain[:split], draw) + series + (f"9{draw.below(10)}" if len(behind) == 2 else "0")
    made = shape(plain, draw)
    letters = next((index for index, character in enumerate(made) if character in LETTERS), len(made))
    return made[:letters] + draw.one("IOU") + made[letters + 1 :] if letters < len(made) else made


_MAKERS: dict[str, Callable[[str, Draw], str]] = {
    "RIB": rib,
    "IBAN": iban,
    "ICE": _ice,
    "CARD": _card,
    "SIREN": _siren,
    "SIRET": _siret,
    "TVA": _tva,
    "NIR": _nir,
    "NN": _nn,
    "BIS": _nn,
    "SSN": _ssn,
    "CIN": _cin,
    "PLATE": _plate,
    "PHONE": phone,
}
