"""Which two outputs belong together, joined by the instruction's text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from winsweep.errors import BadData, Incomplete
from winsweep.judge.matching import renamed
from winsweep.quoting import excerpt
from winsweep.text.source import file_rows

NUM_NAMED = 3  # instructions that an error spells out


def read(instructions: Path, candidate: Path, reference: Path) -> tuple[list[dict], int]:
    """One pair per instruction, in the order of the instruction set; Incomplete names what either side lacks.

    A pair is an AlpacaEval annotation row without its preference: output_1 is the reference's, output_2 the
    candidate's. The number is that of outputs which were matched although their instruction differs in white space.
    """
    asked = list(file_rows(instructions))
    texts = [row["instruction"] for row in asked]
    found = [renamed(list(file_rows(path)), texts) for path in (candidate, reference)]
    ours, theirs = (by_instruction(path, rows) for path, (rows, _) in zip((candidate, reference), found))
    for side, where in ((ours, candidate), (theirs, reference)):
        missing = [row["instruction"] for row in asked if row["instruction"] not in side]
        if missing:
            raise Incomplete(
                f"{where}: no output for {len(missing)} of {len(asked)} instructions, the first being "
                f"{excerpt(missing[0])}; "
                "outputs are joined by the instruction's text; complete the file"
            )
    pairs = [_pair(row, theirs[row["instruction"]], ours[row["instruction"]]) for row in asked]
    return pairs, sum(num for _, num in found)


def _pair(asked: Mapping, reference: Mapping, candidate: Mapping) -> dict:
    answer = {"answer": asked["answer"]} if "answer" in asked else {}
    return {
        "instruction": asked["instruction"],
        "dataset": asked.get("dataset", ""),
        "output_1": reference["output"],
        "output_2": candidate["output"],
        "generator_1": reference.get("generator", "reference"),
        "generator_2": candidate["generator"],
        "num_tokens": candidate["num_tokens"],
        "truncated": candidate["truncated"],
        **({"grammar": candidate["grammar"]} if "grammar" in candidate else {}),
        **answer,
    }


def by_instruction(path: Path, rows: Sequence[Mapping]) -> dict[str, Mapping]:
    """Rows of AlpacaEval outputs by instruction; BadData names the row that is none, and instructions that stand more
    than once.
    """
    for i, row in enumerate(rows):
        wrong = [name for name in ("instruction", "output") if not isinstance(row.get(name), str)]
        if wrong:
            raise BadData(
                f"{path} row {i}: {wrong[0]} is {excerpt(row.get(wrong[0]))}; legal are the texts instruction and "
                f"output; "
                f"the row has {', '.join(map(str, row)) or 'nothing'}; rename its keys or columns"
            )
    twice = [text for text, num in Counter(row["instruction"] for row in rows).items() if num > 1]
    if twice:
        raise BadData(f"{path}: more than once: {shown(twice)}; each instruction may stand once")
    return {row["instruction"]: row for row in rows}


def shown(texts: Iterable[str]) -> str:
    """Instructions as an error names them."""
    texts = sorted(texts)
    return f"{', '.join(excerpt(text) for text in texts[:NUM_NAMED])} ({len(texts)} in all)"
