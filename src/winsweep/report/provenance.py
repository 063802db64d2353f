"""Where a report's numbers come from: the study as it was read, code, machines, judge, and digests of data."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import yaml

from winsweep.errors import WinsweepError
from winsweep.keys import plain
from winsweep.report.cost import read_record
from winsweep.store import provenance as running
from winsweep.strict import Node
from winsweep.study.cell import HubData, HubModel, LocalFile, Mix, Model, Rows, Training, untrained
from winsweep.study.inheritance import read_extended
from winsweep.study.origin import root_of, starts_of, starts_text
from winsweep.workspace import Workspace

# What a person may have put into a file although nothing asks for it: keys of services, and what stands in an address.
SECRET = re.compile(
    r"(?:sk|pk|rk|hf|gh[opsu]|github_pat|xox[abp]|glpat|AKIA|AIza)[-_A-Za-z0-9]{16,}|eyJ[-_A-Za-z0-9]{10,}\.[-_.A-Za-z0-9]+"
)
USER_OF_URL = re.compile(r"(\w+://)[^/\s@]+@")
QUERY_OF_URL = re.compile(r"(\w+://[^\s?'\"]+)\?[^\s'\"]+")
VERSIONS = tuple("torch transformers tokenizers peft deepspeed vllm llguidance numpy alpaca-eval scikit-learn".split())


def provenance(workspace: Workspace) -> dict[str, Any]:
    """`study_text`: the study with what it extends, without comments and without what looks like a secret; `commit` and
    `version` of the code that wrote the report; `commits`, `python`, `system`, `devices`, `packages`: of the results,
    each value with the number of results; `judge`: its name and options; `models`, `data`: of each `name` and `what`.
    No host, user or path is in it.
    """
    made, of_results = running.commit(), _of_results(workspace)
    return {
        "study_text": study_text(workspace),
        "version": metadata.version("winsweep"),
        "commit": running.commit_text(made),
        **{name: dict(of_results[name].most_common()) for name in ("commits", "python", "system", "devices")},
        "packages": {name: dict(of_results[name].most_common()) for name in VERSIONS if of_results[name]},
        "judge": _judges(workspace),
        "models": _models(workspace),
        "data": _data(workspace),
    }


def _of_results(workspace: Workspace) -> dict[str, Counter[str]]:
    """How many results have each commit, machine and version of a package; of forty thousand records one at a time is
    held.
    """
    published, found = workspace.store.published(), defaultdict[str, Counter[str]](Counter)
    for a in workspace.order:
        record = read_record(published[a.key]) if a.key in published else {}
        if "commit" in record:
            found["commits"][running.commit_text(record)] += 1
        for name, field in (("python", "python"), ("system", "system"), ("devices", "device")):
            if field in record:
                found[name][record[field]] += 1
        for name, version in record.get("packages", {}).items():
            found[name][version] += 1
    return found


def study_text(workspace: Workspace) -> str:
    """The study as YAML; "" where its file is gone."""
    try:
        whole = _values(read_extended(workspace.study.path))
    except (WinsweepError, OSError, ValueError):
        return ""
    return without_secrets(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=100))


def without_secrets(text: str) -> str:
    """The text with … for what looks like a key of a service, and for user and query of an address."""
    return QUERY_OF_URL.sub(r"\1?…", USER_OF_URL.sub(r"\1…@", SECRET.sub("…", text)))


def _values(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {str(k): _values(v) for k, v in node.value.items()}
    return [_values(v) for v in node.value] if isinstance(node.value, list) else node.value


def _judges(workspace: Workspace) -> list[dict[str, Any]]:
    judges = {c.comparison.judge: None for c in workspace.study.table.cells}
    return [{"name": j.name, "version": j.version, "options": _safe(plain(j.options))} for j in judges]


def _safe(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _safe(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_safe(v) for v in value]
    return without_secrets(value) if isinstance(value, str) else value


def _models(workspace: Workspace) -> list[dict[str, str]]:
    """Each model of the table, those that start from a cell with the whole way down."""
    made = [c.comparison.candidate.model for c in workspace.study.table.cells]
    models = {
        m: None for of in made for m in (root_of(of), *(untrained(t) for t in starts_of(of)[::-1]), untrained(of))
    }
    return [{"name": m.name, "what": _source(m)} for m in models]


def _data(workspace: Workspace) -> list[dict[str, str]]:
    """What tasks and instructions were read from, and every local file of the study."""
    found: dict[str, str] = {}
    for cell in workspace.study.table.cells:
        for source in [cell.comparison.candidate.instructions, *([cell.training.task] if cell.training else [])]:
            found |= _read(source)
    found |= {path.name: f"sha256 {sha}" for sha, path in sorted(workspace.study.files.items())}
    return [{"name": name, "what": what} for name, what in found.items()]


def _read(rows: Rows) -> dict[str, str]:
    """A source, or each of those that are mixed, and how its rows are read."""
    if isinstance(rows, Mix):
        mixed = ", ".join(f"{share:.0%} {part.name}" for part, share in rows.parts)
        return {rows.name: f"a mix of {mixed}, seed {rows.seed}"} | {
            name: what for part, _ in rows.parts for name, what in _read(part).items()
        }
    drawn = f", {rows.sample.keep} of {rows.sample.rows:,} rows, seed {rows.sample.seed}" if rows.sample else ""
    drawn += f", behind the system message {rows.system!r}" if rows.system else ""
    code = f", its code sha256 {rows.code.sha256}" if rows.code else ""
    return {rows.name: f"read by {rows.reader}, version {rows.version}{code}{_origin(rows.data)}{drawn}"}


def _origin(data: LocalFile | HubData | None) -> str:
    if isinstance(data, HubData):
        return f", {data.hf_id}/{data.file} at {data.revision}"
    return f", sha256 {data.sha256}" if data else ""


def _source(model: Model) -> str:
    if isinstance(model.source, HubModel):
        return f"{model.source.hf_id} at {model.source.revision}"
    if isinstance(model.source, LocalFile):
        return f"a directory, sha256 {model.source.sha256}"
    return f"starts from {starts_text(model)}" if isinstance(model.source, Training) else "pretrained by the study"
