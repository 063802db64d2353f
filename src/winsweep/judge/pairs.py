"""Which two outputs belong together, joined by the instruction's text."""

from collections import Counter
from pathlib import Path

from winsweep.errors import BadData, Incomplete
from winsweep.text.source import file_rows


def read(instructions: Path, candidate: Path, reference: Path) -> list[dict]:
    """One pair per instruction, in the order of the instruction set; Incomplete names what either side lacks.

    A pair is an AlpacaEval annotation row without its preference: output_1 is the reference's, output_2 the candidate's.
    """
    ours, theirs = _outputs(candidate), _outputs(reference)
    asked = list(file_rows(instructions))
    for side, where in ((ours, candidate), (theirs, reference)):
        missing = [row["instruction"] for row in asked if row["instruction"] not in side]
        if missing:
            raise Incomplete(f"{where}: no output for {len(missing)} of {len(asked)} instructions, the first being {missing[0][:60]!r}; "
                             "outputs are joined by the instruction's exact text; complete the file")
    return [_pair(row, theirs[row["instruction"]], ours[row["instruction"]]) for row in asked]


def _pair(asked: dict, reference: dict, candidate: dict) -> dict:
    answer = {"answer": asked["answer"]} if "answer" in asked else {}
    return {"instruction": asked["instruction"], "dataset": asked.get("dataset", ""), "output_1": reference["output"],
            "output_2": candidate["output"], "generator_1": reference.get("generator", "reference"), "generator_2": candidate["generator"],
            "num_tokens": candidate["num_tokens"], "truncated": candidate["truncated"], **answer}


def _outputs(path: Path) -> dict[str, dict]:
    rows = list(file_rows(path))
    bad = [i for i, row in enumerate(rows) if not isinstance(row.get("instruction"), str) or not isinstance(row.get("output"), str)]
    if bad:
        raise BadData(f"{path} row {bad[0]}: an AlpacaEval output has the texts `instruction` and `output`; found {', '.join(rows[bad[0]])}")
    twice = [text for text, num in Counter(row["instruction"] for row in rows).items() if num > 1]
    if twice:
        raise BadData(f"{path}: {len(twice)} instructions stand more than once, the first being {twice[0][:60]!r}; each may stand once")
    return {row["instruction"]: row for row in rows}
