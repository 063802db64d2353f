"""Examples, and one finetune under test in forked ranks: the heavy libraries are imported once, so a whole two-rank run
takes a second.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from winsweep.placement import Placement
from winsweep.study.recipe import Recipe
from winsweep.text.encode import MASKED, Example
from winsweep.train.finetune import finetune
from winsweep.train.held_out import HeldOut
from winsweep.train.rank_group import join
from winsweep.zero import read_zero

DS_CONFIGS = Path(__file__).parents[2] / "ds_configs"
VOCAB = 256
AUDITED = ("open", "os.rename", "os.mkdir", "shutil.rmtree")


def make_examples(num: int, seed: int = 0) -> list[Example]:
    """Random ids of varying length, the first part of each masked as a prompt is."""
    rng = random.Random(seed)
    lengths = [rng.randint(5, 24) for _ in range(num)]
    rows = [[rng.randrange(VOCAB) for _ in range(length)] for length in lengths]
    return [Example(ids, [MASKED] * (cut := rng.randint(1, len(ids) - 2)) + ids[cut:]) for ids in rows]


def zero_config(name: str) -> dict:
    """A file of ds_configs/ with stage 3's threshold at 0, so that even tiny parameters are split over the ranks."""
    config = read_zero(DS_CONFIGS / f"{name}.json")
    if config["zero_optimization"]["stage"] == 3:
        config["zero_optimization"]["stage3_param_persistence_threshold"] = 0
    return config


def start_ranks(num_ranks: int, main: Callable[[int], None], logs: Path) -> list[int]:
    """Fork `num_ranks` processes that call main(rank); the standard error of each goes to logs/rank-<i>.txt."""
    logs.mkdir(parents=True, exist_ok=True)
    return [_fork(lambda rank=rank: main(rank), logs / f"rank-{rank}.txt") for rank in range(num_ranks)]


def _fork(main: Callable[[], None], log: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    sys.stdout = sys.stderr = file = open(log, "w", buffering=1)  # noqa: SIM115  # until the process ends
    os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
    try:
        main()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait_ranks(pids: list[int], limit_s: float = 300.0, watch: Callable[[], None] = lambda: None) -> list[int]:
    """Exit codes (negative: killed by that signal); after `limit_s` what is left is killed and the test fails."""
    codes: dict[int, int] = {}
    end = time.monotonic() + limit_s
    while len(codes) < len(pids):
        for pid in set(pids) - codes.keys():
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[pid] = os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            for pid in set(pids) - codes.keys():
                os.kill(pid, signal.SIGKILL)
            raise TimeoutError(f"ranks still running after {limit_s} s")
        watch()
        time.sleep(0.001)
    return [codes[pid] for pid in pids]


class World:
    """One finetune under test: its settings, its directories, and attempts at it."""

    def __init__(
        self, root: Path, base: Path, zero: str, num_ranks: int, recipe: Recipe, **placement: int | str
    ) -> None:
        self.root, self.base, self.num_ranks, self.recipe = root, base, num_ranks, recipe
        self.config = zero_config(zero)
        self.examples = make_examples(22)
        self.placement = Placement(ranks=num_ranks, zero=zero, **placement)
        self.work, self.num_attempts, self.seed, self.timeout_s = root / "work", 0, 7, 20.0
        self.limit_s = 300.0  # of an attempt, whatever else the machine does
        self.held_out: HeldOut | None = None
        self.on_progress: Callable[[int, int], None] = lambda rank, done: None
        self.stopping: Callable[[int, int], str | None] = lambda rank, done: None
        # called with rank, event and its arguments as text
        self.on_audit: Callable[[int, str, str], None] | None = None

    @property
    def out(self) -> Path:
        return self.root / f"out-{self.num_attempts}"

    def main(self, rank: int) -> None:
        if self.on_audit:
            sys.addaudithook(lambda event, args: event in AUDITED and self.on_audit(rank, event, str(args)))
        group = join(
            rank=rank,
            num_ranks=self.num_ranks,
            meeting=self.root / f"meeting-{self.num_attempts}",
            timeout_s=self.timeout_s,
        )
        how = dict(placement=self.placement, zero_config=self.config, group=group)
        at = [0]

        def progress(done: int, total: int) -> None:
            at[0] = done
            self.on_progress(rank, done)

        how["stopping"] = lambda: self.stopping(rank, at[0])
        notes = finetune(
            self.examples,
            self.base,
            None,
            self.recipe,
            self.seed,
            **how,
            out=self.out,
            work=self.work,
            progress=progress,
            held_out=self.held_out,
        )
        if rank == 0:
            (self.root / "notes.json").write_text(json.dumps(notes))
        group.leave()

    def start(self) -> list[int]:
        self.num_attempts += 1
        self.out.mkdir(parents=True, exist_ok=True)
        return start_ranks(self.num_ranks, self.main, self.root / f"logs-{self.num_attempts}")

    def run(self) -> list[int]:
        """One attempt; the exit code of each rank."""
        return wait_ranks(self.start(), self.limit_s)

    def done(self) -> "World":
        """One attempt, which must succeed."""
        assert self.run() == [0] * self.num_ranks, self.stderr()
        return self

    def killed_at(self, *, rank: int, event: str, text: str = "", step: int = 0) -> list[int]:
        """One attempt in which `rank` kills itself: on the first audit event whose arguments hold `text`, or after
        `step`.
        """

        def die() -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        self.on_progress = lambda here, done: die() if event == "progress" and (here, done) == (rank, step) else None
        self.on_audit = lambda here, what, args: die() if (here, what) == (rank, event) and text in args else None
        codes = self.run()
        self.on_progress, self.on_audit = lambda here, done: None, None
        assert codes[rank] == -signal.SIGKILL, self.stderr()
        return codes

    def stderr(self) -> str:
        return "\n".join(path.read_text() for path in sorted((self.root / f"logs-{self.num_attempts}").iterdir()))

    def refused(self) -> list[str]:
        """One attempt, which every rank must end with an error; the last line of what each said."""
        assert self.run() == [1] * self.num_ranks
        return [
            path.read_text().splitlines()[-1] for path in sorted((self.root / f"logs-{self.num_attempts}").iterdir())
        ]

    def log(self) -> list[dict]:
        lines = [json.loads(line) for line in (self.out / "log.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "tokens_per_s"} for line in lines]

    def losses(self) -> list[float]:
        return [line["loss"] for line in self.log() if "loss" in line]

    def held_out_losses(self) -> dict[int, float]:
        """Step to the loss over held-out rows after it."""
        return {line["step"]: line["eval_loss"] for line in self.log() if "eval_loss" in line}

    def facts(self) -> dict:
        return json.loads((self.out / "train.json").read_text())

    def notes(self) -> dict:
        """What the last attempt that succeeded says of itself for the record."""
        return json.loads((self.root / "notes.json").read_text())

    def checkpoints(self) -> list[str]:
        return sorted(path.name for path in self.work.glob("*checkpoint*"))

    def published(self) -> tuple[list[dict], dict[str, bytes]]:
        """The log and the bytes of the weights."""
        return self.log(), {path.name: path.read_bytes() for path in sorted(self.out.glob("*.safetensors"))}
