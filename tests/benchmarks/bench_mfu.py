"""What share of a GPU's arithmetic a full finetune reaches, random weights at LIMA's lengths: python
tests/benchmarks/bench_mfu.py

The path is that of users: DeepSpeed's engine, packing with the automatic token budget, clipping, fused AdamW, the log's
line of each step. One GPU by default; for several, start one process each with RANK and WORLD_SIZE set, and --meeting,
a new directory that all see. A model that is too large for the GPU loses layers, which the result says. The arithmetic
of the roofline is printed with the result, and what memory was reckoned to be needed. `--toy` does the same with a tiny
model, also on a CPU, as a check of this script.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.benchmarks import rows  # noqa: E402

# dense bf16, of the makers' data sheets
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "A800": 312.0, "B200": 2250.0}
SHAPES = {
    "7b": dict(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32),
    "1.3b": dict(hidden_size=2048, intermediate_size=5504, num_hidden_layers=24, num_attention_heads=16),
    "toy": dict(hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4),
}
LONGEST = 2048


def read_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--shape", default="7b", choices=["7b", "1.3b"])
    parser.add_argument("--zero", default="zero1")
    parser.add_argument("--recompute", default="none", choices=["none", "cheap", "full"])
    parser.add_argument("--micro-tokens", type=int, default=0, help="0: as many as fit")
    parser.add_argument("--steps", type=int, default=5, help="of 64 examples, after one that is not counted")
    parser.add_argument("--peak-tflops", type=float, help="of one GPU in bf16; known for " + ", ".join(PEAK_TFLOPS))
    parser.add_argument("--meeting", type=Path)
    parser.add_argument("--rows", type=Path, help="a file to which the result is appended")
    a = parser.parse_args()
    a.shape = "toy" if a.toy else a.shape
    a.longest = 32 if a.toy else LONGEST
    return a


def make_examples(num: int, limit: int, vocab: int) -> list:
    from winsweep.text.encode import MASKED, Example

    rng, found = random.Random(7), []
    for length, answer in rng.choices(json.loads(Path(__file__).with_name("lima_lengths.json").read_text()), k=num):
        num_ids = max(8, min(length * limit // 2048, limit))
        cut = num_ids - min(num_ids - 3, max(3, answer * limit // 2048))
        ids = [rng.randrange(10, vocab) for _ in range(num_ids)]
        found.append(Example(ids, [MASKED] * cut + ids[cut:]))
    return found


def make_config(shape: str, recompute: str, longest: int, num_ranks: int):  # -> LlamaConfig
    """Of `shape`, with as many of its layers as the GPU has memory for, whatever stage of ZeRO."""
    import torch
    from transformers import LlamaConfig

    vocab = 512 if shape == "toy" else 32000
    sizes = SHAPES[shape] | dict(vocab_size=vocab, tie_word_embeddings=False, max_position_embeddings=LONGEST)
    most = sizes["num_hidden_layers"]
    if not torch.cuda.is_available():
        return LlamaConfig(**sizes)
    free, some = torch.cuda.mem_get_info()[0], [LlamaConfig(**sizes | {"num_hidden_layers": n}) for n in (8, 16)]
    (own, token), (own16, token16) = [needed(config, recompute, num_ranks) for config in some]
    for layers in range(most, 1, -1):
        state, each = (at8 + (at16 - at8) * (layers - 8) / 8 for at8, at16 in ((own, own16), (token, token16)))
        if state + max(each * longest, state / 9) < 0.94 * free:
            break
    return LlamaConfig(**sizes | {"num_hidden_layers": layers})


def needed(config, recompute: str, num_ranks: int) -> tuple[float, float]:
    """Bytes of weights, gradients and Adam's state on a rank, and of a token: 18 of a weight on one rank, and 2 more
    after a backward pass.
    """
    import torch

    from winsweep.train.memory import bytes_per_token

    per_layer = 4 * config.hidden_size**2 + 3 * config.hidden_size * config.intermediate_size
    num = config.num_hidden_layers * per_layer + 2 * config.vocab_size * config.hidden_size
    return num * (6 + 12 / num_ranks), bytes_per_token(config, torch.bfloat16, recompute)


def make_model(config):  # -> LlamaForCausalLM
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    with torch.device(torch.cuda.current_device() if torch.cuda.is_available() else "cpu"):
        return LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)


def flops(config, examples: list) -> tuple[float, float, float]:
    """Forward and backward, without what is computed again: of matrix products, of causal attention, and of the
    projection to the vocabulary.

    6 a weight and token (PaLM, appendix B); attention has 4·L·h for each of the (n+1)/2 keys that a token sees on
    average, three times. Embeddings are looked up, and the vocabulary is projected for answer tokens only.
    """
    from winsweep.train.loss import num_targets

    heads = config.num_key_value_heads / config.num_attention_heads
    weights = config.num_hidden_layers * (
        config.hidden_size**2 * (2 + 2 * heads) + 3 * config.hidden_size * config.intermediate_size
    )
    lengths = [len(e.ids) for e in examples]
    attention = sum(12.0 * config.num_hidden_layers * config.hidden_size * n * (n + 1) / 2 for n in lengths)
    return (
        6.0 * weights * sum(lengths),
        attention,
        6.0 * config.hidden_size * config.vocab_size * sum(map(num_targets, examples)),
    )


def peak(args: argparse.Namespace) -> float:
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    known = next((tflops for key, tflops in PEAK_TFLOPS.items() if key in name), 0.1 if args.toy else None)
    if not (args.peak_tflops or known):
        sys.exit(f"{name}: its peak is not known here; type --peak-tflops")
    return 1e12 * (args.peak_tflops or known)


def take_step(engine, schedule, at: int, group, most: float) -> tuple[float, float, int]:
    """Take a step and print what it cost: its share of `most` FLOP/s, tokens a second, tokens of the largest part."""
    from winsweep.train import finetune

    step, begun = schedule.step(at), time.perf_counter()
    finetune.take_step(engine, schedule, at, group)  # ends with the loss on the host, so all is done
    seconds = time.perf_counter() - begun
    parts = flops(engine.module.config, [e for micro in step.grid for part in micro for e in part])
    share = sum(parts) / seconds / most
    if group.rank == 0:
        work = " + ".join(f"{part / 1e12:.3g}" for part in parts)
        print(
            f"step {at}: {step.num_tokens} tokens, {step.num_tokens / step.num_slots:.1%} of slots, "
            f"{len(step.grid)} micro-batches, {seconds:.3f} s; "
            f"TFLOP {work} (weights, attention, vocabulary); at least {sum(parts) / most:.3f} s at the peak; MFU "
            f"{share:.1%}",
            flush=True,
        )
    return share, step.num_tokens / seconds, max(sum(len(e.ids) for e in part) for micro in step.grid for part in micro)


def train(engine, examples: list, recipe, group, args: argparse.Namespace, packed: bool, budget: int) -> dict:
    """Take the steps with as many tokens at a time as fit, half of `budget` and so on where that was too much; what
    they reached.
    """
    import torch

    from winsweep.train.batch_schedule import BatchSchedule

    schedule = BatchSchedule(examples, recipe, 1, group.num_ranks, packed, budget)
    try:
        taken = [take_step(engine, schedule, at, group, args.peak) for at in range(args.steps + 1)]
    except torch.OutOfMemoryError as error:
        print(f"{budget} tokens: {error}", flush=True)
        if budget <= args.longest or group.num_ranks > 1:
            raise
    else:
        shares, speeds, parts = zip(*taken)
        slots = [(step.num_tokens, step.num_slots) for step in map(schedule.step, range(args.steps + 1))]
        return {
            "MFU %": 100 * statistics.median(shares[1:]),
            "tokens/s": round(statistics.median(speeds[1:])),
            "useful slots %": 100 * sum(a for a, _ in slots) / sum(b for _, b in slots),
            "micro tokens": max(parts),
        }
    torch.cuda.empty_cache()
    again = train(engine, examples, recipe, group, args, packed, budget // 2)
    return again | {"too many tokens": max(budget, again.get("too many tokens", 0))}


def memory_used(before: float, per_token: float, found: dict) -> dict:
    """Peaks of this rank, beside what was reckoned for as many tokens; nothing without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return {}
    blocks = any(segment.get("is_expandable") for segment in torch.cuda.memory_snapshot())
    return {
        "reckoned GiB": (before + per_token * found["micro tokens"]) / 2**30,
        "peak GiB": torch.cuda.max_memory_allocated() / 2**30,
        "reserved GiB": torch.cuda.max_memory_reserved() / 2**30,
        "expandable": blocks,
    }


