"""The report on one file of annotations without a study: its instruction set, the formula asked for, and how it
reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from winsweep import screen
from winsweep.amounts import plural
from winsweep.errors import BadStudy, Incomplete
from winsweep.judge.matching import renamed
from winsweep.quoting import MOST_QUOTED, cut, excerpt
from winsweep.stats import comparison, official
from winsweep.stats.agreement import Agreement
from winsweep.stats.annotations import NUM_NAMED, Judged, align, judged
from winsweep.stats.instruction_index import NUM_ALPACA_EVAL, index_of, is_exact
from winsweep.stats.safe_csv import show
from winsweep.stats.style_rows import plain
from winsweep.stats.style_words import tastes
from winsweep.stats.winrate import LC, official_lc

Row = Mapping[str, Any]
HIDDEN = ("note", "chrf", "exact", "starts")  # said elsewhere, or of the toy alone


@dataclass(frozen=True)
class Ask:
    """What to report: the formula (None: official where it is defined and its table is at hand), and how rows find
    their difficulty.
    """

    mode: Literal["official", "paired"] | None = None
    c: float | None = None
    join: Literal["instruction", "position"] = "instruction"
    can_lack: bool = False  # rows may be missing or unjudged


@dataclass(frozen=True)
class Report:
    candidate: str
    reference: str
    mode: Literal["official", "paired"]
    columns: Mapping[str, object]
    notes: tuple[str, ...]
    style: tuple[Mapping[str, object], ...] = ()  # a row for each covariate, as columns.STYLE has it
    agreement: Agreement | None = None

    def plain(self) -> dict[str, object]:
        """For a program: everything, as JSON types."""
        return asdict(self) | {"columns": dict(self.columns), "notes": list(self.notes)}

    def text(self) -> str:
        """For a person: a figure a line, then the notes."""
        lines = [f"{_line(self.candidate)} against {_line(self.reference)}, {self.mode}"]
        lines += [
            f"  {name:26s} {_short(value)}"
            for name, value in self.columns.items()
            if value not in (None, "") and name not in HIDDEN
        ]
        if self.agreement:
            lines += [
                "agreement with the second judge",
                *(f"  {k:30s} {_short(v)}" for k, v in asdict(self.agreement).items()),
            ]
        return "\n".join([*lines, *tastes(self.style), *(f"note: {_line(note)}" for note in self.notes)])


def report(
    rows: Sequence[Row],
    ask: Ask,
    asked: Sequence[str] | None,
    table: official.Table | None,
    noted: Sequence[str] = (),
) -> Report:
    """The figures of annotation rows that cover `asked` (None: AlpacaEval's 805 where most rows are of it, otherwise
    what the rows have).

    What was `noted` of the rows before stands first. An instruction that differs from the set's in white space alone is
    that one, which a note says.
    Raises what `annotations.judged` raises; BadStudy for official figures without `table` or of other instructions.
    """
    rows, num_renamed = renamed(rows, asked or ())
    instructions = list(asked) if asked is not None else _own_set(rows, ask)
    arrays = judged(rows, instructions, ask.can_lack)
    mode = ask.mode or ("official" if table and _is_defined(arrays, ask) else "paired")
    if mode == "paired" and ask.c is not None:
        raise BadStudy("--c: the paired model has no penalty; legal is --c with --mode official")
    if ask.c is not None and not 0 < ask.c < np.inf:
        raise BadStudy(f"--c: found {ask.c}; legal is a number above 0, such as 2.78; type --c 2.78, or leave it out")
    lc = _official(arrays, ask, table) if mode == "official" else None
    scored = comparison.of(align(rows, instructions, ask.can_lack), arrays, table, lc or _paired_only(arrays, table))
    notes = (*noted, *_notes(scored, arrays, table, num_renamed))
    style = tuple(plain(taste) for taste in scored.style.tastes)
    return Report(arrays.candidate, arrays.reference, mode, scored.columns, notes, style)


def _is_defined(arrays: Judged, ask: Ask) -> bool:
    """Whether AlpacaEval's number is meant by these rows: all of its instructions, or what somebody said may be
    less.
    """
    return bool((arrays.indices_N >= 0).all()) and (len(arrays.wins_N) == NUM_ALPACA_EVAL or ask.can_lack)


def _official(arrays: Judged, ask: Ask, table: official.Table | None) -> LC:
    if table is None:
        raise BadStudy(
            "--mode official: its table of difficulty is not at hand; legal is df_gamed.csv of the data set "
            "tatsu-lab/alpaca_eval; "
            "type --difficulty FILE, or --mode paired"
        )
    if ask.join == "position":
        if len(arrays.wins_N) > NUM_ALPACA_EVAL:
            raise BadStudy(
                f"--join position: found {plural(len(arrays.wins_N), 'row')}; legal are at most {NUM_ALPACA_EVAL}"
            )
        return official_lc(official.by_position(arrays), table, ask.c)
    foreign = [text for text, index in zip(arrays.instructions, arrays.indices_N) if index < 0]
    if foreign:
        raise BadStudy(
            f"--mode official: {plural(len(foreign), 'instruction is', 'instructions are')} not AlpacaEval's, "
            f"such as {excerpt(foreign[0])}; "
            f"legal are its {NUM_ALPACA_EVAL}; type --mode paired"
        )
    return official_lc(arrays, table, ask.c)


def _paired_only(arrays: Judged, table: official.Table | None) -> LC:
    found = comparison.paired(arrays, table.difficulty_N if table else None)
    return LC(found.win_rate_pct, found.standard_error_pct, found.formula, note=found.note)


def _own_set(rows: Sequence[Row], ask: Ask) -> list[str]:
    """The instructions in the order that makes figures independent of the order of rows: by place, or by text; by file
    if joined by position.
    """
    texts = [row["instruction"] for row in rows if isinstance(row.get("instruction"), str)]
    once = list(dict.fromkeys(texts))
    if ask.join == "position":
        return once
    placed = {place: text for text in once if (place := index_of(text)) is not None}
    twice = [text for text in once if (place := index_of(text)) is not None and placed[place] != text]
    if twice:
        raise Incomplete(
            f"rows: {len(twice)} of AlpacaEval's instructions stand there twice, once with other white space, such as "
            f"{excerpt(twice[0])}; "
            "legal is each once; remove one of the two rows"
        )
    if 2 * len(placed) <= len(once) or (ask.mode == "paired" and len(placed) < NUM_ALPACA_EVAL):
        return sorted(once)
    lacking = [i for i in range(NUM_ALPACA_EVAL) if i not in placed]
    if lacking and not ask.can_lack:
        shown = ", ".join(f"#{i}" for i in lacking[:NUM_NAMED])
        raise Incomplete(
            f"rows: no judgement for AlpacaEval's instructions {shown} ({len(lacking)} of {NUM_ALPACA_EVAL}, counted "
            f"from 0); "
            "judge them, or type --allow-missing: the others keep their own difficulty; or --mode paired"
        )
    return [placed[i] for i in sorted(placed)]


def _notes(scored: comparison.Scored, arrays: Judged, table: official.Table | None, num_renamed: int) -> list[str]:
    num_lacking = int(np.isnan(arrays.wins_N).sum())
    notes = [str(scored.columns["note"])] if scored.columns["note"] else []
    num_spaced = num_renamed or sum(
        index >= 0 and not is_exact(text) for text, index in zip(arrays.instructions, arrays.indices_N)
    )
    notes += (
        [
            (
                f"{plural(num_spaced, 'instruction differs', 'instructions differ')} from the set's in white space "
                "alone and were matched all the same"
            )
        ]
        if num_spaced
        else []
    )
    if scored.lc.formula == "official" and len(arrays.wins_N) != NUM_ALPACA_EVAL:
        notes.append(
            f"{len(arrays.wins_N)} of AlpacaEval's {NUM_ALPACA_EVAL} instructions: not comparable with published "
            f"numbers"
        )
    notes += [f"{plural(num_lacking, 'row has', 'rows have')} no preference"] if num_lacking else []
    if (arrays.indices_N >= 0).all() and table is None:
        notes.append(
            "these are AlpacaEval's instructions: with --difficulty …/df_gamed.csv its official number is reported, too"
        )
    return notes


def _line(text: object) -> str:
    """A name of others in one line: it may neither steer a terminal nor look like a figure of the next line."""
    return screen.printable(show(cut(str(text), MOST_QUOTED)))


def _short(value: object) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else _line(value)
