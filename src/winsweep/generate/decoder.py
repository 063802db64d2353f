"""Greedy decoding in slots: a row that ends gives its place to the next one at once, so that every step is full.

Shape suffixes: N rows, V vocabulary.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from winsweep.errors import Stopped
from winsweep.generate.attention import GROUP
from winsweep.generate.grammar import Mask
from winsweep.generate.kv_cache import round_up
from winsweep.generate.rule_tokens import Resolved
from winsweep.generate.slots import Slots
from winsweep.generate.step import Step
from winsweep.text.ends import Ends

READ_TOKENS = 8192  # of one forward pass over prompts
# prompts are read when a 16th of the slots is free: one by one, each would cost as much as a step of all
REFILL_PART = 16


@dataclass(frozen=True)
class Prompt:
    row: int  # its place in the instruction set
    ids: list[int]
    cap: int  # tokens of its answer at most


@dataclass(eq=False)
class Row:
    """An answer that is being written."""

    prompt: Prompt
    new: list[int] = field(default_factory=list)
    state: Any = None  # under a grammar an LLMatcher, which goes wherever the row goes

    @property
    def ids(self) -> list[int]:
        return self.prompt.ids + self.new

    @property
    def length(self) -> int:
        return len(self.prompt.ids) + len(self.new)


class Decoder:
    """Answers prompts in at most `num_slots` slots of one model; a row's tokens are those that it would have alone.

    In fp32 they are but for ties within rounding; bf16 rounds coarsely, so that company can change a token there. Keys
    and values take up to `max_bytes`; where that does not suffice, the youngest rows wait and go on later from what
    they have.
    """

    def __init__(
        self,
        step: Step,
        num_slots: int,
        ends: Ends,
        rules: Resolved | None,
        max_bytes: float = float("inf"),
        mask: Mask | None = None,
    ) -> None:
        self.step, self.num_slots, self.ends, self.max_bytes = step, num_slots, ends, max_bytes
        self.rules = Slots(rules, num_slots, step.model.device) if rules else None
        self.mask = mask
        self.rows: list[Row] = []  # by slot
        self.queue: deque[Row] = deque()

    @torch.inference_mode()
    def answer(self, prompts: Sequence[Prompt], stopping: Callable[[], str | None]) -> Iterator[tuple[int, list[int]]]:
        """Each prompt's row and its answer's tokens (with the token that ended it, where that came before the cap), as
        they are finished.

        Prompts begin in their order. Stopped within a step once `stopping()` gives a reason.
        """
        self.queue.extend(Row(prompt, [], self.mask.begin() if self.mask else None) for prompt in prompts)
        while self.queue or self.rows:
            if reason := stopping():
                raise Stopped(reason)
            self._refill() if self._is_time_to_refill() else self._write()
            yield from self._finished()

    def _is_time_to_refill(self) -> bool:
        if not self.queue:
            return False
        capacity = self._capacity(max(self._longest(), self.queue[0].length + 1))
        return capacity - len(self.rows) >= min(len(self.queue), max(1, capacity // REFILL_PART))

    def _longest(self) -> int:
        return max((row.length for row in self.rows), default=0)

    def _capacity(self, positions: int) -> int:
        """The slots that there is memory for, if each has so many positions; at least one."""
        each = round_up(positions) * self.step.cache.bytes_per_position
        return max(1, int(min(self.num_slots, self.max_bytes / each))) if each else self.num_slots

    def _refill(self) -> None:
        """Read prompts (and what was written of rows that had to wait) into free slots: as many as these, and one
        forward pass, hold.
        """
        begin, positions, tokens = len(self.rows), self._longest(), 0
        while self.queue:
            row = self.queue[0]
            wanted, tokens = max(positions, row.length + 1), tokens + row.length
            if len(self.rows) > begin and (len(self.rows) >= self._capacity(wanted) or tokens > READ_TOKENS):
                break
            self.rows.append(self.queue.popleft())
            positions = wanted
        self.step.cache.fit(self._capacity(positions), positions)
        rows = [row.ids for row in self.rows[begin:]]
        if self.rules:
            for slot, ids in enumerate(rows, begin):
                self.rules.fill(slot, ids)
        self._choose(self.step.read(rows, begin), begin)

    def _write(self) -> None:
        """A token more in every slot."""
        positions = self._longest()
        if positions > self.step.cache.shape[1]:
            while len(self.rows) > self._capacity(positions):
                self.queue.appendleft(
                    self._vacate(min(range(len(self.rows)), key=lambda slot: len(self.rows[slot].new)))
                )
            self.step.cache.fit(self._capacity(positions), positions)
        self._choose(self.step.write([row.new[-1] for row in self.rows], [row.length - 1 for row in self.rows]), 0)

    def _choose(self, logits_NV: torch.Tensor, begin: int) -> None:
        """The likeliest token for each of the slots from `begin` on."""
        slots = slice(begin, begin + len(logits_NV))
        logits_NV = logits_NV.float()
        if self.rules:
            logits_NV = self.rules.add_to(logits_NV, slots)
        states = [row.state for row in self.rows[slots]]
        tokens_N = self.mask.choose(logits_NV, states) if self.mask else logits_NV.argmax(1)
        if self.rules:
            self.rules.push(tokens_N, slots)
        for row, token in zip(self.rows[slots], tokens_N.tolist()):
            row.new.append(token)
            if self.mask:
                self.mask.push(row.state, token)

    def _finished(self) -> Iterator[tuple[int, list[int]]]:
        for slot in reversed(range(len(self.rows))):
            row = self.rows[slot]
            if self.ends.reached(row.new) or len(row.new) >= row.prompt.cap:
                self._vacate(slot)
                yield row.prompt.row, row.new

    def _vacate(self, slot: int) -> Row:
        """Take a row out, so that the slots in use stay the first ones, and the older rows in the earlier groups of
        them.
        """
        row, num = self.rows[slot], len(self.rows)
        for last in (*range(slot // GROUP * GROUP + GROUP - 1, num - 1, GROUP), num - 1):
            if last != slot:
                self.step.cache.move(last, slot, self.rows[last].length)
                if self.rules:
                    self.rules.move(last, slot)
                self.rows[slot] = self.rows[last]
            slot = last
        self.rows.pop()
        return row
