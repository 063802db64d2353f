"""Training that was killed and started again gives the same bits as training that was not, or says why it cannot."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.train.killed import BF16, RECIPE
from tests.train.world import World
from winsweep.store import manifest
from winsweep.study.recipe import Recipe
from winsweep.train.saver import worth_it

KINDS = [("zero1", 1, BF16), ("zero2", 2, RECIPE), ("zero3", 2, RECIPE)]
LATER = [("zero0", 1, RECIPE), ("zero1", 2, RECIPE), ("zero3_offload", 2, BF16)]
KINDS += [pytest.param(*kind, marks=pytest.mark.long) for kind in LATER]


@pytest.mark.parametrize(("zero", "num_ranks", "recipe"), KINDS, ids=lambda value: getattr(value, "precision", value))
def test_killed_training_gives_the_same_bits(
    zero: str, num_ranks: int, recipe: Recipe, new_world: Callable[..., World]
) -> None:
    undisturbed, world = (
        new_world("undisturbed", zero, num_ranks, recipe).done(),
        new_world("killed", zero, num_ranks, recipe),
    )
    last, chance = num_ranks - 1, random.Random(f"{zero} {num_ranks}")
    world.killed_at(rank=last, event="progress", step=chance.choice([1, 2]))
    assert world.checkpoints() == []
    world.killed_at(rank=chance.randrange(num_ranks), event="progress", step=chance.choice([4, 5]))
    assert world.checkpoints() == ["checkpoint-3"]
    writing = [(last, "open", "/engine/state/"), (last, "open", f"/random-{last}.pt")]
    for rank, event, text in [*writing, (0, "open", ".manifest.json"), (0, "os.rename", "/checkpoint-6'")]:
        world.killed_at(rank=rank, event=event, text=text)
        assert world.checkpoints() == ["checkpoint-3"]
    world.killed_at(rank=0, event="shutil.rmtree", text="/checkpoint-3")
    assert world.checkpoints() == ["checkpoint-3", "checkpoint-6"]
    world.killed_at(rank=last, event="open", text=".safetensors")
    assert world.checkpoints() == ["checkpoint-9"] and not (world.out / "train.json").exists()
    assert world.done().published() == undisturbed.published()
    assert world.facts()["notes"][-1] == "went on from checkpoint-9" and undisturbed.facts()["notes"] == []


@pytest.mark.parametrize(
    ("zero", "num_ranks", "recipe"),
    [("zero1", 1, BF16), ("zero2", 2, RECIPE), ("zero3", 2, RECIPE)],
    ids=["zero1", "zero2", "zero3"],
)
def test_killed_while_a_thread_writes_gives_the_same_bits(
    zero: str, num_ranks: int, recipe: Recipe, new_world: Callable[..., World]
) -> None:
    undisturbed, world = (
        new_world("undisturbed", zero, num_ranks, recipe).done(),
        new_world("killed", zero, num_ranks, recipe, behind=True),
    )
    last = num_ranks - 1
    writing = [
        (last, "open", "/engine/state/"),
        (last, "open", f"/random-{last}.pt"),
        (0, "open", ".manifest.json"),
        (0, "os.rename", "/checkpoint-"),
    ]
    for rank, event, text in writing:
        world.killed_at(rank=rank, event=event, text=text)
        assert world.checkpoints() == []
    world.killed_at(rank=0, event="progress", step=8)  # the one of step 3 is on the disk before that of step 6 is begun
    newest = world.checkpoints()
    assert newest in (["checkpoint-3"], ["checkpoint-6"])
    assert world.done().published() == undisturbed.published()
    assert world.facts()["notes"][-1] == f"went on from {newest[0]}"
    notes = world.notes()["checkpoints"]
    assert (
        notes["num"] == notes["num_behind"] >= 1
        and notes["bytes"] == sum(path.stat().st_size for path in files(world.work)) > 0
    )
    assert notes["seconds"] > 0 and 0 < notes["share"] < 1


def files(work: Path) -> list[Path]:
    checkpoint = next(work.glob("checkpoint-*"))
    return list(checkpoint.rglob("*.pt"))


def test_a_stop_leaves_the_step_it_came_in_on_the_disk(new_world: Callable[..., World]) -> None:
    world = new_world("world", behind=True)
    world.stopping = lambda rank, done: "preempted" if (rank, done) == (1, 4) else None
    assert all("asked to end (preempted)" in text for text in world.refused())
    assert world.checkpoints() == ["checkpoint-4"]
    world.stopping = lambda rank, done: None
    assert world.done().published() == new_world("undisturbed").done().published()


def test_a_short_run_that_names_no_interval_writes_no_checkpoint(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero1", 1, RECIPE).done()
    assert world.checkpoints() == [] and world.notes()["checkpoints"]["num"] == 0


def test_the_interval_keeps_saving_within_three_percent() -> None:
    """A checkpoint that takes 20 s, in a run whose steps take 4 s."""
    now = last = spent = 0.0
    times = []
    while now < 20_000:
        now += 4
        if worth_it(now, 0.0, last, spent, 20.0):
            now, spent = now + 20, spent + 20
            last = now
            times.append(now)
        assert spent <= 0.03 * now
    assert 25 <= len(times) <= 30 and times[0] < 700
    # however little it costs: once a minute
    assert not worth_it(59.0, 0.0, 0.0, 0.0, 0.0) and worth_it(60.0, 0.0, 0.0, 0.0, 0.0)


def test_dropout_is_on(new_world: Callable[..., World], model: Path) -> None:
    with_dropout, without = new_world("with", num_ranks=1), new_world("without", num_ranks=1)
    without.base = model
    assert with_dropout.done().losses()[0] != without.done().losses()[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of a given number of bytes; asked again, the same one with another size."""
    root = tmp_path / "disk"
    root.mkdir()

    def resize(num_bytes: int) -> Path:
        options = f"size={num_bytes}" + (",remount" if os.path.ismount(root) else "")
        tried = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", root], capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f"no small disk can be mounted here: {tried.stderr.strip()}")
        return root

    yield resize
    if os.path.ismount(root):
        subprocess.run(["umount", "-l", root], check=True)


@pytest.mark.parametrize(
    ("zero", "num_ranks", "behind"), [("zero1", 2, False), ("zero1", 2, True), ("zero3", 2, False), ("zero2", 1, True)]
)
def test_full_disk(
    zero: str, num_ranks: int, behind: bool, new_world: Callable[..., World], small_disk: Callable[[int], Path]
) -> None:
    undisturbed = new_world("undisturbed", zero, num_ranks).done()
    num_bytes = sum(path.stat().st_size for path in undisturbed.work.rglob("*") if path.is_file())
    world = new_world("full", zero, num_ranks, behind=behind)
    world.work = small_disk(int(1.6 * num_bytes)) / "work"
    for _ in range(2):  # it stays full, and a second attempt does no harm
        assert all(text.startswith("OSError: [Errno 28]") for text in world.refused())
        assert not list(world.out.iterdir())
        assert world.checkpoints() == ["checkpoint-3"]
        manifest.verify(world.work / "checkpoint-3")
    small_disk(10 * num_bytes)
    assert world.done().published() == undisturbed.published()
    assert world.facts()["notes"] == ["went on from checkpoint-3"] * 2
