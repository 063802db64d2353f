"""Text of a CSV that is safe to open in a spreadsheet or to print: nothing in a cell is run."""

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence

# A spreadsheet runs a cell that begins with one of these, in some locales also their wide or small forms, and whether
# or not something that is not seen stands before them.
FORMULA_STARTS = ("=", "+", "-", "@", "|", "%")
# ESC begins a terminal's command
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\n"}


def to_csv(names: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """A header and a line for each row; what a row does not have is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([show(name) for name in names])
    writer.writerows([show(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def show(value: object) -> str:
    """A figure with six decimals; text without control characters, and with a quote before it if a spreadsheet would
    run it.
    """
    if isinstance(value, float):
        return f"{value:.6f}" if value == 0 or abs(value) >= 1e-3 else repr(value)
    if value is None or isinstance(value, (bool, int)):
        return "" if value is None else str(value)
    text = str(value).encode("utf-8", "backslashreplace").decode()
    starts = _first_seen(text).startswith(FORMULA_STARTS) or text.startswith(("\t", "\r"))
    return f"{chr(39) if starts else ''}{text.translate(CONTROL)}"


def _first_seen(text: str) -> str:
    """The first character that can be seen: no blank, format or control character, no combining mark; a wide or small
    form as the plain one.
    """
    first = next((c for c in text if unicodedata.category(c)[0] not in "ZCM"), "")
    return "-" if first == "\u2212" else unicodedata.normalize("NFKC", first)
