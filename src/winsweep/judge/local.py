"""A judge that is a model on this machine: exact log-probabilities of two names, in batches, their common beginning
computed once.

Shape suffixes: B rows, T tokens of the longest row after the common beginning, K positions looked at, V vocabulary.
"""

import copy
import math
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import torch
from transformers import Cache, PreTrainedTokenizerBase

from winsweep.errors import BadStudy
from winsweep.judge.chat import ChatJudge, messages_for
from winsweep.judge.judging import Row, Unanswered, judge_all
from winsweep.judge.ledger import Ledger, checked
from winsweep.judge.questions import Judgement, Question
from winsweep.judge.verdict import UNLIKELY, Unreadable
from winsweep.text import number_check
from winsweep.text.cache_name import cache_of, with_cache
from winsweep.text.chat import render
from winsweep.text.context import context_of
from winsweep.text.hub import refuse_outside_weights
from winsweep.text.model import load_tokenizer
from winsweep.text.special_tokens import controls_of
from winsweep.text.weights import load_whole

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
TOP = 5  # AlpacaEval 2 sees so many tokens: a judge that puts neither name among them did not answer the question
DO = "name another model in judge:, or take these instructions out of the study"
SPACES = "▁Ġ "  # how vocabularies write the space before a word


def judge_here(
    pairs: list[Row],
    judge: ChatJudge,
    base: str,
    revision: str | None,
    precision: str,
    batch: int,
    keep: Callable[[list[Row]], None],
    ledger: Ledger | None,
) -> None:
    """See judging.judge_all. `base` is a directory or a hub id; the model runs on the GPUs that there are, else on the
    CPU.
    """

    def ask(questions: list[Question], answered: Callable, idle: Callable[[], Iterable]) -> Unanswered:
        asked = _Local(judge, base, revision, precision)
        return Unanswered(asked.all(questions, batch, answered, idle), can_pass=False, do=DO)  # it would say the same

    judge_all(pairs, judge, keep, ledger, ask)


class _Local:
    """The model with its tokenizer, and the ids that stand for each name."""

    def __init__(self, judge: ChatJudge, base: str, revision: str | None, precision: str) -> None:
        refuse_outside_weights(base, revision)
        self.judge, self.tokenizer = judge, load_tokenizer(base, revision)
        spread = {"device_map": "auto"} if torch.cuda.is_available() else {}
        self.model = load_whole(base, revision, DTYPES[precision], **spread).eval()
        number_check.refuse_outputs(base, self.model)
        self.names = [ids_of(name, self.tokenizer) for name in judge.names or ()]
        self.window = context_of(self.model.config) or math.inf

    @torch.inference_mode()
    def all(self, questions: list[Question], batch: int, answered: Callable, idle: Callable) -> dict[Question, str]:
        """Hand over a Judgement for each question that has one; why the others have none."""
        prompts = {q: encode(self.tokenizer, messages_for(self.judge, q)) for q in questions}
        failures = {
            q: f"its prompt has {len(ids)} tokens and the model reads {self.window}"
            for q, ids in prompts.items()
            if len(ids) > self.window
        }
        # the largest batch first, if memory is short
        fitting = sorted((q for q in questions if q not in failures), key=lambda q: -len(prompts[q]))
        shared = common([prompts[q] for q in fitting])
        head = cache_of(self.model(self._tensor([shared]), use_cache=True)) if shared else None
        for start in range(0, len(fitting), batch):
            idle()
            several = fitting[start : start + batch]
            for question, log_BV in zip(several, self._last(head, [prompts[q][len(shared) :] for q in several])):
                self._say(question, log_BV, len(prompts[question]), answered, failures)
        return failures

    def _last(self, head: Cache | None, rest: list[list[int]]) -> torch.Tensor:
        """Log-probabilities (B, V; fp32) of the token after each row, padded on the right, where causal attention sees
        no padding.
        """
        cache = copy.deepcopy(head)
        if cache is not None:
            cache.batch_repeat_interleave(len(rest))
        longest, pad = max(map(len, rest)), self.tokenizer.pad_token_id
        ids_BT = self._tensor([ids + [pad] * (longest - len(ids)) for ids in rest])
        ends = [len(ids) - 1 for ids in rest]
        where = sorted(set(ends))
        logits_BKV = self.model(
            ids_BT,
            **with_cache(self.model, cache),
            use_cache=cache is not None,
            logits_to_keep=torch.tensor(where, device=ids_BT.device),
        ).logits
        rows = (
            torch.arange(len(rest), device=logits_BKV.device),
            torch.tensor([where.index(e) for e in ends], device=logits_BKV.device),
        )
        return logits_BKV[rows].float().log_softmax(-1)

    def _say(
        self,
        question: Question,
        log_V: torch.Tensor,
        num_tokens: int,
        answered: Callable,
        failures: dict[Question, str],
    ) -> None:
        logs = [torch.logsumexp(log_V[ids], 0).clamp(min=UNLIKELY).item() for ids in self.names]
        if not {*log_V.topk(min(TOP, len(log_V))).indices.tolist()} & {i for ids in self.names for i in ids}:
            failures[question] = f"neither of its names is among the {TOP} likeliest tokens"
            return
        tops = [{"token": name, "logprob": x} for name, x in zip(self.judge.names or (), logs)]
        best = max(tops, key=lambda t: t["logprob"])
        choice = {"text": best["token"], "logprobs": {"content": [best | {"top_logprobs": tops}]}}
        date = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            judgement = checked(Judgement(self.judge.read(choice), choice, "", date, (num_tokens, 1)))
        except Unreadable as error:
            failures[question] = str(error)
            return
        answered(question, judgement)

    def _tensor(self, rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=self.model.device)


def encode(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], asks: bool = True) -> list[int]:
    """The ids of a conversation by the tokenizer's chat template, as a server makes them; but no text in it becomes a
    special token. With `asks`, up to where the answer begins.
    """
    controls = controls_of(tokenizer)
    guarded = [m | {"content": controls.guard(m["content"])} for m in messages]
    return controls.ids(render(tokenizer, guarded, asks), add_special_tokens=False)


def ids_of(name: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every piece that alone reads as `name` (SentencePiece has one with a space before it, too); BadStudy where it is
    no single token.
    """
    found = [
        i
        for piece, i in tokenizer.get_vocab().items()
        if piece.lstrip(SPACES) == name and tokenizer.decode([i]) == name
    ]
    if not found:
        raise BadStudy(
            f"judge: the tokenizer of {tokenizer.name_or_path} has no single token for the name {name!r}; name another "
            f"model"
        )
    return sorted(found)


def common(prompts: list[list[int]]) -> list[int]:
    """The beginning that all prompts share, less than the whole of any."""
    if not prompts:
        return []
    alike = os.path.commonprefix(prompts)  # of ids, not of paths
    return list(alike)[: min(map(len, prompts)) - 1]
