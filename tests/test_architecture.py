"""The shape of the workspace: layers, doors, sizes, and what the launch path may import."""

import ast
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src/winsweep"
NUMERICS = ("text", "train", "generate", "judge", "stats", "analysis", "validation", "check")  # may import torch
HEAVY = set(
    """
    torch transformers deepspeed accelerate peft datasets alpaca_eval sklearn aiohttp openai pandas numpy
    pyarrow safetensors tokenizers huggingface_hub sacrebleu vllm matplotlib sentence_transformers wandb trackio
    tensorboard mlflow sqlalchemy apprise bitsandbytes
    """.split()
)
DOORS = {
    "deepspeed": {"train/engine.py", "train/muon.py"},
    "datasets": {"text/source.py"},
    "pyarrow": {"text/tables.py"},
    "alpaca_eval": {"judge/alpaca.py"},
    "aiohttp": {"judge/endpoint.py"},
    "sacrebleu": {"judge/overlap.py", "attempt/fork_server.py"},
    "submitit": {"slurm/batch_script.py"},
    "accelerate": set(),
    "peft": {"train/lora.py"},
    "rich": {"local/view.py", "check/table.py", "watch/board.py"},
    "psutil": {"store/liveness.py"},
    "vllm": {f"generate/vllm_{what}.py" for what in ("engine", "grammar", "rows", "rules")},
    "matplotlib": {"canvas.py"},
    "sentence_transformers": {"analysis/embed.py"},
    "huggingface_hub": {"text/hub.py", "train/collect.py"},
    "flash_attn": {"train/attention_kernels.py"},
    "regex": {"analysis/guards.py"},
    "pandas": {"api.py"},
    "wandb": {"trackers/wandb.py"},
    "trackio": {"trackers/trackio.py"},
    "tensorboard": {"trackers/tensorboard.py"},
    "mlflow": {"trackers/mlflow.py"},
    "sqlalchemy": {"trackers/mlflow.py"},
    "alembic": {"trackers/mlflow.py"},
    "apprise": {"messages/deliver.py"},
    "shtab": {"completion.py"},
    "llguidance": {"generate/grammar.py"},
    "bitsandbytes": {"train/quantization.py"},
    "gguf": {"text/gguf_header.py"},
}
PURE = (
    "amounts",
    "keys",
    "artifact",
    "plan",
    "graph",
    "paths",
    "strict",
    "yaml_nodes",
    "synonyms",
    "cluster_file",
    "node_environment",
    "placement",
    "gpu_memory",
    "errors",
    "quoting",
    "escapes",
    "zero",
    "layout",
    "plugins",
    "command_names",
    "study",
    "slurm/chain",
    "slurm/tasks",
    "attempt/retry",
    "costs/durations",
    "costs/gpu_cost",
)
FILES = sorted(p for folder in ("src", "jobs", "launch") for p in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Every module that a file imports; with `top_only`, at module level."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def functions(path: Path) -> list[ast.FunctionDef]:
    return [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def roots(names: set[str]) -> set[str]:
    return {n.partition(".")[0] for n in names}


def name_of(path: Path) -> str:
    return path.relative_to(SRC).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


@pytest.mark.parametrize("path", [p for p in FILES if SRC in p.parents], ids=str)
def test_heavy_libraries_are_imported_only_by_the_numerics(path):
    if path.relative_to(SRC).parts[0] not in NUMERICS:
        assert not roots(imports(path, top_only=True)) & HEAVY


@pytest.mark.parametrize("library", sorted(DOORS))
def test_each_dependency_has_one_door(library):
    users = {p.relative_to(SRC).as_posix() for p in FILES if SRC in p.parents and library in roots(imports(p))}
    assert users <= DOORS[library]


def test_the_pure_core_imports_only_itself_the_standard_library_and_yaml():
    for path in (
        p for name in PURE for p in ((SRC / name).glob("*.py") if (SRC / name).is_dir() else [SRC / f"{name}.py"])
    ):
        for used in imports(path):
            top, _, rest = used.partition(".")
            if top == "winsweep":
                assert not rest or any(f"{rest}.".replace(".", "/").startswith(f"{name}/") for name in PURE), (
                    f"{path} imports {used}"
                )
            else:
                assert top == "yaml" or top in sys.stdlib_module_names, f"{path} imports {used}"


def test_src_knows_neither_launch_nor_jobs():
    for path in FILES:
        if SRC in path.parents:
            assert not {
                n for n in imports(path) if n.split(".")[0] in ("launch", "jobs") or n.startswith("winsweep.jobs")
            }, path


def test_jobs_import_numerics_only_when_they_run():
    for path in (ROOT / "jobs").glob("*.py"):
        top = {n.split(".")[1] for n in imports(path, top_only=True) if n.startswith("winsweep.")}
        assert not top & {*NUMERICS} and not roots(imports(path, top_only=True)) & HEAVY, path


def test_every_stage_has_its_three_names():
    for path in (ROOT / "jobs").glob("*.py"):
        tree = ast.parse(path.read_text())
        names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)} | {
            t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets
        }
        assert {"VERSION", "want", "run"} <= names, path


@pytest.mark.parametrize("depth", [1, 9], ids=["folders", "files"])
def test_no_import_goes_in_a_circle(depth):
    modules = {name_of(p): p for p in FILES if SRC in p.parents}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        used = {n.removeprefix("winsweep.") for n in imports(path, top_only=depth > 1) if n.startswith("winsweep.")}
        known = {u if u in modules else u.rpartition(".")[0] for u in used} & modules.keys()
        graph.setdefault(cut(name, depth), set()).update(cut(k, depth) for k in known)
    for name in graph:
        graph[name].discard(name)
    while free := [n for n, used in graph.items() if not used & graph.keys()]:
        for n in free:
            del graph[n]
    assert not graph, f"these import each other: {sorted(graph)}"


def cut(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


def test_files_and_functions_are_small():
    lengths = [f.end_lineno - f.lineno + 1 for p in FILES for f in functions(p)]
    long_files = [(str(p), n) for p in [*FILES, *TESTS] if (n := len(p.read_text().splitlines())) > 250]
    long_functions = [
        (str(p), f.name) for p in [*FILES, *TESTS] for f in functions(p) if f.end_lineno - f.lineno + 1 > 50
    ]
    assert not long_files and not long_functions and median(lengths) < 12


def test_every_module_and_public_class_says_what_it_is():
    for path in FILES:
        if path.name == "__init__.py":
            continue
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path


@pytest.mark.parametrize(
    "command",
    ("sweep status prune fsck logs doctor one score validate init report export archive reproduce track".split()),
)
def test_launch_commands_start_without_heavy_imports(command):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", f"launch/{command}.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "winsweep" in loaded and not loaded & HEAVY


def test_a_dry_run_loads_no_heavy_import_either(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "launch/sweep.py",
            "launch/sweeps/demo.yaml",
            "--store",
            str(tmp_path),
            "--dry-run",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "yaml" in loaded and not loaded & HEAVY
