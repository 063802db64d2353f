"""The texts that the reader of a report shows: instructions, answers, preferences and what the judge said.

They are files of their own, loaded when they are opened: one of the instructions, one for each set of answers, whoever
shares it, and one for each judgement.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from winsweep.artifact import Artifact
from winsweep.errors import WinsweepError
from winsweep.report import judge_words
from winsweep.report.chunks import FORMAT, Folder
from winsweep.report.table import ReportTable
from winsweep.store import manifest
from winsweep.study.cell import Cell, Generation, LocalFile, judge_of
from winsweep.text.source import file_rows
from winsweep.workspace import Workspace

DIGITS = 16  # of a text's sha256, by which votes name it
Rows = list[dict[str, Any]]
# what the reader has a place for; all else that a row of annotations holds is shown under its name
PLACED = (
    "instruction dataset output_1 output_2 generator_1 generator_2 num_tokens truncated "
    "preference preferences_by_order raw_completion"
).split()


def write_texts(workspace: Workspace, table: ReportTable, folder: Path) -> dict[str, Any] | None:
    """Write what the reader needs into `folder`, each file only if it is not there; what a page must know of it.

    None where nothing is answered yet. Keys: `format`, `folder` (its name, beside the page), `study`, `instructions`
    (file), `digest` of the instruction set, `num` (instructions), `bytes`, `cells` (see `_Texts.entry`), and `missing`:
    of each cell that cannot be read now `cell` and `why`.
    """
    texts = _Texts(workspace, table, Folder(folder))
    asked = texts.instructions
    if asked is None:
        return None
    name = texts.folder.put("instructions", texts.digest, partial(_instructions, asked))
    cells, missing = [], []
    for cell in workspace.study.table.cells:
        if cell.label in workspace.judged:
            try:
                cells.append(texts.entry(cell))
            except (WinsweepError, OSError, ValueError, LookupError) as e:  # taken away or changed meanwhile
                missing.append({"cell": cell.label, "why": f"{type(e).__name__}: {e}"})
    cells, empty = [c for c in cells if c["answers"]], [c["cell"] for c in cells if not c["answers"]]
    return {
        "format": FORMAT,
        "folder": folder.name,
        "study": workspace.study.name,
        "instructions": name,
        "digest": texts.digest,
        "num": len(asked),
        "bytes": sum(texts.folder.sizes.values()),
        "cells": cells,
        "missing": missing + [{"cell": label, "why": "no answers yet"} for label in empty],
    }


@dataclass(frozen=True)
class _Texts:
    workspace: Workspace
    table: ReportTable
    folder: Folder

    @cached_property
    def published(self) -> Mapping[str, Path]:
        return self.workspace.store.published()

    @cached_property
    def instructions(self) -> Rows | None:
        """The rows of the instruction set, which is the same for all cells; None if it is not prepared."""
        for artifact in self.workspace.judged.values():
            made = (
                self.published.get(artifact.inputs["instructions"].key) if "instructions" in artifact.inputs else None
            )
            if made:
                return list(file_rows(made / "instructions.jsonl"))
        return None

    @cached_property
    def digest(self) -> str:
        return text_digest(json.dumps(self.instructions))

    @cached_property
    def asked(self) -> list[str]:
        return [row["instruction"] for row in self.instructions or ()]

    def entry(self, cell: Cell) -> dict[str, Any]:
        """What the page must know of a cell: its names, and the files of its `answers`, of its `reference`'s and of
        what was `judged` ("" where there is none yet).
        """
        judged = self.workspace.judged[cell.label]
        theirs = judged.inputs.get("reference")
        return {
            "cell": cell.label,
            "model": cell.model,
            "task": cell.task,
            "seed": cell.seed,
            "varying": {name: str(value) for name, value in cell.varying},
            "judge": judge_of(judged).name,
            "reference_name": self._reference_name(cell),
            "leave_out": list(cell.leave_out),
            "answers": self._answers(judged.inputs["candidate"]),
            "reference": self._answers(theirs) if theirs else self._given(cell, judged),
            "judged": self._judged(cell, judged),
        }

    def _reference_name(self, cell: Cell) -> str:
        reference = cell.comparison.reference
        if isinstance(reference, LocalFile):
            path = self.workspace.study.files.get(reference.sha256)
            return path.name if path else "given outputs"
        return self._own.get(reference, reference.name)

    @cached_property
    def _own(self) -> dict[Generation, str]:
        """What each set of outputs of the study is called."""
        return {c.comparison.candidate: c.label for c in reversed(self.workspace.study.table.cells)}

    @cached_property
    def _places(self) -> dict[str, int]:
        """The place of each cell in the table."""
        return {label: n for n, label in enumerate(self.table.labels)}

    def _answers(self, made: Artifact) -> str:
        if made.key not in self.published:
            return ""
        at = self.published[made.key]
        return self.folder.put("answers", [_sha(at, "outputs.json"), self.digest], lambda: self._outputs(at))

    def _outputs(self, at: Path) -> dict[str, Any]:
        manifest.verify(at)
        rows = self._in_order(json.loads((at / "outputs.json").read_bytes()))
        return answers([row["output"] for row in rows]) | {
            "tokens": [row.get("num_tokens") for row in rows],
            "cut": [bool(row.get("truncated")) for row in rows],
        }

    def _given(self, cell: Cell, judged: Artifact) -> str:
        """The reference's answers where they are a file of the study: as they were judged."""
        reference = cell.comparison.reference
        if judged.key not in self.published or not isinstance(reference, LocalFile):
            return ""
        rows = partial(self._annotations, self.published[judged.key])
        return self.folder.put(
            "answers", [reference.sha256, self.digest], lambda: answers([row["output_1"] for row in rows()])
        )

    def _judged(self, cell: Cell, judged: Artifact) -> str:
        if judged.key not in self.published:
            return ""
        at, order = self.published[judged.key], judge_words.order_of(judge_of(judged))
        influence = self._influence(cell)
        sources = [
            _sha(at, "annotations.json"),
            self.digest,
            order,
            hashlib.sha256(repr(influence).encode()).hexdigest(),
        ]
        return self.folder.put("judged", sources, lambda: judgement(self._annotations(at), order, influence))

    def _annotations(self, at: Path) -> Rows:
        manifest.verify(at)
        return self._in_order(json.loads((at / "annotations.json").read_bytes()))

    def _in_order(self, rows: Rows) -> Rows:
        by_text = {row["instruction"]: row for row in rows}
        return [by_text[text] for text in self.asked]

    def _influence(self, cell: Cell) -> list[float | None]:
        """By how many points each row moves its cell's paired win rate; None for rows that do not count. Empty where no
        table is made.
        """
        if cell.label not in self._places or not self.table.by_instruction:
            return []
        found = self.table.by_instruction["cells"][self._places[cell.label]]
        points: list[float | None] = [None] * len(self.asked)
        for place, psi in zip(found["instruction"], found["paired_influence_pct"], strict=True):
            points[place] = round(psi / len(found["instruction"]), 5) if math.isfinite(psi) else None
        return points


