"""Where an answer ends: the tokens that model, tokenizer and chat template say end it, and the texts that a
study adds.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoConfig, PreTrainedTokenizerBase

from winsweep.errors import BadData
from winsweep.study.cell import HubModel
from winsweep.text import hub
from winsweep.text.chat import end_of_turn_ids

SLACK = 8  # tokens that may decode to no character of their own
MOST_ENDS = 1000
BYTES = 4  # tokens that one character may take


@dataclass(frozen=True)
class Ends:
    """What ends an answer: one of the tokens `ids` as its last token, or one of `texts` anywhere in it, which `decode`
    reads it for.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...] = ()
    decode: Callable[[Sequence[int]], str] = field(default=lambda ids: "", compare=False)
    # by whom: tokens and texts, for the record
    said: Mapping[str, list[str]] = field(default_factory=dict, compare=False)

    def reached(self, new: Sequence[int]) -> bool:
        """Whether an answer's tokens so far end it."""
        return new[-1] in self.ids or (bool(self.texts) and self._spelled(new))

    def without(self, new: list[int]) -> list[int]:
        """An answer's tokens without the token that ended it."""
        return new[:-1] if new and new[-1] in self.ids else new

    def cut(self, text: str) -> tuple[str, bool]:
        """An answer up to the first of the texts in it, and whether there is any."""
        at = min((text.index(stop) for stop in self.texts if stop in text), default=None)
        return (text, False) if at is None else (text[:at], True)

    def _spelled(self, new: Sequence[int]) -> bool:
        tail = self.decode(new[-(BYTES * max(map(len, self.texts)) + SLACK) :])
        return any(stop in tail for stop in self.texts)


def ends_of(base: str, revision: str | None, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> Ends:
    """The union of what the model at `base` (its generation_config.json and config.json), its tokenizer and its chat
    template say, and `stop`.

    The tokenizer's EOS, with which training closes a response, comes first. A stop that is a special token is that
    token, other texts are looked for in what was written. An id that a configuration names and that is no special token
    is ignored, as early OLMo's, and said.
    """
    controls = {*tokenizer.all_special_ids, *(id for id, t in tokenizer.added_tokens_decoder.items() if t.special)}
    tokens = {text: id for text in stop if (id := _control(text, tokenizer)) is not None}
    named = {"generation_config": _generation_ids(base, revision), "config": _config_ids(base, revision)}
    by = {
        "tokenizer": [tokenizer.eos_token_id],
        **{who: [id for id in ids if id in controls] for who, ids in named.items()},
        "chat_template": end_of_turn_ids(tokenizer),
        "decoding.stop": list(tokens.values()),
    }
    ignored = [id for ids in named.values() for id in ids if id not in controls]
    said = {who: [str(tokenizer.convert_ids_to_tokens(id)) for id in ids] for who, ids in by.items() if ids}
    said |= {"decoding.stop": list(stop)} if stop else {}
    said |= {"ignored": [str(id) for id in dict.fromkeys(ignored)]} if ignored else {}
    ids = tuple(dict.fromkeys(id for of in by.values() for id in of))
    return Ends(
        ids,
        tuple(text for text in stop if text not in tokens),
        lambda new: tokenizer.decode(new, skip_special_tokens=True),
        said,
    )


def _control(text: str, tokenizer: PreTrainedTokenizerBase) -> int | None:
    return next((id for id, t in tokenizer.added_tokens_decoder.items() if t.content == text), None)


def _generation_ids(base: str, revision: str | None) -> list[int]:
    """Of generation_config.json, which a model need not have; BadData where it is there and cannot be read, as answers
    would not end.
    """
    path = (
        Path(base) if Path(base).is_dir() else hub.folder_of(HubModel(base, revision or "main"))
    ) / "generation_config.json"
    try:
        return _ids(json.loads(path.read_bytes()).get("eos_token_id"), path)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError, RecursionError) as e:
        raise BadData(
            f"{path}: cannot be read ({type(e).__name__}: {e}); legal is a JSON object, as transformers writes it; "
            "fetch the model again, or remove the file if nothing but EOS ends an answer"
        ) from e


def _config_ids(base: str, revision: str | None) -> list[int]:
    config = AutoConfig.from_pretrained(base, revision=revision, trust_remote_code=False)
    found = [
        id
        for of in (config, config.get_text_config())
        for id in _ids(getattr(of, "eos_token_id", None), Path(base) / "config.json")
    ]
    return list(dict.fromkeys(found))


def _ids(said: object, path: Path) -> list[int]:
    """Ids that the configuration at `path` names: one, or a list; negative ones stand for none."""
    given: Iterable[object] = said if isinstance(said, (list, tuple)) else [] if said is None else [said]
    if isinstance(said, (list, tuple)) and len(said) > MOST_ENDS:
        raise BadData(f"{path}: eos_token_id: found {len(said):,} tokens; {MOST_ENDS:,} at most are legal; correct it")
    ids: list[int] = []
    for id in given:
        if not isinstance(id, int) or isinstance(id, bool):
            legal = "the number of a token is legal, or a list of numbers"
            raise BadData(f"{path}: eos_token_id: found {id!r}; {legal}; correct it")
        ids.append(id)
    return [id for id in ids if id >= 0]
