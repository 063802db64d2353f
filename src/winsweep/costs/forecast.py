"""What a plan will cost before anything is spent: how many results of each kind, GPU-hours, how many judgements, and
dollars at most.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from winsweep import plugins
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.costs import gpu_cost, judge_cost
from winsweep.plan import Item
from winsweep.store.store import RECORD
from winsweep.workspace import Workspace

ASSUMED = "    assumed: "  # how lines of gpu_cost begin that not everybody wants to read
NAMES = {
    "finetune": ("finetune", "finetunes"),
    "collect": ("model", "models"),
    "generate": ("set of outputs", "sets of outputs"),
    "judge": ("comparison", "comparisons"),
    "rank": ("ranking", "rankings"),
    "drift": ("drift", "drifts"),
    "containment": ("containment", "containments"),
}


def lines(workspace: Workspace, items: Sequence[Item], is_verbose: bool = True) -> list[str]:
    """For a person: what is missing, by kind, what it may take of a GPU and what judging it takes; rows not known yet
    are said to be unknown. The assumptions only if `is_verbose`.
    """
    missing = [i.artifact for i in items if i.state != "done"]
    counts = Counter(a.stage for a in missing)
    told = [
        f"{plural(len(workspace.judged), 'cell')}; missing: "
        + (", ".join(plural(counts[s], *names) for s, names in NAMES.items() if counts[s]) or "nothing")
    ]
    sizes = {
        a: num_rows(workspace, a)
        for a in dict.fromkeys(m.inputs["instructions"] for m in missing if m.stage == "generate")
    }
    hours = gpu_cost.lines(missing, sizes, workspace.study.files)
    told += hours if is_verbose else [line for line in hours if not line.startswith(ASSUMED)]
    return told + judgements(workspace, [a for a in missing if a.stage == "judge"])


def judgements(workspace: Workspace, missing: Sequence[Artifact]) -> list[str]:
    """Lines for each judge. Outputs compared with themselves need no judge."""
    asked = [a for a in missing if a.inputs["candidate"] != a.inputs.get("reference")]
    return (
        judge_cost.lines(
            workspace, asked, {i: num_rows(workspace, i) for i in {a.inputs["instructions"] for a in asked}}
        )
        if asked
        else []
    )


def num_rows(workspace: Workspace, instructions: Artifact) -> int | None:
    """How many instructions a set has: as prepared, as its reader knows, or as its file has lines."""
    made = workspace.store.published().get(instructions.key)
    if made:
        notes = json.loads((made / RECORD).read_bytes()).get("notes", {})
        return notes.get("num_rows")
    source = instructions.plain_params["source"]
    reader = plugins.of_source(source, lambda code: workspace.study.files[code["sha256"]])
    known = getattr(reader, "NUM_INSTRUCTIONS", None)
    path = workspace.study.files.get((source["data"] or {}).get("sha256", ""))
    num = known or (_num_in(path) if path and path.exists() else None)
    if num is None or not (sample := source.get("sample")):
        return num
    return sample["rows"] if sample["keep"] == "sample" else num - sample["rows"]


def _num_in(path: Path) -> int | None:
    if path.suffix not in (".json", ".jsonl"):
        return None
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip()
    try:
        return (
            len(json.loads(content))
            if content.startswith(b"[")
            else sum(bool(line.strip()) for line in content.splitlines())
        )
    except ValueError:
        return None  # prepare says what is wrong with it
