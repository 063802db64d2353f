"""How a configuration of AlpacaEval's is read without importing it: an annotator's prompt, request, reading of replies,
and identity.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal

import yaml

from winsweep import keys, paths, yaml_nodes
from winsweep.errors import BadData, BadStudy
from winsweep.judge.chat import ChatJudge
from winsweep.judge.questions import Order
from winsweep.judge.verdict import reader, weighed_names
from winsweep.quoting import quoted

MOST_BYTES = 1 << 20  # of a configuration, and of its prompt
OFFICIAL = "weighted_alpaca_eval_gpt4_turbo"  # AlpacaEval 2's judge
# What goes to the endpoint as it stands in a configuration; the first three with the defaults that alpaca_eval sends.
DEFAULTS = {"max_tokens": 2048, "temperature": 0.7, "top_p": 1.0}
SENT = {
    *DEFAULTS,
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "response_format",
    "seed",
    "stop",
}
# How alpaca_eval's own client would travel: this client has its own, so they can change no answer.
TRANSPORT = {
    "num_procs",
    "batch_size",
    "price_per_token",
    "sleep_time",
    "n_retries",
    "requires_chatml",
    "is_chat",
    "is_strip",
}
TURN = re.compile(r"\s*<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>\s*", re.DOTALL)


@dataclass(frozen=True)
class Identity:
    """What two judgements must share to stand in one table; every field belongs in a key and in every row."""

    annotator: str
    model: str
    prompt_sha256: str
    config_sha256: str  # of all that the configuration says but the prompt's path
    alpaca_eval: str  # version; it fixes the order of the two outputs and the parsing of the answer
    orders: Literal["one", "both"] = keys.added("one")


def read(config: str, model: str | None, both_orders: bool = False) -> ChatJudge:
    """The judge that a configuration names; BadStudy if there is none or if this client would not do what it says.

    `config` is a name in alpaca_eval's evaluators_configs or an absolute path; `model` replaces the configuration's.
    """
    path = _find(config)
    name, entry = _entry(path)
    template = _template(path, entry)
    kwargs = dict(entry.get("completions_kwargs") or {})
    model = model or kwargs.get("model_name")
    if not model:
        raise BadStudy(
            f"{path}: no model_name; legal is the name your endpoint serves it by; type model: NAME beside from: alpaca"
        )
    kwargs.pop("model_name", None)
    said = {**entry, "prompt_template": None, "completions_kwargs": kwargs}
    ident = Identity(
        name, model, sha256(template), sha256(json.dumps(said, sort_keys=True)), metadata.version("alpaca_eval")
    )
    order: Order = "hash" if entry.get("is_randomize_output_order", True) else "reference_first"
    judge = ChatJudge(
        keys.plain(ident), _messages(template, path), _request(kwargs, path), order, reader(entry), _names(entry)
    )
    return in_both_orders(judge) if both_orders else judge


def in_both_orders(judge: ChatJudge) -> ChatJudge:
    return replace(judge, order="both", identity={**judge.identity, "orders": "both"})


def renamed(judge: ChatJudge, annotator: str, **more: str) -> ChatJudge:
    """`judge` as another annotator, whose identity says `more`."""
    return replace(judge, identity={**judge.identity, "annotator": annotator, **more})


def _names(entry: dict[str, Any]) -> tuple[str, str] | None:
    return (
        weighed_names(entry)
        if (entry.get("completion_parser_kwargs") or {}).get("log_prob_index", "batch") in ("batch", 0)
        else None
    )


def _find(config: str) -> Path:
    home = _package() / "evaluators_configs"
    root = home / config  # an absolute path stays what it is
    path = root / "configs.yaml" if paths.is_dir(root) else root
    if paths.is_file(path):
        return path
    known = ", ".join(sorted(p.name for p in home.iterdir() if p.name.startswith("weighted_")))
    raise BadStudy(
        f"judge {quoted(config)}: no such configuration; legal is an absolute path or a name in {home}, such as {known}"
    )


def _package() -> Path:
    spec = util.find_spec("alpaca_eval")
    if spec is None or not spec.submodule_search_locations:
        raise BadStudy("alpaca_eval: not installed; an AlpacaEval judge needs it; type: pip install alpaca_eval==0.6.6")
    return Path(spec.submodule_search_locations[0])


def _entry(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = _text(path)
        yaml_nodes.graph(text, str(path))  # before aliases are written out
        found = yaml.safe_load(text)
        json.dumps(found)  # which its identity is made of
    except yaml_nodes.ERRORS as error:
        raise BadStudy(f"{path}: not YAML ({type(error).__name__}); legal is a configuration of alpaca_eval") from None
    except TypeError:
        raise BadStudy(
            f"{path}: found a date or the like; legal are texts, numbers, true and false; quote it"
        ) from None
    if not isinstance(found, dict) or len(found) != 1 or not all(isinstance(v, dict) for v in found.values()):
        raise BadStudy(
            f"{path}: not exactly one annotator; legal is `NAME: {{prompt_template: …}}`; a pool cannot be one judge"
        )
    name, entry = next(iter(found.items()))
    for part in ("completions_kwargs", "completion_parser_kwargs"):
        if not isinstance(entry.get(part) or {}, dict):
            raise BadStudy(f"{path}: {part} is {quoted(entry[part])}; legal is a mapping")
    if entry.get("fn_completions") != "openai_completions":
        raise BadStudy(
            f"{path}: fn_completions is {quoted(entry.get('fn_completions'))}; legal is openai_completions (any "
            f"compatible "
            f"endpoint)"
        )
    if entry.get("batch_size", 1) != 1:
        raise BadStudy(f"{path}: batch_size is {quoted(entry['batch_size'])}; legal is 1: one pair in a prompt")
    return name, entry


def _template(path: Path, entry: dict[str, Any]) -> str:
    # alpaca_eval resolves it against the directory that holds the configuration's own directory
    file = path.parents[1] / str(entry.get("prompt_template"))
    try:
        return _text(file)
    except ValueError:
        raise BadStudy(f"{path}: prompt_template {file} is not UTF-8; legal is a text file") from None


def _text(path: Path) -> str:
    """The text of a file that a configuration is, or names; BadStudy where it cannot be read."""
    try:
        return paths.read_text(path, MOST_BYTES, "a text file is legal")
    except (OSError, BadData) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadStudy(f"{path}: cannot be read ({why}); legal is a text file") from None


def _messages(template: str, path: Path) -> tuple[tuple[str, str], ...]:
    missing = [key for key in ("instruction", "output_1", "output_2") if template.count("{" + key + "}") != 1]
    if missing:
        raise BadStudy(
            f"{path}: its prompt does not hold {{{missing[0]}}} exactly once; legal is once each of instruction and "
            f"outputs"
        )
    if TURN.sub("", template).strip() or not TURN.search(template):
        raise BadStudy(
            f"{path}: its prompt is not ChatML; legal is turns of <|im_start|>system|user|assistant … <|im_end|>"
        )
    return tuple((role, text) for role, text in TURN.findall(template))


def _request(kwargs: dict[str, Any], path: Path) -> dict[str, Any]:
    unknown = kwargs.keys() - SENT - TRANSPORT
    if unknown:
        raise BadStudy(
            f"{path}: completions_kwargs has {quoted(min(map(str, unknown)))}; legal are {', '.join(sorted(SENT))}"
        )
    request = DEFAULTS | {k: v for k, v in kwargs.items() if k in SENT}
    if "max_completion_tokens" in request and "max_tokens" not in kwargs:
        del request["max_tokens"]
    return request


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
