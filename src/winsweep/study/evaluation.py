"""How `recipe: {eval: …}` is read: which rows a finetune looks at without learning from them, and how often."""

import os
from collections.abc import Mapping

from winsweep import strict
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study.arms import Arm
from winsweep.study.cell import Rows
from winsweep.study.held_out import Evaluation
from winsweep.study.parts import Parts
from winsweep.study.sections import EvalSection

NAME = "held_out"  # of rows that are no task of the study


def read(given: Mapping[str, Node], at: Node, arms: Mapping[str, Arm], parts: Parts) -> Evaluation:
    """What the keys of eval: say, all its layers merged; BadStudy, at `at` for what is missing."""
    seen = strict.Findings()
    seen.of(strict.refuse_unknown, given, strict.keys(EvalSection), at)
    if "data" not in given:
        seen.found.append(
            str(at.error("data is missing", "eval says which rows are held out", "add data: TASK, or data: FILE.jsonl"))
        )
    source: Rows | None = seen.of(_source, given["data"], arms, parts) if "data" in given else None
    every = seen.of(strict.option, EvalSection, "every", given)
    seen.stop()
    if source is None:
        raise LookupError("held-out rows without a source")
    return Evaluation(source, strict.present(every))


def _source(node: Node, arms: Mapping[str, Arm], parts: Parts) -> Rows:
    """The rows of a task by its name, of a file by its path, or what an entry of tasks: would train on."""
    if not isinstance(node.value, str):
        return parts.source(node, NAME, "examples")
    tasks = {name: arm.task for name, arm in arms.items() if arm.section == "tasks"}
    if found := tasks.get(node.value):
        return found
    if os.sep not in node.value and not os.path.splitext(node.value)[1]:
        raise node.error(
            f"no task {quoted(node.value)} in this study",
            f"{strict.near(node.value, tasks)}; a file of rows is legal too",
        )
    return parts.source(Node({"path": node}, node.file, node.line, node.path), NAME, "examples")
