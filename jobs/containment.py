"""containment: how often a finetuned model answers like a generalist outside its task, and how often behind a guard."""

import json
from dataclasses import asdict

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.store.manifest import write_atomic
from winsweep.study.analysis import Containment
from winsweep.study.cell import Data

VERSION = 1
GUARDS = ("style", "template", "embedder")  # parameters that a guard needs; one that is not there stands in no key


def want(ask: Containment, need: Need) -> Want:
    params = {name: getattr(ask, name) for name in GUARDS if getattr(ask, name) is not None}
    params |= {"in_domain": ask.in_domain} | ({"quantile": ask.quantile} if ask.embedder else {})
    inputs = {"judged": need("judge", ask.comparison)}
    inputs |= {"task": need("prepare", Data("examples", ask.task))} if ask.task else {}
    if ask.constrained:
        inputs["constrained"] = need("judge", ask.constrained)
        params["grammar"] = ask.constrained.candidate.grammar
    return Want(ask.name, params, inputs)


def run(job: Job) -> None:
    from winsweep import keys
    from winsweep.analysis.containment import behind, effects
    from winsweep.analysis.embed import counted, embedder_of
    from winsweep.analysis.guards import domain, form, written_under
    from winsweep.analysis.rows import first_turns
    from winsweep.study.rules import Grammar

    judged = json.loads((job.inputs["judged"] / "annotations.json").read_bytes())
    task = first_turns(job.inputs["task"] / "examples.jsonl") if "task" in job.inputs else []
    said, guards = job.params, []
    if "style" in said or "template" in said:
        guards.append(form(said.get("style"), said.get("template")))
    if "embedder" in said:
        embed = counted(
            embedder_of(said["embedder"], job.file), lambda done: job.progress(done, 2 * len(task) + len(judged))
        )
        guards.append(domain([instruction for instruction, _ in task], embed, said["quantile"]))
    found = effects(judged, guards, set(said["in_domain"]), task)
    if "grammar" in said:
        rows = json.loads((job.inputs["constrained"] / "annotations.json").read_bytes())
        guard = written_under(keys.restore(Grammar, said["grammar"]))
        found.append(behind(guard, rows, set(said["in_domain"]), task))
    write_atomic(job.out / "containment.json", json.dumps([asdict(effect) for effect in found], indent=1).encode())


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
