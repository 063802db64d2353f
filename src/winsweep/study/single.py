"""A study of one finetuned model beside its instruction-tuned sibling, as `make train`, `make train_resp` and `make
eval` ask for it.
"""

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from winsweep import command_names, plugins, strict, synonyms
from winsweep.errors import BadStudy
from winsweep.quoting import quoted
from winsweep.study.names import NAME
from winsweep.study.recipe import PRESETS
from winsweep.yaml_nodes import read_yaml

FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")  # of rows
SIBLING = "ins"
KNOWN = "launch/models.yaml"
# of the sibling's entry; the rest says which rows, and their frame
ARMS_OWN = ("recipe", "leave_out", "trajectory", "models", "reference")
PATHS = ("path", "outputs", "difficulty", "tokenizer")  # keys of a study whose text is a path
Told = dict[str, Any]  # what a study file says, in YAML's types


@dataclass(frozen=True)
class Asked:
    """What a person says of a training run, each value as typed; an empty one is not said."""

    model: str
    data: str = ""
    lr: str = ""
    epochs: str = ""
    seed: str = ""
    judge: str = ""


def training(asked: Asked, known: Mapping[str, Told], responses_only: bool) -> Told:
    """The study of `asked` over what is `known` of its model; BadStudy names a value that is not legal, and the nearest
    that is.
    """
    if asked.model not in known:
        like = synonyms.closest(asked.model, known) or next(iter(known))
        raise BadStudy(f"MODEL: found {quoted(asked.model)}; {strict.near(asked.model, known)}; type MODEL={like}")
    base = _entry(asked.model, known[asked.model])
    usual, usual_rows = _sibling(asked.model, base)
    data, rows = _rows(asked.data) if asked.data else (usual, usual_rows)
    arm = (
        ("resp_tuned" if responses_only else f"{data}_tuned")
        if data == usual or not responses_only
        else f"resp_{data}_tuned"
    )
    recipe = {
        "lr": _number("LR", asked.lr, float) if asked.lr else _usual(base, asked.model, "lr"),
        "epochs": _number("EPOCHS", asked.epochs, int) if asked.epochs else _usual(base, asked.model, "epochs"),
    }
    own = rows | ({"empty_instructions": True} if responses_only else {}) | {"recipe": recipe}
    told = {
        "name": f"{arm}_{asked.model}",
        **base,
        "tasks": {**base["tasks"], arm: own},
        "seeds": [_number("SEED", asked.seed, int) if asked.seed else 1],
    }
    return judged_by(told, asked.judge) if asked.judge else told


