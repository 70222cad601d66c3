"""Telephone numbers that ring nowhere: reserved for fiction, or in a range that was never given out."""

from __future__ import annotations

from riad.privacy.surrogates.data import Plan, plans
from riad.privacy.surrogates.draw import Draw

_HOME = "212"


def phone(digits: str, draw: Draw) -> str:
    """As many digits, with the same country in front if there is one.

    A number without a country is Moroccan; French where no Moroccan one begins so (01 to 04, 09); North American where
    it has ten digits and no zero in front.
    """
    prefix, plan, national = _read(digits)
    start = draw.one(plan.free.get(national[:1], ("",))) if plan else ""
    if start and len(start) < len(national):
        return prefix + start + draw.digits(len(national) - len(start))
    kept = len(digits) - max(0, len(national) - 2)  # the country and what kind of number it is
    return digits[:kept] + draw.digits(len(digits) - kept)


def _read(digits: str) -> tuple[str, Plan | None, str]:
    """What stands before the national number, its plan, and the national number."""
    bare = digits.removeprefix("00")
    if bare != digits or len(digits) > 10:
        for plan in plans():
            if bare.startswith(plan.code):
                national = bare.removeprefix(plan.code)
                if len(national) > plan.length:
                    national = national.removeprefix("0")  # +212 (0) 6
                return digits[: len(digits) - len(national)], plan, national
        return digits[: len(digits) - len(bare) + 3], None, bare[3:]
    national = digits.removeprefix("0")
    code = _HOME
    if digits[:1] == "0" and national[:1] in ("1", "2", "3", "4", "9"):
        code = "33"
    elif len(digits) == 10 and digits[:1] != "0":
        code = "1"
    return digits[: len(digits) - len(national)], next(plan for plan in plans() if plan.code == code), national
