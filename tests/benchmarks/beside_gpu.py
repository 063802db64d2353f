"""The same job by slots, by transformers' generate and by its generate_batch: python tests/benchmarks/beside_gpu.py
[--tiny]

Prompts of 172 tokens and answers whose lengths spread as those of real ones do (a third of the rows ends at a quarter
of the longest). A 7B Llama with random weights; what a way does not manage in its time, or at all, is said in its row.
"""

import argparse
import functools
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[2] / "src")]

from tests.benchmarks import rows  # noqa: E402
from tests.benchmarks.bench_decode_gpu import make_model  # noqa: E402
from winsweep.generate.compatibility import fitting  # noqa: E402
from winsweep.generate.decoder import Decoder, Prompt  # noqa: E402
from winsweep.generate.step import Step  # noqa: E402
from winsweep.text.ends import Ends  # noqa: E402

Way = Callable[[PreTrainedModel, list[Prompt], int], dict[int, list[int]]]
LIMIT_S = 60.0


def job(num: int, longest: int, vocab: int) -> list[Prompt]:
    rng = random.Random(0)
    caps = [max(1, round(longest * rng.choice([0.25, 0.5, 0.75, 1.0]))) for _ in range(num)]
    return [Prompt(i, [rng.randrange(40, vocab) for _ in range(172)], cap) for i, cap in enumerate(caps)]


@functools.cache
def fitted(net: PreTrainedModel) -> Step:
    """Asked once, as for all answers of a generation."""
    step, how = fitting(net)
    if step is None:
        raise RuntimeError(how)
    return step


def slots(net: PreTrainedModel, prompts: list[Prompt], size: int) -> dict[int, list[int]]:
    step = fitted(net)
    return dict(Decoder(step, size, Ends((-1,)), None).answer(prompts, lambda: None))


def in_batches(net: PreTrainedModel, prompts: list[Prompt], size: int) -> dict[int, list[int]]:
    fitted.cache_clear()  # its keys and values
    net.set_attn_implementation("sdpa")
    found = {}
    for i in range(0, len(prompts), size):
        batch = prompts[i : i + size]
        ids = torch.tensor([p.ids for p in batch], device=net.device)
        out = net.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=max(p.cap for p in batch),
            pad_token_id=0,
        )
        found |= {p.row: new[len(p.ids) :][: p.cap].tolist() for p, new in zip(batch, out)}
    return found


def continuous(net: PreTrainedModel, prompts: list[Prompt], size: int) -> dict[int, list[int]]:
    """With what transformers decides by itself on a GPU; on a CPU its cache alone would take all memory."""
    net.set_attn_implementation("paged|sdpa")
    more = {} if net.device.type == "cuda" else {"num_blocks": 64, "max_batch_tokens": 512, "use_cuda_graph": False}
    greedy = GenerationConfig(
        do_sample=False, max_new_tokens=max(p.cap for p in prompts), eos_token_id=-1, pad_token_id=0
    )
    found: dict[int, list[int]] = {}
    with net.continuous_batching_context_manager(
        generation_config=greedy, continuous_batching_config=ContinuousBatchingConfig(**more)
    ) as manager:
        for p in prompts:
            manager.add_request(p.ids, request_id=str(p.row), max_new_tokens=p.cap)
        end = time.monotonic() + LIMIT_S
        while len(found) < len(prompts):
            if time.monotonic() > end or not manager.is_running():
                raise TimeoutError(f"{len(found)} of {len(prompts)} rows after {LIMIT_S:g} s, or it ended by itself")
            if (result := manager.get_result(timeout=1)) is not None and result.is_finished():
                found[int(result.request_id)] = list(result.generated_tokens)
    return found


def measure(net: PreTrainedModel, way: Way, prompts: list[Prompt], size: int) -> dict:
    """Seconds of the second time: the first one chooses kernels and records graphs, on a part of the rows."""
    if net.device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        way(net, prompts[: size // 2], size)
        begun = time.perf_counter()
        found = way(net, prompts, size)
        seconds = time.perf_counter() - begun
    except Exception as error:  # of another library, on a machine that we have not seen
        return {"failed": f"{type(error).__name__}: {error}"[:200]}
    num = sum(map(len, found.values()))
    return {"rows": len(found), "answer tokens": num, "seconds": seconds, "tokens/s": round(num / seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--rows", type=Path, help="a file to which each line is appended")
    a = parser.parse_args()
    net, tiny = make_model(a.tiny)
    prompts, size = (job(6, 8, 1000), 4) if tiny else (job(192, 128, 32000), 64)
    ways = {"slots": slots, "generate": in_batches, "generate_batch": continuous}
    for name, way in ways.items():
        found = measure(net, way, prompts, size)
        rows.append(a.rows, "the same job", {"way": name, "at once": size} | found)
        print(name, found, flush=True)


if __name__ == "__main__":
    torch.set_grad_enabled(False)  # inference_mode would not do: generate_batch writes into its tensors from a thread
    main()
