"""What the three rules add to the logits of sequences that grow by a token each: the adapter's arithmetic, for every
engine.

Shape suffixes: B slots, K of them, V vocabulary, U ids of the uniform rule, W ids whose logits change, L tokens of the
longer tag.
"""

from typing import TypeAlias

import torch

from winsweep.errors import BadData
from winsweep.generate.rule_tokens import Resolved
from winsweep.study.rules import Adapter

FORCED = 100.0  # what EOS gets past adapter.eos_forced_past, as in the paper's listing
WIDTH = 256  # by which the lists of ids grow
Which: TypeAlias = torch.Tensor | slice  # of the slots: their numbers, each named once, or a part of them in order


class Slots:
    """The rules' state for B sequences; each slot is a function of its own token ids alone.

    A slot holds the distinct ids whose logits change and by how much: those of the uniform rule first, then what was
    seen. A step costs one entry for each of these and one column, not the vocabulary. Under greedy decoding the sum of
    logits has the argmax of the paper's product of experts, p_base(w) · softmax(r)[w], as neither normaliser depends on
    w.
    """

    def __init__(self, rules: Resolved, num: int, device: torch.device | str = "cpu") -> None:
        self.rules, self.adapter = rules, rules.adapter
        self.uniform_V = rules.uniform_V.to(device)
        self.first_V = None if rules.first_V is None else rules.first_V.to(device)
        self.user, self.assistant = (torch.tensor(ids, device=device) for ids in (rules.user, rules.assistant))
        self.uniform_U = self.uniform_V.nonzero()[:, 0]
        self.ids_BW = torch.zeros(num, 0, dtype=torch.long, device=device)
        self.scores_BW = torch.zeros(num, 0, device=device)  # rules 2 and 3; 0 behind a slot's last id
        self.count_B = torch.zeros(num, dtype=torch.long, device=device)
        self.width = 0  # no slot has more ids
        self.length_B = torch.zeros(num, dtype=torch.long, device=device)
        self.start_B = torch.zeros_like(self.length_B)  # where the response starts
        self.tail_BL = torch.full((num, max(len(rules.user), len(rules.assistant))), -1, device=device)
        self.all_B = torch.arange(num, device=device)

    def fill(self, slot: int, ids: list[int]) -> None:
        """Start `slot` anew with a prompt and what followed it, left padding allowed; BadData where no assistant tag is
        in it.

        A prompt without a user tag counts from its first token.
        """
        ids = ids[next((i for i, token in enumerate(ids) if token != self.rules.pad), len(ids)) :]
        match = 0 if self.adapter.tag_match == "first" else -1
        starts = _ends(self.rules.assistant, ids)
        if not starts:
            raise BadData(
                f"row {slot + 1}: its prompt has no assistant tag, so the rules cannot tell where the response starts; "
                "make prompts with Frame(...).prompt(instruction), and give the rules the same Frame"
            )
        scope = starts if self.adapter.diversity_scope == "response" else _ends(self.rules.user, ids) or [0]
        self.start_B[slot], self.length_B[slot] = starts[match], len(ids)
        self._begin(slot, sorted(set(ids[scope[match] :])) if "diversity" in self.adapter.rules else [])
        tail = ids[-self.tail_BL.shape[1] :]
        self.tail_BL[slot, -len(tail) :] = torch.tensor(tail, device=self.tail_BL.device)

    def push(self, tokens_K: torch.Tensor, slots: Which = slice(None)) -> None:
        """One more token in each slot (or in those of `slots`)."""
        slots_K = self.all_B[slots]
        self.length_B[slots_K] += 1
        self.tail_BL[slots_K] = torch.cat([self.tail_BL[slots_K, 1:], tokens_K[:, None]], 1)
        if "diversity" in self.adapter.rules:
            self._see(tokens_K, slots, slots_K)
        if self.adapter.tag_match == "last":
            self._new_turns(slots_K)

    def apply(self, logits_KV: torch.Tensor, slots: Which = slice(None)) -> torch.Tensor:
        """`logits_KV` with all rules added, in float32 where they are narrower, given back in their own type."""
        return self.add_to(logits_KV.to(torch.promote_types(logits_KV.dtype, torch.float32), copy=True), slots).to(
            logits_KV.dtype
        )

    def add_to(self, logits_KV: torch.Tensor, slots: Which = slice(None)) -> torch.Tensor:
        """All rules added in place, to logits of float32 or wider."""
        logits_KV.scatter_add_(
            1, self.ids_BW[slots, : self.width], self.scores_BW[slots, : self.width].to(logits_KV.dtype)
        )
        done_K = self.length_B[slots] - self.start_B[slots]
        if "eos" in self.adapter.rules:
            logits_KV[:, self.rules.eos] += eos_bonus(self.adapter, done_K)
        if self.first_V is not None:
            logits_KV += (done_K == 0)[:, None] * self.first_V
            logits_KV[:, self.rules.exclamation] += 15.0 * (done_K == 1)
            logits_KV[:, self.rules.newline] -= 10.0 * (done_K == 2)
        return logits_KV

    def move(self, source: int, target: int) -> None:
        """The sequence of one slot goes on in another."""
        for held in (self.ids_BW, self.scores_BW, self.count_B, self.length_B, self.start_B, self.tail_BL):
            held[target] = held[source]

    def _begin(self, slot: int, seen: list[int]) -> None:
        self.scores_BW[slot] = 0.0
        seen_S = torch.tensor(seen, dtype=torch.long, device=self.all_B.device)
        ids_W = torch.cat([self.uniform_U, seen_S[self.uniform_V[seen_S] == 0]])
        self.count_B[slot] = len(ids_W)
        self.width = int(self.count_B.max())
        self._widen()
        self.ids_BW[slot, : len(ids_W)] = ids_W
        self.scores_BW[slot, : len(ids_W)] = self.uniform_V[ids_W] - self.adapter.diversity_penalty * torch.isin(
            ids_W, seen_S
        )

    def _see(self, tokens_K: torch.Tensor, slots: Which, slots_K: torch.Tensor) -> None:
        """Lower what was seen: a new id goes behind the last one, a known one stays where it is."""
        self.width += 1
        self._widen()
        count_K = self.count_B[slots_K]
        known_KW = (self.ids_BW[slots, : self.width] == tokens_K[:, None]) & (
            self.all_W[: self.width] < count_K[:, None]
        )
        known_K, place_K = known_KW.max(1)
        place_K = torch.where(known_K, place_K, count_K)
        self.ids_BW[slots_K, place_K] = tokens_K
        self.scores_BW[slots_K, place_K] = self.uniform_V[tokens_K] - self.adapter.diversity_penalty
        self.count_B[slots_K] = count_K + ~known_K

    def _widen(self) -> None:
        num, held = self.ids_BW.shape
        if self.width > held:
            more = -(-(self.width - held) // WIDTH) * WIDTH
            self.ids_BW = torch.cat([self.ids_BW, self.ids_BW.new_zeros(num, more)], 1)
            self.scores_BW = torch.cat([self.scores_BW, self.scores_BW.new_zeros(num, more)], 1)
            self.all_W = torch.arange(held + more, device=self.all_B.device)

    def _new_turns(self, slots_K: torch.Tensor) -> None:
        """A tag that the model has just written: the response, or what counts for diversity, starts here."""
        asked_K, answered_K = (self._written(tag, slots_K) for tag in (self.user, self.assistant))
        self.start_B[slots_K] = torch.where(answered_K, self.length_B[slots_K], self.start_B[slots_K])
        forget_K = answered_K if self.adapter.diversity_scope == "response" else asked_K
        if forget_K.any():
            for slot in slots_K[forget_K].tolist():
                self._begin(slot, [])

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
