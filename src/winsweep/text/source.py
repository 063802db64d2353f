"""Where rows come from: a JSONL or JSON file, or a data set of the hub at a pinned revision. The only file that imports datasets."""

import json
from collections.abc import Iterator
from pathlib import Path

from winsweep.errors import BadData


class Rows:
    """Rows of one source in order; `where` names the last one read, for an error about its content."""

    def __init__(self, rows: Iterator[tuple[str, dict]]) -> None:
        self._rows, self.where = rows, "before the first row"

    def __iter__(self) -> Iterator[dict]:
        for self.where, row in self._rows:
            yield row


def file_rows(path: Path) -> Rows:
    """Rows of a .jsonl file (one object a line) or a .json file (a list of objects); BadData names file and line."""
    return Rows(_json_list(path) if path.suffix == ".json" else _json_lines(path))


def hub_rows(hf_id: str, config: str, split: str, revision: str) -> Rows:
    """Rows of a hub data set, streamed; offline they come from the hub cache."""
    import datasets  # half a second, and most studies read files

    try:
        found = datasets.load_dataset(hf_id, config, split=split, revision=revision, streaming=True)
    except Exception as e:
        raise BadData(f"{hf_id} at {revision[:12]}: cannot be loaded ({type(e).__name__}: {e}); where a data set is gated, accept its "
                      f"terms on its page and log in with `hf auth login`; or give the task a path: to a local copy") from e
    return Rows((f"{hf_id} row {i}", dict(row)) for i, row in enumerate(found))


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
