"""Addresses of computers and mailboxes that belong to nobody by the standards that reserve them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from riad.privacy.surrogates.draw import Draw
from riad.privacy.surrogates.people import local

_AT = re.compile(r"\s*(?:[\[({<]\s*(?:at|arobase|arobas|@)\s*[\])}>]|@|\s(?:at|arobase)\s)\s*", re.IGNORECASE)
_DOT = re.compile(r"\s*(?:[\[({<]\s*(?:dot|point|\.)\s*[\])}>]|\.|\s(?:dot|point)\s)\s*", re.IGNORECASE)
_DOMAINS = ("com", "net", "org")
_DOCUMENTATION = ("192.0.2", "198.51.100", "203.0.113")
_ATTEMPTS_IN_DOCUMENTATION = 8


def email(value: str, draw: Draw, known: Mapping[str, str]) -> str | None:
    """An address under example.com, .net or .org (RFC 2606), its "at" and "dot" as they are written."""
    at = _AT.search(value)
    if at is None or at.start() == 0 or at.end() == len(value):
        return None
    dot = _DOT.search(value, at.end())
    domain = f"example{dot[0] if dot else '.'}{draw.one(_DOMAINS)}"
    return local(value[: at.start()], draw, known) + at[0] + (domain.upper() if value.isupper() else domain)


def ip(value: str, draw: Draw, attempt: int) -> str:
    """An address kept for documentation (RFC 5737, RFC 3849); once few are left, for benchmarks (RFC 2544)."""
    if ":" in value:
        groups = [f"{draw.between(0x1000, 0xFFFF):x}" for _ in range(3)]
        return f"2001:db8:{groups[0]}:{groups[1]}::{groups[2]}"
    if attempt < _ATTEMPTS_IN_DOCUMENTATION:
        return f"{draw.one(_DOCUMENTATION)}.{draw.between(2, 253)}"
    return f"198.{draw.between(18, 19)}.{draw.below(256)}.{draw.between(2, 253)}"
