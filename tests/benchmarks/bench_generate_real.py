"""A real language model's answers on a CPU, in slots and by `generate`: python tests/benchmarks/bench_generate_real.py
FOLDER [ROWS] [CAP] [ROUNDS]

FOLDER holds the model, SmolLM2-135M-Instruct say. Instructions of AlpacaEval by its chat template, in the order of the
file; answers end by themselves or at CAP tokens. Useful tokens per CPU second of one thread, rounds interleaved; tokens
are compared. Wants the files of ../shared/data beside the checkout, or where WINSWEEP_DATA says.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.benchmarks.bench_generate import DATA, Tokens  # noqa: E402
from winsweep.generate.compatibility import fitting  # noqa: E402
from winsweep.generate.decoder import Decoder, Prompt  # noqa: E402
from winsweep.text.ends import Ends  # noqa: E402

SIZES = (8, 32)


def prompts_of(tokenizer, num: int, cap: int) -> list[Prompt]:
    lines = (DATA / "alpaca_eval_805_instructions.jsonl").read_text(encoding="utf-8").split("\n")
    asked = [json.loads(line)["instruction"] for line in lines if line][:: 805 // num][:num]
    texts = [
        tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False)
        for text in asked
    ]
    return [Prompt(n, tokenizer(text, add_special_tokens=False)["input_ids"], cap) for n, text in enumerate(texts)]


def batched(net, prompts: list[Prompt], size: int, eos: int) -> Tokens:
    found: Tokens = {}
    for i in range(0, len(prompts), size):
        batch = prompts[i : i + size]
        width = max(len(p.ids) for p in batch)
        ids = torch.tensor([[eos] * (width - len(p.ids)) + p.ids for p in batch])
        mask = torch.tensor([[0] * (width - len(p.ids)) + [1] * len(p.ids) for p in batch])
        out = net.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=batch[0].cap,
            eos_token_id=eos,
            pad_token_id=eos,
        )
        for p, row in zip(batch, out[:, width:].tolist()):
            found[p.row] = row[: row.index(eos) + 1] if eos in row else row
    return found


def slots(net, prompts: list[Prompt], size: int, eos: int) -> Tokens:
    attention = net.config._attn_implementation
    found = dict(Decoder(fitting(net)[0], size, Ends((eos,)), None).answer(prompts, lambda: None))
    net.set_attn_implementation(attention)
    return found


def main(folder: str, num: int = 64, cap: int = 128, rounds: int = 3) -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    net = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    prompts, eos = prompts_of(tokenizer, num, cap), tokenizer.eos_token_id
    ways = {(make.__name__, size): make for size in SIZES for make in (slots, batched)}
    speeds: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    said: dict[tuple[str, int], Tokens] = {}
    for turn in range(rounds):
        for (name, size), make in ways.items():
            begun = time.process_time()
            said[name, size] = make(net, prompts, size, eos)
            speeds[name, size].append(sum(map(len, said[name, size].values())) / (time.process_time() - begun))
            print(f"  round {turn + 1}: {name} {size}: {speeds[name, size][-1]:.1f} tokens per CPU s", flush=True)
    lengths = sorted(len(new) for new in said["slots", SIZES[0]].values())
    print(f"{num} rows, {sum(lengths)} tokens, median {lengths[num // 2]}, {lengths.count(cap)} at {cap}")
    for size in SIZES:
        same = sum(said["slots", size][n] == said["batched", size][n] for n in range(num))
        ratio = median(speeds["slots", size]) / median(speeds["batched", size])
        print(f"batch {size}: slots are {ratio:.2f} times as quick; same tokens {same} of {num}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
