"""Greedy generation, side by side on a CPU: python tests/benchmarks/bench_generate.py [ROWS] [ROUNDS]

A random Llama answers real AlpacaEval prompts, each answer as long as a real one, both divided by SHRINK so that the
shape of the tail stays. Useful tokens per CPU second (the wall's would be other users'), medians over interleaved
rounds; tokens are compared first. Wants the files of ../shared/data beside the checkout, or where WINSWEEP_DATA says.
"""

import json
import os
import sys
import time
from pathlib import Path
from statistics import median

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.generation import ContinuousBatchingConfig

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from winsweep.generate.compatibility import fitting  # noqa: E402
from winsweep.generate.decoder import Decoder, Prompt  # noqa: E402
from winsweep.generate.rule_tokens import Resolved  # noqa: E402
from winsweep.generate.slots import Slots  # noqa: E402
from winsweep.study.rules import Adapter  # noqa: E402
from winsweep.text.ends import Ends  # noqa: E402
from winsweep.train.tokenizer import load  # noqa: E402

DATA = Path(os.environ.get("WINSWEEP_DATA", ROOT.parent / "shared/data"))
SHRINK, VOCAB, HIDDEN, LAYERS, NUM_SLOTS, NUM_ALONE, NUM_UNCACHED = 8, 8192, 256, 4, 64, 16, 3
USER, ASSISTANT, EOS = (3, 4, 5, 6, 7), (3, 8, 5, 6, 7), 2
Tokens = dict[int, list[int]]


def lengths_of(name: str) -> list[int]:
    """Llama-2 tokens of the outputs of a published model."""
    return tokens_in(row["output"] for row in json.loads((DATA / f"alpaca_eval_outputs_{name}.json").read_text()))


def tokens_in(texts) -> list[int]:
    return [len(ids) for ids in load(DATA / "llama2_tokenizer.model")(list(texts))["input_ids"]]


