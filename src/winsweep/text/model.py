"""How a model's tokenizer and configuration are found, and what is wrong with them when they do not fit."""

from pathlib import Path

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from winsweep.errors import BadData
from winsweep.study.frame import Frame
from winsweep.text.backend import as_published
from winsweep.text.chat import end_of_turn_ids
from winsweep.text.hub import refuse_outside_weights, refused


def load_tokenizer(base: str, revision: str | None) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, padding on the left; one without a pad token pads with EOS, which is masked wherever it
    pads.

    So no token is added and no embedding: what fills a batch changes no number. BadData where it has no EOS, as nothing
    could then learn to stop, or where the hub refuses.
    """
    refuse_outside_weights(base, revision)
    try:
        tokenizer = as_published(
            AutoTokenizer.from_pretrained(base, revision=revision, padding_side="left", trust_remote_code=False),
            base,
            revision,
        )
    except (OSError, ValueError) as e:
        if Path(base).is_dir():
            said = str(e).strip().partition("\n")[0]
            raise BadData(
                f"{base}: has no tokenizer that can be read ({said}); put its files beside the weights"
            ) from e
        raise refused(e, base, revision) from e
    if getattr(getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None), "dropout", None):
        raise BadData(
            f"{base}: its tokenizer.json has a dropout, which cuts the same text otherwise each time; legal is none; "
            f'set "dropout": null in its model'
        )
    if tokenizer.eos_token_id is None:
        raise BadData(
            f"{base}: its tokenizer has no EOS token, so responses could not end; set eos_token in its "
            f"tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def save_around(
    base: str, revision: str | None, tokenizer: PreTrainedTokenizerBase, folder: Path, frame: Frame = Frame()
) -> None:
    """Everything of a model directory but the weights: configuration, tokenizer, and a generation configuration with
    the EOS that training closes a response with, and the end of turn of a chat template where `frame` is that.
    """
    config = AutoConfig.from_pretrained(base, revision=revision, trust_remote_code=False)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ends = list(
        dict.fromkeys([tokenizer.eos_token_id, *(end_of_turn_ids(tokenizer) if frame.template == "chat" else [])])
    )
    stop = {
        "eos_token_id": ends if len(ends) > 1 else ends[0],
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    GenerationConfig(do_sample=False, **stop).save_pretrained(folder)
