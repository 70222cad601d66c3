"""Bank accounts with keys that hold, at banks that there are not."""

from __future__ import annotations

from collections.abc import Callable

from riad.privacy.checks import IBAN_LENGTHS
from riad.privacy.surrogates.draw import Draw
from riad.privacy.surrogates.shape import LETTERS, shape


def key97(digits: str) -> str:
    """Two digits, 01 to 97, that make the whole a multiple of 97 (RIB, ICE)."""
    return f"{97 - int(digits) * 100 % 97:02}"


def rib(plain: str, draw: Draw) -> str:
    """Bank 990 to 999: no Moroccan bank is known to have such a code."""
    if len(plain) != 24 or not plain.isdecimal():
        return shape(plain, draw)
    body = "99" + draw.digits(20)
    return body + key97(body)


def iban(plain: str, draw: Draw) -> str:
    country = plain[:2]
    if IBAN_LENGTHS.get(country) != len(plain):
        return plain[:2] + shape(plain[2:], draw)
    account = _account(country, plain[4:], draw)
    letters = {ord(letter): str(value) for value, letter in enumerate(LETTERS, 10)}
    return f"{country}{98 - int(f'{account}{country}00'.translate(letters)) % 97:02}{account}"


_BANKS = {"MC": 5, "FR": 5, "ES": 4, "BE": 3, "DE": 8, "NL": 4, "GB": 4, "IT": 6, "PT": 4, "CH": 5, "TN": 2, "SN": 5}
"""Characters of the bank in an account, by country. Nines, or X for letters, are in none of schwifty's registers, which
know ten of these countries. The key inside an Italian account is not kept."""


def _account(country: str, plain: str, draw: Draw) -> str:
    """An account of a bank that there is not, with the country's own key where it has one."""
    if country == "MA":
        return rib(plain, draw)
    length = _BANKS.get(country, 0)
    made = "".join("9" if one.isdecimal() else "X" for one in plain[:length]) + "".join(
        draw.digits(1) if one.isdecimal() else draw.one(LETTERS) for one in plain[length:]
    )
    keyed = _ACCOUNT_KEYS.get(country)
    return keyed(made) if keyed else made


def _french_account(account: str) -> str:
    """The RIB key of France and Monaco: 97 less 89 times the bank, 15 the branch and 3 the account, modulo 97."""
    values = "".join(str((ord(c) - 65) % 9 + 1 + (c > "R")) if c.isalpha() else c for c in account)
    return account[:-2] + f"{97 - (89 * int(values[:5]) + 15 * int(values[5:10]) + 3 * int(values[10:21])) % 97:02}"


def _spanish_account(account: str) -> str:
    def digit(digits: str) -> str:
        rest = 11 - sum(int(one) * 2**place for place, one in enumerate(digits)) % 11
        return str({10: 1, 11: 0}.get(rest, rest))

    return account[:8] + digit(f"00{account[:8]}") + digit(account[10:]) + account[10:]


_ACCOUNT_KEYS: dict[str, Callable[[str], str]] = {
    "FR": _french_account,
    "MC": _french_account,
    "ES": _spanish_account,
    "BE": lambda account: account[:10] + f"{int(account[:10]) % 97 or 97:02}",
    "PT": lambda account: account[:19] + f"{98 - int(account[:19]) * 100 % 97:02}",
    "TN": lambda account: account[:18] + key97(account[:18]),
}
