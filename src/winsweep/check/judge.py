"""Whether a judge can be asked from here: key, endpoint and model of a paid one, weights and template of one that runs
here.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from winsweep.check import environment
from winsweep.check.finding import Finding, problems
from winsweep.errors import Unreachable, WinsweepError
from winsweep.judge.limits import Limits
from winsweep.study.cell import HubModel, LocalFile

if TYPE_CHECKING:
    from winsweep.judge.endpoint import Served

WAITS_S = (1.0, 2.0, 4.0)  # before an endpoint that cannot be reached is asked once more


def look(module: ModuleType, options: object) -> list[Finding]:
    """Every check of a judge (a file of judges/ with its options); one free request to a paid one's endpoint."""
    if hasattr(module, "faults"):
        return list(_judged_by(module, options))
    weights = getattr(options, "weights", None)
    if isinstance(weights, HubModel) or (hasattr(options, "weights") and hasattr(options, "path")):
        return list(_local(weights, getattr(options, "path", "")))
    if hasattr(options, "limits") and hasattr(module, "workload"):
        return list(_paid(module.workload(options).model, options.limits))
    return []


def _judged_by(module: ModuleType, options: object) -> Iterator[Finding]:
    """Of a judge whose own file says what is wrong with it."""
    try:
        found = module.faults(options)
    except Unreachable as e:
        yield Finding("problem", "weights", " ".join(str(e).split()), can_pass=True)
        return
    yield from (Finding("problem", "weights", " ".join(text.split())) for text in found)
    if not found:
        yield Finding("ok", "weights", "all there, for one number of each answer")


def _paid(model: str, limits: Limits) -> Iterator[Finding]:
    yield (has_key := environment.key())
    ended = [*environment.shut_down(model), *environment.budget(model, limits.dollars)]
    yield from ended
    if problems([has_key, *ended]):
        return
    from winsweep.judge import endpoint

    async def asked() -> endpoint.Served:
        async with endpoint.connect(model, limits) as session:
            for wait in WAITS_S:
                said = await endpoint.served(session, model)
                if not said.failure or said.failure.kind != "passing":
                    return said
                await asyncio.sleep(wait)
            return await endpoint.served(session, model)

    try:
        said = asyncio.run(asked())
    except WinsweepError as e:
        yield Finding("problem", "endpoint", " ".join(str(e).split()))
        return
    yield _answered(said, model)
    yield from environment.shut_down(model, said=said.ends) if said.ends else ()


def _answered(said: "Served", model: str) -> Finding:
    if said.failure and said.failure.kind == "refused":
        return Finding(
            "problem",
            "endpoint",
            f"refuses the list of its models: {said.failure.told}",
            said.failure.do,
        )
    if said.failure:
        return Finding(
            "problem",
            "endpoint",
            f"cannot be reached from here ({said.failure.told})",
            "check OPENAI_BASE_URL, start the server, or place judge where there is a network (judge: {where: login} "
            "in the cluster file)",
            can_pass=True,
        )
    if said.listed is False:
        answers = f"answers, and does not list {model}"
        if environment.is_own():
            return Finding("problem", "endpoint", answers, "name a model that it serves")
        return Finding("unknown", "endpoint", answers)
    return Finding("ok", "endpoint", f"answers{f' and serves {model}' if said.listed else ''}")


def _local(weights: HubModel | LocalFile | dict[str, str] | None, path: str) -> Iterator[Finding]:
    """Of a judge whose weights (as a study has them, or in JSON types) are of the hub, or lie at `path`."""
    from winsweep.check import model

    said = weights if isinstance(weights, dict) else vars(weights) if weights else {}
    base, revision = (said["hf_id"], said["revision"]) if "hf_id" in said else (str(Path(path)), None)
    yield from model.look(
        base,
        revision,
        {"base": {}, "max_tokens": [], "frames": [{"template": "chat"}], "decodings": [], "adapters": []},
        None,
    ).findings
