"""The rule adapter (Hewitt et al. 2024, section 6) as a logits processor of transformers: whether rows go on from the
last step.

Shape suffixes: B rows, T tokens so far (left-padded prompt and response), V vocabulary.
"""

import torch
from transformers import LogitsProcessor, PreTrainedModel, PreTrainedTokenizerBase

from winsweep.generate.rule_tokens import resolve
from winsweep.generate.slots import Slots
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter

ALL = Adapter(rules=("eos", "uniform", "diversity"))


class Rules(LogitsProcessor):
    """Adds the rules to next-token logits, batched, left-padded and with a key-value cache, the same for a row as if it
    were alone.

    What is added is a function of the token ids alone. A step that goes on from the last one costs one token per row;
    anything else (a new batch, reordered beams) is read anew, so one object serves any number of `generate` calls.
    """

    def __init__(
        self, adapter: Adapter, tokenizer: PreTrainedTokenizerBase, vocab: int, frame: Frame = Frame()
    ) -> None:
        self.rules = resolve(adapter, tokenizer, vocab, frame)
        self.ids_BT: torch.Tensor | None = None  # of the last step
        self.slots: Slots  # its state

    @classmethod
    def for_model(
        cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, adapter: Adapter = ALL, frame: Frame = Frame()
    ) -> "Rules":
        """The rules for `model.generate(..., logits_processor=[Rules.for_model(model, tokenizer)])`, prompts made with
        `frame.prompt`.

        BadStudy names a token of the adapter's table that the tokenizer lacks; `generate` raises BadData for a prompt
        without an assistant tag.
        """
        return cls(adapter, tokenizer, model.config.get_text_config().vocab_size, frame)

    def __call__(self, ids_BT: torch.Tensor, logits_BV: torch.Tensor) -> torch.Tensor:
        if self._goes_on(ids_BT):
            self.slots.push(ids_BT[:, -1])
        else:
            self.slots = Slots(self.rules, len(ids_BT), ids_BT.device)
            for row, ids in enumerate(ids_BT.tolist()):
                self.slots.fill(row, ids)
        self.ids_BT = ids_BT
        return self.slots.apply(logits_BV)

    def _goes_on(self, ids_BT: torch.Tensor) -> bool:
        return self.ids_BT is not None and torch.equal(ids_BT[:, :-1], self.ids_BT)
