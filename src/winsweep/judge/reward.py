"""A reward model on this machine: a number for each answer, and from two numbers a preference.

Shape suffixes: B rows, T tokens of the longest row.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedTokenizerBase

from winsweep.errors import BadData, BadStudy
from winsweep.judge.judging import Row, Unanswered, judge_all
from winsweep.judge.ledger import Ledger
from winsweep.judge.local import DO, DTYPES, encode
from winsweep.judge.questions import Judgement, Order, Question
from winsweep.judge.verdict import share
from winsweep.study.cell import HubModel
from winsweep.text import hub
from winsweep.text.context import context_of
from winsweep.text.model import load_tokenizer
from winsweep.text.weights import load_whole, read_report, refuse, weight_files

Text = tuple[str, str]  # an instruction and an answer
HEAD = "ForSequenceClassification"  # ends the name of the class of a model with a head that gives numbers
DO_NAME = (
    "name a reward model in judge:, such as one that its page says is loaded by AutoModelForSequenceClassification"
)


@dataclass(frozen=True)
class RewardJudge:
    identity: Mapping[str, str]
    order: Order = "hash"  # which can change nothing here
    samples: int = 1


def judge_here(
    pairs: list[Row],
    judge: RewardJudge,
    base: str,
    revision: str | None,
    precision: str,
    batch: int,
    keep: Callable[[list[Row]], None],
    ledger: Ledger | None,
) -> None:
    """See judging.judge_all. `base` is a directory or a hub id; the model runs on the GPUs that there are, else on the
    CPU. `raw_completion` has the `rewards` of the answer that a question names first and of the other.
    """

    def ask(questions: list[Question], answered: Callable, idle: Callable[[], Iterable]) -> Unanswered:
        asked = RewardModel(base, revision, precision)
        return Unanswered(_all(asked, questions, batch, answered, idle), can_pass=False, do=DO)

    judge_all(pairs, judge, keep, ledger, ask)


class RewardModel:
    """The model with its tokenizer. BadStudy for a model that gives no single number for a conversation, BadData for
    one whose weights are not all in its files, or not in files of safetensors.
    """

    def __init__(self, base: str, revision: str | None, precision: str) -> None:
        self.tokenizer = tokenizer_of(base, revision)
        refuse_config(base, config_of(base, revision))
        if Path(base).is_dir():
            refuse_pickled(Path(base))
        spread: dict[str, Any] = {"device_map": "auto"} if torch.cuda.is_available() else {}
        kind = AutoModelForSequenceClassification
        self.model = load_whole(base, revision, DTYPES[precision], kind, use_safetensors=True, **spread).eval()
        self.config = self.model.config.get_text_config()
        self.window = context_of(self.model.config) or math.inf

    def ids(self, text: Text) -> list[int]:
        """The ids of an instruction and its answer, as the tokenizer's chat template writes a talk that is over."""
        talk = [{"role": "user", "content": text[0]}, {"role": "assistant", "content": text[1]}]
        return encode(self.tokenizer, talk, asks=False)

    @torch.inference_mode()
    def rewards(self, rows: list[list[int]]) -> list[float]:
        """The reward of each row, as of that row alone: rows are padded on the right, where causal attention and a mask
        see nothing, and the model reads the last token that is no padding.

        Where its configuration has a padding token, the model takes it for padding also at the end of a row alone.
        Where it has none, an id that stands in no row is taken, so that the last token of each row is read.
        """
        pad = self.config.pad_token_id
        if pad is None:
            used = {i for row in rows for i in row}
            pad = next(i for i in range(self.config.vocab_size) if i not in used)
        longest = max(map(len, rows))
        ids_BT = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=self.model.device)
        mask_BT = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=self.model.device)
        before, self.config.pad_token_id = self.config.pad_token_id, pad
        try:
            return self.model(ids_BT, attention_mask=mask_BT, use_cache=False).logits[:, 0].float().tolist()
        finally:
            self.config.pad_token_id = before


def faults(base: str, revision: str | None) -> list[str]:
    """What is wrong with a reward model, by its configuration, its tokenizer and the headers of its weights alone; an
    Unreachable hub is raised.
    """
    found: list[str] = []

    def look(check: Callable[[], object]) -> Any:
        try:
            return check()
        except (BadStudy, BadData) as e:
            found.append(str(e))
        return None

    look(lambda: tokenizer_of(base, revision))
    config = look(lambda: config_of(base, revision))
    if config:
        look(lambda: refuse_config(base, config))
    if not found:
        look(lambda: _refuse_weights(base, revision, config))
    return found


