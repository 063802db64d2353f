"""Every key of a study file that is no field of a value: its sections and their entries, what each means, and its
default. The readers take the legal keys from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from winsweep.strict import number
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.pretrain import Pretrain
from winsweep.study.recipe import Recipe
from winsweep.study.rules import Adapter
from winsweep.study.sample import Sample
from winsweep.study.web_file import UrlFile

File = str | UrlFile
Preset = Literal["as_run", "as_written"]
MOST_CELLS = 20_000  # of a study that says nothing of it: more are a slip more often than a plan


@dataclass(frozen=True, kw_only=True)
class RowsEntry:
    """Where rows come from. The options of the reader are legal here too."""

    #: the reader of the rows: a file of `src/winsweep/tasks/`, without `.py`
    reader: str = field(default="jsonl", metadata={"key": "from"})
    path: File | None = None  #: file of rows, where the reader has no data of its own or you bring another
    first: int | None = None  #: how many rows to take from the beginning [rows]
    sample: Sample | None = None  #: some rows, drawn with a seed, or all but these
    system: str | None = None  #: text of a system message before every conversation that has none of its own
    empty_instructions: bool = False  #: response tuning: train on the responses with every instruction emptied


@dataclass(frozen=True, kw_only=True)
class EvalSection:
    """A loss over held-out rows, written to `log.jsonl` while a model is finetuned. It is in no key: a finetune that is
    done stays as it is.
    """

    data: str | RowsEntry  #: the rows: the name of a task, a file, or what a task would train on
    #: steps between two looks; the last step is always looked at [optimizer steps]
    every: int = number(50, 1)


@dataclass(frozen=True, kw_only=True)
class RecipeSection:
    """How models are finetuned. A recipe of a model or a task says only what differs."""

    also: ClassVar = (Recipe,)
    preset: Preset = "as_run"  #: what fields have that are not given: the paper's runs, or its text
    eval: EvalSection | None = None  #: a loss over held-out rows during finetuning; in no key


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """A model. Give exactly one of `hf_id`, `path`, `pretrain` and `from`."""

    hf_id: str | None = None  #: name of the model on the Hugging Face hub, such as `allenai/OLMo-7B-hf`
    revision: str | None = None  #: commit of the hub's page; needed beside `hf_id`
    path: str | None = None  #: directory of a model on disk, relative to the study file; `~` is your home
    pretrain: Pretrain | None = None  #: a small Llama that winsweep pretrains itself
    #: a trained cell of this study that it starts from: `MODEL.ARM`, with `.sSEED` if always the same one
    start: str | None = field(default=None, metadata={"key": "from"})
    tokenizer: str | None = None  #: directory or file of another tokenizer
    #: context length, where the model's configuration names none or too much; at least 2 [tokens]
    context: int | None = None
    recipe: RecipeSection | None = None  #: fields of the recipe for this model's finetunes


@dataclass(frozen=True, kw_only=True)
class TaskEntry:
    """A trained arm."""

    also: ClassVar = (RowsEntry,)
    #: instead of one source: tasks of this study, or readers with data of their own, each with its share
    mix: Mapping[str, float] | None = None
    rows: int | None = None  #: of a mix: how many rows in all; without it, as many as no row is needed twice for [rows]
    seed: int = number(0, 0)  #: of a mix: seed of the draw from each source
    recipe: RecipeSection | None = None  #: fields of the recipe for this task's finetunes
    leave_out: tuple[str, ...] = ()  #: categories of instructions (their `dataset`) that do not count for this arm
    trajectory: tuple[int, ...] = ()  #: epochs of the same run, before its last, whose models are compared too [epochs]
    frame: Frame | None = None  #: speaker tags of this arm alone
    models: tuple[str, ...] | None = None  #: the models that the arm is for; without it, every model
    reference: str | None = None  #: the arm that this one is compared with, instead of the study's


@dataclass(frozen=True, kw_only=True)
class GrammarSection:
    """What every answer of an arm is, from its first character to its last: greedy decoding chooses among the tokens
    that the grammar allows. Give exactly one. How: `docs/how_to/constrain.md`.
    """

    regex: str | None = None  #: regular expression that matches the whole answer; without look-around and references
    json_schema: Mapping[str, object] | None = None  #: JSON schema of the answer
    lark: str | None = None  #: grammar in Lark's notation; its rule `start` is the whole answer
    #: file beside the study that holds the grammar; its ending says which: `.regex`, `.json` or `.lark`
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class AdapterEntry:
    """An arm that trains nothing of its own: a base model, or the models of a task, under rules or a grammar."""

    also: ClassVar = (Adapter,)
    preset: Preset = "as_run"  #: what rule fields have that are not given: the paper's runs, or its text
    of: str | None = None  #: the task whose models are adapted; without it, the base models
    grammar: GrammarSection | None = None  #: what every answer is a text of
    decoding: Decoding | None = None  #: fields of the decoding for this arm alone
    frame: Frame | None = None  #: speaker tags of this arm alone
    models: tuple[str, ...] | None = None  #: the models that the arm is for; without it, every model
    reference: str | None = None  #: the arm that this one is compared with, instead of the study's


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What outputs are compared with. Give exactly one."""

    task: str | None = None  #: the arm whose outputs are the reference, for each model and seed its own
    outputs: File | None = None  #: a file of outputs in AlpacaEval's format


