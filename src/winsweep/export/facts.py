"""Everything that is told of an exported cell, as plain values: what it was made from, how, and what was found."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from winsweep import cell_results
from winsweep.export.licence import Licence, licence_in
from winsweep.keys import plain
from winsweep.report.table import read_table
from winsweep.store.store import RECORD
from winsweep.study.cell import Cell, HubData, HubModel, LocalFile, Mix, Model, Rows, Source, Training
from winsweep.study.origin import root_of, starts_of
from winsweep.study.pretrain import Pretrain
from winsweep.workspace import Workspace

MEAN = "mean"  # in the column seed
Row = Mapping[str, str]  # of results.csv


@dataclass(frozen=True)
class Origin:
    """Where a model or rows come from: of the hub, by their content, or made here; no path of a disk."""

    name: str  # in the study
    hf_id: str = ""
    revision: str = ""
    file: str = ""
    sha256: str = ""
    reader: str = ""  # of rows: what turns them into conversations
    options: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""  # sha256 of a reader that is the user's own
    share: float = 1.0  # in a mix
    is_emptied: bool = False  # of its instructions: it was trained on responses alone
    sample: Mapping[str, Any] = field(default_factory=dict)  # which of its rows, where not all


@dataclass(frozen=True)
class Facts:
    """What a model card says of one cell; `row` and `mean` are empty where no table has it."""

    study: str
    label: str
    arm: str
    seed: int
    varying: Mapping[str, Any]
    base: Origin
    starts: tuple[str, ...]  # cells that it was finetuned as before, the last one first
    licence: Licence | None
    task: str
    data: tuple[Origin, ...]
    recipe: Mapping[str, Any]
    frame: Mapping[str, Any]
    decoding: Mapping[str, Any]
    instructions: Origin
    reference: str
    judge: Mapping[str, Any]
    row: Row
    mean: Row
    trained: Mapping[str, Any]  # records of the stages, as far as they are there
    collected: Mapping[str, Any]
    judged: Mapping[str, Any]
    is_adapter: bool = False  # of the base: there is no model by itself
    worn_by: str = ""  # key of the model that adapters belong to, where winsweep made it


def facts(workspace: Workspace, label: str) -> Facts:
    """All that is known of a trained cell; NotFound for one that is not trained."""
    cell, training = cell_results.named(workspace, label), cell_results.training(workspace, label)
    asked = cell.comparison
    row, mean = rows_of(workspace, cell)
    return Facts(
        study=workspace.study.name,
        label=label,
        arm=cell.task,
        seed=cell.seed,
        varying=plain(dict(cell.varying)),
        base=model_origin(root_of(training)),
        starts=tuple(tuned.name for tuned in starts_of(training)),
        licence=licence_in(model_folder(workspace, root_of(training))),
        task=training.task.name,
        data=data_origins(training.task),
        recipe=recipe_of(workspace, training),
        frame=asdict(training.frame),
        decoding=plain(asdict(asked.candidate.decoding)),
        instructions=source_origin(asked.candidate.instructions),
        reference=_reference(cell),
        judge={**plain(workspace.judged[label].params["identity"]), **_judge(cell)},
        row=row,
        mean=mean,
        trained=record(workspace, label, "finetune"),
        collected=record(workspace, label, "collect"),
        judged=record(workspace, label, "judge"),
        is_adapter=not training.recipe.makes_model,
        worn_by=_worn_by(workspace, training),
    )


def _worn_by(workspace: Workspace, training: Training) -> str:
    source = training.model.source
    if training.recipe.makes_model or not isinstance(source, (Pretrain, Training)):
        return ""
    made = workspace.need("collect", source) if isinstance(source, Training) else None
    return (made or workspace.need("pretrain", training.model)).key


def model_origin(base: Model) -> Origin:
    source = base.source
    if isinstance(source, HubModel):
        return Origin(base.name, source.hf_id, source.revision)
    if isinstance(source, LocalFile):
        return Origin(base.name, sha256=source.sha256)
    return Origin(base.name, options=plain(source))


def source_origin(source: Source, share: float = 1.0) -> Origin:
    told: dict[str, Any] = {"reader": source.reader, "options": plain(source.options), "share": share}
    told |= {"is_emptied": source.empty_instructions, "sample": plain(asdict(source.sample)) if source.sample else {}}
    told["options"] |= {"system": source.system} if source.system else {}
    told |= {"code": source.code.sha256 if source.code else ""}
    if isinstance(source.data, HubData):
        return Origin(source.name, source.data.hf_id, source.data.revision, source.data.file, **told)
    return Origin(source.name, sha256=source.data.sha256 if source.data else "", **told)


def data_origins(rows: Rows) -> tuple[Origin, ...]:
    """A source of examples, or each of a mix with its share; options that are of instructions alone are left out."""
    parts = rows.parts if isinstance(rows, Mix) else ((rows, 1.0),)
    return tuple(_of_examples(source, share) for source, share in parts)


def _of_examples(source: Source, share: float) -> Origin:
    told, known = source_origin(source, share), getattr(source.options, "__dataclass_fields__", {})
    unused = {name for name, about in known.items() if about.metadata.get("of") == "instructions"}
    return replace(told, options={name: value for name, value in told.options.items() if name not in unused})


def model_folder(workspace: Workspace, base: Model) -> Path | None:
    """Where the base's own files lie on this machine; None where they do not, or where there is no such model."""
    from winsweep.text import hub

    source = base.source
    if isinstance(source, LocalFile):
        return workspace.study.files.get(source.sha256)
    return hub.folder_of(source) if isinstance(source, HubModel) and hub.is_there(source) else None


def recipe_of(workspace: Workspace, training: Training) -> dict[str, Any]:
    """The recipe as it was trained, with what a choice picked."""
    recipe = asdict(training.recipe)
    if training.choice:
        made = workspace.store.published().get(workspace.need("choose", training.choice).key)
        picked = json.loads((made / "value.json").read_bytes()) if made else {}
        recipe |= {name: picked.get(name, "chosen by validation") for name in training.choice.fields}
    if training.stop_after_epochs:
        recipe["stop_after_epochs"] = training.stop_after_epochs
    return plain(recipe)


def rows_of(workspace: Workspace, cell: Cell) -> tuple[Row, Row]:
    """The row of a cell and that of the mean over its seeds, of the cells that are judged now; empty for others."""
    rows = read_table(workspace).rows
    digest = workspace.judged[cell.label].digest
    own = next((row for row in rows if row["judge_key"] == digest and row["task"] == cell.task), {})
    arm = [name for name in takewhile("n".__ne__, own) if name != "seed"]  # model, task and what varies
    mean = (row for row in rows if row["seed"] == MEAN and all(row[name] == own[name] for name in arm))
    return own, next(mean, {}) if own else {}


def record(workspace: Workspace, label: str, stage: str) -> dict[str, Any]:
    """What is recorded of the making of a stage's result; nothing where it is not there."""
    made = workspace.store.published().get(cell_results.wanted(workspace, label, stage).key)
    return json.loads((made / RECORD).read_bytes()) if made and (made / RECORD).exists() else {}


def _reference(cell: Cell) -> str:
    reference = cell.comparison.reference
    return f"a file of outputs, sha256 {reference.sha256}" if isinstance(reference, LocalFile) else reference.name


def _judge(cell: Cell) -> dict[str, Any]:
    judge = cell.comparison.judge
    return {"name": judge.name, "version": judge.version, "options": plain(judge.options)}
