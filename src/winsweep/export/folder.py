"""The directory of an exported cell: copied from the store, checked, and put in place whole."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from winsweep import cell_results, paths
from winsweep.errors import BadData, BadStudy, Damaged, NotFound
from winsweep.export import every_eval_ever, model_card, prompts
from winsweep.export.chat_template import FILE, template_of
from winsweep.export.facts import Facts, facts, model_folder
from winsweep.export.licence import texts_in
from winsweep.store import manifest
from winsweep.store.store import RECORD, Store
from winsweep.study.frame import Asked
from winsweep.study.origin import root_of
from winsweep.workspace import Workspace

LARGE = (".safetensors", ".bin")  # weights, which may be hard links


@dataclass(frozen=True)
class Exported:
    """What was written, and what a person should know of it."""

    folder: Path
    notes: tuple[str, ...]


def export(workspace: Workspace, label: str, target: Path, name: str = "", is_linked: bool = False) -> Exported:
    """Make `target` a Hugging Face model directory of a trained cell, whole or not at all; `name` is what it will be
    called on the hub, OWNER/MODEL.

    No link into the store: copies; with `is_linked` the weights are further names of the store's files (hard links).
    NotFound for a cell that is not trained, not there or answered under rules or a grammar, BadStudy for a target that
    is not free, Damaged where a file differs from its manifest, OSError as of the disk.
    """
    _refuse_constrained(workspace, label)
    made = cell_results.folder(workspace, label, "collect")
    target = free(target, workspace.store)
    told = facts(workspace, label)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        _copy(made, partial, is_linked)
        notes = _dress(workspace, told, partial, name or target.name)
        os.rename(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Exported(target, tuple(notes))


def _refuse_constrained(workspace: Workspace, label: str) -> None:
    """NotFound for a trained cell whose weights alone do not answer as it did."""
    cell, training = cell_results.named(workspace, label), cell_results.training(workspace, label)
    if under := cell_results.constraint(cell):
        raise NotFound(
            f"{label}: its answers are those of the model of {training.name} under {under}, which no model directory "
            f"holds; the model by itself is legal: export {training.name}"
        )


def free(target: Path, store: Store) -> Path:
    """Where `target` leads; BadStudy where something is there already, or where it is inside the store."""
    found = paths.real(target)
    if found.is_relative_to(store.root):
        raise BadStudy(
            f"{target}: is inside the store {store.root}, which has its own files alone; name another directory"
        )
    if found.exists() and (not found.is_dir() or any(found.iterdir())):
        raise BadStudy(f"{target}: is there already and not empty; nothing is written over; name another directory")
    return found


def _copy(made: Path, to: Path, is_linked: bool) -> None:
    """The files of a collected model, each with the digest of its manifest."""
    entries = {name: entry for name, entry in manifest.read(made).items() if name != RECORD}
    for name, entry in entries.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        if is_linked and name.endswith(LARGE):
            _link(made / name, to / name)
            continue
        shutil.copyfile(made / name, to / name, follow_symlinks=False)
        if manifest.describe(to / name) != entry:
            raise Damaged(f"{to / name}: is not what was copied from {made / name}; type the command again")


def _link(source: Path, to: Path) -> None:
    try:
        os.link(source, to, follow_symlinks=False)
    except OSError as e:
        raise BadData(
            f"{to}: no hard link to {source} can be made ({e.strerror}): it may be another file system; leave out "
            f"--hard-links"
        ) from e


def _dress(workspace: Workspace, told: Facts, folder: Path, name: str) -> list[str]:
    """Add chat template, card, results and the licence's texts; what a person should know."""
    version = metadata.version("winsweep")
    why_not = _template(workspace, told, folder)
    card = model_card.readme(told, version, has_template=not why_not, name=name)
    (folder / "README.md").write_text(card, encoding="utf-8")
    if told.row:
        results = folder / "every_eval_ever" / every_eval_ever.file_name(told)
        results.parent.mkdir()
        _write_json(results, every_eval_ever.record(told, version, name, time.time()))
    cell = cell_results.named(workspace, told.label)
    base = model_folder(workspace, root_of(cell.comparison.candidate.model))
    for text in texts_in(base):
        shutil.copyfile(text, folder / text.name)
    return [
        *_said(told),
        *([f"template: none, as {why_not}; the card says how a prompt is written"] if why_not else []),
    ]


def _said(told: Facts) -> list[str]:
    licence = (
        f"licence:  {told.licence.name}, as the base's model card says"
        if told.licence
        else "licence:  none is named, as the base's own files name none; add it to README.md before you upload"
    )
    bare = "results:  none, as the cell is not judged or its table is not made"
    return [licence, *([] if told.row else [bare])]


def _template(workspace: Workspace, told: Facts, folder: Path) -> str:
    """Write the frame as chat template and hold it against the study's own prompts; why that cannot be, or no text."""
    training = cell_results.training(workspace, told.label)
    if training.frame.template == "chat":
        return ""
    _forget_other_templates(folder)
    tokenizer = prompts.tokenizer_of(folder)
    (folder / FILE).write_text(template_of(training.frame, prompts.puts_bos(tokenizer)), encoding="utf-8")
    why_not = prompts.unlike(folder, training.frame, _instructions(workspace, told.label))
    if why_not:
        (folder / FILE).unlink()
    return why_not


def _forget_other_templates(folder: Path) -> None:
    """Leave nothing of a chat template that the base had, as the model was not trained with it."""
    shutil.rmtree(folder / "additional_chat_templates", ignore_errors=True)
    path = folder / "tokenizer_config.json"
    given = json.loads(path.read_bytes()) if path.exists() else {}
    if given.pop("chat_template", None) is not None:
        _write_json(path, given)


def _instructions(workspace: Workspace, label: str) -> Sequence[Asked]:
    """The study's own instructions, if they are there."""
    made = workspace.store.published().get(workspace.judged[label].inputs["instructions"].key)
    if made is None:
        return []
    lines = (made / "instructions.jsonl").read_text(encoding="utf-8").splitlines()
    return [row.get("messages") or row["instruction"] for row in map(json.loads, lines)]


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