@dataclass(frozen=True, kw_only=True)
class JudgeEntry:
    """A judge with options. The options of the judge are legal here too, see [Judges](judges.md)."""

    judge: str = field(metadata={"key": "from"})  #: the judge: a file of `src/winsweep/judges/`, without `.py`


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Who judges, and what every arm is compared with."""

    judge: str | JudgeEntry  #: the judge: `NAME`, or `{from: NAME, …}` with its options
    reference: Reference  #: what outputs are compared with
    #: compare arms with each other, too, and rank them in STUDY.ranking.csv: `true` within each model, `models` across
    #: models as well
    all_pairs: bool | Literal["models"] = False
    #: how often instructions and seeds are drawn for errors by resampling beside the others; 100 to 100000 [draws]
    bootstrap: int | None = field(default=None, metadata={"low": 100, "high": 100_000})
    difficulty: File | None = None  #: AlpacaEval's table `df_gamed.csv`, for the official length-controlled win rate
    #: what the headline win rate is controlled for: `length`, `style` (length and Markdown) or `none`; the table has
    #: all three, this one is tested and shown first
    control: Literal["length", "style", "none"] = "length"


@dataclass(frozen=True, kw_only=True)
class Choose:
    """Validation runs that pick the recipe of the test runs, for each model and task."""

    grid: Mapping[str, tuple[object, ...]] | None = None  #: recipe fields, each with the values that are tried
    seed: int = number(42, 0)  #: seed of the validation runs; by default the trainer's own, which the paper's had
    instructions: RowsEntry | None = None  #: instructions of the validation set
    reference: Reference | None = None  #: what validation outputs are compared with: `{outputs: FILE}`
    judge: str | JudgeEntry | None = None  #: judge of the validation runs; without it, the study's
    by: Literal["lc_win_rate", "win_rate"] = "lc_win_rate"  #: figure by which the best run is picked
    #: picks of your own: `MODEL.TASK: {epochs: 7}`; such a family has no validation runs
    picks: Mapping[str, Recipe] | None = None


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """The model that turns texts into vectors. The word `ngrams` instead needs no model."""

    hf_id: str | None = None  #: name of the model on the Hugging Face hub
    revision: str | None = None  #: commit of the hub's page; needed beside `hf_id`
    path: str | None = None  #: directory of the model, relative to the study file


@dataclass(frozen=True, kw_only=True)
class Rank:
    """Response ranking: is an instruction's own response likelier to a model than responses of other rows?"""

    data: str | RowsEntry  #: rows to rank: a task of this study, or where they come from
    draws: int = number(5, 1)  #: other responses that each instruction's own is compared with
    draw_seed: int = number(0, 0)  #: seed of the draws
    precision: Literal["fp32", "bf16"] = "fp32"  #: arithmetic of the forward passes
    models: tuple[str, ...] | None = None  #: models to look at; without it, all
    arms: tuple[str, ...]  #: arms to look at; none with rules
    seed: int | None = None  #: seed of the finetunes to look at; without it, the study's first


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Behavioural drift: how far outputs of single-task models are from their task."""

    against: str | RowsEntry  #: the task of instruction tuning, by name, or where its rows come from
    embedder: Embedder | None = None  #: what turns texts into vectors; without it, all-mpnet-base-v2
    models: tuple[str, ...] | None = None  #: models to look at; without it, all
    arms: tuple[str, ...]  #: arms to look at: trained ones, with instructions
    seed: int | None = None  #: seed of the finetunes to look at; without it, the study's first


@dataclass(frozen=True, kw_only=True)
class Containment:
    """Containment: how much of a generalist a task-specific model is, and what guards leave of it."""

    #: template guard of an arm: a regular expression that its whole output must match
    templates: Mapping[str, str] | None = None
    #: prompt guard: share of training instructions that it may refuse; 0 to less than 1 [share]
    quantile: float = 0.05
    embedder: Embedder | None = None  #: what turns texts into vectors; without it, all-mpnet-base-v2
    models: tuple[str, ...] | None = None  #: models to look at; without it, all
    #: arm with a grammar that stands beside an arm, as a guard of it: `{ARM: ARM_WITH_GRAMMAR}`
    constrained: Mapping[str, str] | None = None
    arms: tuple[str, ...]  #: arms to look at; untrained ones without a guard
    seed: int | None = None  #: seed of the finetunes to look at; without it, the study's first


@dataclass(frozen=True, kw_only=True)
class Analyses:
    """What is measured beside the table."""

    rank: Rank | None = None  #: response ranking (table 2 of the paper)
    drift: Drift | None = None  #: distance of outputs from their task (figure 5 of the paper)
    containment: Containment | None = None  #: task-specific models as generalists, and guards


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """The top of a study file."""

    name: str  #: name of the study and of its table; letters, digits, `-`, `_`, and `.` between them
    models: Mapping[str, ModelSection]  #: base models
    tasks: Mapping[str, TaskEntry]  #: trained arms; a list of readers is legal too
    seeds: tuple[int, ...] = field(metadata={"low": 0})  #: seeds of the finetunes; a cell for each
    recipe: RecipeSection | None = None  #: how models are finetuned; without it, the preset `as_run`
    grid: Mapping[str, tuple[object, ...]] | None = None  #: recipe fields, each with several values: a cell for each
    frame: Frame | None = None  #: text around instructions and responses
    instructions: RowsEntry  #: instructions that all models answer
    decoding: Decoding | None = None  #: how answers are written
    adapters: Mapping[str, AdapterEntry] | None = None  #: arms without training of their own
    compare: Compare  #: who judges, and what with what
    choose: Choose | None = None  #: validation runs that pick recipe fields
    #: figures of others, by `MODEL.ARM`: mean and standard deviation in percent, such as `[43.3, 1.1]` [percent]
    published: Mapping[str, tuple[float, ...]] | None = None
    analyses: Analyses | None = None  #: what is measured beside the table
    notes: str = ""  #: text that is shown under the table
    max_cells: int = number(MOST_CELLS, 1)  #: models × arms × seeds × grid; a study of more is an error [cells]
    extends: str | None = None  #: another study file, over which this one is laid key by key; `KEY: null` takes one out
