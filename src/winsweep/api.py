"""What `import winsweep` gives a program: a study's results and outputs as data frames, and win rates of a file."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from winsweep.artifact import Artifact
from winsweep.command_names import command
from winsweep.errors import BadData, NotFound
from winsweep.results import TABLE
from winsweep.store import manifest
from winsweep.study.cell import Cell
from winsweep.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    import pandas

    from winsweep.stats.one_file import Report


@dataclass(frozen=True)
class OpenStudy:
    """A study against a store, as the store is at each call; nothing is run and nothing is removed.

    `workspace` is what the commands use.
    """

    workspace: Workspace

    def results(self) -> "pandas.DataFrame":
        """The table of the cells that are judged, a row for each cell and each mean, with the columns of the CSV
        (`winsweep score --columns` says what they mean).

        NotFound if no cell is judged, or if the table of exactly these is not made yet; Damaged if a file of it was
        changed.
        """
        import pandas

        published = self.workspace.store.published()
        judged = {label for label, artifact in self.workspace.judged.items() if artifact.key in published}
        made = published.get(self.workspace.table(judged).key) if judged else None
        if made is None:
            words = shlex.join([str(self.workspace.study.path), "--store", str(self.workspace.store.root)])
            raise NotFound(
                f"{self.workspace.study.path}: {len(judged)} of {len(self.workspace.judged)} cells are judged, and no "
                f"table of them is in {self.workspace.store.root}; type: {command('run')} {words}"
            )
        manifest.verify(made)
        return pandas.read_csv(made / TABLE, float_precision="round_trip")

    def outputs(self) -> "pandas.DataFrame":
        """What the cells answered, as far as it is there: a row for each cell and instruction, with the columns cell,
        model, task, seed, instruction, output, dataset, num_tokens and truncated.

        Texts are as the model wrote them: they are not safe to run, nor to show as HTML. Damaged as for results.
        """
        import pandas

        columns = ["cell", "model", "task", "seed", "instruction", "output", "dataset", "num_tokens", "truncated"]
        return pandas.DataFrame(list(self._rows()), columns=columns)

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        published = self.workspace.store.published()
        read: dict[str, list[dict[str, Any]]] = {}
        for cell in self.workspace.study.table.cells:
            made: Artifact = self.workspace.judged[cell.label].inputs["candidate"]
            if made.key not in published:
                continue
            if made.key not in read:
                manifest.verify(published[made.key])
                read[made.key] = json.loads((published[made.key] / "outputs.json").read_bytes())
            yield from ({**_names(cell), **row} for row in read[made.key])


def _names(cell: Cell) -> dict[str, object]:
    return {"cell": cell.label, "model": cell.model, "task": cell.task, "seed": cell.seed}


def open_study(study: str | Path, store: str | Path = "runs") -> OpenStudy:
    """The study of a YAML file against a store, to look at. BadStudy as every command raises it."""
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
