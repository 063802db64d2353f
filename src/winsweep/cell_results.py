"""What a cell has made so far: where it lies, and what to type where it is not there."""

import shlex
from pathlib import Path

from winsweep import strict
from winsweep.artifact import Artifact
from winsweep.command_names import command
from winsweep.errors import BadStudy, NotFound
from winsweep.store import manifest
from winsweep.study.cell import Cell, Training
from winsweep.training_log import path_of as training_log_path
from winsweep.workspace import Workspace, cell_of

CALLED = {
    "finetune": "its finetune",
    "collect": "its model",
    "generate": "what it answered",
    "judge": "its comparison",
}


def named(workspace: Workspace, label: str) -> Cell:
    """The cell of that label; BadStudy says which are near."""
    if label not in workspace.judged:
        raise BadStudy(f"{workspace.study.path}: no cell {label!r}; {strict.near(label, workspace.judged)}")
    return cell_of(workspace, label)


def several(workspace: Workspace, name: str, word: str = "--only") -> list[str]:
    """The cells that a NAME behind `word` means: one, all of an arm (llama.gsm, with a point of a grid or without), or
    all of a model (llama). BadStudy says which are near.
    """
    meant = {label: _called(cell_of(workspace, label)) for label in workspace.judged}
    if found := [label for label, names in meant.items() if name in names]:
        return found
    legal = {n: None for place in range(5) for names in meant.values() for n in names[place : place + 1]}
    raise BadStudy(f"{word} {name}: no such cell in {workspace.study.path}; {strict.near(name, legal)}")


def _called(cell: Cell) -> tuple[str, ...]:
    """A cell's own name and those of what it is one of: without its point of a grid, its arm, its model."""
    task = cell.task.partition("@")[0]
    arms = (f"{cell.model}.{task}", f"{cell.model}.{cell.arm}")
    return tuple(dict.fromkeys((cell.model, *arms, f"{arms[0]}.s{cell.seed}", cell.label)))


def training(workspace: Workspace, label: str) -> Training:
    """How a cell is trained; NotFound for one that is not."""
    cell = named(workspace, label)
    if cell.training is None:
        rules = ", ".join(cell.comparison.candidate.adapter.rules)
        how = f"under the rules {rules}, which are no weights" if rules else "as it is"
        how += ", under a grammar" * bool(cell.comparison.candidate.grammar)
        trained = [c.label for c in workspace.study.table.cells if c.training and not constraint(c)]
        others = f"cells with training are legal, such as {trained[0]}" if trained else "no cell of the study is"
        raise NotFound(f"{label}: is not trained: its model is {cell.model}, {how}; {others}")
    return cell.training


def constraint(cell: Cell) -> str:
    """What a cell's answers were written under that no weights hold, in words; no text where that is nothing."""
    asked = cell.comparison.candidate
    rules = f"the rules {', '.join(asked.adapter.rules)}" if asked.adapter.rules else ""
    return " and ".join(filter(None, (rules, "a grammar" if asked.grammar else "")))


def wanted(workspace: Workspace, label: str, stage: str) -> Artifact:
    """What a stage makes for a cell; NotFound where the cell does not pass it."""
    if stage == "judge":
        return workspace.judged[named(workspace, label).label]
    if stage == "generate":
        return workspace.judged[named(workspace, label).label].inputs["candidate"]
    return workspace.need(stage, training(workspace, label))


def folder(workspace: Workspace, label: str, stage: str, is_verified: bool = True) -> Path:
    """Where what a stage made for a cell lies, each file as its manifest has it; Damaged if one is not.

    NotFound says how far it is and what to type.
    """
    asked = wanted(workspace, label, stage)
    made = workspace.store.published().get(asked.key)
    if made is None:
        raise NotFound(f"{label}: {CALLED.get(stage, stage)} is not there: {_how_far(workspace, asked)}")
    if is_verified:
        manifest.verify(made, f"{command('run')} {typed(workspace)}")
    return made


def training_log(workspace: Workspace, label: str) -> Path:
    """The log of a cell's finetune: of the finished one, else as far as the attempt that is under way has come."""
    asked = wanted(workspace, label, "finetune")
    log = training_log_path(workspace.store, asked.key)
    if log is None:
        pruned = workspace.need("collect", training(workspace, label)).key in workspace.store.published()
        why = (
            f"{command('prune')} removed it with the shards; its model stands" if pruned else _how_far(workspace, asked)
        )
        raise NotFound(f"{label}: no log of its training is there: {why}")
    return log


def typed(workspace: Workspace) -> str:
    """The study and the store, as the commands take them."""
    return shlex.join([str(workspace.study.path), "--store", str(workspace.store.root)])


def _how_far(workspace: Workspace, asked: Artifact) -> str:
    items = workspace.plan(workspace.facts())
    said = next((f"{i.state}{f', {i.why}' if i.why else ''}" for i in items if i.artifact == asked), "")
    if said.startswith("failed"):
        return f"{said}; type: {command('status')} {typed(workspace)}"
    if not said or said.startswith("done"):  # what hangs on it is there, so it may have been removed
        said = "removed after it was used" if asked.key in workspace.store.begun() else "not made"
    return f"{said}; type: {command('run')} {typed(workspace)}"