def _refuse_weights(base: str, revision: str | None, config: PreTrainedConfig) -> None:
    folder = hub.folder_of(HubModel(base, revision)) if revision else Path(base)
    refuse_pickled(folder)
    report = read_report(folder, config, AutoModelForSequenceClassification)
    refuse(base, report.missing, report.wrong)


def config_of(base: str, revision: str | None) -> PreTrainedConfig:
    folder = hub.folder_of(HubModel(base, revision)) if revision else Path(base)
    hub.refuse_outside_weights(str(folder), None)
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as e:  # also where it wants code of its own to be run
        said = " ".join(str(e).split())[:300]
        raise BadStudy(f"judge reward_model: {base} has no configuration that can be read ({said}); {DO_NAME}") from e


def tokenizer_of(base: str, revision: str | None) -> PreTrainedTokenizerBase:
    tokenizer = load_tokenizer(base, revision)
    if not tokenizer.chat_template:
        raise BadStudy(
            f"judge reward_model: {base} has no chat template, so it does not say how a talk is written for it; "
            f"legal is a reward model with one; {DO_NAME}"
        )
    return tokenizer


def refuse_config(base: str, config: PreTrainedConfig) -> None:
    """BadStudy for a model that has no head, or one of several numbers."""
    kinds = config.architectures or []
    if not any(kind.endswith(HEAD) for kind in kinds):
        raise BadStudy(
            f"judge reward_model: {base} is a {' or '.join(kinds) or 'model of no named kind'}; legal is one with a "
            f"head that gives one number (…{HEAD}); {DO_NAME}"
        )
    if config.num_labels != 1:
        raise BadStudy(
            f"judge reward_model: {base} gives {config.num_labels} numbers; legal is one, the reward (num_labels: 1 in "
            f"its config.json): of several nobody says which is better; {DO_NAME}"
        )


def refuse_pickled(folder: Path) -> None:
    if not weight_files(folder):
        raise BadData(
            f"{folder}: has no weights in files of safetensors; others may hold code, and are not legal; "
            f"save it anew with save_pretrained"
        )


def _all(
    model: RewardModel, questions: list[Question], batch: int, answered: Callable, idle: Callable
) -> dict[Question, str]:
    """Hand over a Judgement for each question that has one; why the others have none. Each text is read once."""
    ids = {text: model.ids(text) for q in questions for text in _texts(q)}
    failures: dict[Question, str] = {}
    for q in questions:
        if (most := max(len(ids[text]) for text in _texts(q))) > model.window:
            failures[q] = f"with its answer it has {most} tokens, and the model reads {model.window}"
    # the largest batch first, if memory is short
    todo = sorted({text for q in questions if q not in failures for text in _texts(q)}, key=lambda t: -len(ids[t]))
    users: dict[Text, list[Question]] = {}
    for q in questions:
        for text in _texts(q) if q not in failures else ():
            users.setdefault(text, []).append(q)
    known: dict[Text, float] = {}
    for start in range(0, len(todo), batch):
        idle()
        several = todo[start : start + batch]
        known |= dict(zip(several, model.rewards([ids[text] for text in several])))
        for q in dict.fromkeys(q for text in several for q in users[text]):
            if all(text in known for text in _texts(q)):
                _say(q, [known[text] for text in _texts(q)], sum(len(ids[t]) for t in _texts(q)), answered, failures)
    return failures


def _texts(question: Question) -> tuple[Text, Text]:
    return (question.instruction, question.first), (question.instruction, question.second)


def _say(
    question: Question, rewards: list[float], num_tokens: int, answered: Callable, failures: dict[Question, str]
) -> None:
    if not all(map(math.isfinite, rewards)):
        failures[question] = "a reward is not a number"
        return
    date = datetime.now(UTC).isoformat(timespec="seconds")
    raw = {"text": f"rewards {rewards[0]:.4f} and {rewards[1]:.4f}", "rewards": rewards}
    answered(question, Judgement(preference(*rewards), raw, "", date, (num_tokens, 0)))


def preference(first: float, second: float) -> float:
    """1 + P(second is better) by the rewards of two answers: 1 + 1 / (1 + exp(first - second)) (Bradley & Terry
    1952).
    """
    return 2 - share(first, second)
