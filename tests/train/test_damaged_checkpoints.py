"""A checkpoint that is damaged, of another run, or not one's own is refused or passed over, and never dropped."""

import os
import shutil
from collections.abc import Callable

import pytest

from tests.train.killed import RECIPE, damage, stopped_at_5
from tests.train.world import World


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
