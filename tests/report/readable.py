"""A store whose answers and judgements can be read, made in a moment from what a test says."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.report.made_store import files_of, publish
from winsweep.artifact import Artifact
from winsweep.report.files import write_report
from winsweep.workspace import Workspace, open_workspace

Row = dict[str, Any]


def make(
    folder: Path,
    text: str,
    asked: Sequence[Row],
    answer: Callable[[Artifact, int], Row],
    judge: Callable[[Artifact, Row, Row, int], Row],
    leave: Callable[[Artifact], bool] = lambda a: False,
    given: Sequence[Row] = (),
) -> Workspace:
    """The study `text` and its store in `folder`: `answer` gives the row of outputs of a generation, `judge` what a
    judgement adds to the candidate's and the reference's row. What `leave` names is not made. `given` are the
    reference's outputs where they are a file.
    """
    folder.mkdir(exist_ok=True)
    study = folder / "study.yaml"
    study.write_text(text, encoding="utf-8")
    workspace = open_workspace(study, folder / "runs")
    for a in workspace.order:
        if a.stage != "aggregate" and not leave(a):
            publish(workspace, a, _files(a, asked, answer, judge, given))
    return workspace


def report(workspace: Workspace, **options: Any) -> Path:
    return write_report(workspace, **options)


def annotations(
    judged: Artifact,
    asked: Sequence[Row],
    answer: Callable[[Artifact, int], Row],
    judge: Callable[..., Row],
    given: Sequence[Row] = (),
) -> list[Row]:
    """The rows of a judgement as its file has them."""
    candidate, reference = judged.inputs["candidate"], judged.inputs.get("reference")
    found = []
    for n, row in enumerate(asked):
        own, theirs = _answer(candidate, answer, n), _answer(reference, answer, n) if reference else given[n]
        names = {"generator_1": "reference", "generator_2": candidate.label, "annotator": "reference_overlap"}
        said = {"preference": 1.5} if own["output"] == theirs["output"] else judge(judged, own, theirs, n)
        texts = {"output_1": theirs["output"], "output_2": own["output"]}
        facts = {name: own[name] for name in ("num_tokens", "truncated")}
        found.append({**row, **texts, **names, **facts, **said})
    return found


def _answer(generation: Artifact, answer: Callable[[Artifact, int], Row], n: int) -> Row:
    return {"num_tokens": 9, "truncated": False, **answer(generation, n)}


def _files(
    a: Artifact,
    asked: Sequence[Row],
    answer: Callable[[Artifact, int], Row],
    judge: Callable[..., Row],
    given: Sequence[Row],
) -> dict[str, str]:
    if a.stage == "generate":
        names = [{"instruction": row["instruction"], "generator": a.label} for row in asked]
        return {"outputs.json": json.dumps([{**row, **_answer(a, answer, n)} for n, row in enumerate(names)])}
    if a.stage == "judge":
        return {"annotations.json": json.dumps(annotations(a, asked, answer, judge, given))}
    return files_of(a, asked, lambda judged, n: {})
