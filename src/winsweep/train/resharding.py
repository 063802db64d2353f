"""How the state that one layout saved becomes that of an engine of another: other ranks, another ZeRO stage, other
buffers.

Each rank keeps fp32 weights and Adam's moments in flat tensors, of which each stretch belongs to one parameter. A
checkpoint says which (`pieces`), so a rank copies what it needs, by parameter, out of the mapped files of all ranks of
the old layout: no conversion is written, nothing is whole in memory, and a kill in the middle leaves the checkpoint as
it was.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from winsweep.errors import Damaged
from winsweep.train.engine import TAG, Engine
from winsweep.train.lora import trained
from winsweep.train.rank_group import RankGroup

WEIGHT, MOMENTS = "weight", ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Piece:
    """`num` numbers of parameter `name`, from its number `offset` on: those of the rank's flat tensor `group` from
    `start` on.
    """

    name: str
    group: int
    start: int
    offset: int
    num: int


@dataclass(frozen=True)
class Saved:
    """A piece as an old rank saved it, with the flat tensors that hold it: its weights and moments."""

    piece: Piece
    flat: dict[str, Tensor]


def pieces(engine: Engine) -> list[Piece]:
    """What this rank's flat tensors hold, padding left out; with stage 0 each parameter is one whole tensor."""
    named, stage = list(trained(engine.module).items()), engine.zero_optimization_stage()
    if stage == 0:
        return [Piece(name, group, 0, 0, p.numel()) for group, (name, p) in enumerate(named)]
    find = (
        _of_stage_3
        if stage == 3
        else _of_bf16_stage_1
        if hasattr(engine.optimizer, "bf16_groups")
        else _of_stage_1_and_2
    )
    return [piece for piece in find(engine, named) if piece.num]


def _of_bf16_stage_1(engine: Engine, named: Sequence[tuple[str, Tensor]]) -> Iterator[Piece]:
    groups = {id(p): group for group, parameters in enumerate(engine.optimizer.bf16_groups) for p in parameters}
    for name, p in named:
        if (here := p._hp_mapping) is not None:
            part = here.lp_fragment_address
            yield Piece(name, groups[id(p)], here.hp_fragment_address.start, part.start, part.numel)


def _of_stage_1_and_2(engine: Engine, named: Sequence[tuple[str, Tensor]]) -> Iterator[Piece]:
    """By where parameters lie in the flat bit16 tensor: DeepSpeed's own _hp_mapping is wrong with
    round_robin_gradients.
    """
    zero, names = engine.optimizer, {id(p): name for name, p in named}
    for group, members in enumerate(zero.round_robin_bit16_groups):
        begin, size = engine.global_rank * zero.partition_size[group], zero.partition_size[group]
        for p, at in zip(members, zero.round_robin_bit16_offsets[group]):
            low, high = max(begin, at), min(begin + size, at + p.numel())
            yield Piece(names[id(p)], group, low - begin, low - at, max(0, high - low))


def _of_stage_3(engine: Engine, named: Sequence[tuple[str, Tensor]]) -> Iterator[Piece]:
    zero = engine.optimizer
    for name, p in named:
        group, start, num = zero.grad_position[zero.get_param_id(p)]
        offset = num * zero._get_param_partition_rank(p)
        yield Piece(name, group, start, offset, max(0, min(num, p.ds_numel - offset)))


def load_other_layout(
    engine: Engine, directory: Path, ranks: Sequence[Sequence[Piece]], stage: int, step: int, group: RankGroup
) -> None:
    """Give `engine` the state after `step` steps that `ranks`, with what each held, saved below `directory` under ZeRO
    `stage`.

    Called by every rank. Damaged, on all, if what is saved is not that state, or does not hold each parameter whole.
    """
    new_stage, zero = engine.zero_optimization_stage(), engine.optimizer
    if new_stage == 3:
        zero.checkpoint_event_prologue()
    group.together(lambda: _fill(engine, _by_parameter(directory / TAG, ranks, stage, step), step, directory))
    if new_stage == 3:
        # makes bf16 weights of fp32 ones
        zero.load_state_dict([zero.state_dict()] * group.num_ranks, load_optimizer_states=False)
        zero.checkpoint_event_epilogue()
    elif new_stage:
        zero.update_lp_params()
    engine.global_steps, engine.global_samples, engine.skipped_steps = step, step * engine.train_batch_size(), 0


