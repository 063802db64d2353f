"""What the three rules add to the logits of sequences that grow by a token each: the adapter's arithmetic, for every engine.

Shape suffixes: B slots, K of them, V vocabulary, L pieces of the longer tag.
"""

import torch

from winsweep.cell import Adapter
from winsweep.errors import BadData
from winsweep.generate.pieces import Resolved

FORCED = 100.0  # what EOS gets past adapter.eos_forced_past, as in the paper's listing


class Slots:
    """The rules' state for B sequences; each slot is a function of its own token ids alone.

    Every step costs one addition over (K, V), one column and K entries. Under greedy decoding the sum of logits has the argmax
    of the paper's product of experts, p_base(w) · softmax(r)[w], as neither normaliser depends on w.
    """

    def __init__(self, rules: Resolved, num: int, device: torch.device | str = "cpu") -> None:
        self.rules, self.adapter = rules, rules.adapter
        self.uniform_V = rules.uniform_V.to(device)
        self.first_V = None if rules.first_V is None else rules.first_V.to(device)
        self.user, self.assistant = (torch.tensor(ids, device=device) for ids in (rules.user, rules.assistant))
        self.scores_BV = self.uniform_V.repeat(num, 1)  # rules 2 and 3
        self.length_B = torch.zeros(num, dtype=torch.long, device=device)
        self.start_B = torch.zeros_like(self.length_B)  # where the response starts
        self.tail_BL = torch.full((num, max(len(rules.user), len(rules.assistant))), -1, device=device)
        self.all_B = torch.arange(num, device=device)

    def fill(self, slot: int, ids: list[int]) -> None:
        """Start `slot` anew with a prompt and what followed it, left padding allowed; BadData where no assistant tag is in it.

        A prompt without a user tag counts from its first token.
        """
        ids = ids[next((i for i, token in enumerate(ids) if token != self.rules.pad), len(ids)) :]
        match = 0 if self.adapter.tag_match == "first" else -1
        starts = _ends(self.rules.assistant, ids)
        if not starts:
            raise BadData(f"row {slot + 1}: its prompt has no assistant tag, so the rules cannot tell where the response starts; "
                          "make prompts with Frame(...).prompt(instruction), and give the rules the same Frame")
        scope = starts if self.adapter.diversity_scope == "response" else _ends(self.rules.user, ids) or [0]
        self.start_B[slot], self.length_B[slot] = starts[match], len(ids)
        self.scores_BV[slot] = self.uniform_V
        if "diversity" in self.adapter.rules:
            self.scores_BV[slot, list(set(ids[scope[match] :]))] -= self.adapter.diversity_penalty
        tail = ids[-self.tail_BL.shape[1] :]
        self.tail_BL[slot, -len(tail) :] = torch.tensor(tail, device=self.tail_BL.device)

    def push(self, tokens_K: torch.Tensor, slots_K: torch.Tensor | None = None) -> None:
        """One more token in each slot (or in those of `slots_K`, each named once)."""
        slots_K = self.all_B if slots_K is None else slots_K
        self.length_B[slots_K] += 1
        self.tail_BL[slots_K] = torch.cat([self.tail_BL[slots_K, 1:], tokens_K[:, None]], 1)
        if "diversity" in self.adapter.rules:
            self.scores_BV[slots_K, tokens_K] = self.uniform_V[tokens_K] - self.adapter.diversity_penalty
        if self.adapter.tag_match == "last":
            self._new_turns(slots_K)

    def apply(self, logits_KV: torch.Tensor, slots_K: torch.Tensor | None = None) -> torch.Tensor:
        """`logits_KV` with all rules added, in float32 where they are narrower, given back in their own type."""
        slots_K, scores_KV = (self.all_B, self.scores_BV) if slots_K is None else (slots_K, self.scores_BV[slots_K])
        out_KV = logits_KV.to(torch.promote_types(logits_KV.dtype, torch.float32)) + scores_KV
        done_K = self.length_B[slots_K] - self.start_B[slots_K]
        if "eos" in self.adapter.rules:
            out_KV[:, self.rules.eos] += eos_bonus(self.adapter, done_K)
        if self.first_V is not None:
            out_KV += (done_K == 0)[:, None] * self.first_V
            out_KV[:, self.rules.exclamation] += 15.0 * (done_K == 1)
            out_KV[:, self.rules.newline] -= 10.0 * (done_K == 2)
        return out_KV.to(logits_KV.dtype)

    def _new_turns(self, slots_K: torch.Tensor) -> None:
        """A tag that the model has just written: the response, or what counts for diversity, starts here."""
        asked_K, answered_K = (self._written(tag, slots_K) for tag in (self.user, self.assistant))
        self.start_B[slots_K] = torch.where(answered_K, self.length_B[slots_K], self.start_B[slots_K])
        forget_K = answered_K if self.adapter.diversity_scope == "response" else asked_K
        if forget_K.any():
            self.scores_BV[slots_K[forget_K]] = self.uniform_V

    def _written(self, tag: torch.Tensor, slots_K: torch.Tensor) -> torch.Tensor:
        return (self.tail_BL[slots_K, -len(tag) :] == tag).all(1)


def eos_bonus(adapter: Adapter, done: torch.Tensor) -> torch.Tensor:
    """What the first rule adds to EOS after `done` response tokens: float32 of done's shape, computed in float64."""
    grown = adapter.eos_bonus * done.double() / adapter.eos_window
    bonus = grown if adapter.eos_past_window == "grow" else torch.where(done < adapter.eos_window, grown, 0.0)
    if adapter.eos_forced_past is not None:
        bonus = bonus + FORCED * (done > adapter.eos_forced_past)
    return bonus.float()


def _ends(tag: tuple[int, ...], ids: list[int]) -> list[int]:
    """The indices just after each occurrence of `tag`."""
    return [i for i in range(len(tag), len(ids) + 1) if tuple(ids[i - len(tag) : i]) == tag]
