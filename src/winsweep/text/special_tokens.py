"""Special tokens: which spellings a tokenizer reads as one, and ids of a text in which only those of the frame are.

A frame or template is written around contents that are *guarded*: each special token spelled in them is a mark. The ids
of a text with marks are those that the tokenizer gives where such a spelling is no token of its own; of a text without
marks, the tokenizer's own.
"""

import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping

from tokenizers import Tokenizer as Backend
from transformers import PreTrainedTokenizerBase

from winsweep.errors import BadData

Spell = Callable[[str, bool], list[int]]  # a text and whether BOS or the like goes before it, to ids
NEUTRAL = "word"  # stands for what was spelled, where a way of reading is tried


class Controls:
    """What is special to `tokenizer`: the tokens that it calls so, its named ones, and `others` that it does not call
    so, such as ends of turns.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, others: Iterable[str] = ()) -> None:
        self.tokenizer = tokenizer
        special = (
            {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
            | set(tokenizer.all_special_tokens)
            | set(others)
        )
        nonce, longest = os.urandom(6).hex(), sorted((s for s in special if s), key=lambda s: (-len(s), s))
        self.marks = {spelling: f"q{nonce}x{i}q" for i, spelling in enumerate(longest)}
        self.private = {spelling: f"z{nonce}x{i}z" for i, spelling in enumerate(longest)}
        self.spelled = re.compile("|".join(map(re.escape, longest)) or "(?!)")
        self.marked = re.compile(f"q{nonce}x[0-9]+q")
        self.written = {mark: spelling for spelling, mark in self.marks.items()}
        self.before, self.appended = self._added()

    def guard(self, text: str) -> str:
        """`text` with a mark for each special token that is spelled in it."""
        return self.spelled.sub(lambda found: self.marks[found.group()], text)

    def in_any(self, texts: Iterable[str]) -> bool:
        return any(self.spelled.search(text) for text in texts)

    def ids(self, text: str, add_special_tokens: bool) -> list[int]:
        """The ids of a text with marks, without what the tokenizer puts behind every text, such as an EOS.

        BadData where the tokenizer cannot be made to read a special token as text.
        """
        # some append an EOS only where none is yet, so it is not taken off again
        if add_special_tokens and self.appended:
            return [*self.before, *self.ids(text, False)]
        first = self.marked.search(text)
        if first is None:
            return self.tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]
        plain = self.marked.sub(NEUTRAL, text)
        if (
            self._literal(plain, add_special_tokens)
            != self.tokenizer(plain, add_special_tokens=add_special_tokens)["input_ids"]
        ):
            raise self._unable(self.written[first.group()])
        return self._literal(text, add_special_tokens)

    @functools.cached_property
    def _literal(self) -> Spell:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        return self._renamed(backend) if isinstance(backend, Backend) else self._in_parts

    def _renamed(self, backend: Backend) -> Spell:
        """By a copy of a fast tokenizer in which the special tokens have names that nobody can spell."""
        copy = Backend.from_str(renamed(backend.to_str(), self.private))
        copy.no_padding()
        copy.no_truncation()

        def spell(text: str, add_special_tokens: bool) -> list[int]:
            hidden = self.spelled.sub(lambda found: self.private[found.group()], text)
            return copy.encode(self._unmarked(hidden), add_special_tokens=add_special_tokens).ids

        return spell

    def _in_parts(self, text: str, add_special_tokens: bool) -> list[int]:
        """By a slow tokenizer, from special token to special token."""
        ids: list[int] = []
        last = 0
        control = {*self.tokenizer.all_special_ids, *(self.tokenizer.convert_tokens_to_ids(s) for s in self.marks)}
        # what a character outside the vocabulary becomes is no control, unless it also ends or begins texts
        control -= {self.tokenizer.unk_token_id} - {self.tokenizer.eos_token_id, self.tokenizer.bos_token_id}
        for found in [*self.spelled.finditer(text), None]:
            part = self._unmarked(text[last : found.start() if found else len(text)])
            here = (
                self.tokenizer(part, add_special_tokens=False, split_special_tokens=True)["input_ids"] if part else []
            )
            if wrong := control & set(here):
                raise self._unable(self.tokenizer.convert_ids_to_tokens(min(wrong)))
            ids += here
            if found:
                ids.append(self.tokenizer.convert_tokens_to_ids(found.group()))
                last = found.end()
        return [*self.before, *ids] if add_special_tokens else ids

    def _unmarked(self, text: str) -> str:
        return self.marked.sub(lambda found: self.written[found.group()], text)

    def _unable(self, spelled: str) -> BadData:
        return BadData(
            f"a text spells {spelled!r}, a special token of the tokenizer of {self.tokenizer.name_or_path}, which "
            f"cannot read it as "
            "text; texts without it are legal; take it out of the text"
        )

    def _added(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and behind every text."""
        bare, full = (self.tokenizer(NEUTRAL, add_special_tokens=add)["input_ids"] for add in (False, True))
        at = next((i for i in range(len(full) - len(bare) + 1) if full[i : i + len(bare)] == bare), None)
        return ([], []) if at is None or not bare else (full[:at], full[at + len(bare) :])


def renamed(tokenizer_json: str, names: Mapping[str, str]) -> str:
    """A fast tokenizer's JSON with tokens under other names and their ids; merges that would make one of them
    are gone.
    """
    told = json.loads(tokenizer_json)
    for token in told["added_tokens"]:
        if token["content"] in names:
            token.update(content=names[token["content"]], special=True)
    model = told["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(token, token): i for token, i in model["vocab"].items()}
    else:  # Unigram: pairs of token and score
        model["vocab"] = [[names.get(token, token), score] for token, score in model["vocab"]]
    if "merges" in model:
        pairs = [m if isinstance(m, list) else m.split(" ", 1) for m in model["merges"]]
        gone = model.get("continuing_subword_prefix") or ""
        model["merges"] = [p for p in pairs if not {*p, p[0] + p[1].removeprefix(gone)} & names.keys()]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    return json.dumps(told, ensure_ascii=False)


@functools.lru_cache(maxsize=4)
def _controls(tokenizer: PreTrainedTokenizerBase, size: int, others: tuple[str, ...]) -> Controls:
    return Controls(tokenizer, others)


def controls_of(tokenizer: PreTrainedTokenizerBase, others: tuple[str, ...] = ()) -> Controls:
    """The same object for the same tokenizer, as long as no token is added to it."""
    return _controls(tokenizer, len(tokenizer), others)
