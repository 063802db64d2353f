"""What share of a GPU's arithmetic a 7B full finetune reaches, random weights at LIMA's lengths: python
tests/benchmarks/bench_mfu.py

The path is that of users: DeepSpeed's engine, packing with the automatic token budget, clipping, fused AdamW, the log's
line of each step. One GPU by default; for several, start one process each with RANK and WORLD_SIZE set, and --meeting,
a new directory that all see. The arithmetic of the roofline is printed with the result. `--toy` does the same with a
tiny model on a CPU, as a check of this script.
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
sys.path.insert(0, str(ROOT / "src"))
# dense bf16, of the makers' data sheets
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "A800": 312.0, "B200": 2250.0}


def read_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--zero", default="zero1")
    parser.add_argument("--recompute", default="none", choices=["none", "cheap", "full"])
    parser.add_argument("--micro-tokens", type=int, default=0, help="0: as many as fit")
    parser.add_argument("--steps", type=int, default=5, help="of 64 examples, after one that is not counted")
    parser.add_argument("--peak-tflops", type=float, help="of one GPU in bf16; known for " + ", ".join(PEAK_TFLOPS))
    parser.add_argument("--meeting", type=Path)
    return parser.parse_args()


def make_examples(num: int, limit: int, vocab: int) -> list:
    from winsweep.text.encode import MASKED, Example

    rng, found = random.Random(7), []
    for length, answer in rng.choices(json.loads(Path(__file__).with_name("lima_lengths.json").read_text()), k=num):
        num_ids = max(8, min(length * limit // 2048, limit))
        cut = num_ids - min(num_ids - 3, max(3, answer * limit // 2048))
        ids = [rng.randrange(10, vocab) for _ in range(num_ids)]
        found.append(Example(ids, [MASKED] * cut + ids[cut:]))
    return found


def make_model(toy: bool):  # -> LlamaForCausalLM
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    big = dict(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000
    )
    tiny = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4, vocab_size=512)
    torch.manual_seed(0)
    with torch.device("cpu" if toy else torch.cuda.current_device()):
        return LlamaForCausalLM._from_config(
            LlamaConfig(**(tiny if toy else big), tie_word_embeddings=False), dtype=torch.bfloat16
        )


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


def take_step(engine, schedule, at: int, group, most: float) -> float:
    """Take a step and print what it cost: its share of `most` FLOP/s."""
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
    return share


def main() -> None:
    args = read_args()
    import torch

    from winsweep import zero
    from winsweep.study.recipe import Recipe
    from winsweep.train import engine as engines
    from winsweep.train.batch_schedule import BatchSchedule
    from winsweep.train.rank_group import join
    from winsweep.train.room import room

    rank, num_ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    group = join(
        rank=rank, num_ranks=num_ranks, meeting=args.meeting or Path(tempfile.mkdtemp()) / "meeting", timeout_s=600
    )
    recipe = Recipe(epochs=1)
    config = zero.resolve(zero.read_zero(ROOT / f"ds_configs/{args.zero}.json"), recipe, num_ranks)
    engines.open_device(group)
    begun = time.perf_counter()
    engine = engines.wrap(make_model(args.toy), recipe, config, group, args.recompute)
    started = time.perf_counter() - begun
    examples = make_examples(64 * (args.steps + 1), 128 if args.toy else 2048, engine.module.config.vocab_size)
    why_not = engines.pack_or_not(engine, group)
    budget = args.micro_tokens or min(group.gather(room(engine, args.recompute, max(len(e.ids) for e in examples))))
    schedule = BatchSchedule(examples, recipe, 1, num_ranks, not why_not, budget)
    most = peak(args) * num_ranks
    shares = [take_step(engine, schedule, at, group, most) for at in range(args.steps + 1)]
    if rank == 0:
        memory = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0
        print(
            f"\nMFU {statistics.median(shares[1:]):.1%} (median of {args.steps} steps; gate 50 %, stretch 58 %) on "
            f"{num_ranks} × {most / num_ranks / 1e12:g} TFLOP/s; "
            f"{args.zero}, recompute {args.recompute}, {budget} tokens a micro-batch, packed {not why_not}; peak "
            f"memory {memory:.1f} GiB; DeepSpeed started in {started:.1f} s"
        )
    group.leave()


if __name__ == "__main__":
    main()
