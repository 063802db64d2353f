"""A judge as a job has it in plain types made into one that can be asked: its file, options, limits, identity and
ledger.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from winsweep import keys, plugins
from winsweep.judge.ledger import Ledger, place
from winsweep.study import jury
from winsweep.study.cell import HubModel, Judge, LocalFile


def restored(judge: Mapping[str, Any], file: plugins.File, limits: Mapping[str, Any]) -> Judge:
    """The judge whose plain form is `judge`, with its file loaded, under `limits` as `limits_of` gave them; `file` says
    where local files lie, such as the weights of one that is a model on this machine.
    """
    module, code = plugins.of_judge(judge, file), judge.get("code")
    return Judge(
        judge["name"], judge["version"], _options(module, judge, file, limits), LocalFile(**code) if code else None
    )


def _options(module: ModuleType, judge: Mapping[str, Any], file: plugins.File, limits: Mapping[str, Any]) -> Any:
    if judge["name"] == jury.JURY:
        each = limits.get("judges") or [{} for _ in judge["options"]["judges"]]
        return module.Options(
            tuple(restored(one, file, own) for one, own in zip(judge["options"]["judges"], each, strict=True))
        )
    options = keys.restore(module.Options, judge["options"])
    weights = getattr(options, "weights", None)  # of a judge that is a model on this machine
    if isinstance(weights, dict):
        told = {"weights": LocalFile(**weights) if "sha256" in weights else HubModel(**weights)}
        options = replace(options, **told | ({"path": str(file(weights))} if "sha256" in weights else {}))
    return replace(options, limits=type(options.limits)(**limits)) if limits else options


def limits_of(judge: Judge) -> dict[str, Any]:
    """The bounds on the use of a judge in plain types, those of a jury's members in their order; none, empty."""
    if judge.name == jury.JURY:
        return {"judges": [limits_of(one) for one in jury.members(judge)]}
    limits = getattr(judge.options, "limits", None)
    return dict(vars(limits)) if limits else {}


def module_of(judge: Judge) -> ModuleType:
    return plugins.known(plugins.JUDGES, judge.name, judge.code)


@functools.cache  # as it may read files, and all cells of a study have the same judge
def identity_of(judge: Judge) -> dict[str, Any]:
    """What makes two judgements comparable, beside the options."""
    return module_of(judge).identity(judge.options)


def ledger_of(judge: Judge, store: Path) -> Ledger:
    """The judgements of a judge in a store, whoever names it, alone or in a jury."""
    return Ledger(*place(store, judge.name, judge.version, identity_of(judge)))
