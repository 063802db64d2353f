"""What a study needs of the hub: fetched once from a server on the loopback, and what is said of what is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.fetched import FOOD, MODEL, ROOT, ROWS, SHA, study, sweep
from tests.core.servers import COMMIT, Server, repository, serving
from winsweep import layout
from winsweep.study.cell import HubData, HubModel
from winsweep.tasks.chess import DATA as chess
from winsweep.tasks.lima import DATA as lima
from winsweep.tasks.recipes import DATA as recipes
from winsweep.text import hub

OTHER_FORMATS = {
    "pytorch_model.bin": b"z",
    "consolidated.safetensors": b"z",
    "original/params.json": b"z",
    "README.md": b"z",
    "run.py": b"z",
}
pytestmark = pytest.mark.usefixtures("caches")
TOY = {p.name: p.read_bytes() for p in sorted(min(layout.SHIPPED.iterdir()).glob("*"))}
READS = f"""
import sys; sys.path.insert(0, {str(ROOT / "src")!r})
from transformers import AutoModelForCausalLM
from winsweep.text import model, source
tokenizer = model.load_tokenizer("some/toy", {COMMIT!r})
assert AutoModelForCausalLM.from_pretrained("some/toy", revision={COMMIT!r}).config.vocab_size >= len(tokenizer)
assert list(source.hub_rows({chess.hf_id!r}, {chess.file!r}, {chess.revision!r})) == [{{"text": "1. e4"}}]
soup = {{"Title": "Soup", "Cleaned_Ingredients": "[]"}}
assert list(source.hub_rows({recipes.hf_id!r}, {recipes.file!r}, {recipes.revision!r})) == [soup]
"""


def everything() -> dict[str, bytes]:
    """A model with other formats, one in the old format, a toy, a file and a pattern of data sets, a web file."""
    old = {"config.json": b"{}", "tokenizer.model": b"t", "pytorch_model.bin": b"w" * 300}
    return {
        "/rows.jsonl": ROWS,
        **repository("models", "some/model", "12ab", MODEL | OTHER_FORMATS),
        **repository("models", "some/old", "main", old),
        **repository("models", "some/toy", COMMIT, TOY),
        **repository("datasets", recipes.hf_id, recipes.revision, {recipes.file: FOOD}),
        **repository("datasets", chess.hf_id, chess.revision, {"data/a.txt": b"1. e4\n", "big.bin": b"b" * 400_000}),
    }


def study_of_everything(folder: Path, url: str) -> Path:
    path = study(folder, f"{{path: {{url: '{url}/rows.jsonl', sha256: {SHA}}}}}")
    models = (("model", "12ab"), ("old", "main"), ("toy", COMMIT))
    lines = "".join(f"  {name[0]}: {{hf_id: some/{name}, revision: {revision}}}\n" for name, revision in models)
    text = path.read_text().replace("  b: {", f"{lines}  b: {{")
    path.write_text(text.replace("  sum: {", "  chess: {from: chess}\n  food: {from: recipes}\n  sum: {"))
    return path


@pytest.mark.slow
def test_a_study_is_fetched_once_and_then_found_without_a_network(tmp_path):
    with serving(Server(everything())) as server:
        path = study_of_everything(tmp_path, server.url)
        before = sweep(path, "--dry-run", "--verbose", HF_ENDPOINT=server.url)
        assert before.returncode == 0 and before.stdout.count("not in ") == 5 and not server.asked
        done = sweep(path, "--prefetch", HF_ENDPOINT=server.url, HF_HUB_OFFLINE="0")
    assert done.returncode == 0, done.stderr
    said = dict(line.removeprefix("fetched").strip().split("  ") for line in done.stdout.splitlines()[:-1])
    assert said == {
        f"{server.url}/rows.jsonl": "(0.3 MB)",
        "model some/model at 12ab": "(0.2 MB)",
        "model some/old at main": "(303 bytes)",
        f"model some/toy at {COMMIT[:12]}": f"({sum(map(len, TOY.values())) / 1e6:.1f} MB)",
        f"data set {recipes.hf_id} at {recipes.revision}, {recipes.file}": f"({len(FOOD)} bytes)",
        f"data set {chess.hf_id} at {chess.revision}, {chess.file}": "(6 bytes)",
    }
    assert f"HF_HUB_CACHE={tmp_path}/hf/hub" in done.stdout.splitlines()[-1]
    asked = {
        line.rpartition("/")[2] for line in server.asked if line.startswith("GET") and "/some/model/resolve/" in line
    }
    assert asked == MODEL.keys() and not any("big.bin" in line for line in server.asked)
    assert "not there yet" not in sweep(path, "--dry-run").stdout
    for offline in ("0", "1"):
        again = sweep(path, "--prefetch", HF_ENDPOINT=server.url, HF_HUB_OFFLINE=offline)
        assert again.returncode == 0 and again.stdout.count("there already") == 6 and "fetched " not in again.stdout, (
            again.stderr
        )
    subprocess.run([sys.executable, "-c", READS], check=True, timeout=300, env=os.environ | {"HF_HUB_OFFLINE": "1"})


def test_what_cannot_be_had_is_said_and_the_rest_is_fetched(tmp_path):
    half = {k: v for k, v in MODEL.items() if "00002-of" not in k}
    files = {"/rows.jsonl": ROWS, **repository("models", "some/model", "12ab", half)}
    with serving(Server(files, gated=("/datasets/GAIR/lima",))) as server:
        path = study(tmp_path, "{from: lima}")
        more = f"  web: {{path: {{url: '{server.url}/rows.jsonl', sha256: {SHA}}}}}\n  gone: {{path: gone.jsonl}}\n"
        text = path.read_text().replace("  b: {", "  m: {hf_id: some/model, revision: 12ab}\n  b: {")
        path.write_text(text.replace("  sum: {", f"{more}  sum: {{"))
        done = sweep(path, "--prefetch", HF_ENDPOINT=server.url, HF_HUB_OFFLINE="0")
    assert done.returncode == 1 and "fetched        http" in done.stdout
    assert f"GAIR/lima at {lima.revision[:12]}: cannot be loaded (GatedRepoError" in done.stderr
    assert "accept its terms at https://huggingface.co/datasets/GAIR/lima and type `hf auth login`" in done.stderr
    assert (
        "error: model some/model at 12ab: the hub has no such files; legal are config.json, a tokenizer and"
        in done.stderr
    )
    assert "no url is known:" in done.stdout and "no file at " in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "env",
    [{}, {"HF_HOME": "~/h"}, {"HF_HUB_CACHE": "$HOME/c"}, {"HUGGINGFACE_HUB_CACHE": "/d"}, {"XDG_CACHE_HOME": "/e"}],
)
def test_the_hubs_cache_is_where_its_library_says(env):
    code = (
        "import sys; sys.path.insert(0, 'src'); from winsweep.text import hub; from pathlib import Path; here = "
        "hub.cache(); "
        "assert 'huggingface_hub' not in sys.modules; from huggingface_hub import constants; assert here == "
        "Path(constants.HF_HUB_CACHE)"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE", "XDG"))}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean | env, check=True, timeout=60)


def test_half_a_model_is_not_there(tmp_path):
    kept = tmp_path / "hf/hub/models--some--model"
    (kept / "snapshots" / COMMIT).mkdir(parents=True)
    for name, content in MODEL.items():
        assert not hub.is_there(HubModel("some/model", COMMIT))
        (kept / "snapshots" / COMMIT / name).write_bytes(content)
    assert hub.is_there(HubModel("some/model", COMMIT)) and not hub.is_there(HubModel("some/model", "main"))
    assert not hub.is_there(HubData("some/model", "config.json", COMMIT))
