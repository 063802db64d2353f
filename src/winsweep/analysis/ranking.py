"""Response ranking (Hewitt et al. 2024, section 4): is an instruction's own response likelier under a model than
another one's?

Shape suffixes: B sequences of a micro-batch.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from winsweep.amounts import plural
from winsweep.analysis.intervals import Share, share_of
from winsweep.errors import BadData, NotFinite
from winsweep.store.manifest import kept
from winsweep.study.frame import Frame
from winsweep.text.context import context_of
from winsweep.text.encode import Example, encode
from winsweep.train.loss import collate, example_losses, num_targets

NUM_DRAWS = 5  # other responses per instruction
MAX_TOKENS = 1024  # longer conversations lose their end, as run; where the model's context is shorter, there


@dataclass(frozen=True)
class Score:
    """Of one response, its EOS included: natural-log probability given the instruction, as the sum over its tokens."""

    log_prob: float
    num_tokens: int

    @property
    def per_token(self) -> float:
        return self.log_prob / self.num_tokens


@dataclass(frozen=True)
class Ranking:
    """How often the true response scores strictly higher; an equal score counts against it, and a row's own response is
    no opponent, as run.
    """

    per_token: Share  # as run: scores are means over tokens (the same order as exp of the mean)
    sequence: Share  # as written: scores are sums over tokens, that is the probability of the whole response


Pair = tuple[int, int]  # an instruction's row and a response's


def draw(num: int, seed: int, draws: int = NUM_DRAWS) -> list[list[int]]:
    """For each of `num` rows, the rows of the responses that its own is compared with: uniform, with replacement.

    A row may draw itself, once in `num`; `rank` leaves such a comparison out, as run.
    """
    rng = random.Random(seed)
    return [[rng.randrange(num) for _ in range(draws)] for _ in range(num)]


def rank(
    rows: Sequence[tuple[str, str]],
    others: Sequence[Sequence[int]],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    frame: Frame,
    batch_tokens: int = 8192,
    progress: Callable[[int, int], None] = lambda done, total: None,
    work: Path | None = None,
) -> Ranking:
    """The ranking of `rows` (instruction, response) by a model: row i against the responses of rows others[i], as from
    `draw`.

    Shares are of len(rows) * draws comparisons, less those of a row with itself; their intervals allow for those of one
    row sharing its response. Responses of the same text are scored once, so that rounding does not tell them apart.
    Raises BadData for a row without a response token within MAX_TOKENS, or if no row has another to be compared with;
    NotFinite for a model that scores NaN.
    """
    others = [[j for j in drawn if j != i] for i, drawn in enumerate(others)]
    if not any(others):
        raise BadData(
            f"{plural(len(rows), 'row')}: found none that drew another row's response; legal are at least two "
            "rows; add some"
        )
    first: dict[str, int] = {}
    same = [first.setdefault(response.strip(), j) for j, (_, response) in enumerate(rows)]
    wanted = list(dict.fromkeys((i, same[j]) for i, drawn in enumerate(others) for j in (i, *drawn)))
    scores = score(wanted, rows, model, tokenizer, frame, batch_tokens, progress, work)

    def share(value: Callable[[Score], float]) -> Share:
        return share_of(
            [[value(scores[i, same[i]]) > value(scores[i, same[j]]) for j in drawn] for i, drawn in enumerate(others)]
        )

    return Ranking(share(lambda s: s.per_token), share(lambda s: s.log_prob))


@torch.inference_mode()
def score(
    pairs: Sequence[Pair],
    rows: Sequence[tuple[str, str]],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    frame: Frame,
    batch_tokens: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    work: Path | None = None,
) -> dict[Pair, Score]:
    """The score of each pair's response behind its instruction, in the model's precision with a softmax in float32.

    Sequences of like length are scored together, at most `batch_tokens` tokens with their padding; in float32 the
    others of a batch change nothing beyond rounding. Batches that an earlier call left in `work` are not scored again.
    """
    most = min(MAX_TOKENS, context_of(model.config) or MAX_TOKENS)
    examples = {pair: _encoded(pair, rows, tokenizer, frame, most) for pair in pairs}
    out: dict[Pair, Score] = {}
    for number, batch in enumerate(_batches(examples, batch_tokens)):
        make = partial(_losses, model, [examples[pair] for pair in batch])
        losses_B = kept(work / f"losses-{number:06d}.json", make) if work else make()
        out |= {pair: _score(loss, examples[pair], pair) for pair, loss in zip(batch, losses_B, strict=True)}
        progress(len(out), len(pairs))
    return out


def _losses(model: PreTrainedModel, examples: Sequence[Example]) -> list[float]:
    return example_losses(model, collate(examples).to(model.device)).tolist()


def _encoded(
    pair: Pair, rows: Sequence[tuple[str, str]], tokenizer: PreTrainedTokenizerBase, frame: Frame, most: int
) -> Example:
    instruction, response = rows[pair[0]][0], rows[pair[1]][1]
    full = encode(
        [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}], tokenizer, frame
    )
    example = Example(full.ids[:most], full.labels[:most])
    if not num_targets(example):
        raise BadData(
            f"row {pair[0] + 1} ({instruction[:60]!r}…): found an instruction that fills {most} tokens; legal is one "
            f"that "
            "leaves room for a response; remove the row"
        )
    return example


def _batches(examples: dict[Pair, Example], batch_tokens: int) -> list[list[Pair]]:
    """Pairs in groups, longest first, so that what does not fit into memory fails at once."""
    groups: list[list[Pair]] = []
    width = 0
    for pair in sorted(examples, key=lambda p: (-len(examples[p].ids), p)):
        if not groups or (len(groups[-1]) + 1) * width > batch_tokens:
            groups.append([])
            width = len(examples[pair].ids)
        groups[-1].append(pair)
    return groups


def _score(loss: float, example: Example, pair: Pair) -> Score:
    if math.isnan(loss):
        raise NotFinite(
            f"row {pair[0] + 1}: the model scores the response of row {pair[1] + 1} as NaN; its weights are damaged"
        )
    num = num_targets(example)
    return Score(-loss * num, num)
