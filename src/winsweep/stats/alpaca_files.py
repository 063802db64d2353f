"""What a file in AlpacaEval's format holds, ours or alpaca_eval's own: outputs of one model, or annotations of two."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winsweep import paths
from winsweep.amounts import plural
from winsweep.errors import BadData, Incomplete, NotFound
from winsweep.judge.matching import renamed
from winsweep.judge.pairs import by_instruction, shown
from winsweep.quoting import excerpt
from winsweep.stats.annotations import NUM_NAMED
from winsweep.text.source import file_rows

NAMES = ("annotations.json", "outputs.json", "model_outputs.json")  # in a directory, the first that is there
Row = dict[str, Any]


def read(path: Path) -> tuple[Path, list[Row]]:
    """The rows of a file, or of the first of NAMES in a directory, and where they were; NotFound or BadData says what
    to type.
    """
    if paths.is_dir(path):
        found = next((path / name for name in NAMES if (path / name).is_file()), None)
        if found is None:
            raise NotFound(
                f"{path}: a directory without {', '.join(NAMES)}; legal is one that has any of them, or a file"
            )
        path = found
    if not paths.is_file(path):
        raise NotFound(
            f"{path}: no such file; legal is a JSON list of outputs or of annotations in AlpacaEval's format"
        )
    try:
        rows = list(file_rows(path))
    except UnicodeDecodeError as e:
        raise BadData(f"{path}: not UTF-8 ({e.reason} at byte {e.start}); legal is JSON in UTF-8") from None
    if not rows:
        raise BadData(f"{path}: no rows; legal is at least one")
    return path, rows


def is_annotated(rows: Sequence[Mapping]) -> bool:
    """Whether rows are annotations, told by the first."""
    return "preference" in rows[0] or "output_2" in rows[0]


def annotations(path: Path, rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Annotation rows as a report takes them, and notes of what was changed or must be known. BadData for rows of
    several candidates.

    AlpacaEval 1 wrote a tie as 0, and called the reference's name `generator`. A preference that a program wrote as
    text is a number.
    """
    rows, notes = _with_reference_name(rows)
    rows, num_text = _with_numbers(path, rows)
    notes += (
        [
            (
                f"{plural(num_text, 'preference is text and was', 'preferences are text and were')} read as the "
                "numbers that they spell"
            )
        ]
        if num_text
        else []
    )
    for side, what in (("generator_2", "candidates"), ("generator_1", "references")):
        names = sorted({str(row.get(side)) for row in rows})
        if len(names) > 1:
            raise BadData(
                f"{path}: rows of {len(names)} {what} ({', '.join(map(repr, names[:NUM_NAMED]))}); legal is one in "
                f"{side}; split the file"
            )
    num_zero = sum(row.get("preference") == 0 and row["preference"] is not False for row in rows)
    notes += (
        [
            (
                f"{plural(num_zero, 'preference of 0 is taken for a tie', 'preferences of 0 are taken for ties')}, "
                "as AlpacaEval 1 wrote them"
            )
        ]
        if num_zero
        else []
    )
    if "generator_1" in rows[0] and rows[0].get("generator_1") == rows[0].get("generator_2"):
        notes.append(
            f"both sides are called {excerpt(rows[0]['generator_1'])}: alpaca_eval would report 50 whatever the rows "
            f"say"
        )
    return [
        row | {"preference": 1.5} if row.get("preference") == 0 and row["preference"] is not False else row
        for row in rows
    ], notes


def _with_reference_name(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """`rows` with the column generator as generator_1, where they have only that."""
    if "generator" not in rows[0] or any("generator_1" in row for row in rows):
        return rows, []
    named = [{"generator_1" if name == "generator" else name: value for name, value in row.items()} for row in rows]
    return named, ["the column generator is read as generator_1, the reference's name"]


def _with_numbers(path: Path, rows: list[Row]) -> tuple[list[Row], int]:
    """`rows` with preferences that are text as the numbers they spell, and how many were; BadData names the row whose
    text spells none.
    """
    found = []
    for i, row in enumerate(rows):
        if not isinstance(said := row.get("preference"), str):
            found.append(row)
            continue
        number = _number(said)
        if number is None:
            raise BadData(
                f"{path} row {i}: preference is the text {excerpt(said)}; legal is a number of 1 (output_1 is better) "
                f"to "
                "2 (output_2 is), or null for a row that was not judged; write that"
            )
        found.append(row | {"preference": number})
    return found, sum(isinstance(row.get("preference"), str) for row in rows)


def _number(text: str) -> float | None:
    try:
        found = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def pairs(
    candidate: tuple[Path, list[Row]], reference: tuple[Path, list[Row]], can_lack: bool = False
) -> tuple[list[Row], int]:
    """What a judge is asked: the outputs of both for each instruction of the candidate, in its order, and how many of
    these differ from the reference's in white space.

    BadData for rows that are no outputs or are twice; Incomplete, naming instructions, for what either side lacks (with
    `can_lack`, only for what the reference does).
    """
    theirs = by_instruction(*reference)
    rows, num_renamed = renamed(candidate[1], theirs)
    ours = by_instruction(candidate[0], rows)
    _refuse([text for text in ours if text not in theirs], reference[0])
    if not can_lack:
        _refuse([text for text in theirs if text not in ours], candidate[0])
    return [
        {
            "instruction": text,
            "dataset": row.get("dataset", ""),
            "output_1": theirs[text]["output"],
            "output_2": row["output"],
            "generator_1": str(theirs[text].get("generator", reference[0].stem)),
            "generator_2": str(row.get("generator", candidate[0].stem)),
            "truncated": bool(row.get("truncated")),
        }
        for text, row in ours.items()
    ], num_renamed


def _refuse(lacking: Sequence[str], where: Path) -> None:
    if lacking:
        raise Incomplete(
            f"{where}: no output for {shown(lacking)}; outputs are joined by the instruction's text; complete the file"
        )
