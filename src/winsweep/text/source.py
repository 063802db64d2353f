"""Where rows come from: a local file, or a file of a hub data set at a pinned revision. The only file that imports
datasets.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from winsweep.errors import BadData
from winsweep.quoting import excerpt
from winsweep.study.cell import HubData
from winsweep.text import hub, tables
from winsweep.text.lines import kind_of, lines

SURROGATE = re.compile("[\ud800-\udfff]")


class Rows:
    """Rows of one source in order; `where` names the last one read, for an error about its content; "" once reading
    failed.
    """

    def __init__(self, rows: Iterator[tuple[str, dict]], of: str) -> None:
        self._rows, self.where = rows, f"{of}: before its first row"

    def __iter__(self) -> Iterator[dict]:
        try:
            for where, row in self._rows:
                self.where = where
                yield row
        except BadData:
            self.where = ""  # as the error names its place, which is behind the last row
            raise


def file_rows(path: Path) -> Rows:
    """Rows of a file, by its suffix, gzip-ed or not; BadData names file and line, or the row (from 0) of a list or a
    parquet file.

    .csv, .tsv: every field is text, an empty one None. .parquet: what its columns hold. .txt, .pgn: each line as
    {"text"}. Any other: JSON, one object a line or a list of them.
    """
    kind = kind_of(path)
    if kind in (".csv", ".tsv"):
        return Rows(tables.table(path, "\t" if kind == ".tsv" else ","), str(path))
    if kind == ".parquet":
        return Rows(tables.parquet(path), str(path))
    if kind in (".txt", ".pgn"):
        return Rows(((f"{path}:{number}", {"text": line}) for number, line in lines(path)), str(path))
    return Rows(_json(path), str(path))


def hub_rows(hf_id: str, file: str, revision: str) -> Rows:
    """Rows of one file of a hub data set at exactly this revision, downloaded once and then found in the hub cache,
    also offline.

    A pattern (with *) names text files that are too large to keep: their lines are streamed, or read from the cache.
    BadData says what to type.

    Not datasets.load_dataset(hf_id), which takes any cached revision when the hub cannot be reached.
    """
    data = HubData(hf_id, file, revision)
    if "*" not in file:
        return file_rows(hub.fetch_data(data))
    where = hub.fetch_data(data) if hub.is_offline() else f"hf://datasets/{hf_id}@{revision}"
    return Rows(_streamed(data, f"{where}/{file}"), f"{hf_id} {file}")


def _streamed(data: HubData, files: str) -> Iterator[tuple[str, dict]]:
    import datasets  # half a second, and most studies read files

    try:
        found = datasets.load_dataset("text", data_files=files, split="train", streaming=True)
        yield from ((f"{data.hf_id} line {i}", row) for i, row in enumerate(found, 1))
    except Exception as e:  # of a stream, as it is read, too
        raise hub.refused(e, data.hf_id, data.revision, data.file) from e


def _json(path: Path) -> Iterator[tuple[str, dict]]:
    """Objects, each on a line of its own, or those of the one list that the file is."""
    numbered = ((number, line) for number, line in lines(path) if line.strip())
    first = next(numbered, None)
    if first and first[1].lstrip().startswith("["):
        yield from _json_list(path, first, numbered)
        return
    for number, line in chain([first] if first else (), numbered):
        yield f"{path}:{number}", _object(line, f"{path}:{number}")


def _json_list(path: Path, first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[str, dict]]:
    """Rows of a list, which is read whole; each is named by its place in it, from 0 on."""
    read = [first, *rest]
    try:
        rows: Any = parse("\n".join(line for _, line in read), str(path))
    except BadData as e:
        at = re.search(r"line (\d+) column", str(e))  # of what was joined, without blank lines
        if at is None:
            raise
        raise BadData(str(e).replace(str(path), f"{path}:{read[int(at[1]) - 1][0]}", 1)) from None
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadData(
                f"{path} row {i}: found {shown(row)}; each line of a .jsonl file must be a JSON object, and each entry "
                f"of a list"
            )
        yield f"{path} row {i}", row


def _object(line: str, where: str) -> dict:
    row = parse(line, where)
    if not isinstance(row, dict):
        raise BadData(f"{where}: found {excerpt(line.strip())}; each line of a .jsonl file must be a JSON object")
    return row


def parse(text: str, where: str) -> object:
    """What a JSON text holds; BadData at `where` for text that is none, for a name that stands twice and for half a
    character.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as e:
        comma = " (without the comma behind the object)" if text.rstrip().endswith("},") else ""
        raise BadData(
            f"{where}: not JSON ({e}); found {excerpt(text.strip())}; legal is an object on each line, or one list of "
            f"objects; "
            f"fix or remove it{comma}"
        ) from None
    if "\\u" in text and (half := _has_half(found)):
        at = next((f" row {i}" for i, row in enumerate(found) if _has_half(row)), "") if isinstance(found, list) else ""
        raise BadData(
            f"{where}{at}: found {half.group()[:9]!a} alone, half of a character; whole characters are legal, as no "
            f"encoding has halves of "
            "them; a text was cut within an emoji or the like: remove the half"
        )
    return found


def _has_half(found: object) -> re.Match[str] | None:
    return SURROGATE.search(json.dumps(found, ensure_ascii=False))


def _once(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {excerpt(next(n for n in names if names.count(n) > 1))} stands twice in one object")
    return found


def shown(value: object) -> str:
    return excerpt(value)
