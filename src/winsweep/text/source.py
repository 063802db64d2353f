"""Where rows come from: a local file, or a file of a hub data set at a pinned revision. The only file that imports datasets."""

import glob
import json
from collections.abc import Iterator
from pathlib import Path

from winsweep.errors import BadData
from winsweep.study.cell import HubData
from winsweep.text import hub


class Rows:
    """Rows of one source in order; `where` names the last one read, for an error about its content."""

    def __init__(self, rows: Iterator[tuple[str, dict]]) -> None:
        self._rows, self.where = rows, "before the first row"

    def __iter__(self) -> Iterator[dict]:
        for self.where, row in self._rows:
            yield row


def file_rows(path: Path) -> Rows:
    """Rows of a file, by its suffix; BadData names file and line.

    .json: a list of objects. .csv, .parquet: as the datasets library reads them, empty fields of text being None. .txt, .pgn: each line
    as {"text"}. Any other: JSONL, one object a line.
    """
    if path.suffix in (".csv", ".parquet"):
        return Rows(_table(path, path.suffix[1:]))
    if path.suffix in (".txt", ".pgn"):
        return Rows(_text_lines(path))
    return Rows(_json_list(path) if path.suffix == ".json" else _json_lines(path))


def hub_rows(hf_id: str, file: str, revision: str) -> Rows:
    """Rows of one file of a hub data set at exactly this revision, downloaded once and then found in the hub cache, also offline.

    A pattern (with *) names text files that are too large to keep: their lines are streamed, or read from the cache.
    BadData says what to type.

    Not datasets.load_dataset(hf_id), which takes any cached revision when the hub cannot be reached.
    """
    data = HubData(hf_id, file, revision)
    if "*" not in file:
        return file_rows(hub.fetch_data(data))
    where = hub.fetch_data(data) if hub.is_offline() else f"hf://datasets/{hf_id}@{revision}"
    try:
        return Rows(_streamed(hf_id, f"{where}/{file}"))
    except Exception as e:
        raise hub.refused(e, hf_id, revision, file) from e


def _streamed(hf_id: str, files: str) -> Iterator[tuple[str, dict]]:
    import datasets  # half a second, and most studies read files

    found = datasets.load_dataset("text", data_files=files, split="train", streaming=True)
    return ((f"{hf_id} line {i}", row) for i, row in enumerate(found, 1))


def _table(path: Path, kind: str) -> Iterator[tuple[str, dict]]:
    import datasets

    try:  # streamed, so that no copy is kept; and to the end, so that the file is closed
        found = list(datasets.load_dataset(kind, data_files=glob.escape(str(path)), split="train", streaming=True))
    except Exception as e:
        raise BadData(f"{path}: not a {kind} file ({type(e).__name__}: {e}); mend it or name another") from e
    return ((f"{path} row {i}", row) for i, row in enumerate(found))


def _text_lines(path: Path) -> Iterator[tuple[str, dict]]:
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            yield f"{path}:{number}", {"text": line.rstrip("\n")}


def _json_lines(path: Path) -> Iterator[tuple[str, dict]]:
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.strip():
                yield f"{path}:{number}", _object(line, f"{path}:{number}")


def _json_list(path: Path) -> Iterator[tuple[str, dict]]:
    rows = _parse(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(rows, list):
        raise BadData(f"{path}: found a JSON {type(rows).__name__}; a list of objects is legal in a .json file")
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadData(f"{path} row {i}: found {str(row)[:60]!r}; an object is legal here")
        yield f"{path} row {i}", row


def _object(line: str, where: str) -> dict:
    row = _parse(line, where)
    if not isinstance(row, dict):
        raise BadData(f"{where}: found {line.strip()[:60]!r}; each line of a .jsonl file must be a JSON object")
    return row


def _parse(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except ValueError as e:
        raise BadData(f"{where}: not JSON ({e}); found {text.strip()[:60]!r}; mend or remove it") from None
