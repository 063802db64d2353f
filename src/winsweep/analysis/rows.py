"""The first turn of each prepared conversation, less a system message: all that ranking and drift look at."""

from pathlib import Path

from winsweep.errors import BadData
from winsweep.text.source import file_rows


def first_turns(examples: Path) -> list[tuple[str, str]]:
    """(instruction, response) of each row of an examples.jsonl, in order; BadData names a row that does not begin with
    the two.
    """
    rows = file_rows(examples)
    found = []
    for row in rows:
        turns = row["messages"][row["messages"][0]["role"] == "system" :]
        roles = [m["role"] for m in turns[:2]]
        if roles != ["user", "assistant"]:
            raise BadData(
                f"{rows.where}: found {' and '.join(roles)} first; an instruction and its response are legal; remove "
                f"the row"
            )
        found.append((turns[0]["content"], turns[1]["content"]))
    return found
