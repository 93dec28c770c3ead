"""Values as people read them: numbers with separators, dates in words, long texts cut, no control characters."""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from decimal import Decimal
from typing import Any

LONGEST_TEXT = 80
"""Characters of a text value that a sentence shows."""
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?)?")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def cell(value: Any, plain: bool = False) -> str:
    """A value in words; `plain` writes a number without separators, as years, identifiers and codes want it."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return number(value, plain)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"binary data ({len(bytes(value)):,} bytes)"
    if isinstance(value, datetime.date):
        return date(value.isoformat())
    return date(clean(str(value)))


def number(value: int | float | Decimal, plain: bool = False) -> str:
    """`12,345`, `3.14`, `0.00123`: two decimals, or three digits below one; huge integers keep their size in words."""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, int):
        return str(value) if plain else f"{value:,}" if abs(value) < 10**18 else f"about {float(value):.2e}"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else f"{'minus ' if value < 0 else ''}infinity"
    if value == int(value) and abs(value) < 10**15:
        return number(int(value), plain)
    if abs(value) >= 10**15 or abs(value) < 10**-6:
        return f"{value:.2e}"
    digits = 2 if abs(value) >= 1 else 2 - math.floor(math.log10(abs(value)))
    return f"{value:{'' if plain else ','}.{digits}f}".rstrip("0").rstrip(".")


def date(text: str) -> str:
    """`3 March 2021` for an ISO date, with the time where there is one but midnight; other text unchanged."""
    match = _ISO_DATE.fullmatch(text)
    if not match or not (1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31):
        return text
    day = f"{int(match[3])} {_MONTHS[int(match[2]) - 1]} {match[1]}"
    return day if match[4] in (None, "00:00") else f"{day} {match[4]}"


def month(year: str, number_of_month: str) -> str:
    """`May 2023` for `2023`, `05`; the year alone for a month that does not exist."""
    number_ = int(number_of_month or 0)
    return f"{_MONTHS[number_ - 1]} {year}" if 1 <= number_ <= 12 else year


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """One line of visible text: control and direction characters become spaces, and long text ends in `…`."""
    head = text[: 4 * longest]  # a megabyte of text is not scanned for the sake of its first line
    visible = "".join(c if _is_visible(c) else " " for c in head)
    words = " ".join(visible.split())
    if len(words) <= longest and len(text) <= len(head):
        return words or "(empty)"
    return words[: longest - 1].rstrip() + "…"


def _is_visible(character: str) -> bool:
    joiner = character in "\u200c\u200d"  # they hold scripts and emoji together
    return joiner or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
