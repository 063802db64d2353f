"""Rows of figures, each in a file as soon as it is measured, so that a run that is cut keeps what it has."""

import json
import os
from pathlib import Path


def append(path: Path | None, what: str, numbers: dict) -> None:
    """Add a line of JSON to `path` (nothing without one) and see it to the disk."""
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what} | numbers) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read(path: Path) -> list[dict]:
    """The rows so far; a last line that was cut is left out."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def markdown(rows: list[dict]) -> str:
    """A table for each kind of row, in the order in which they were measured."""
    tables = []
    for what in dict.fromkeys(row["what"] for row in rows):
        here = [{key: value for key, value in row.items() if key != "what"} for row in rows if row["what"] == what]
        columns = list(dict.fromkeys(key for row in here for key in row))
        lines = [columns, ["---"] * len(columns), *([text(row.get(column, "")) for column in columns] for row in here)]
        tables.append(f"## {what}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(tables)


def text(value: object) -> str:
    found = f"{value:.4g}" if isinstance(value, float) and abs(value) < 1000 else str(value)
    return found.replace("|", "/").replace("\n", " ")
