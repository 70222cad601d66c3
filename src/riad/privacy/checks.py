"""Check keys and forms of identifiers: each takes a compact value (no separators, upper case) and says if it holds."""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections.abc import Callable

_IBANS = {
    15: "NO",
    16: "BE",
    18: "DK FI NL SD",
    19: "SI",
    20: "AT EE LT LU",
    21: "CH HR LI LV",
    22: "BG BH DE GB IE RS VA",
    23: "AE GI IL IQ",
    24: "AD CZ ES PK RO SA SE SK TN",
    25: "LY PT",
    26: "DZ IS TR",
    27: "CM FR GA GR IT MC MR SM",
    28: "BF BJ CI CY HU LB MA ML PL SN",
    29: "BR EG PS QA UA",
    30: "JO KW",
    31: "MT",
}
IBAN_LENGTHS = {country: length for length, countries in _IBANS.items() for country in countries.split()}
"""Length of an IBAN by country: ISO 13616 registry, and the countries of West Africa that use the form."""

_LETTERS = {ord(letter): str(value) for value, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}


def luhn(digits: str) -> bool:
    """The Luhn key of payment cards and SIRET (ISO/IEC 7812-1, annex B)."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return len(set(digits)) > 1 and (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def mod97(digits: str) -> bool:
    """The key of a Moroccan RIB (24 digits) and of an ICE (15): the whole number is a multiple of 97."""
    return int(digits) % 97 == 0 and len(set(digits)) > 1


def iban(value: str) -> bool:
    """ISO 7064 mod 97-10 over a value that starts with its country, of that country's length."""
    if IBAN_LENGTHS.get(value[:2]) != len(value):
        return False
    return int((value[4:] + value[:4]).translate(_LETTERS)) % 97 == 1


def ip(value: str) -> bool:
    """An address that may lead to somebody: not a loopback, a netmask, a multicast group, or a router's .0 .1 .255."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if address.version == 6:
        return len(value) > 6 and not (address.is_loopback or address.is_unspecified or address.is_multicast)
    last = address.packed[3]
    if address.is_private and last in (0, 1, 254, 255):
        return False
    if max(address.packed) < 32:
        return False  # more likely a version: 4.12.0.1
    return not (address.is_loopback or address.is_multicast or address.packed[0] in (0, 255) or value == "1.1.1.1")


def gps(value: str) -> bool:
    """Two decimal degrees, latitude then longitude."""
    parts = re.findall(r"-?\d+\.\d+", value)
    return len(parts) == 2 and abs(float(parts[0])) <= 90 and abs(float(parts[1])) <= 180


_OWN: dict[str, Callable[[str], bool]] = {"luhn": luhn, "mod97": mod97, "iban": iban, "ip": ip, "gps": gps}


def named(name: str) -> Callable[[str], bool]:
    """The check of that name: ours, or python-stdnum's ``country.number`` (``es.dni``). Raises ``ValueError``."""
    if name in _OWN:
        return _OWN[name]
    try:
        check: Callable[[str], bool] = importlib.import_module(f"stdnum.{name}").is_valid
    except (ImportError, AttributeError):
        known = ", ".join(_OWN)
        raise ValueError(
            f"there is no check {name}; use {known}, or a module of python-stdnum such as es.dni"
        ) from None
    return check
