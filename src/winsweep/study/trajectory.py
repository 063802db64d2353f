"""What a point of a run's trajectory is: the same run, ended after fewer of its epochs; never a run of so many epochs,
whose schedule is another.
"""

import dataclasses
from collections.abc import Sequence

from winsweep import strict
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study.cell import Cell, Training


def at_epoch(cell: Cell, epoch: int, at: Node) -> Cell:
    """The cell of the weights that the run of `cell` has after `epoch` of its epochs, named so in its label and its
    task.

    It is compared with what the whole run is compared with. BadStudy (of the place `at`) for the run's last epoch or a
    later one, or if how many epochs the run has is chosen by validation.
    """
    run = strict.present(cell.training)
    if run.choice and "epochs" in run.choice.fields:
        raise at.error(
            "found a trajectory of a run whose epochs choose: decides",
            "a run of known length has a trajectory",
            f"type picks: {{{run.choice.name}: {{epochs: {max(epoch + 1, 2)}}}}}, or take trajectory out",
        )
    if run.recipe.epochs == 1:
        raise at.error(
            f"found a trajectory where {cell.label} has one epoch",
            "a point before the last epoch's end is legal",
            "take trajectory out, or give the run more epochs",
        )
    if not 0 < epoch < run.recipe.epochs:
        raise at.error(
            f"found {epoch}",
            f"1 to {run.recipe.epochs - 1} is legal: the ends of epochs before the last of {cell.label}",
        )
    point, compared = _point(run, epoch), cell.comparison
    name = cell.label + point
    outputs = dataclasses.replace(compared.candidate, name=name, model=_cut(run, epoch))
    return dataclasses.replace(
        cell, label=name, task=cell.task + point, comparison=dataclasses.replace(compared, name=name, candidate=outputs)
    )


def stopped(run: Training, epoch: tuple[int, int], trajectory: Sequence[int], at: Node) -> Training:
    """`run` as its cell at `epoch` (after this one of so many) has it; BadStudy (of the place `at`) where that is no
    point of its `trajectory`.
    """
    legal = [_point(run, n) for n in trajectory]
    if "@epoch{}of{}".format(*epoch) not in legal:
        raise at.error(
            f"no cell {quoted(at.value)} to start from",
            f"legal: {', '.join(run.name + end for end in ['', *legal])}",
            "type one of these, or give the task that trajectory",
        )
    return _cut(run, epoch[0])


def _point(run: Training, epoch: int) -> str:
    return f"@epoch{epoch}of{run.recipe.epochs}"


def _cut(run: Training, epoch: int) -> Training:
    return dataclasses.replace(run, name=run.name + _point(run, epoch), stop_after_epochs=epoch)
