"""How many tokens a model may hold at once: of whatever family, also inside a configuration for texts and images."""

from collections.abc import Iterable, Sequence

import numpy as np
from transformers import AutoConfig, PreTrainedConfig

from winsweep.errors import BadData

NAMES = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_sequence_length",
    "max_seq_len",
    "seq_length",
    "context_length",
)


def context_of(config: PreTrainedConfig) -> int | None:
    """What a configuration says, the least of it where it says several; None where it says nothing, as where positions
    are not numbered.
    """
    text = config.get_text_config(decoder=True)
    said = [getattr(text, name, None) for name in NAMES]
    return min((n for n in said if isinstance(n, int) and n > 0), default=None)


def refuse_unfit(lengths_N: np.ndarray, tops_N: np.ndarray, base: str, revision: str | None) -> None:
    """BadData where examples, of so many tokens and with such a highest id each, do not fit into the model's context or
    its vocabulary; looked at before training.
    """
    config = AutoConfig.from_pretrained(base, revision=revision, trust_remote_code=False)
    refuse_long(lengths_N, context_of(config), base)
    if (num := _num_rows(config)) and len(rowless := np.flatnonzero(tops_N >= num)):
        raise _rowless(int(rowless[0]), int(tops_N[rowless[0]]), num, base)


def known_context(config: PreTrainedConfig, base: str, given: int | None) -> int:
    """The configuration's or the `given` one, the smaller of both. BadData where there is none."""
    said = [n for n in (context_of(config), given) if n]
    if not said:
        raise BadData(f"model {base}: {unsaid(config)}")
    return min(said)


def unsaid(config: PreTrainedConfig) -> str:
    return (
        f"its configuration ({config.model_type}) does not say how many tokens it may hold; legal is the length that "
        f"it was trained with; "
        f"type context: 2048, say, at the model in the study"
    )


def refuse_long(lengths_N: np.ndarray, context: int | None, base: str) -> None:
    """BadData where an example has more tokens than the model may hold; looked at before training."""
    num_long = int((lengths_N > context).sum()) if context else 0
    if num_long:
        most = lengths_N.max()
        row = np.flatnonzero(lengths_N == most)[-1]
        raise BadData(
            f"model {base}: {num_long} of {len(lengths_N)} examples are longer than its context, such as example "
            f"{row + 1} with {most} "
            f"tokens; legal are {context} at most; type recipe: {{max_tokens: {context}}}, which cuts them, or use "
            f"another model"
        )


def refuse_rowless(rows: Iterable[Sequence[int]], config: PreTrainedConfig, base: str) -> None:
    """BadData where a row of token ids has one that the model's embedding has no row for, which would fail in the
    middle of a job.
    """
    num = _num_rows(config)
    for n, ids in enumerate(rows):
        if num and ids and max(ids) >= num:
            raise _rowless(n, max(ids), num, base)


def _num_rows(config: PreTrainedConfig) -> int | None:
    return getattr(config.get_text_config(decoder=True), "vocab_size", None)


def _rowless(row: int, top: int, num: int, base: str) -> BadData:
    return BadData(
        f"model {base}: row {row + 1} holds token {top} of its tokenizer, and its embedding has {num} rows; legal are "
        f"tokens below {num}; take the token out of the text or of tokenizer.json, or use a model whose embedding was "
        f"enlarged for it"
    )
