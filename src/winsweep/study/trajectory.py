"""What a point of a run's trajectory is: the same run, ended after fewer of its epochs; never a run of so many epochs,
whose schedule is another.
"""

import dataclasses

from winsweep import strict
from winsweep.strict import Node
from winsweep.study.cell import Cell


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
    if not 0 < epoch < run.recipe.epochs:
        raise at.error(
            f"found {epoch}",
            f"1 to {run.recipe.epochs - 1} is legal: the ends of epochs before the last of {cell.label}",
        )
    point = f"@epoch{epoch}of{run.recipe.epochs}"
    name, compared = cell.label + point, cell.comparison
    stopped = dataclasses.replace(run, name=name, stop_after_epochs=epoch)
    outputs = dataclasses.replace(compared.candidate, name=name, model=stopped)
    return dataclasses.replace(
        cell, label=name, task=cell.task + point, comparison=dataclasses.replace(compared, name=name, candidate=outputs)
    )
