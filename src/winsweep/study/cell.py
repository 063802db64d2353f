"""What a table asks for: models, tasks, arms and comparisons, as values that hold exactly what decides the numbers."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from winsweep.artifact import Artifact
from winsweep.errors import BadStudy
from winsweep.graph import Need
from winsweep.keys import NAME_ONLY, added, name_only, worked_out_once
from winsweep.strict import number
from winsweep.study.frame import Frame
from winsweep.study.held_out import Evaluation
from winsweep.study.pretrain import Pretrain
from winsweep.study.recipe import Recipe
from winsweep.study.rules import Adapter, Grammar
from winsweep.study.sample import Sample

SPREAD = "1 is legal, or with engine: vllm the GPUs that hold a model together; type engine: vllm, or remove it"


@dataclass(frozen=True)
class LocalFile:
    """A file or directory known by its content; where it lies is no part of it."""

    sha256: str


@dataclass(frozen=True)
class HubModel:
    """A model of the Hugging Face hub, at a revision."""

    hf_id: str  #: name of the model on the Hugging Face hub
    revision: str  #: commit of the hub's page; `main` is legal too, and moves


@dataclass(frozen=True)
class CharNgrams:
    """An embedder that is no model: counts of hashed character n-grams."""

    num_features: int = 4096


@dataclass(frozen=True)
class HubData:
    """A file of a hub data set; a pattern with * names files that are streamed."""

    hf_id: str
    file: str
    revision: str


@worked_out_once
@dataclass(frozen=True)
class Model:
    """A model before finetuning: from the hub, from a directory, made here (over a tokenizer of its own or not)."""

    name: str = field(metadata=NAME_ONLY)
    source: "HubModel | LocalFile | Pretrain | Training"
    tokenizer: LocalFile | None = added(None)
    # tokens that it may hold, where its configuration does not say; or fewer than that says
    context: int | None = added(None)


@worked_out_once
@dataclass(frozen=True)
class Source:
    """Where training examples or test instructions come from, and the reader (a file of tasks/) that turns rows into
    them.
    """

    name: str = field(metadata=NAME_ONLY)
    reader: str
    version: int
    options: object  # the reader's own Options
    data: LocalFile | HubData | None
    empty_instructions: bool = added(False)  # response tuning: every user turn is emptied
    reading: int = added(1)  # 2 of files that the same version of a reader once read otherwise
    code: LocalFile | None = added(None)  # the reader, where it is a file of the user
    sample: Sample | None = added(None)
    first: int | None = added(None)  # so many rows of it, where the reader has no option for that
    system: str = added("")  # of a message before each conversation that has none


@worked_out_once
@dataclass(frozen=True)
class Mix:
    """Training examples of several sources, in shares that sum to 1."""

    name: str = field(metadata=NAME_ONLY)
    parts: tuple[tuple[Source, float], ...]
    rows: int | None  # None: as many as the sources have without a row twice
    seed: int
    empty_instructions: ClassVar[bool] = False  # its sources say so, each for itself


Rows = Source | Mix


@dataclass(frozen=True)
class Data:
    """A source, read for one purpose."""

    purpose: Literal["examples", "instructions"]
    source: Rows


@worked_out_once
@dataclass(frozen=True)
class Training:
    """One finetune."""

    name: str = field(metadata=NAME_ONLY)
    model: Model
    task: Rows
    recipe: Recipe
    seed: int
    frame: Frame
    choice: "Choice | None" = added(None)  # whose pick stands for some fields of the recipe
    stop_after_epochs: int | None = added(None)  # a point of the trajectory of the run that the recipe describes
    evaluation: Evaluation | None = name_only(None)  # what is looked at meanwhile: no weight depends on it


@worked_out_once
@dataclass(frozen=True)
class Decoding:
    """Greedy decoding."""

    #: longest answer; as run, what ends one is EOS or the model's context, which is shorter [tokens]
    max_new_tokens: int = number(8192, 1)
    precision: Literal["fp32", "bf16"] = "fp32"  #: arithmetic of the forward passes
    batch: int = number(16, 1)  #: rows that are written at once; in bf16 its number can change a token [rows]
    #: what writes the answers; `vllm`, where it is installed, has other kernels, so other keys
    engine: Literal["slots", "vllm"] = added("slots")
    #: texts that end an answer and are no part of it, beside what model, tokenizer and template say
    stop: tuple[str, ...] = added(())
    tensor_parallel: int = added(1, low=1)  #: GPUs that hold one model together; with `engine: vllm` alone [GPUs]

    def __post_init__(self) -> None:
        if self.tensor_parallel != 1 and (self.engine == "slots" or self.tensor_parallel < 1):
            raise BadStudy(f"decoding.tensor_parallel: found {self.tensor_parallel}; {SPREAD}")
        if not all(self.stop):
            raise BadStudy("decoding.stop: found an empty text, which ends any answer; texts are legal; remove it")


@worked_out_once
@dataclass(frozen=True)
class Generation:
    """The outputs of one model (trained or not) on one set of instructions."""

    name: str = field(metadata=NAME_ONLY)
    model: Training | Model
    adapter: Adapter
    decoding: Decoding
    frame: Frame
    instructions: Source
    grammar: Grammar | None = added(None)  # that every answer is a text of


@worked_out_once
@dataclass(frozen=True)
class Judge:
    """A file of judges/ with its options."""

    name: str
    version: int
    options: object
    code: LocalFile | None = added(None)  # that file, where it is the user's


@worked_out_once
@dataclass(frozen=True)
class Comparison:
    """One set of outputs judged against another, or against a given file of outputs."""

    name: str = field(metadata=NAME_ONLY)
    candidate: Generation
    reference: Generation | LocalFile
    judge: Judge


@worked_out_once
@dataclass(frozen=True)
class Choice:
    """Validation runs that differ in some fields of the recipe, and the figure by which the best is picked."""

    name: str = field(metadata=NAME_ONLY)
    by: Literal["lc_win_rate", "win_rate"]
    fields: tuple[str, ...]
    runs: tuple[Comparison, ...]


@dataclass(frozen=True)
class Cell:
    """One row of the table: names for people, what varies, and the comparison that fills it."""

    label: str
    model: str
    task: str
    seed: int
    varying: tuple[tuple[str, object], ...]  # recipe fields of the grid, by name
    leave_out: tuple[str, ...]  # instruction categories that do not count in this row
    comparison: Comparison

    @property
    def training(self) -> Training | None:
        """The finetune whose outputs are judged; None for an untrained model."""
        model = self.comparison.candidate.model
        return model if isinstance(model, Training) else None

    @property
    def arm(self) -> str:
        """What its seeds have in common beside the model: the task, and its points of a grid and of a trajectory."""
        task = self.task.partition("@")[0]  # a label has the point of a trajectory behind the seed
        return task + self.label.removeprefix(f"{self.model}.{task}.s{self.seed}")


def untrained(model: Training | Model) -> Model:
    """The model that one comes from."""
    return model.model if isinstance(model, Training) else model


def judge_of(comparison: Artifact) -> Judge:
    """The judge whose judgements an artifact of the stages judge and check_judge holds; TypeError for another one."""
    judge = comparison.params["judge"]
    if not isinstance(judge, Judge):
        raise TypeError(f"{comparison.name}: has no judge")
    return judge


def base_of(model: Training | Model, need: Need) -> tuple[dict[str, object], dict[str, Artifact]]:
    """How a stage names a model: as a parameter, or as the pretraining or the finetune that it comes from; adapters
    that are a finetune beside the model that they belong to.
    """
    made = model if isinstance(model, Training) else model.source
    if isinstance(made, Training):
        if made.recipe.makes_model:
            return {}, {"base": need("collect", made)}
        params, inputs = base_of(made.model, need)
        return params, {**inputs, "lora": need("collect", made)}
    if isinstance(made, Pretrain):
        return {}, {"base": need("pretrain", model)}
    return {"base": model}, {}
