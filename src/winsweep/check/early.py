"""What a launcher can say of a study before anything runs: of models whose files are at hand, judges, packages and
room.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from winsweep import layout
from winsweep.artifact import Artifact
from winsweep.check import environment, to_make
from winsweep.check.finding import Finding
from winsweep.judge import asked, prices
from winsweep.plan import Item
from winsweep.store import small_files
from winsweep.store.manifest import write_atomic
from winsweep.study import jury
from winsweep.study.cell import HubModel, Judge, judge_of
from winsweep.text import hub
from winsweep.workspace import Workspace, chain

LOOK_S = 600.0  # for headers and tokenizers of all models at hand
PACKAGES = "packages"  # whose the findings of packages are
INSTALL = {
    "peft": "type pip install peft, or take lora: out of the recipe",
    "bitsandbytes": "type pip install bitsandbytes, or take quantize: out of recipe.lora",
    "vllm": "type engine: slots, or install it as docs/how_to/vllm.md says",
    "sentence_transformers": "type pip install -e '.[analysis]' in the checkout",
    "matplotlib": "type pip install -e '.[analysis]' in the checkout",
}


@dataclass(frozen=True)
class Row:
    """A finding, and the model, judge or machine that it is of."""

    of: str
    finding: Finding


def quick(workspace: Workspace, items: Sequence[Item]) -> list[Row]:
    """Of what is still to be made: judges' keys and days of shut-down, and packages; no network is asked and no model
    read.
    """
    todo = [i.artifact for i in items if i.state != "done"]
    judges = {judge_of(a) for a in todo if a.stage == "judge"}
    rows = [Row(f"judge {judge.name}", f) for judge in sorted(judges, key=lambda j: j.name) for f in _of_judge(judge)]
    return rows + [Row(PACKAGES, f) for f in environment.packages({name: INSTALL[name] for name in _packages(todo)})]


def _of_judge(judge: Judge) -> Iterator[Finding]:
    limited = [one for one in jury.members(judge) if hasattr(one.options, "limits")]
    paid = [(workload.model, asked.limits_of(one)) for one in limited if (workload := prices.workload_of(one))]
    models = dict.fromkeys(model for model, _ in paid)
    if models:
        yield environment.key()
    for model in models:
        yield from environment.shut_down(model)
    for model, dollars in dict.fromkeys((model, limits.get("dollars")) for model, limits in paid):
        yield from environment.budget(model, dollars)


def _packages(todo: Iterable[Artifact]) -> list[str]:
    needed: dict[str, None] = {}
    for a in todo:
        if a.stage == "generate" and a.plain_params["decoding"].get("engine") == "vllm":
            needed["vllm"] = None
        lora = (a.plain_params["recipe"].get("lora") or {}) if a.stage == "finetune" else {}
        if lora and importlib.util.find_spec("peft") is None:  # slow to import, and of every whole installation
            needed["peft"] = None
        if lora.get("quantize"):
            needed["bitsandbytes"] = None
        if a.stage == "drift":
            needed["matplotlib"] = None
        if a.stage in ("drift", "containment") and "num_features" not in a.plain_params.get(
            "embedder", {"num_features": 0}
        ):
            needed["sentence_transformers"] = None
    return list(needed)


def without(workspace: Workspace, items: Sequence[Item], rows: Sequence[Row]) -> Workspace:
    """The workspace less the cells that would be trained or generated for nothing, by what `rows` say, and the analyses
    that could not run; or itself.
    """
    wrong = {
        row.of if row.of != PACKAGES else row.finding.what.removeprefix("package ")
        for row in rows
        if row.finding.verdict == "problem"
    }
    if not wrong:
        return workspace
    open_ones = {i.artifact.key for i in items if i.state != "done"}
    cells = {label for label, end in workspace.judged.items() if not _in_vain(chain([end]), open_ones, wrong)}
    left = workspace.only(cells) if len(cells) < len(workspace.judged) else workspace
    analyses = {
        name: a for name, a in left.analyses.items() if a.key not in open_ones or wrong.isdisjoint(_packages([a]))
    }
    return replace(left, analyses=analyses) if len(analyses) < len(left.analyses) else left


def _in_vain(passed: Mapping[str, Sequence[Artifact]], open_ones: Collection[str], wrong: Collection[str]) -> bool:
    """Whether GPU time would go into a cell (stages to artifacts) whose judge cannot be asked, or whose engine is not
    there.
    """
    spends = [a for stage in ("finetune", "generate") for a in passed.get(stage, ()) if a.key in open_ones]
    unjudged = any(a.key in open_ones and f"judge {judge_of(a).name}" in wrong for a in passed.get("judge", ()))
    return bool(spends) and (unjudged or not set(_packages(spends)).isdisjoint(wrong))


def models(workspace: Workspace, items: Sequence[Item]) -> tuple[list[Row], dict[str, dict]]:
    """The check of every base model that something is still to be made with, as far as its files are on this machine,
    and what it found by key.
    """
    checks = [i.artifact for i in items if i.artifact.stage == "check"]
    known = _published(workspace, checks)
    known |= {key: told for key, told in _remembered(workspace).items() if key not in known}
    asked = {
        a.key: {"base": at, "said": a.plain_params}
        for a in checks
        if a.key not in known and (at := _at_hand(workspace, a))
    }
    if asked:
        new = _look(asked)
        known |= new
        _memory(workspace).parent.mkdir(exist_ok=True)
        write_atomic(_memory(workspace), json.dumps(_remembered(workspace) | new).encode())
    rows = [
        Row(f"model {a.label}", f)
        for a in checks
        for f in ([Finding(**f) for f in known[a.key]["findings"]] if a.key in known else to_make.findings(a))
    ]
    return rows, {key: told["facts"] for key, told in known.items() if told["facts"]}


def _published(workspace: Workspace, checks: Sequence[Artifact]) -> dict[str, dict]:
    there = workspace.store.published()
    read = {a.key: _told(there[a.key] / "findings.json") for a in checks if a.key in there}
    return {key: told for key, told in read.items() if told}  # a damaged one is as one that is not there


def _told(path: Path) -> dict:
    """What a check found; nothing where the file is not what a check writes."""
    try:
        told = small_files.mapping(path, small_files.LARGE_BYTES)
    except OSError:
        return {}
    return told if told and _is_told(told) and told["findings"] else {}


def _is_told(told: Any) -> bool:
    try:
        return all(isinstance(Finding(**f), Finding) for f in told["findings"]) and isinstance(told["facts"], dict)
    except (LookupError, TypeError):
        return False


def _at_hand(workspace: Workspace, check: Artifact) -> str | None:
    """The directory of the model that is checked, if it is here."""
    if "base" in check.inputs:
        made = workspace.store.published().get(check.inputs["base"].key)
        return str(made) if made else None
    source = check.plain_params["base"]["source"]
    if "sha256" in source:
        path = workspace.study.files.get(source["sha256"])
        return str(path) if path and path.is_dir() else None
    model = HubModel(**source)
    return str(hub.folder_of(model)) if hub.is_there(model) else None


def _memory(workspace: Workspace) -> Path:
    return workspace.store.root / ".cache" / "checks.json"


def _remembered(workspace: Workspace) -> dict[str, dict]:
    known = small_files.mapping(_memory(workspace), small_files.LARGE_BYTES) or {}
    return {key: told for key, told in known.items() if _is_told(told)}


def _look(asked: dict[str, dict]) -> dict[str, dict]:
    """Findings of each model, made by a process of their own, as this one imports no torch; none of those that it could
    not look at.
    """
    env = os.environ | layout.python_path() | {"TOKENIZERS_PARALLELISM": "false"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "winsweep.check"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            timeout=LOOK_S,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return {}


def as_plain(findings: Iterable[Finding]) -> list[dict]:
    """Findings in JSON types."""
    return [asdict(f) for f in findings]
