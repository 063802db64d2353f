"""Finetuning a tiny Llama on a CPU, ours beside others', on the same examples: python tests/benchmarks/bench_train.py

Ours is what users get: DeepSpeed's engine (ZeRO 1, one rank), clipping, AdamW and the log's line of each step. The
others are HF's Trainer, padded to the longest of 8 and length-grouped, and TRL's SFTTrainer without and with packing,
in steps of 64 examples as they count them. Lengths are LIMA's in the paper's frame (lima_lengths.json: tokens of the
whole and of its answers) times --scale. Every variant trains in a process and on a thread of its own, round after
round; a table of medians follows, of CPU seconds, which other load moves little. TRL is no dependency of winsweep:
where it is not installed (`pip install trl==1.16.0`) its rows are left out. Gradients and losses are compared first.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lima_like import make_examples, make_model
from others import hf, trl

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))
os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
VARIANTS = ("ours", "one_by_one", "hf_padded", "hf_grouped", "trl", "trl_packing")
GATES = {"trl": 3.0, "hf_padded": 2.2, "trl_packing": 1.4}


def read_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="of 64 examples, in each round")
    parser.add_argument("--scale", type=float, default=0.25, help="of the lengths, whose limit is 2,048 tokens")
    parser.add_argument("--micro-tokens", type=int, default=0, help="ours; 0: the default")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a variant: train it in this process
    return parser.parse_args()


def ours(args: argparse.Namespace, examples: list, folder: Path) -> tuple[float, float]:
    """CPU seconds of the steps, and the loss of the first; so of every variant."""
    from winsweep import zero
    from winsweep.study.recipe import Recipe
    from winsweep.train import engine as engines
    from winsweep.train import finetune
    from winsweep.train.batch_schedule import BatchSchedule
    from winsweep.train.memory import CPU_TOKENS
    from winsweep.train.rank_group import join

    make_model().save_pretrained(folder / "base")
    recipe = Recipe(epochs=1, precision="fp32", warmup_ratio=0.0, schedule_ticks=1)
    group = join(rank=0, num_ranks=1, meeting=folder / "meeting", timeout_s=60)
    engine = engines.start(
        folder / "base", None, recipe, zero.resolve(zero.read_zero(ROOT / "ds_configs/zero1.json"), recipe, 1), group
    )
    assert engines.pack_or_not(engine, group) == ""
    schedule = BatchSchedule(examples, recipe, 1, 1, True, args.micro_tokens or CPU_TOKENS)
    begun = time.process_time()
    lines = [finetune.take_step(engine, schedule, at, group) for at in range(args.steps)]
    return time.process_time() - begun, lines[0]["loss"]


def one_by_one(args: argparse.Namespace, examples: list, folder: Path) -> tuple[float, float]:
    """The paper's shape: micro-batches of one example, in a plain loop."""
    import torch

    model, losses = make_model(), []
    adam = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
    begun = time.process_time()
    for at, example in enumerate(examples):
        loss = (
            model(input_ids=torch.tensor([example.ids]), labels=torch.tensor([example.labels]), use_cache=False).loss
            / 64
        )
        loss.backward()
        losses.append(loss.item())
        if at % 64 == 63:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step(), adam.zero_grad()
    return time.process_time() - begun, sum(losses[:64])


def train(name: str, args: argparse.Namespace, folder: Path) -> tuple[float, float]:
    examples = make_examples(64 * args.steps, args.scale)
    if name.startswith("hf"):
        return hf(
            args, examples, folder, {"train_sampling_strategy": "group_by_length"} if name == "hf_grouped" else {}
        )
    if name.startswith("trl"):
        return trl(args, examples, folder, name == "trl_packing")
    return {"ours": ours, "one_by_one": one_by_one}[name](args, examples, folder)


def gradients(args: argparse.Namespace) -> tuple[float, float, float]:
    """Of 64 examples in float64: how far the packed gradient is from one by one, relative; the loss per example, and
    per token.
    """
    import torch

    from winsweep.study.recipe import Recipe
    from winsweep.train import varlen
    from winsweep.train.batch_schedule import BatchSchedule
    from winsweep.train.loss import num_targets, packed_loss

    def flat(model) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    examples, alone, packed = make_examples(64, args.scale), make_model().double(), make_model().double()
    means = []
    for example in examples:
        logits = alone(input_ids=torch.tensor([example.ids]), use_cache=False).logits[0, :-1]
        means.append(torch.nn.functional.cross_entropy(logits, torch.tensor(example.labels[1:])))
        (means[-1] / 64).backward()
    assert varlen.prepare(packed, packed, torch.device("cpu")) == ""
    schedule = BatchSchedule(examples, Recipe(), 1, 1, True, args.micro_tokens or 2048)
    for batch in schedule.batches(schedule.step(0), 0):
        (packed_loss(packed, batch) / 64).backward()
    counts = [num_targets(example) for example in examples]
    per_token = sum(mean.item() * num for mean, num in zip(means, counts)) / sum(counts)
    return (
        ((flat(alone) - flat(packed)).norm() / flat(alone).norm()).item(),
        sum(mean.item() for mean in means) / 64,
        per_token,
    )


def run(name: str, args: argparse.Namespace, num_steps: int) -> dict:
    """One variant in a process of its own: seconds and the first loss."""
    words = [
        "--one",
        name,
        "--steps",
        str(num_steps),
        "--scale",
        str(args.scale),
        "--micro-tokens",
        str(args.micro_tokens),
    ]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(names: list[str], args: argparse.Namespace) -> None:
    apart, per_example, per_token = gradients(args)
    print(f"packed gradient against one by one, float64: {apart:.1e} of its norm")
    assert apart <= 1e-12
    for name in [name for name in names if name != "trl_packing"]:
        want = per_example if name in ("ours", "one_by_one") else per_token
        got = run(name, args, 1)["loss"]
        print(
            f"{name:12} loss of the first 64 examples {got:.6f}, in float64 {want:.6f} (mean per "
            f"{'example' if want == per_example else 'token'})"
        )
        assert abs(got - want) < 1e-4 * want
    if "trl_packing" in names:
        print("trl_packing  is not compared: its steps hold other examples, which see each other")


def main() -> None:
    args = read_args()
    if args.one:
        with tempfile.TemporaryDirectory() as folder:
            seconds, loss = train(args.one, args, Path(folder))
        print("\n" + json.dumps({"seconds": seconds, "loss": loss}))
        return
    names = args.variants.split(",")
    if importlib.util.find_spec("trl") is None and any(name.startswith("trl") for name in names):
        print("TRL is not installed, so its rows are left out: pip install trl==1.16.0")
        names = [name for name in names if not name.startswith("trl")]
    compare(names, args)
    rounds = [{name: run(name, args, args.steps)["seconds"] for name in names} for _ in range(args.rounds)]
    num_tokens = sum(len(e.ids) for e in make_examples(64 * args.steps, args.scale))
    print(f"\n{num_tokens} tokens in {args.steps} steps of 64 examples, medians of {args.rounds} interleaved rounds")
    print(f"{'':12} {'CPU s':>7} {'tokens/s':>9} {'ours is':>8}  gate")
    for name in names:
        seconds = statistics.median(each[name] for each in rounds)
        ratio = statistics.median(each[name] / each["ours"] for each in rounds)
        print(f"{name:12} {seconds:7.2f} {num_tokens / seconds:9.0f} {ratio:7.2f}x  {GATES.get(name, '')}")


if __name__ == "__main__":
    main()
