"""Whether a tokenizer fits its model, and can write the frames and spell the rules that a study uses it with."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from winsweep import keys
from winsweep.check.finding import Finding, guarded, one_line
from winsweep.errors import WinsweepError
from winsweep.generate.grammar import Mask
from winsweep.generate.rule_tokens import resolve
from winsweep.study.frame import Asked, Frame, Message, turns
from winsweep.study.rules import Adapter, Grammar
from winsweep.text.chat import form_of
from winsweep.text.encode import encode, prompt_ids
from winsweep.text.ends import ends_of
from winsweep.text.weights import Report

TOKENIZER = "legal are tokenizer.json and tokenizer_config.json as transformers writes them; fetch the model again"
SYSTEM: Message = {"role": "system", "content": "Answer as a sailor would."}  # a text that no template has itself
TALK: list[Message] = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
    {"role": "assistant", "content": "d"},
]


def fit(
    report: Report | None,
    tokenizer: PreTrainedTokenizerBase,
    config: PreTrainedConfig,
    folder: Path,
    said: Mapping,
    read: Sequence[Sequence[Sequence[int]]],
    instructions: Sequence[Asked],
) -> list[Finding]:
    """Everything that is found of a tokenizer, which reads what is `read` of the study; nothing is raised."""
    found: list[Finding] = []
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("vocabulary", lambda: [vocabulary(report, tokenizer, [i for rows in read for i in rows])] if report else []),
        ("end of a turn", lambda: [ends(tokenizer, folder)]),
        ("added tokens", lambda: [added(tokenizer)]),
        ("frame", lambda: frames(said, tokenizer, config, instructions)),
        ("grammar", lambda: grammars(said, tokenizer, config, folder)),
    ]
    for what, look in looks:
        found += guarded(what, found, partial(_all, look), TOKENIZER) or []
    return found


def _all(look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    return list(look())


def vocabulary(report: Report, tokenizer: PreTrainedTokenizerBase, read: Sequence[Sequence[int]]) -> Finding:
    """Every id that is `read` has a row, also at the output; tokens that no text of the study holds may lack one."""
    ends = {"input": report.model.get_input_embeddings(), "output": report.model.get_output_embeddings()}
    rows = min((part.weight.shape[0] for part in ends.values() if getattr(part, "weight", None) is not None), default=0)
    extra = {i: token for token, i in sorted(tokenizer.get_vocab().items(), key=lambda x: x[1]) if i >= rows}
    told = f"{max(tokenizer.get_vocab().values()) + 1:,} tokens; {rows:,} rows of its embedding"
    used = {i for ids in read for i in ids} | {
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
        tokenizer.bos_token_id,
    } - {None}
    if wanted := [extra[i] for i in sorted(used & extra.keys())]:
        return Finding(
            "problem",
            "vocabulary",
            f"{told}; no row for {some(wanted)}, which the study's texts hold",
            f"legal are tokens below {rows}; take them out of tokenizer.json, or use a model whose embedding was "
            f"enlarged for them",
        )
    beside = (
        f"; {some(list(extra.values()))} {'has' if len(extra) == 1 else 'have'} none, and no text may hold "
        f"{'it' if len(extra) == 1 else 'them'}"
        if extra
        else ""
    )
    return Finding("ok", "vocabulary", told + beside)


def some(tokens: Sequence[str]) -> str:
    """The first three tokens, and how many more there are."""
    return ", ".join(repr(token) for token in tokens[:3]) + (f" and {len(tokens) - 3} more" if len(tokens) > 3 else "")


def ids_of(said: Mapping, tokenizer: PreTrainedTokenizerBase, instructions: Sequence[Asked]) -> list[list[list[int]]]:
    """For each frame that can be written, what the model will read: the prompts, and last a conversation."""
    found = []
    for plain in said["frames"]:
        with contextlib.suppress(WinsweepError):  # said by frames()
            frame = Frame(**plain)
            found.append(
                [prompt_ids(text, tokenizer, frame) for text in instructions or ("a",)]
                + [encode(TALK, tokenizer, frame).ids]
            )
    return found


def ends(tokenizer: PreTrainedTokenizerBase, folder: Path) -> Finding:
    """What ends an answer, and who says so."""
    said = ends_of(str(folder), None, tokenizer).said
    who = {
        token: [by for by, tokens in said.items() if token in tokens and by != "ignored"]
        for by, tokens in said.items()
        for token in tokens
    }
    told = [f"{token!r} ({', '.join(by)})" for token, by in who.items() if by]
    ignored = (
        f"; ids {', '.join(said['ignored'])}, which a configuration names, are no special tokens"
        if "ignored" in said
        else ""
    )
    return Finding("ok", "end of a turn", " or ".join(told) + ignored)


def added(tokenizer: PreTrainedTokenizerBase) -> Finding:
    """What the tokenizer puts around each text."""
    bare, whole = (tokenizer("a", add_special_tokens=add)["input_ids"] for add in (False, True))
    at = next((i for i in range(len(whole) - len(bare) + 1) if whole[i : i + len(bare)] == bare), None)
    before, behind = (whole[:at], whole[at + len(bare) :]) if at is not None else ([], [])
    told = [
        f"{' '.join(tokenizer.convert_ids_to_tokens(ids))} {where} each text"
        for ids, where in ((before, "before"), (behind, "behind"))
        if ids
    ]
    told += ["nothing stands behind prompts"] if behind else []
    return Finding("ok", "added tokens", " and ".join(told) or "none")


def frames(
    said: Mapping, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, instructions: Sequence[Asked] = ()
) -> Iterator[Finding]:
    """Whether each frame can be written and learned from, and each rule spelled, with this tokenizer: without a system
    message, with one where the study has one, and with the turns that `instructions` have.
    """
    shapes = {tuple(m["role"] for m in turns(asked)): asked for asked in instructions}
    for plain in said["frames"]:
        talk = [SYSTEM, *TALK] if plain in said.get("system_frames", ()) else TALK
        try:
            form = form_of(Frame(**plain), tokenizer)
            for asked in ("a", talk[:-1], *shapes.values()):
                form.prompt(asked, tokenizer.eos_token)
            form.masked_spans(talk, tokenizer.eos_token)
        except WinsweepError as e:
            yield Finding("problem", "frame", one_line(e))
    for adapter, plain in said["adapters"]:
        try:
            resolve(keys.restore(Adapter, adapter), tokenizer, config.get_text_config().vocab_size, Frame(**plain))
        except WinsweepError as e:
            yield Finding("problem", "rules", one_line(e))


def grammars(
    said: Mapping, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, folder: Path
) -> Iterator[Finding]:
    """Whether this tokenizer can write an answer under each grammar."""
    for grammar, stop in said.get("grammars", ()):
        asked = keys.restore(Grammar, grammar)
        try:
            ends = ends_of(str(folder), None, tokenizer, stop)
            can_end = Mask(asked, tokenizer, config.get_text_config().vocab_size, ends).can_end()
        except WinsweepError as e:
            yield Finding("problem", "grammar", one_line(e))
            continue
        told = f"the {asked.kind} {asked.text[:40]!r}{'…' * (len(asked.text) > 40)}"
        if can_end:
            yield Finding("ok", "grammar", f"answers can be written under {told}")
        elif can_end is None:
            yield Finding(
                "unknown", "grammar", f"no answer under {told} was found in 400 tries or 5 s; look at its first ones"
            )
        else:
            yield Finding(
                "problem",
                "grammar",
                f"no tokens of this tokenizer write a text of {told}",
                "legal is a grammar that it can spell; change the grammar, or use another model",
            )