def _entry(model: str, entry: object) -> Told:
    """What is known of a model, as a mapping with a mapping of tasks; BadStudy for another shape."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("tasks"), Mapping):
        raise BadStudy(
            f"{KNOWN}: {model}: found {strict.show(entry)} without a mapping under tasks; the sections of a study are "
            f"legal here, "
            f"name and seeds aside; type {model}: {{models: …, tasks: {{{SIBLING}: {{from: lima}}}}, …}}"
        )
    return dict(entry)


def _sibling(model: str, base: Told) -> tuple[str, Told]:
    """The data of the instruction-tuned sibling: its name (the reader's, or that of the file that rows are read from)
    and its entry less what is the arm's own. Legal are from:, path: (a path, or url and sha256), and both, with any
    options of the reader.
    """
    entry = base["tasks"].get(SIBLING)
    if not isinstance(entry, Mapping) or not (entry.get("from") or entry.get("path")):
        raise BadStudy(
            f"{KNOWN}: {model}: tasks has no {SIBLING}: with from: or path:; found {strict.show(entry)}; {SIBLING}: "
            f"{{from: lima}}, "
            f"{SIBLING}: {{path: FILE}} and both are legal; type one of them"
        )
    rows = {name: value for name, value in entry.items() if name not in ARMS_OWN}
    if "from" in entry:
        return str(entry["from"]), rows
    where = entry["path"].get("url", "") if isinstance(entry["path"], Mapping) else str(entry["path"])
    return _one_name(
        Path(re.split("[?#]", where)[0]).name.partition(".")[0], f"{KNOWN}: {model}: tasks.{SIBLING}.path"
    ), rows


def _usual(base: Told, model: str, field: str) -> object:
    """The recipe's value of a model where nobody says another: the model's own word, then that of its entry, then the
    preset's.
    """
    own = (base.get("models") or {}).get(model) or {}
    layers = [layer for layer in (own.get("recipe"), base.get("recipe")) if isinstance(layer, Mapping)]
    return next((layer[field] for layer in layers if field in layer), getattr(PRESETS["as_run"], field))


def judged_by(told: Told, judge: str) -> Told:
    """The study with another judge: a file of judges/, or a model that an OpenAI-compatible endpoint serves."""
    named = [name for name in plugins.names(plugins.JUDGES) if _says_all(name)]
    if not re.fullmatch(r"[\w./:-]+", judge):
        raise BadStudy(
            f"JUDGE: found {quoted(judge)}; {', '.join(named)} and the name of a model at OPENAI_BASE_URL are legal; "
            f"type "
            f"JUDGE=gpt_6_luna"
        )
    return told | {
        "compare": (told.get("compare") or {})
        | {"judge": judge if judge in named else {"from": "alpaca", "model": judge}}
    }


def _says_all(name: str) -> bool:
    """Whether a judge's name alone says which judge it is: none of its options is missing, nor the model behind it."""
    options = dataclasses.fields(plugins.ours(plugins.JUDGES, name).Options)
    return name != "alpaca" and not any(
        (f.name == "weights" and f.default is None) or f.default is dataclasses.MISSING for f in options
    )


def cells(told: Told) -> list[str]:
    """The labels of the cells that such a study is about: those of every task but the sibling; what a person's edit
    lacks sweep.py says.
    """
    models, arms, seeds = (told.get(section) or () for section in ("models", "tasks", "seeds"))
    return [f"{model}.{arm}.s{seed}" for model in models for arm in arms if arm != SIBLING for seed in seeds]


def find(name: str, folder: Path) -> Path:
    """The study file of the model `name` that was asked for before; BadStudy with those that there are."""
    names = sorted(p.stem for p in folder.glob("*.yaml"))
    if name not in names:
        of_model = [n for n in names if n.endswith(f"_{name}")]
        like = [*of_model, synonyms.closest(name, names), *names]
        hint = (
            f"{strict.near(name, names)}; type MODEL={next(filter(None, like))}, or"
            if names
            else f"{folder} has none; type"
        )
        raise BadStudy(f"MODEL: no {quoted(name)} was trained here; {hint} make train_resp MODEL=llama2-7b first")
    return folder / f"{name}.yaml"


def read_told(path: Path) -> Told:
    """A file of this module, or models.yaml, in YAML's types; BadStudy for what is no mapping of names."""
    read_yaml(path).mapping()
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def read_known(path: Path) -> dict[str, Told]:
    """models.yaml, its relative paths made absolute, as the study that is written of it lies elsewhere."""
    return _placed(read_told(path), path.resolve().parent)


def _placed(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {
            k: str(folder / v) if k in PATHS and isinstance(v, str) else _placed(v, folder) for k, v in value.items()
        }
    return [_placed(v, folder) for v in value] if isinstance(value, list) else value


def text(told: Told, command: str) -> bytes:
    """The study file, with what to type to have all of it."""
    return (
        f"# Written by `{command}`; yours to edit; typed again, that writes it anew. Its table: "
        f"{command_names.command('run')} THIS-FILE\n"
        + yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=150)
    ).encode()


def _rows(data: str) -> tuple[str, Told]:
    """What DATA names, as a name and as the entry of a task: a reader of tasks/, or a file of rows."""
    if data.removesuffix(".gz").endswith(FILES):
        path = Path(os.path.realpath(Path(data).expanduser()))
        if not path.is_file():
            raise BadStudy(
                f"DATA: no file at {path}; a file of rows and a task of this list are legal: {', '.join(_readers())}"
            )
        return _one_name(path.name.removesuffix(".gz").rpartition(".")[0], "DATA"), {"path": str(path)}
    if data not in _readers():
        raise BadStudy(
            f"DATA: found {quoted(data)}; {strict.near(data, _readers())}; or a file of rows ({', '.join(FILES)}, "
            f"each also "
            f"with .gz)"
        )
    return data, {"from": data}


def _readers() -> list[str]:
    """Readers of training rows: files of tasks/ that give examples and have a source of their own."""
    readers = {name: plugins.ours(plugins.TASKS, name) for name in plugins.names(plugins.TASKS)}
    return [name for name, reader in readers.items() if hasattr(reader, "examples") and not reader.NEEDS_PATH]


def _one_name(stem: str, where: str) -> str:
    if not NAME.fullmatch(stem):
        raise BadStudy(
            f"{where}: found a file called {quoted(stem)}; letters, digits, - and _ are legal, and . between them, as "
            f"it "
            f"names the model; rename it"
        )
    return stem


def _number(what: str, value: str, kind: type) -> int | float:
    """The number above 0 that `value` spells; text that is none is shown and never run."""
    try:
        number = kind(value)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise BadStudy(
            f"{what}: found {quoted(value)}; {strict.NOUNS[kind]} above 0 is legal; type "
            f"{what}={'1e-5' if kind is float else 5}"
        )
    return number
