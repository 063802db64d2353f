"""Looks at studies that were never run, to draw."""

from winsweep.watch.seen import Cell, Result, Seen, Training

STATES = {"running": "by vm", "failed": "application: NotFinite: lower recipe.lr", "done": ""}


def seen(num_arms: int = 3, seeds: int = 2, states: dict[str, str] | None = None, name: str = "arm", **more) -> Seen:
    """A study whose results are waiting, but for those of `states` (STAGE/LABEL to state)."""
    results: dict[str, Result] = {}
    cells = []
    for n in range(num_arms):
        for seed in range(1, seeds + 1):
            label = f"llama.{name}{n}.s{seed}"
            of = {}
            for stage in ("prepare", "finetune", "collect", "generate", "judge"):
                key = f"{stage}/{'shared' if stage == 'prepare' else label}"
                state = (states or {}).get(key, "done" if stage == "prepare" else "waiting")
                results[key] = Result(stage, label, key, state, STATES.get(state, "needs what is missing"), (label,))
                of[stage] = (key,)
            cells.append(Cell(label, "llama", f"{name}{n}", seed, "waiting", of))
    about = {"gpu_hours": 1.5, "left_s": 600.0, "left_why": "", "queue": None, "retry": "python launch/sweep.py s.yaml"}
    about |= {"table": "table: r.csv, not made yet"}
    return Seen("study", "/store", 1.8e9, (*results.values(),), (*cells,), **about | more)


def trained(result: Result, losses: tuple[float, ...] = (4.0, 3.0, 2.0, 1.0)) -> Result:
    """The same, a finetune that runs."""
    training = Training(40, 100, losses[-1], 1e-4, 12345.6, None, losses)
    return Result(
        result.stage, result.label, result.key, "running", "by vm", result.cells, 0.4, 90.0, training, "/store/x.log"
    )


def lines(board: list) -> list[str]:
    """The text of drawn lines."""
    return ["".join(text for text, _ in line) for line in board]
