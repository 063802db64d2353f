"""How many tokens a model may hold at once: of whatever family, also inside a configuration for texts and images."""

from collections.abc import Iterable, Sequence

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


def refuse_unfit(lengths: Sequence[int], tops: Sequence[int], base: str, revision: str | None) -> None:
    """BadData where examples, of so many tokens and with such a highest id each, do not fit into the model's context or
    its vocabulary; looked at before training.
    """
    config = AutoConfig.from_pretrained(base, revision=revision)
    refuse_long(lengths, context_of(config), base)
    refuse_rowless(([top] for top in tops), config, base)


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


def refuse_long(lengths: Sequence[int], context: int | None, base: str) -> None:
    """BadData where an example has more tokens than the model may hold; looked at before training."""
    long = [(n, i) for i, n in enumerate(lengths) if context and n > context]
    if long:
        most, row = max(long)
        raise BadData(
            f"model {base}: {len(long)} of {len(lengths)} examples are longer than its context, such as example "
            f"{row + 1} with {most} "
            f"tokens; legal are {context} at most; type recipe: {{max_tokens: {context}}}, which cuts them, or use "
            f"another model"
        )


def refuse_rowless(rows: Iterable[Sequence[int]], config: PreTrainedConfig, base: str) -> None:
    """BadData where a row of token ids has one that the model's embedding has no row for, which would fail in the
    middle of a job.
    """
    num = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    for n, ids in enumerate(rows):
        if num and ids and max(ids) >= num:
            raise BadData(
                f"model {base}: row {n + 1} holds token {max(ids)} of its tokenizer, and its embedding has {num} rows; "
                f"legal are tokens "
                f"below {num}; take the token out of the text or of tokenizer.json, or use a model whose embedding was "
                f"enlarged for it"
            )