def answers(texts: Sequence[str]) -> dict[str, Any]:
    """A set of answers in the order of the instructions, each with its digest."""
    return {"text": list(texts), "digest": [text_digest(text) for text in texts]}


def text_digest(text: str) -> str:
    """The name of a text in votes: the first 16 digits of the sha256 of its UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def judgement(rows: Rows, order: str, influence: Sequence[float | None]) -> dict[str, Any]:
    """What was judged, as columns in the order of the instructions; see the names in web/reader_data.js."""
    first = judge_words.shown_first(order)
    names = dict.fromkeys(name for row in rows for name in row if name not in PLACED)
    return {
        "preference": [row.get("preference") for row in rows],
        "by_order": [row.get("preferences_by_order") for row in rows],
        "influence": list(influence),
        "first": [first(row) for row in rows],
        "said": [judge_words.words(row.get("raw_completion")) for row in rows],
        "more": {name: [_plain(row.get(name)) for row in rows] for name in names},
    }


def _plain(value: Any) -> Any:
    """A number, a text or nothing; whatever else a judge's file wrote, as JSON text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)


def _instructions(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The instructions, their categories and, where any has more than itself, the turns of each as [speaker, text]."""
    turns = [[[m["role"], m["content"]] for m in row.get("messages", ())] for row in rows]
    told = answers([row["instruction"] for row in rows])
    told |= {"dataset": [str(row.get("dataset", "")) for row in rows]}
    return told | ({"turns": turns} if any(turns) else {})


def _sha(at: Path, name: str) -> str:
    return str(manifest.read(at)[name]["sha256"])