def ask(num: int, shrink: int, seed: int = 3) -> tuple[list[Prompt], list[int]]:
    """Prompts of drawn rows, in the order of the file, and how long another model's answers to them are."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(805, generator=generator)[:num].sort().values.tolist()
    lines = (DATA / "alpaca_eval_805_instructions.jsonl").read_text(encoding="utf-8").split("\n")
    asked = tokens_in(json.loads(line)["instruction"] for line in lines if line)
    answered, other = lengths_of("vicuna-13b"), lengths_of("gpt4_1106_preview")
    prompts = []
    for i, row in enumerate(rows):
        words = torch.randint(10, VOCAB, (max(1, asked[row] // shrink),), generator=generator).tolist()
        prompts.append(Prompt(i, [1, *USER, *words, *ASSISTANT], max(2, answered[row] // shrink)))
    return prompts, [other[row] for row in rows]


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=HIDDEN,
        intermediate_size=HIDDEN * 43 // 16,
        num_hidden_layers=LAYERS,
        num_attention_heads=HIDDEN // 64,
        max_position_embeddings=4096,
        initializer_range=0.05,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config).eval()  # it never ends by itself: answers are as long as they are told to be


def batched(net: LlamaForCausalLM, prompts: list[Prompt], size: int) -> Tokens:
    found: Tokens = {}
    for i in range(0, len(prompts), size):
        batch = prompts[i : i + size]
        width = max(len(p.ids) for p in batch)
        ids = torch.tensor([[0] * (width - len(p.ids)) + p.ids for p in batch])
        out = net.generate(
            input_ids=ids,
            attention_mask=(ids != 0).long(),
            do_sample=False,
            max_new_tokens=max(p.cap for p in batch),
            pad_token_id=0,
        )
        found |= {p.row: row[width : width + p.cap].tolist() for p, row in zip(batch, out)}
    return found


def continuous(net: LlamaForCausalLM, prompts: list[Prompt]) -> Tokens:
    """transformers' generate_batch, through its manager, as caps differ by row; its default cache alone would take 20
    s.
    """
    attention, found = net.config._attn_implementation, {}
    net.set_attn_implementation("paged|sdpa")
    config = ContinuousBatchingConfig(page_size=32, num_blocks=1024, max_batch_tokens=512, use_cuda_graph=False)
    greedy = GenerationConfig(
        do_sample=False, max_new_tokens=max(p.cap for p in prompts), eos_token_id=-1, pad_token_id=0
    )
    with net.continuous_batching_context_manager(
        generation_config=greedy, continuous_batching_config=config
    ) as manager:
        for p in prompts:
            manager.add_request(p.ids, request_id=str(p.row), max_new_tokens=p.cap)
        while len(found) < len(prompts):
            if (result := manager.get_result(timeout=120)) is not None and result.is_finished():
                found[int(result.request_id)] = list(result.generated_tokens)
    net.set_attn_implementation(attention)
    return found


def slots(net: LlamaForCausalLM, prompts: list[Prompt], rules: Resolved | None = None) -> Tokens:
    attention = net.config._attn_implementation
    found = dict(Decoder(fitting(net)[0], NUM_SLOTS, Ends((-1,)), rules).answer(prompts, lambda: None))
    net.set_attn_implementation(attention)
    return found


def uncached(net: LlamaForCausalLM, prompts: list[Prompt], rules: Resolved) -> Tokens:
    """The shape of the paper's own code: one row at a time, all of it read again for each token, two log-softmaxes over
    all of it.
    """
    found: Tokens = {}
    for p in prompts:
        new: list[int] = []
        while len(new) < p.cap:
            read, ids = net(torch.tensor([p.ids + new]), use_cache=False).logits, p.ids + new
            added = torch.zeros_like(read)
            state = Slots(rules, 1)
            state.fill(0, ids)
            state.add_to(added[:, -1])
            new.append(int((read.log_softmax(-1) + added.log_softmax(-1))[0, -1].argmax()))
        found[p.row] = new
    return found


def the_rules() -> Resolved:
    uniform_V = torch.zeros(VOCAB)
    uniform_V[torch.arange(20, 35)] = torch.tensor([-4.0] * 8 + [1.0] * 7)
    return Resolved(Adapter(rules=("eos", "uniform", "diversity")), uniform_V, None, -1, -1, USER, ASSISTANT, EOS, 0)


def main(num: int = 160, rounds: int = 3) -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    net, (prompts, other) = model(), ask(num, SHRINK)
    hinted = sorted(prompts, key=lambda p: -other[p.row])
    by_length = sorted(prompts, key=lambda p: -len(p.ids))
    longer, rules = ask(NUM_SLOTS, SHRINK // 4, seed=4)[0], the_rules()
    few = sorted(longer, key=lambda p: p.cap)[NUM_SLOTS // 2 :][:NUM_UNCACHED]  # of median length
    ways = {
        "generate, batch 1": lambda: batched(net, prompts[:: num // NUM_ALONE], 1),
        "generate, batch 10, file order": lambda: batched(net, prompts, 10),
        "generate, batch 32, by length": lambda: batched(net, by_length, 32),
        "generate_batch": lambda: continuous(net, prompts),
        f"slots, {NUM_SLOTS}": lambda: slots(net, prompts),
        f"slots, {NUM_SLOTS}, another model's lengths known": lambda: slots(net, hinted),
        "rules: no cache, batch 1": lambda: uncached(net, few, rules),
        f"rules: slots, {NUM_SLOTS}": lambda: slots(net, longer, rules),
    }
    print(
        f"{num} rows, {sum(len(p.ids) for p in prompts)} prompt tokens, {sum(p.cap for p in prompts)} answer tokens "
        f"(longest "
        f"{max(p.cap for p in prompts)}); with rules {NUM_SLOTS} rows, {sum(p.cap for p in longer)} answer tokens",
        flush=True,
    )
    speeds, first = {name: [] for name in ways}, {}
    for turn in range(rounds):
        for name, make in ways.items():
            begun = time.process_time()
            found = make()
            speeds[name].append(sum(map(len, found.values())) / (time.process_time() - begun))
            first.setdefault(name, found)
            print(f"  round {turn + 1}: {name:45s} {speeds[name][-1]:7.0f} tokens per CPU s", flush=True)
    report(speeds, first)


def report(speeds: dict[str, list[float]], found: dict[str, Tokens]) -> None:
    for rules in (False, True):
        names = [n for n in speeds if n.startswith("rules") == rules]
        ours = next(n for n in names if "slots" in n)
        for name in names:
            same = sum(found[ours][row] == new for row, new in found[name].items())
            print(
                f"{name:45s} {median(speeds[name]):7.0f} tokens per CPU s   {ours} is "
                f"{median(speeds[ours]) / median(speeds[name]):5.2f} times that   "
                f"same tokens as its {same} of {len(found[name])}"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
