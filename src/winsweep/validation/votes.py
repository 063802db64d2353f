"""How a file of people's votes is read: AlpacaEval's annotations as they are published, one row a vote, and any file of
instruction, two answers and votes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from winsweep.amounts import plural
from winsweep.errors import BadData
from winsweep.quoting import excerpt
from winsweep.text.source import Rows, file_rows
from winsweep.validation.pair import TIE, Pair

# Columns by what they are called elsewhere; the first of each that a row has.
NAMES = {
    "instruction": ("instruction", "prompt", "question"),
    "output_1": ("output_1", "a", "answer_a", "response_a", "output_a"),
    "output_2": ("output_2", "b", "answer_b", "response_b", "output_b"),
}
VOTES = ("votes", "vote", "preference", "winner")
WORDS = {
    "1": 1.0,
    "1.0": 1.0,
    "a": 1.0,
    "model_a": 1.0,
    "output_1": 1.0,
    "2": 2.0,
    "2.0": 2.0,
    "b": 2.0,
    "model_b": 2.0,
    "output_2": 2.0,
    "1.5": TIE,
    "0": TIE,  # as alpaca_eval writes a draw
    "0.0": TIE,
    "tie": TIE,
    "tie (bothbad)": TIE,  # as arenas write it
    "tie (both bad)": TIE,
    "bothbad": TIE,
    "draw": TIE,
    "both": TIE,
    "neither": TIE,
}
LEGAL = "legal are 1 or a, 2 or b, and 1.5, 0 or tie"
MOST_TOLD = 20  # rows that an error names


def read(path: Path) -> list[Pair]:
    """The pairs of a file with their votes, see `pairs`; JSON, JSONL, CSV, TSV or parquet, compressed or not."""
    return pairs(file_rows(path), str(path))


def pairs(rows: Rows | Iterable[Mapping[str, Any]], where: str) -> list[Pair]:
    """Each pair once with all its votes, in the order in which they come, whichever answer a row has first.

    A vote of alpaca_eval's 2 is for the second answer, 1 for the first, 1.5 or 0 a tie. A row without a vote (an empty
    field) counts none. BadData names every row that is wrong, at most MOST_TOLD, and a file without votes.
    """
    found: dict[tuple[str, str, str], Pair] = {}
    wrong: list[str] = []
    for number, row in enumerate(rows):
        at = getattr(rows, "where", "") or f"{where} row {number}"
        try:
            pair = _pair(row)
        except ValueError as error:
            wrong.append(f"{at}: {error}")
            continue
        _add(found, pair)
    _refuse(wrong, where, found)
    return [pair for pair in found.values() if pair.votes]


def merged(several: Iterable[Pair]) -> list[Pair]:
    """Pairs of several files, each once with all its votes."""
    found: dict[tuple[str, str, str], Pair] = {}
    for pair in several:
        _add(found, pair)
    return list(found.values())


def _add(found: dict[tuple[str, str, str], Pair], pair: Pair) -> None:
    """Put the votes of a row to those of its pair; a row with the answers the other way round votes that way round."""
    key, swapped = _key(pair), (pair.instruction, pair.output_2, pair.output_1)
    if swapped in found and swapped != key:
        key, pair = swapped, replace(pair, votes=tuple(3 - v for v in pair.votes))
    known = found.setdefault(key, pair)
    if known is not pair:
        found[key] = replace(known, votes=known.votes + pair.votes)


def _key(pair: Pair) -> tuple[str, str, str]:
    return pair.instruction, pair.output_1, pair.output_2


def _refuse(wrong: list[str], where: str, found: Mapping[Any, Pair]) -> None:
    if wrong:
        more = (
            [f"{where}: {plural(len(wrong) - MOST_TOLD, 'more row is', 'more rows are')} wrong"]
            if len(wrong) > MOST_TOLD
            else []
        )
        raise BadData("\n".join([*wrong[:MOST_TOLD], *more, f"{where}: nothing was asked; correct or remove the rows"]))
    if not any(pair.votes for pair in found.values()):
        raise BadData(
            f"{where}: no votes in {plural(len(found), 'pair')}; legal are rows of instruction, output_1, output_2 and "
            "preference (or votes); take a file with votes"
        )


def _pair(row: Mapping[str, Any]) -> Pair:
    """A row's pair; ValueError says what is wrong with it."""
    texts = {name: _text(row, name, names) for name, names in NAMES.items()}
    asked = row.get("input")  # of Alpaca's rows, which their instruction goes on with
    if isinstance(asked, str) and asked.strip():
        texts["instruction"] = f"{texts['instruction']}\n\n{asked}"
    category, answer = row.get("dataset") or row.get("category"), row.get("answer")
    return Pair(
        **texts,
        votes=tuple(_votes(row)),
        category=category if isinstance(category, str) else "",
        answer=answer if isinstance(answer, str) else None,
    )


def _text(row: Mapping[str, Any], name: str, names: tuple[str, ...]) -> str:
    column = next((n for n in names if n in row), None)
    if column is None:
        has = ", ".join(str(key)[:30] for key in list(row)[:12]) or "nothing"
        raise ValueError(f"no {name}; legal names of it are {', '.join(names)}; the row has {has}")
    value = row[column]
    if value is None and name != "instruction":  # an empty field of a CSV: an answer may be empty
        return ""
    if not isinstance(value, str) or (name == "instruction" and not value.strip()):
        raise ValueError(f"{column} is {excerpt(value)}; legal is a text; correct it")
    return value


def _votes(row: Mapping[str, Any]) -> Iterator[float]:
    if not any(name in row for name in VOTES):
        raise ValueError(f"no votes; legal names of them are {', '.join(VOTES)}")
    said = {name: row[name] for name in VOTES if name in row and not _is_empty(row[name])}
    if len(said) > 1:
        told = " and ".join(f"{name} {excerpt(value)}" for name, value in said.items())
        raise ValueError(f"found {told}; legal is one of them, as each would count; remove the others")
    for column, value in said.items():
        several = _words(value) if isinstance(value, str) and column == "votes" else value
        for vote in several if isinstance(several, list) else [several]:
            if not _is_empty(vote):
                yield _vote(vote, column)


def _words(text: str) -> list[str]:
    return [text] if text.strip().lower() in WORDS else text.replace(",", " ").replace(";", " ").split()


def _is_empty(value: Any) -> bool:
    return value is None or value == [] or str(value).strip().lower() in ("", "nan", "none")


def _vote(value: Any, column: str) -> float:
    word = str(value).strip().lower() if not isinstance(value, bool) else "a truth value"
    found = WORDS.get(word)
    if found is None:
        raise ValueError(f"{column} is {excerpt(value)}; {LEGAL}; correct it")
    return found
