"""Rows as a source has them, and what a task makes of them."""

import csv
import json
from pathlib import Path

from tests.text.prepared import examples
from tests.text.test_prepare import job
from winsweep import keys, layout
from winsweep.graph import load


def turns(*texts: str) -> dict:
    return {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]}


def read(path: Path, reader: str, first: object = ..., **source: object) -> list[dict]:
    """What `prepare` makes of `path`, with the task's default options unless `first` is given."""
    options = keys.plain(load(layout.TASKS / f"{reader}.py", "winsweep.tasks").Options())
    return examples(job(path, reader, options=options if first is ... else options | {"first": first}, **source))


def jsonl(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(path: Path, *rows: dict) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
