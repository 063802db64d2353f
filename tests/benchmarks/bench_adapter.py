"""What the rule adapter adds to a decode step of 256 rows over 32,000 tokens, on a CPU: python
tests/benchmarks/bench_adapter.py [ROWS] [ROUNDS]

Beside it: a logits processor that does the same row by row, as one would write it, and what the rest of the step takes.
Microseconds of CPU time, medians over interleaved rounds; that both add the same is checked first.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from winsweep.generate.rule_tokens import Resolved
from winsweep.generate.slots import Slots
from winsweep.generate.step import Step
from winsweep.study.rules import Adapter

VOCAB, PROMPT, WRITTEN = 32000, 56, 240
USER, ASSISTANT, EOS = (3, 4, 5, 6, 7), (3, 8, 5, 6, 7), 2


def rules() -> Resolved:
    uniform_V = torch.zeros(VOCAB)
    uniform_V[torch.arange(20, 35)] = torch.tensor([-4.0] * 8 + [1.0] * 7)
    return Resolved(Adapter(rules=("eos", "uniform", "diversity")), uniform_V, None, -1, -1, USER, ASSISTANT, EOS, 0)


def sequences(num: int) -> list[list[int]]:
    """Prompt and 240 written tokens of each row, common tokens more often than rare ones."""
    torch.manual_seed(0)
    words = (torch.rand(num, PROMPT + WRITTEN) ** 4 * (VOCAB - 40)).long() + 40
    return [[1, *USER, *row[:PROMPT], *ASSISTANT, *row[PROMPT:]] for row in words.tolist()]


def row_by_row(rules: Resolved, rows: list[list[int]], logits_BV: torch.Tensor) -> torch.Tensor:
    for logits_V, ids in zip(logits_BV, rows):
        logits_V.add_(rules.uniform_V)
        for seen in set(ids[1 + len(USER) :]):
            logits_V[seen] -= rules.adapter.diversity_penalty
        done = len(ids) - (1 + len(USER) + PROMPT + len(ASSISTANT))
        logits_V[EOS] += (
            rules.adapter.eos_bonus * done / rules.adapter.eos_window if done < rules.adapter.eos_window else 0.0
        )
    return logits_BV


def clock(do: Callable[[], object], times: int) -> float:
    """CPU microseconds of one call, over `times`."""
    begun = time.process_time()
    for _ in range(times):
        do()
    return (time.process_time() - begun) / times * 1e6


def main(num: int = 256, rounds: int = 5) -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    resolved, rows, logits_BV = rules(), sequences(num), torch.randn(num, VOCAB) * 4
    slots = Slots(resolved, num)
    for slot, ids in enumerate(rows):
        slots.fill(slot, ids)
    torch.testing.assert_close(slots.apply(logits_BV), row_by_row(resolved, rows, logits_BV.clone()), rtol=0, atol=1e-5)
    same = (slots.apply(logits_BV).argmax(1) == row_by_row(resolved, rows, logits_BV.clone()).argmax(1)).all()
    step, next_B = full_step(num), torch.randint(40, VOCAB, (num,))
    ways = {
        "rules: row by row": (lambda: row_by_row(resolved, rows, logits_BV), 1),
        "rules: slots": (lambda: (slots.add_to(logits_BV), slots.push(next_B)), 20),
        "argmax": (lambda: logits_BV.argmax(1), 5),
        "the model's step": (step, 1),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (do, times) in ways.items():
            taken[name].append(clock(do, times))
    report({name: median(us) for name, us in taken.items()}, num, bool(same))


def full_step(num: int) -> Callable[[], object]:
    """A step of a small Llama (256 wide, 4 layers) with that vocabulary, at 256 positions."""
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4
    )
    step, positions = Step(LlamaForCausalLM(config).eval()), [PROMPT + WRITTEN - 41] * num
    step.cache.fit(num, PROMPT + WRITTEN)
    step.read([[7]], 0)
    return lambda: step.write([9] * num, positions)


def report(us: dict[str, float], num: int, same: bool) -> None:
    rest = us["argmax"] + us["the model's step"]
    print(f"{num} rows, {VOCAB} tokens, {PROMPT} + {WRITTEN} tokens seen; same likeliest tokens: {same}")
    for name, value in us.items():
        print(
            f"{name:20s} {value:12,.0f} us   {value / us['rules: slots']:8.1f} times slots   {value / rest:8.2%} of "
            f"argmax and step"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
