"""The generated pages of the reference: what the code says of the study file, the cluster file, judges, columns and
commands. Built by conf.py at each build; nothing of it is committed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from commands import command, targets
from tables import Presets, heading, markdown, sections, sentence, summary, table

from winsweep import layout
from winsweep.cluster_file import LIKE
from winsweep.graph import discover
from winsweep.judge import limits, prices
from winsweep.placement import ClusterFile, Placement
from winsweep.stats import columns
from winsweep.study import recipe, rules
from winsweep.study.cell import HubData, HubModel
from winsweep.study.recipe import Recipe
from winsweep.study.rules import Adapter
from winsweep.study.sections import StudyFile
from winsweep.study.web_file import UrlFile

NOTE = "% Generated from the code by docs/reference/generate.py; edits here are lost.\n"
STUDY = (
    "A study is one YAML file: which models, trained on what, how, and compared with what.\n"
    "Its path is the argument of `sweep.py`. Paths in it are relative to it."
)
CLUSTER = (
    "A cluster file says who runs attempts and what each stage asks of a cluster. It changes no result.\n"
    "`--cluster NAME` names a file of `slurm/clusters/`, without `.yaml`, or the path of one."
)
PRICES = (
    "`src/winsweep/judges/prices.yaml` holds what a judge's model costs; edit it.\n"
    "A model that is not in it costs nothing that winsweep knows of, and can have no budget."
)
VALUES = (
    "A key whose default is *needed* must be given; — means that it is not set.\n"
    "Values are checked: an error names the file, the line, what was found, what is legal and what to type."
)


def pages() -> dict[str, str]:
    """Each page's text by its file name."""
    made = (
        ("study", study),
        ("cluster", cluster),
        ("judges", judges),
        ("columns", column_page),
        ("commands", commands),
    )
    return {f"{name}.md": f"{NOTE}\n{make()}\n" for name, make in made}


def write(folder: Path) -> None:
    """Writes each page that is new or says something else now, so that an unchanged one is not built again."""
    for name, text in pages().items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def study() -> str:
    kinds = sections(StudyFile)
    titles = {kind: f"`{path}`" if path else "Top level" for path, kind in kinds} | {UrlFile: "`{url, sha256}`"}
    presets: Presets = {Recipe: recipe.PRESETS, Adapter: rules.PRESETS}
    parts = [
        "# The study file",
        STUDY,
        VALUES,
    ]
    for _, kind in kinds:
        parts += [heading(kind, titles[kind]), summary(kind), table(kind, titles, presets)]
    return "\n\n".join([*parts, *readers()])


def readers() -> Iterator[str]:
    """The files of tasks/ and their options."""
    yield "## Readers of rows"
    yield "`from: NAME` names one of these. Its options stand beside `from`."
    for name, module in discover(layout.TASKS, "winsweep.tasks").items():
        yield f"{heading(module.Options, f'`from: {name}`', 3)}\n\n{summary(module)}"
        yield f"{_rows_of(module)}\n\n{_options(module.Options)}"


def _rows_of(module: ModuleType) -> str:
    gives = [text for text in ("examples", "instructions") if hasattr(module, text)]
    data = module.DATA
    if isinstance(data, HubData):
        where = f"`{data.file}` of the data set `{data.hf_id}` at `{data.revision}`, or `path`"
    else:
        where = "`path`, needed" if module.NEEDS_PATH else "made by the reader"
    return f"Gives: {' and '.join(gives)}. Data: {where}."


def _options(kind: type, links: dict[type, str] | None = None) -> str:
    return table(kind, links or {}) if kind.__dataclass_fields__ else "It has no options."


def cluster() -> str:
    links = {Placement: "resources"}
    jobs = discover(layout.JOBS, "winsweep.jobs")
    stages = [
        (f"`{name}`", sentence(summary(job).removeprefix(f"{name}: ").partition(". ")[0])) for name, job in jobs.items()
    ]
    like = ", ".join(f"`{a}` is placed as `{b}`" for a, b in LIKE.items())
    return "\n\n".join(
        [
            "# The cluster file",
            CLUSTER,
            VALUES,
            heading(ClusterFile, "Top level"),
            summary(ClusterFile),
            table(ClusterFile, links),
            heading(Placement, "Resources"),
            "What one attempt of one stage gets.",
            table(Placement, {}),
            "## Stages",
            f"Where a cluster file does not place a stage, `slurm/stages.yaml` does; {like}.",
            markdown(("stage", "what it makes"), stages),
            "```{literalinclude} ../../slurm/stages.yaml\n:language: yaml\n```",
            "## Cluster files that come with winsweep",
            *(_example(path) for path in sorted(layout.CLUSTERS.glob("*.yaml"))),
        ]
    )


def _example(path: Path) -> str:
    return f"### `{path.stem}`\n\n```{{literalinclude}} ../../slurm/clusters/{path.name}\n:language: yaml\n```"


def judges() -> str:
    links: dict[type, str] = {limits.Limits: "`limits`", HubModel: "`hf_id` and `revision`"}
    parts = [
        "# Judges",
        "A study names its judge in `compare`: `judge: NAME`, or `judge: {from: NAME, …}` with the options below.",
    ]
    for name, module in discover(layout.JUDGES, "winsweep.judges").items():
        parts += [heading(module.Options, f"`{name}`"), summary(module), _options(module.Options, links)]
    date, known = prices.table()
    rows = [(f"`{n}`", f"{p.input:g}", f"{p.output:g}", str(p.shut_down or "—")) for n, p in known.items()]
    return "\n\n".join(
        [
            *parts,
            heading(HubModel, "`hf_id` and `revision`"),
            "How `local` and `reward_model` name a model of the hub.",
            table(HubModel, {}),
            heading(limits.Limits, "`limits`"),
            summary(limits.Limits),
            table(limits.Limits, {}),
            "## Prices",
            f"{PRICES}\nThe prices below are of {date}.",
            table(prices.PriceFile, {prices.Price: "price"}),
            heading(prices.Price, "A price", 3),
            table(prices.Price, {}),
            "### Models with a price",
            markdown(("model", "prompt, $ per million tokens", "reply, $ per million tokens", "shut down"), rows),
        ]
    )


def column_page() -> str:
    varying = {"…": "the recipe fields that vary, one column each"}
    results = {**columns.NAMES, **varying, **columns.COLUMNS, **columns.MEAN_COLUMNS, **columns.PROVENANCE}
    files = (("results/STUDY.csv", results), ("results/STUDY.differences.csv", columns.DIFFERENCES))
    parts = ["# Columns", "Columns keep their names and meanings. New ones may come."]
    for file, known in files:
        rows = [(f"`{name}`", sentence(text)) for name, text in known.items()]
        parts += [f"## `{file}`", markdown(("column", "meaning"), rows)]
    return "\n\n".join(parts)


def commands() -> str:
    parts = [
        "# Commands",
        "Typed in the checkout, with `.venv` active. [Installed](../how_to/install.md), they are `winsweep NAME`.",
        "`--help` says the same.",
    ]
    for name, module in discover(layout.ROOT / "launch", "winsweep.launch").items():
        parts += [f"## `{name}.py`", command(module.parser(), f"python launch/{name}.py")]
    known = targets((layout.ROOT / "Makefile").read_text(encoding="utf-8"))
    rows = [(f"`make {name}`", sentence(text)) for name, text in known.items()]
    return "\n\n".join([*parts, "## `make`", markdown(("target", "what it does"), rows)])


if __name__ == "__main__":
    write(Path(__file__).resolve().parent)
