"""What `import winsweep` gives a program: a study's results, outputs and training logs as data frames, and win rates of
a file.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from winsweep import cell_results, training_log
from winsweep.command_names import command
from winsweep.errors import BadData, NotFound
from winsweep.stats.columns import DIFFERENCES
from winsweep.study.cell import Cell
from winsweep.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    import pandas

    from winsweep.stats.one_file import Report

NAMES = ("cell", "model", "task", "seed")


@dataclass(frozen=True, repr=False)
class OpenStudy:
    """A study against a store, as the store is at each look; nothing is run and nothing is removed.

    What needs no argument is an attribute, what is of a cell is a method. `workspace` is what the commands use. Texts
    of models and judges are as they were written: not safe to run, nor to show as HTML. Damaged, from any of these,
    names a file that changed since it was made.
    """

    workspace: Workspace

    def __repr__(self) -> str:
        study, store = self.workspace.study, self.workspace.store.root
        return f"<OpenStudy {study.name!r}: {len(study.table.cells)} cells of {study.path}, against {store}>"

    @property
    def cells(self) -> "pandas.DataFrame":
        """What the study asks for and how far it is: a row for each cell, with its names, the recipe fields that vary,
        and whether it is trained (None where it is not to be), answered and judged.
        """
        import pandas

        there = self.workspace.store.published().keys()
        return pandas.DataFrame([self._progress(cell, there) for cell in self.workspace.study.table.cells])

    @property
    def results(self) -> "pandas.DataFrame":
        """The table of the cells that are judged, a row for each cell and each mean, with the columns of the CSV
        (`winsweep score --columns` says what they mean).

        That of a study that is not finished is worked out at each look. NotFound if no cell is judged.
        """
        return self._table("rows")

    @property
    def differences(self) -> "pandas.DataFrame":
        """Which arms differ: each against parity and against the other arms of its model, with intervals and corrected
        p, as in STUDY.differences.csv. NotFound as for results.
        """
        return self._table("differences", DIFFERENCES)

    def outputs(self, cell: str | None = None) -> "pandas.DataFrame":
        """What a cell answered, a row for each instruction, with the columns cell, model, task, seed, instruction,
        output, dataset, num_tokens and truncated (and messages, where instructions have several turns); without a cell,
        of all that have answered.

        BadStudy for no cell of the study, NotFound for one that has not answered.
        """
        names = ["instruction", "output", "dataset", "num_tokens", "truncated"]
        return self._frame("generate", "outputs.json", cell, names)

    def annotations(self, cell: str | None = None) -> "pandas.DataFrame":
        """What the judge said of a cell, a row for each instruction: both outputs, the preference (1: the reference, 2:
        the cell) and what else the judge records; without a cell, of all that are judged. Errors as for outputs.
        """
        names = ["instruction", "dataset", "output_1", "output_2", "preference", "annotator"]
        return self._frame("judge", "annotations.json", cell, names)

    def training_log(self, cell: str) -> "pandas.DataFrame":
        """Step, loss, lr, grad_norm and speed of a cell's finetune, a row for each optimizer step, also while it runs.
        With `recipe: {eval: …}` held-out losses are rows of their own, which have `eval_loss` in place of `loss`.

        BadStudy for no cell of the study, NotFound for one without training or one that has not begun.
        """
        import pandas

        return pandas.DataFrame(training_log.rows(cell_results.training_log(self.workspace, cell)))

    def model_path(self, cell: str) -> Path:
        """The Hugging Face model directory that a cell was trained to, inside the store: to be read alone
        (`winsweep export` makes a copy with a model card). Errors as for training_log.

        Of an arm `{of: TASK, rules: …}` or `{of: TASK, grammar: …}` it is the model of TASK: what constrains the arm's
        answers is in no model directory. So is its training_log that of TASK.
        """
        return cell_results.folder(self.workspace, cell, "collect")

    def _progress(self, cell: Cell, there: Set[str]) -> dict[str, object]:
        wanted = {stage: cell_results.wanted(self.workspace, cell.label, stage) for stage in ("generate", "judge")}
        trained = self.workspace.need("collect", cell.training).key in there if cell.training else None
        made = {"answered": wanted["generate"].key in there, "judged": wanted["judge"].key in there}
        return {**_names(cell), **dict(cell.varying), "trained": trained, **made}

    def _table(self, part: Literal["rows", "differences"], columns: Iterable[str] = ()) -> "pandas.DataFrame":
        import pandas

        from winsweep.report.table import read_table

        table = read_table(self.workspace)
        if not table.rows:
            raise NotFound(
                f"{self.workspace.study.path}: no table: {table.note}; type: {command('run')} "
                f"{cell_results.typed(self.workspace)}"
            )
        rows = table.rows if part == "rows" else table.differences
        return pandas.DataFrame({name: _values([row[name] for row in rows]) for name in columns or table.columns})

    def _frame(self, stage: str, file: str, cell: str | None, names: list[str]) -> "pandas.DataFrame":
        import pandas

        labels = [c.label for c in self.workspace.study.table.cells] if cell is None else [cell]
        rows = list(self._rows(stage, file, labels, is_asked_for=cell is not None))
        more = dict.fromkeys(name for row in rows for name in row if name not in (*NAMES, *names))
        kept = [name for name in more if stage == "judge" or name == "messages"]
        return pandas.DataFrame(rows, columns=[*NAMES, *names, *kept])

    def _rows(self, stage: str, file: str, labels: list[str], is_asked_for: bool) -> Iterator[Mapping[str, Any]]:
        published = self.workspace.store.published()
        read: dict[str, list[dict[str, Any]]] = {}
        for label in labels:
            made = cell_results.wanted(self.workspace, label, stage)
            if made.key not in published and not is_asked_for:
                continue
            if made.key not in read:  # an untrained model answers once for all seeds
                folder = cell_results.folder(self.workspace, label, stage)
                read[made.key] = json.loads((folder / file).read_bytes())
            names = _names(cell_results.named(self.workspace, label))
            yield from ({**names, **row} for row in read[made.key])


def _values(texts: list[str]) -> list[Any]:
    """A column of a CSV as whole numbers, as numbers (NaN for none) or, where one is neither, as texts (None for
    none).
    """
    if all(re.fullmatch(r"-?[0-9]+", text) for text in texts):
        return [int(text) for text in texts]
    try:
        return [float(text or "nan") for text in texts]
    except ValueError:
        return [text or None for text in texts]


def _names(cell: Cell) -> dict[str, object]:
    return dict(zip(NAMES, (cell.label, cell.model, cell.task, cell.seed), strict=True))


def open_study(study: str | Path, store: str | Path = "runs") -> OpenStudy:
    """The study of a YAML file against a store, to look at. BadStudy as every command raises it; NotFound for a
    store that is not there.
    """
    return OpenStudy(open_workspace(Path(study), Path(store), lenient=True, is_made=True))


def score(
    annotations: str | Path | Sequence[Mapping[str, Any]],
    *,
    mode: Literal["official", "paired"] | None = None,
    difficulty: str | Path | None = None,
    instructions: Sequence[str] | None = None,
    c: float | None = None,
    join: Literal["instruction", "position"] = "instruction",
    allow_missing: bool = False,
) -> "Report":
    """Win rates in percent of annotations in AlpacaEval's format, ours or alpaca_eval's: a file, a directory that has
    one, or rows. `.columns` has the figures, `.notes` what must be known of them, `.text()` both for a person.

    mode: AlpacaEval's own formula or head to head; None: official where `difficulty`, its df_gamed.csv, is given and it
    is defined. instructions: those that must all be there. c, join and allow_missing are as of `winsweep score`.
    BadData, BadStudy, Incomplete or NotFound says what is wrong with the rows; no judge is asked.
    """
    from winsweep.stats import alpaca_files, official, one_file

    if isinstance(annotations, (str, Path)):
        path, rows = alpaca_files.read(Path(annotations))
    else:
        path, rows = Path("rows"), [dict(row) for row in annotations]
    if not rows or not alpaca_files.is_annotated(rows):
        raise BadData(
            f"{path}: found no annotations; rows with output_1, output_2 and preference are legal; outputs are judged "
            f"by {command('score')} FILE --reference FILE --judge NAME"
        )
    rows, notes = alpaca_files.annotations(path, rows)
    table = official.read_table(Path(difficulty)) if difficulty else None
    return one_file.report(rows, one_file.Ask(mode, c, join, allow_missing), instructions, table, notes)
