"""Artifacts of made-up cells, and the chains that are made of them."""

from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, plan
from winsweep.slurm.chain import arrays

BY_STAGE = {
    s: Placement()
    for s in (
        "pretrain",
        "prepare",
        "finetune",
        "collect",
        "generate",
        "judge",
        "choose",
        "rank",
        "drift",
        "containment",
    )
}
PLACED = Placements(BY_STAGE)


def cells(num: int, untrained: int = 0) -> list[Artifact]:
    """Judge artifacts of `num` trained cells and `untrained` untrained ones, all against the first."""
    base = Artifact("pretrain", 1, "base", {})
    asked = Artifact("prepare", 1, "asked", {"x": 0})
    outputs = []
    for n in range(num):
        tuned = Artifact(
            "finetune",
            1,
            f"c{n}",
            {"n": n},
            {"base": base, "examples": Artifact("prepare", 1, f"d{n % 3}", {"d": n % 3})},
        )
        model = Artifact("collect", 1, f"c{n}", {}, {"finetune": tuned})
        outputs.append(Artifact("generate", 1, f"c{n}", {}, {"base": model, "asked": asked}))
    outputs += [Artifact("generate", 1, f"u{n}", {"u": n}, {"base": base, "asked": asked}) for n in range(untrained)]
    return [Artifact("judge", 1, o.label, {}, {"candidate": o, "reference": outputs[0]}) for o in outputs]


def chain(wanted, max_tasks: int = 1000, placed: Placements = PLACED, **facts):
    return arrays(plan(wanted, Facts(transient=frozenset({"finetune"}), **facts)), placed, max_tasks)


def together(*stages: str) -> Placements:
    return Placements(BY_STAGE | {s: Placement(where="with_input") for s in stages})


def sound(found) -> bool:
    """Whether each task waits for everything that it needs and that is made now, and for nothing that comes later."""
    place = {
        a.key: (n, at) for n, array in enumerate(found) for at, task in zip(array.indices, array.tasks) for a in task
    }

    def covered(array, at: int, key: str) -> bool:
        on, index = place[key]
        return any(
            x.on == on and (index == at if x.corresponding else not x.tasks or index in x.tasks) for x in array.after
        )

    return all(
        covered(array, at, i.key)
        for array in found
        for at, task in zip(array.indices, array.tasks)
        for a in task
        for i in a.needs
        if i.key in place and i.key not in {x.key for x in task}
    ) and all(x.on < n for n, array in enumerate(found) for x in array.after if isinstance(x.on, int))


def seeds(arms: int, num: int) -> list[Artifact]:
    """Judge artifacts of `arms` arms × `num` seeds, each against the first arm of its seed, which comes last."""
    made = {}
    for n in range(num):
        for arm in reversed(range(arms)):
            tuned = Artifact(
                "finetune",
                1,
                f"a{arm}.s{n}",
                {"arm": arm, "n": n},
                {"examples": Artifact("prepare", 1, f"d{arm}", {"d": arm})},
            )
            model = Artifact("collect", 1, tuned.label, {}, {"finetune": tuned})
            made[arm, n] = Artifact(
                "generate", 1, tuned.label, {}, {"base": model, "asked": Artifact("prepare", 1, "asked", {"x": 0})}
            )
    return [Artifact("judge", 1, o.label, {}, {"candidate": o, "reference": made[0, n]}) for (_, n), o in made.items()]
