"""A run that ends after some of its epochs has the very weights that the whole run has there."""

from dataclasses import replace

from tests.train.world import World
from winsweep.study.recipe import Recipe
from winsweep.train.finetune import finetune
from winsweep.train.rank_group import join

RECIPE = Recipe(lr=3e-3, epochs=3, global_batch=6, warmup_ratio=0.2, precision="fp32")  # 4 steps an epoch


class Point(World):
    """A finetune that ends after its first epoch."""

    def main(self, rank: int) -> None:
        group = join(
            rank=rank,
            num_ranks=self.num_ranks,
            meeting=self.root / f"meeting-{self.num_attempts}",
            timeout_s=self.timeout_s,
        )
        finetune(
            self.examples,
            self.base,
            None,
            self.recipe,
            self.seed,
            placement=self.placement,
            zero_config=self.config,
            group=group,
            out=self.out,
            work=self.work,
            progress=lambda done, total: None,
            stop_after_epochs=1,
        )
        group.leave()


def test_a_point_is_the_whole_run_at_that_step_bit_for_bit(model, tmp_path):
    point = Point(tmp_path / "point", model, "zero1", 2, RECIPE, micro_tokens=100, checkpoint_steps=4).done()
    whole = World(tmp_path / "whole", model, "zero1", 2, RECIPE, micro_tokens=100, checkpoint_steps=4).done()
    assert point.log() == whole.log()[:4] and (
        point.facts()["steps"],
        point.facts()["num_steps"],
        whole.facts()["steps"],
    ) == (4, 4, 12)
    broken = World(tmp_path / "broken", model, "zero1", 2, RECIPE, micro_tokens=100, checkpoint_steps=4)
    broken.killed_at(rank=0, event="progress", step=6)  # its last checkpoint is that of the end of the first epoch
    seen = Point(tmp_path / "broken", model, "zero1", 2, RECIPE, micro_tokens=100, checkpoint_steps=4)
    seen.num_attempts = broken.num_attempts
    assert seen.done().published() == point.published()
    short = World(tmp_path / "short", model, "zero1", 2, replace(RECIPE, epochs=1), micro_tokens=100).done()
    assert short.published()[1] != point.published()[1]  # a run of one epoch is another run