def main() -> None:
    args = read_args()
    import torch

    from winsweep import zero
    from winsweep.study.recipe import Recipe
    from winsweep.train import engine as engines
    from winsweep.train.memory import bytes_per_token
    from winsweep.train.rank_group import join
    from winsweep.train.room import room, to_come

    rank, num_ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    group = join(
        rank=rank, num_ranks=num_ranks, meeting=args.meeting or Path(tempfile.mkdtemp()) / "meeting", timeout_s=600
    )
    recipe = Recipe(epochs=1)
    config = zero.resolve(zero.read_zero(ROOT / f"ds_configs/{args.zero}.json"), recipe, num_ranks)
    engines.open_device(group)
    args.peak, begun = peak(args) * num_ranks, time.perf_counter()
    model = make_model(make_config(args.shape, args.recompute, args.longest, num_ranks))
    engine = engines.wrap(model, recipe, config, group, args.recompute)
    started = time.perf_counter() - begun
    examples = make_examples(64 * (args.steps + 1), args.longest, model.config.vocab_size)
    why_not = engines.pack_or_not(engine, group)
    budget = args.micro_tokens or min(group.gather(room(engine, args.recompute, args.longest)))
    held = torch.cuda.memory_allocated() + to_come(engine) if torch.cuda.is_available() else 0.0
    found = train(engine, examples, recipe, group, args, not why_not, budget)
    found |= memory_used(held, bytes_per_token(model.config, model.dtype, args.recompute), found)
    of = {
        "shape": args.shape,
        "layers": f"{model.config.num_hidden_layers} of {SHAPES[args.shape]['num_hidden_layers']}",
    }
    of |= {"ranks": num_ranks, "zero": args.zero, "recompute": args.recompute, "packed": why_not or "yes"}
    if rank == 0:
        rows.append(args.rows, "finetune", of | found | {"started s": started})
        print(of, found, f"DeepSpeed started in {started:.1f} s; goals of MFU: gate 50 %, stretch 58 %")
    group.leave()


if __name__ == "__main__":
    main()
