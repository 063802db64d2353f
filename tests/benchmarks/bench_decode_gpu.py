"""Decoding on a GPU against what its memory and arithmetic allow: python tests/benchmarks/bench_decode_gpu.py [--tiny]

A Llama-2-7B with random weights writes in slots; each line has the counted floor of a step (weights once, keys and
values of all rows, or the arithmetic where that is more), the measured time, the share of the floor, and what the rule
adapter adds. First the steps' logits are compared with the model's own pass. `--tiny` (or no GPU) does all of it with a
small model on whatever is there, as a check of this file.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[2] / "src")]

from tests.benchmarks import rows  # noqa: E402
from tests.benchmarks.bench_adapter import ASSISTANT, USER, VOCAB, rules  # noqa: E402
from winsweep.generate.compatibility import fitting  # noqa: E402
from winsweep.generate.slots import Slots  # noqa: E402
from winsweep.generate.step import Step  # noqa: E402

# Bytes and bf16 operations a second by a card's name: copies and large products as measured, not the data sheet's.
CARDS = {"H200": (4.3e12, 790e12), "H100": (3.0e12, 750e12), "A100": (1.8e12, 280e12)}
SEVEN_B = {
    "vocab_size": VOCAB,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 4096,
}
TINY = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 4096,
}


def clock(do: Callable[[], object], times: int, device: torch.device) -> float:
    """Seconds of one call, median over `times`, after two that are not counted."""
    taken = []
    for _ in range(times + 2):
        begun = time.perf_counter()
        do()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return median(taken[2:])


def floor_s(net: PreTrainedModel, num: int, positions: int, card: tuple[float, float]) -> tuple[float, str]:
    """The least a step can take, and of what it is made."""
    # of which a step reads a row each
    weights = sum(p.numel() for p in net.parameters()) - net.get_input_embeddings().weight.numel()
    config, (bandwidth, flops) = net.config, card
    kv_bytes = 2 * config.num_hidden_layers * config.hidden_size * net.dtype.itemsize * num * positions
    linear = max(weights * net.dtype.itemsize / bandwidth, 2 * weights * num / flops)
    bound = "memory" if linear == weights * net.dtype.itemsize / bandwidth else "arithmetic"
    total = linear + kv_bytes / bandwidth
    return (
        total,
        (
            f"weights {weights * net.dtype.itemsize / 1e9:.1f} GB ({bound}) {linear * 1e3:.2f} ms + keys and values "
            f"{kv_bytes / 1e9:.1f} GB {kv_bytes / bandwidth * 1e3:.2f} ms"
        ),
    )


def with_rules(step: Step, num: int, positions: int) -> Callable[[], object]:
    slots = Slots(rules(), num, step.device)
    for slot in range(num):
        slots.fill(slot, [1, *USER, *range(40, 96), *ASSISTANT, *range(100, 100 + positions - 72)])

    def do() -> None:
        tokens_B = slots.add_to(step.write([9] * num, [positions - 1] * num).float()).argmax(1)
        slots.push(tokens_B)
        tokens_B.tolist()

    return do


def read_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--all-positions", action="store_true", help="100 and 500 positions, too, beside 300")
    parser.add_argument("--rows", type=Path, help="a file to which each line is appended")
    return parser.parse_args()


def make_model(tiny: bool) -> tuple[PreTrainedModel, bool]:
    """With random weights, on the GPU if there is one; and whether it is the small one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tiny = tiny or device.type == "cpu"
    torch.manual_seed(0)
    with torch.device(device):
        net = AutoModelForCausalLM.from_config(
            LlamaConfig(**(TINY if tiny else SEVEN_B), eos_token_id=None),
            dtype=torch.bfloat16 if device.type == "cuda" else torch.float32,
        ).eval()
    return net, tiny


def main() -> None:
    a = read_args()
    (net, tiny), device = make_model(a.tiny), torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    card = next((of for model, of in CARDS.items() if model in name), (1e10, 1e11))
    step, how = fitting(net)
    print(
        f"{name}: {how}; {card[0] / 1e12:.2f} TB/s and {card[1] / 1e12:.1f} TFLOP/s are taken as its limits", flush=True
    )
    if step is None:
        sys.exit("the slots' logits are not the model's own: nothing here to measure")
    rows.append(a.rows, "decoding: how", {"how": how, "taken TB/s": card[0] / 1e12, "taken TFLOP/s": card[1] / 1e12})
    lengths = (100, 300, 500) if a.all_positions else (300,)
    for num, positions in [(8, 300)] if tiny else [(num, n) for n in lengths for num in (64, 128, 32)]:
        found = measure(step, net, num, positions, card, times=3 if tiny else 20)
        rows.append(a.rows, "decoding", found)


@torch.inference_mode()
def measure(step: Step, net: PreTrainedModel, num: int, positions: int, card: tuple[float, float], times: int) -> dict:
    step.cache.fit(num, positions)

    def plain() -> None:
        step.write([9] * num, [positions - 1] * num).float().argmax(1).tolist()

    least, made_of = floor_s(net, num, positions, card)
    taken = [
        (clock(plain, times, step.device), clock(with_rules(step, num, positions), times, step.device))
        for _ in range(3)
    ]
    bare, ruled = (median(column) for column in zip(*taken))
    print(
        f"{num:4d} rows at {positions:4d} positions: {bare * 1e3:8.2f} ms, {num / bare:8.0f} tokens/s; floor "
        f"{least * 1e3:.2f} ms ({made_of}): {least / bare:.1%} of it; "
        f"rules add {ruled / bare - 1:+.2%}",
        flush=True,
    )
    return {
        "slots": num,
        "positions": positions,
        "ms a step": 1e3 * bare,
        "tokens/s": round(num / bare),
        "floor ms": 1e3 * least,
        "of the floor %": 100 * least / bare,
        "rules add %": 100 * (ruled / bare - 1),
    }


if __name__ == "__main__":
    with torch.inference_mode():
        main()
