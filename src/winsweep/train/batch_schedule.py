"""What each optimizer step of a run consists of: which examples, split into which parts, in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

from winsweep.errors import BadData
from winsweep.study.recipe import Recipe
from winsweep.text.encode import Example
from winsweep.train import pack
from winsweep.train.example_file import ExampleFile
from winsweep.train.loss import Batch, Packed, collate
from winsweep.train.loss import pack as pack_examples
from winsweep.train.order import step_rows


@dataclass(frozen=True)
class Step:
    """Optimizer step `at` (0-based) as all ranks see it; grid[micro][rank] holds the examples of one part."""

    at: int
    num_rows: int
    grid: list[list[list[Example]]]
    num_tokens: int
    num_slots: int  # that the step costs: in lock step, each micro-batch takes every rank as long as the largest part


@dataclass(frozen=True)
class BatchSchedule:
    """The same on all ranks. Which examples share a step is the seed's to decide; `micro_tokens` and `packed` only
    split it.
    """

    examples: Sequence[Example]
    recipe: Recipe
    seed: int
    num_ranks: int
    packed: bool
    micro_tokens: int
    stop_after_epochs: int | None = None

    @property
    def num_steps(self) -> int:
        return self.recipe.num_steps(len(self.examples), self.stop_after_epochs)

    def step(self, at: int) -> Step:
        rows = [self.examples[row] for row in step_rows(len(self.examples), self.recipe, self.seed, at)]
        lengths = [len(row.ids) for row in rows]
        split, size = (pack.packed_grid, pack.packed_size) if self.packed else (pack.padded_grid, pack.padded_size)
        grid = split(lengths, self.num_ranks, self.micro_tokens)
        num_slots = pack.num_slots([[size(part, lengths) for part in micro] for micro in grid])
        return Step(
            at, len(rows), [[[rows[i] for i in part] for part in micro] for micro in grid], sum(lengths), num_slots
        )

    def batches(self, step: Step, rank: int) -> list[Batch | Packed]:
        """What `rank` computes, one batch for each micro-batch; as many on every rank."""
        parts = [micro[rank] for micro in step.grid]
        return [pack_examples(part, self.recipe.loss) if self.packed else collate(part) for part in parts]


def check(examples: Sequence[Example], recipe: Recipe) -> None:
    """BadData unless there are examples, each has ids and as many labels, and they fill a step."""
    if not examples:
        raise BadData("the examples: found none; at least one is legal; see what the task prepared")
    if not recipe.num_steps(len(examples)):
        epochs = "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs"
        raise BadData(
            f"the examples: {len(examples)} rows in {epochs} do not fill one step of "
            f"{recipe.global_batch}, and with accumulate: "
            f"across_epochs no step is short; type recipe: {{accumulate: within_epochs}}, or a smaller global_batch"
        )
    # a file has as many labels as ids, and none of its examples is empty
    for row, example in enumerate(() if isinstance(examples, ExampleFile) else examples):
        if not example.ids or len(example.ids) != len(example.labels):
            found = f"{len(example.ids)} ids and {len(example.labels)} labels"
            raise BadData(
                f"example {row}: found {found}; at least one id and a label for each is legal; see how the task "
                f"encodes it"
            )
