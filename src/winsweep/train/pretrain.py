"""How a small Llama is pretrained from nothing: documents packed into blocks, one pass, Muon for matrices, AdamW for
the rest.

`python -m winsweep.train.pretrain OUT --seed 0` writes the model that is shipped for that seed. Shapes: B blocks of a
batch, N blocks in all, T tokens of a block.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from winsweep.errors import BadStudy, NotFinite
from winsweep.store import folders
from winsweep.study.pretrain import Pretrain
from winsweep.text.special_tokens import controls_of
from winsweep.toy.corpus import documents
from winsweep.train.tokenizer import learn, load

TOKENIZER_DOCUMENTS = 8000
LOG_STEPS = 50


def pretrain(
    out: Path, *, spec: Pretrain, work: Path, progress: Callable[[int, int], None], tokenizer_path: Path | None = None
) -> None:
    """Write the model and tokenizer that `spec` names into `out`, weights in bf16; the same bytes on the same machine
    and threads.

    pretrain.json beside them repeats `spec`. `tokenizer_path` replaces the tokenizer learnt on the corpus. The loss
    goes to `work`/log.jsonl, and `progress(steps done, steps in all)` is called with every line of it. BadStudy where
    the tokenizer has not `spec.vocab` tokens, NotFinite on a loss that is NaN or infinite.
    """
    tokenizer = _tokenizer(spec, tokenizer_path)
    model = _first_weights(spec, tokenizer)
    if spec.num_steps():
        blocks_NT = _blocks(spec, tokenizer)
        folders.make(work)
        with open(work / "log.jsonl", "w", encoding="utf-8") as log:
            for step, loss in _train(model, blocks_NT, spec):
                if step % LOG_STEPS == 0 or step in (1, spec.num_steps()):
                    print(json.dumps({"step": step, "loss": round(loss, 4)}), file=log, flush=True)
                    progress(step, spec.num_steps())
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "pretrain.json").write_text(json.dumps(asdict(spec), indent=1) + "\n")


def _tokenizer(spec: Pretrain, path: Path | None) -> PreTrainedTokenizerBase:
    tokenizer = (
        load(path) if path else learn(islice(documents(spec.world, "tokenizer"), TOKENIZER_DOCUMENTS), spec.vocab)
    )
    if len(tokenizer) != spec.vocab:
        raise BadStudy(
            f"pretrain.vocab: found {spec.vocab}; the tokenizer has {len(tokenizer)} tokens; type vocab: "
            f"{len(tokenizer)}"
        )
    return tokenizer


def _first_weights(spec: Pretrain, tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    torch.manual_seed(spec.seed)
    config = LlamaConfig(
        vocab_size=spec.vocab,
        hidden_size=spec.width,
        intermediate_size=spec.mlp,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=spec.max_positions,
        tie_word_embeddings=True,
        initializer_range=0.03,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _blocks(spec: Pretrain, tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    """Documents, each between BOS and EOS, one after the other and cut into blocks wherever one is full; shape NT."""
    texts, appended = documents(spec.world, f"seed {spec.seed}"), controls_of(tokenizer).appended
    stream: list[int] = []
    while len(stream) < spec.num_tokens:
        for ids in tokenizer(list(islice(texts, 500)))["input_ids"]:
            stream += [*ids[: len(ids) - len(appended)], tokenizer.eos_token_id]
    num_blocks = spec.num_tokens // spec.block_tokens
    return torch.tensor(stream[: num_blocks * spec.block_tokens]).view(num_blocks, spec.block_tokens)


def _train(model: LlamaForCausalLM, blocks_NT: torch.Tensor, spec: Pretrain) -> Iterator[tuple[int, float]]:
    """Train in place, one pass in random order; yields (steps done, loss of the step in nats per token)."""
    optimizers = _optimizers(model, spec)
    order_N = torch.randperm(len(blocks_NT), generator=torch.Generator().manual_seed(spec.seed))
    model.train()
    for step in range(spec.num_steps()):
        ids_BT = blocks_NT[order_N[step * spec.batch : (step + 1) * spec.batch]]
        loss = model(input_ids=ids_BT, labels=ids_BT, use_cache=False).loss
        if not math.isfinite(loss.item()):
            raise NotFinite(
                f"pretrain step {step}: the loss is {loss.item()}; every loss must be finite; type a smaller lr than "
                f"{spec.lr}"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, peak in optimizers:
            optimizer.param_groups[0]["lr"] = peak * spec.lr_share(step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        yield step + 1, loss.item()


def _optimizers(model: LlamaForCausalLM, spec: Pretrain) -> list[tuple[torch.optim.Optimizer, float]]:
    """Each optimizer with its peak learning rate."""
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        (torch.optim.Muon(inner, lr=spec.lr, momentum=0.95, weight_decay=0.0, ns_steps=5), spec.lr),
        (torch.optim.AdamW(rest, lr=spec.vector_lr, betas=(0.9, 0.98), weight_decay=0.0), spec.vector_lr),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Pretrain the toy study's base model.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--world", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder of log.jsonl; default OUT.work")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    spec = Pretrain(seed=asked.seed, world=asked.world)
    work = asked.work or asked.out.with_name(asked.out.name + ".work")
    pretrain(asked.out, spec=spec, work=work, progress=lambda done, total: print(f"step {done}/{total}", flush=True))


if __name__ == "__main__":
    main()
