"""Whether slots give what a model gives by itself: asked of every model before they are used, and not of its name.

Shape suffixes: R rows, T tokens, V vocabulary.
"""

import torch
from transformers import PreTrainedModel

from winsweep.generate.step import Step
from winsweep.train.attention_choice import heard

LENGTHS = (3, 19, 8)  # of the prompts that are tried
NUM_TOKENS = 4  # that are written behind each
# Mean difference of logits, in their own standard deviations. Rounding is a tenth of it or less; a token seen by a row
# that is not its own, or at another place, is a tenth or more.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2}


def fitting(model: PreTrainedModel) -> tuple[Step | None, str]:
    """A Step whose logits are the model's own, and what kind it is; or None, and why. Of several kinds, the quickest
    that this machine has.
    """
    if odd := _odd(model):
        return None, odd
    said: list[str] = []
    before = model.config._attn_implementation
    for graphs in (True, False) if model.device.type == "cuda" and model.dtype == torch.bfloat16 else (False,):
        with heard() as ways:
            why, step = _tried(model, graphs)
        if step:
            return step, _how(graphs, said, ways)
        said.append(why)
    model.set_attn_implementation(before)
    return None, "; ".join(said)


def _how(graphs: bool, said: list[str], ways: set[str]) -> str:
    """Slots, whether their steps are recorded, or why not, and the kernels of their attention."""
    steps = "slots, graphs" if graphs else "slots without graphs" if said else "slots"
    return steps + (f" ({'; '.join(said)})" if said else "") + (f", by {' and '.join(sorted(ways))}" if ways else "")


def _odd(model: PreTrainedModel) -> str:
    """What a model's configuration says against slots: layers that hold something else than keys and values of all
    tokens.
    """
    config = model.config.get_text_config()
    if set(getattr(config, "layer_types", None) or ["full_attention"]) != {"full_attention"} or getattr(
        config, "sliding_window", None
    ):
        return "not all of its layers attend to all tokens"
    # a version without that name: the trial tells
    return "" if getattr(model, "_supports_sdpa", True) else "its attention cannot be replaced"


@torch.inference_mode()
def _tried(model: PreTrainedModel, graphs: bool) -> tuple[str, Step | None]:
    """What a Step does otherwise than the model's own pass over the same tokens, or a Step that does the same."""
    vocab, generator = model.config.get_text_config().vocab_size, torch.Generator().manual_seed(0)
    rows = [torch.randint(vocab, (n + NUM_TOKENS,), generator=generator).tolist() for n in LENGTHS]
    try:
        model.set_attn_implementation("sdpa")
        own = [
            model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, n - 1 :].float()
            for ids, n in zip(rows, LENGTHS)
        ]
        step = Step(model, graphs)
        off = max(float((a - b).abs().mean() / b.std()) for a, b in zip(_logits(step, rows), own))
    except torch.OutOfMemoryError:
        raise
    # of models that were made otherwise
    except (TypeError, ValueError, AttributeError, IndexError, RuntimeError, NotImplementedError) as e:
        return f"{type(e).__name__}: {str(e).strip().partition(chr(10))[0][:200]}", None
    good = off <= TOLERANCE[model.dtype]  # false for NaN, too
    return f"its logits are off by {off:.2g} of their deviation", step if good else None


def _logits(step: Step, rows: list[list[int]]) -> list[torch.Tensor]:
    """The logits (T, V) of each row's last tokens, by a prefill of all and one step for each token."""
    step.cache.fit(len(rows), max(map(len, rows)))
    read = step.read([ids[:n] for ids, n in zip(rows, LENGTHS)], 0).float()
    written = (
        step.write([ids[n + i] for ids, n in zip(rows, LENGTHS)], [n + i for n in LENGTHS]) for i in range(NUM_TOKENS)
    )
    return list(torch.stack([read, *(logits.float().clone() for logits in written)], 1))
