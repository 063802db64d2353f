"""Quantities as a person says them: never so few digits that a small one reads as nothing. Pure."""

import math


def figure(value: float) -> str:
    """Two significant digits below 10 (0.00043, 0.12, 3.5), whole numbers from there on; 0 for nothing at all."""
    if value == 0:
        return "0"
    decimals = 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(0, decimals) if abs(value) < 9.95 else 0}f}"


def plural(num: int, one: str, more: str = "") -> str:
    """A number and what it counts: `more` of all but one, by default with an s."""
    return f"{num:,} {one if num == 1 else more or f'{one}s'}"


def whole(value: float) -> str:
    """A whole number where that leaves a digit, else a figure."""
    return f"{value:,.0f}" if value >= 0.5 else figure(value)


def tokens(num: float) -> str:
    """A number of tokens, about: millions where that leaves a digit, below that two digits of the number itself."""
    if num >= 5e4:
        return f"{num / 1e6:,.1f} M tokens"
    return f"{round(num, min(0, 1 - math.floor(math.log10(num)))) if num >= 1 else 0:,.0f} tokens"


def dollars(value: float) -> str:
    """An amount of money: cents, and two significant digits where that would be none."""
    return f"${value:,.2f}" if value >= 0.005 else f"${figure(value)}"
