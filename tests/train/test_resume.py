"""Training that was killed and started again gives the same bits as training that was not, or says why it cannot."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.train.world import World
from winsweep.store import manifest
from winsweep.study.recipe import Recipe
from winsweep.train.saver import worth_it

RECIPE = Recipe(lr=3e-3, epochs=3, global_batch=6, warmup_ratio=0.2, precision="fp32")  # 12 steps
BF16 = replace(RECIPE, precision="bf16")
KINDS = [("zero0", 1, RECIPE), ("zero1", 1, BF16), ("zero1", 2, RECIPE)]
KINDS += [("zero2", 2, RECIPE), ("zero3", 2, RECIPE), ("zero3_offload", 2, BF16)]


@pytest.fixture
def new_world(tmp_path: Path, dropout_model: Path) -> Callable[..., World]:
    def build(
        name: str, zero: str = "zero1", num_ranks: int = 2, recipe: Recipe = RECIPE, behind: bool = False
    ) -> World:
        return World(
            tmp_path / name,
            dropout_model,
            zero,
            num_ranks,
            recipe,
            micro_tokens=28,
            checkpoint_steps=3,
            checkpoint_behind=behind,
        )

    return build


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


def stopped_at_5(world: World) -> Path:
    world.killed_at(rank=0, event="progress", step=5)
    return world.work / "checkpoint-3"


def damage(checkpoint: Path) -> None:
    victim = next(checkpoint.rglob("*optim_states.pt"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)


def test_a_flipped_bit_in_the_only_checkpoint_asks(new_world: Callable[..., World]) -> None:
    world = new_world("world")
    damage(stopped_at_5(world))
    for text in world.refused():
        assert (
            "checkpoint-3: " in text
            and "sha256" in text
            and f"type rm -r {world.work} to train from step 0" in text
            and "--retry-failed" in text
        )
    assert world.checkpoints() == ["checkpoint-3"] and not list(world.out.iterdir())
    shutil.rmtree(world.work)
    assert world.done().published() == new_world("undisturbed").done().published()
    assert world.facts()["notes"] == []


def test_a_flipped_bit_falls_back_to_an_older_checkpoint(new_world: Callable[..., World]) -> None:
    world = new_world("world")
    shutil.copytree(stopped_at_5(world), world.root / "older")
    world.killed_at(rank=1, event="progress", step=7)
    damage(world.work / "checkpoint-6")
    (world.root / "older").rename(world.work / "checkpoint-3")
    assert world.done().published() == new_world("undisturbed").done().published()
    assert (
        world.facts()["notes"][-1] == "went on from checkpoint-3"
        and "checkpoint-6 passed over" in world.facts()["notes"][-2]
    )
    assert world.checkpoints() == ["checkpoint-9"]


@pytest.mark.parametrize("changed", ["seed", "examples"])
def test_a_checkpoint_of_another_run_is_neither_used_nor_dropped(changed: str, new_world: Callable[..., World]) -> None:
    world = new_world("world")
    stopped_at_5(world)
    world.seed = 8 if changed == "seed" else 7
    world.examples = world.examples[:-1] if changed == "examples" else world.examples
    assert all(f"checkpoint-3: made with {changed} = " in text and "rm -r" in text for text in world.refused())
    assert world.checkpoints() == ["checkpoint-3"]


def test_another_split_into_micro_batches_goes_on(new_world: Callable[..., World]) -> None:
    world = new_world("world")
    stopped_at_5(world)
    again = World(
        world.root, world.base, "zero1", 2, RECIPE, micro_tokens=14, checkpoint_steps=3, checkpoint_behind=False
    )
    again.num_attempts = 1
    assert again.done().facts()["notes"] == ["went on from checkpoint-3"]
    assert len(again.log()) == 12


@pytest.mark.parametrize("where", [".", "about.json", "engine/state/mp_rank_00_model_states.pt"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_a_checkpoint_that_others_can_write_is_refused(where: str, mode: int, new_world: Callable[..., World]) -> None:
    world = new_world("world")
    victim = stopped_at_5(world) / where
    victim.chmod(victim.stat().st_mode | mode)
    assert all("Damaged: " in text and "writable by you alone" in text for text in world.refused())
    assert world.checkpoints() == ["checkpoint-3"] and not list(world.out.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_checkpoint_of_someone_else_is_refused(new_world: Callable[..., World]) -> None:
    world = new_world("world")
    os.chown(stopped_at_5(world), 12345, -1)
    assert all("Damaged: " in text and "owned by user 12345" in text for text in world.refused())


def test_a_link_in_a_checkpoint_is_refused(new_world: Callable[..., World]) -> None:
    world = new_world("world")
    checkpoint = stopped_at_5(world)
    (checkpoint / "random-0.pt").rename(world.root / "elsewhere.pt")
    (checkpoint / "random-0.pt").symlink_to(world.root / "elsewhere.pt")
    assert all("Damaged: " in text and "random-0.pt" in text for text in world.refused())


def test_checkpoints_are_private_under_any_umask(new_world: Callable[..., World]) -> None:
    world = new_world("world")
    before = os.umask(0)
    try:
        checkpoint = stopped_at_5(world)
        assert {path.stat().st_mode & 0o077 for path in [checkpoint, *checkpoint.rglob("*")]} == {0}
        assert world.done().facts()["notes"] == ["went on from checkpoint-3"]
    finally:
        os.umask(before)