def _by_parameter(saved: Path, ranks: Sequence[Sequence[Piece]], stage: int, step: int) -> dict[str, list[Saved]]:
    found = defaultdict(list)
    for rank, held in enumerate(ranks if stage else ranks[:1]):  # with stage 0 each has the whole
        flats = list(_whole(saved, held) if stage == 0 else _flats(saved, rank, stage))
        for piece in held:
            flat = flats[piece.group]
            if float(flat["step"]) != step:
                found_step = f"rank {rank} saved {piece.name} after {float(flat['step']):g} steps"
                raise Damaged(f"{saved}: {found_step}; {step} is legal; remove {saved.parents[1]}")
            found[piece.name].append(Saved(piece, flat))
    return found


def _whole(saved: Path, held: Sequence[Piece]) -> Iterator[dict[str, Tensor]]:
    state = _mapped(saved / "mp_rank_00_model_states.pt")
    for piece in held:
        yield {WEIGHT: state["module"][piece.name], **state["optimizer"]["state"][piece.group]}


def _flats(saved: Path, rank: int, stage: int) -> Iterator[dict[str, Tensor]]:
    # its name tells whether the weights were bf16
    [path] = saved.glob(f"*zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")
    state = _mapped(path)["optimizer_state_dict"]
    weights, adam = (
        ("fp32_flat_groups", "optimizer_state_dict")
        if stage == 3
        else ("single_partition_of_fp32_groups", "base_optimizer_state")
    )
    for group, weight in enumerate(state[weights]):
        yield {WEIGHT: weight, **state[adam]["state"][group]}


def _mapped(path: Path) -> dict:
    return torch.load(path, map_location="cpu", mmap=True, weights_only=False)


def _fill(engine: Engine, saved: dict[str, list[Saved]], step: int, directory: Path) -> None:
    flats = list(_live(engine, step))
    for piece in pieces(engine):
        num = sum(_copy(old, piece, flats[piece.group]) for old in saved.get(piece.name, ()))
        if num != piece.num:
            raise Damaged(
                f"{directory}: holds {num} of {piece.num} numbers of {piece.name}; all are legal; remove "
                f"{directory.parent}"
            )


def _live(engine: Engine, step: int) -> Iterator[dict[str, Tensor]]:
    """The flat tensors of this rank, with moments that Adam has not made before its first step."""
    for flat in _flat_weights(engine):
        adam = engine.optimizer if engine.zero_optimization_stage() == 0 else engine.optimizer.optimizer
        state = adam.state[flat]
        state["step"] = torch.tensor(float(step), device=flat.device)
        yield {WEIGHT: flat} | {key: state.setdefault(key, torch.zeros_like(flat)) for key in MOMENTS}


def _flat_weights(engine: Engine) -> Iterable[Tensor]:
    match engine.zero_optimization_stage():
        case 0:
            return trained(engine.module).values()
        case 3:
            return engine.optimizer.fp32_partitioned_groups_flat
    zero = engine.optimizer
    return zero.fp32_groups_flat_partition if hasattr(zero, "bf16_groups") else zero.single_partition_of_fp32_groups


def _copy(old: Saved, new: Piece, flat: dict[str, Tensor]) -> int:
    """Copy what both pieces have of their parameter; returns how many numbers that is."""
    begin, end = max(old.piece.offset, new.offset), min(old.piece.offset + old.piece.num, new.offset + new.num)
    if end <= begin:
        return 0
    for key in (WEIGHT, *MOMENTS):
        source = old.flat[key].detach().view(-1).narrow(0, old.piece.start + begin - old.piece.offset, end - begin)
        flat[key].detach().view(-1).narrow(0, new.start + begin - new.offset, end - begin).copy_(source)
    return end - begin
