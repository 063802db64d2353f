"""Attempts at a finetune that are taken over while they live, lose a rank, or are stopped before they gained
anything.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.slurm.conftest import wait_for
from tests.train.world import start_ranks, wait_ranks
from winsweep.artifact import Artifact, closure
from winsweep.attempt import attempt, endings, history
from winsweep.attempt import spec as specs
from winsweep.attempt.spec import Spec
from winsweep.attempt.stopflag import StopFlag
from winsweep.placement import Placement
from winsweep.workspace import Workspace, open_workspace

STUDY = """\
name: long
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
adapters: {base: {rules: []}}
tasks: {ins: {from: toy, num_examples: 24}}
seeds: [1]
recipe: {lr: 1.0e-3, epochs: 200, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {from: toy, part: dev}
decoding: {max_new_tokens: 8, batch: 20}
compare: {judge: reference_overlap, reference: {task: ins}}
"""


class Finetune:
    """The finetune of a study in a folder, all it is made from finished, and attempts at it as turns of one
    SLURM task.
    """

    def __init__(self, folder: Path, **placed: int) -> None:
        self.folder, self.placed, self.num_turns = folder, Placement(zero="zero2", **placed), 0
        self.on_begin: Callable[[int], object] = lambda rank: None
        (folder / "study.yaml").write_text(STUDY)
        self.workspace: Workspace = open_workspace(folder / "study.yaml", folder / "runs")
        self.store = self.workspace.store
        self.artifact = next(a for a in self.workspace.order if a.stage == "finetune")
        for a in closure([self.artifact]):
            if a is not self.artifact:
                assert wait_ranks(self.start_on(self.told(a, Placement()), "inputs", 1)) == [0]
        self.spec, self.work = self.told(self.artifact, self.placed), self.store.work(self.artifact.key)

    def told(self, a: Artifact, placed: Placement) -> Spec:
        return specs.make(a, self.store.root, self.folder / "study.yaml", self.workspace.study.files, placed)

    def start_on(self, spec: Spec, token: str, num_ranks: int) -> list[int]:
        def main(rank: int) -> None:
            os.environ["SLURMD_NODENAME"] = f"n{rank}"
            self.on_begin(rank)
            os._exit(attempt.run(spec, rank, num_ranks, token, StopFlag()))

        return start_ranks(num_ranks, main, self.folder / f"logs-{token}")

    def turn(self, task: str = "7_0") -> list[int]:
        """The processes of the next turn, by rank."""
        self.num_turns += 1
        return self.start_on(self.spec, f"slurm-{task}.{self.num_turns - 1}", self.placed.ranks)

    def ends(self) -> list[dict]:
        return [json.loads(p.read_bytes()) for p in sorted((self.work / "ends").glob("0*.json"))]

    def result(self) -> tuple[list[dict], dict[str, bytes]]:
        """The log, less its speeds, and the bytes of the weights."""
        found = self.store.find(self.artifact.key)
        lines = [json.loads(line) for line in (found / "log.jsonl").read_text().splitlines()]
        return [line | {"tokens_per_s": 0} for line in lines], {
            p.name: p.read_bytes() for p in found.glob("*.safetensors")
        }


@pytest.fixture
def finetune(tmp_path) -> Callable[..., Finetune]:
    return lambda **placed: Finetune(tmp_path, **placed)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> Finetune:
    """Two ranks that nothing happens to."""
    run = Finetune(tmp_path_factory.mktemp("quiet"), ranks=2)
    assert wait_ranks(run.turn(), 200) == [0, 0]
    return run


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint_steps", [pytest.param(4, marks=pytest.mark.long), 1000])
def test_an_attempt_that_is_taken_over_while_it_lives_ends_soon_and_harms_nothing(finetune, quiet, checkpoint_steps):
    """It finds out when it saves, or else at the next beat."""
    torn = finetune(ranks=2, checkpoint_steps=checkpoint_steps)
    first = torn.turn()
    wait_for(lambda: endings.progress_of(torn.work) > 20, 100)
    second = torn.turn()
    assert wait_ranks(first, 60) == [endings.BUSY] * 2
    assert wait_ranks(second, 200) == [0, 0]
    assert torn.result() == quiet.result()
    assert [e["kind"] for e in torn.ends()] == ["node", "done"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "signum", "kind"),
    [
        (0, signal.SIGKILL, "killed"),
        (2, signal.SIGSTOP, "hang"),
        pytest.param(2, signal.SIGKILL, "killed", marks=pytest.mark.long),
        pytest.param(0, signal.SIGSTOP, "hang", marks=pytest.mark.long),
    ],
)
def test_the_node_of_the_rank_that_is_lost_is_named(finetune, rank, signum, kind):
    run = finetune(ranks=3, timeout_s=8)
    pids = run.turn()
    wait_for(lambda: endings.progress_of(run.work) > 3, 100)
    os.kill(pids[rank], signum)
    others = [pid for pid in pids if pid != pids[rank]]
    assert wait_ranks(others, 60) == [endings.FAILED] * 2
    os.kill(pids[rank], signal.SIGKILL)
    assert wait_ranks(pids[rank : rank + 1]) == [-signal.SIGKILL]
    again = run.turn("8_0")  # a rank that waited for one which waited for its word is known to be well by now
    wait_for(lambda: run.ends()[0]["node"], 60)
    for pid in again:
        os.kill(pid, signal.SIGKILL)
    wait_ranks(again)
    assert [(e["kind"], e["node"]) for e in run.ends()] == [(kind, f"n{rank}")]


def test_a_rank_that_knows_why_it_fails_is_believed_before_those_that_lose_it(finetune):
    def out_of_memory(event: str, args: tuple) -> None:
        if event == "open" and "ds_configs" in str(args[0]):
            raise MemoryError

    run = finetune(ranks=2, timeout_s=8)
    run.on_begin = lambda rank: sys.addaudithook(out_of_memory) if rank == 1 else None
    assert wait_ranks(run.turn(), 100) == [endings.FAILED] * 2
    assert [(e["kind"], e["node"]) for e in run.ends()] == [("host OOM", "n1")]


def test_a_node_that_died_with_all_ranks_is_named_by_who_comes_next(finetune):
    run = finetune(ranks=1)
    (pid,) = run.turn()
    wait_for(lambda: endings.progress_of(run.work) > 3, 100)
    os.kill(pid, signal.SIGKILL)
    assert wait_ranks([pid]) == [-signal.SIGKILL]
    (pid,) = run.turn()
    wait_for(run.ends)
    os.kill(pid, signal.SIGTERM)
    assert wait_ranks([pid]) == [endings.STOPPED]
    assert [(e["kind"], e["node"]) for e in run.ends()] == [("node", "n0"), ("stopped", "n0")]


def test_a_time_limit_that_comes_before_anything_was_gained_asks_for_two_more_turns_only(finetune):
    def time_is_over(event: str, args: tuple) -> None:
        if event == "open" and "ds_configs" in str(args[0]):
            os.kill(os.getpid(), signal.SIGUSR2)

    run = finetune(ranks=1)
    run.on_begin = lambda rank: sys.addaudithook(time_is_over)
    codes = [wait_ranks(run.turn(), 100)[0] for _ in range(3)]
    assert codes == [endings.STOPPED, endings.STOPPED, endings.FAILED]
    assert "raise time_min" in history.failures(run.store, [run.artifact.key])[run.artifact.key]
