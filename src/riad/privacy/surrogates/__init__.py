"""Surrogates: realistic values in place of real ones, and how sure it is that they are nobody's.

Each keeps the form of what it stands for: script, letter case, digits, separators, a valid key where there is one, the
gender of a name where it shows. The same key and value give the same one, so that a conversation sent again is masked
alike with nothing stored. Whoever has the key can try values against a surrogate: it is a secret.

*Nobody's by a standard or a registry*: EMAIL (example.com, .net, .org: RFC 2606) · IP (RFC 5737, 3849, 2544) · PHONE of
France, the United Kingdom, North America and four German cities (ranges reserved for fiction) · NIR (birth number 000),
NN and BIS (serial number 000 or 999), SSN (area 666) · PLATE of Morocco (prefecture 0 or 90 to 99), France and Spain
(letters not used) · CARD (no network issues numbers that start with 0) · GPS (open sea).
*Nobody's as far as is known*: RIB and IBAN of Morocco (bank 990 to 999), IBAN of twelve countries more (bank of nines)
· PHONE of Morocco, Spain, Belgium, the Netherlands, Italy, Tunisia, Algeria, Senegal and Egypt (ranges not allocated
today; a national number is taken to be Moroccan, whatever it may be elsewhere) · ICE (from 900 000 000) · CIN of two
letters (a pair that no list has).
*Only improbable*: every other identifier (SIREN, SIRET, TVA, CNSS, IF, RC, MASSAR, PASSPORT, one-letter CIN, DNI, NIE,
BSN, IDNR, CODICEFISCALE, MF, NINEA, SECRET…: digits and letters at random, with a valid key) · HANDLE · ADDRESS.
*Perhaps somebody's namesake*: PERSON, made of common names. DOB is another date within four years, no secret by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from riad.privacy.surrogates.dates import date
from riad.privacy.surrogates.draw import Draw
from riad.privacy.surrogates.network import email, ip
from riad.privacy.surrogates.numbers import number
from riad.privacy.surrogates.people import Part, local, person
from riad.privacy.surrogates.places import address, coordinates


class Made(NamedTuple):
    """A surrogate, and what each name in it stands for."""

    text: str
    parts: tuple[Part, ...] = ()


def make(type_: str, value: str, draw: Draw, *, before: str, known: Mapping[str, str], attempt: int) -> Made | None:
    """A surrogate of ``value``; None where there is none in its script or form.

    ``before`` what stands in front of it · ``known`` names that already have surrogates, folded · ``attempt`` how many
    were tried before.
    """
    text: str | None
    if type_ == "PERSON":
        named = person(value, draw, before)
        return Made(named[0], tuple(named[1])) if named else None
    if type_ == "EMAIL":
        text = email(value, draw, known)
    elif type_ == "HANDLE":
        text = local(value, draw, known)
    elif type_ == "ADDRESS":
        text = address(value, draw)
    elif type_ == "DOB":
        text = date(value, draw)
    elif type_ == "GPS":
        text = coordinates(value, draw)
    elif type_ == "IP":
        text = ip(value, draw, attempt)
    else:
        text = number(type_, value, draw)
    return Made(text) if text else None
