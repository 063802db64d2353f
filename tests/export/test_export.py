"""winsweep export: a directory that transformers loads and that answers as the study did, whole or not at all."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

import winsweep
from tests.export.conftest import CELL, OF, TEMPLATE
from tests.local.conftest import Bench
from winsweep.errors import Damaged
from winsweep.export import folder
from winsweep.export.facts import rows_of
from winsweep.workspace import Workspace, cell_of, open_workspace

pytestmark = pytest.mark.slow


def test_an_exported_model_answers_as_the_study_did(export, workspace: Workspace, tmp_path: Path) -> None:
    said = export(CELL, tmp_path / "out", "--name", "someone/toy.sum", "--check", 60)
    assert "greedy answers are those of the study" in said and f"hf upload someone/toy.sum {tmp_path}/out\n" in said
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "generation_config.json", "README.md"} <= files
    assert (tmp_path / "out/LICENSE.txt").read_text() == "the terms of toy-1.0\n" and "licence:  toy-1.0" in said
    assert TEMPLATE not in (tmp_path / "out/tokenizer_config.json").read_text()
    assert "<|assistant|>" in (tmp_path / "out/chat_template.jinja").read_text()
    assert not {"record.json", "manifest.json"} & files
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_symlink() or (p.stat().st_nlink > 1 and p.is_file())]
    texts = [p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.suffix != ".safetensors" and p.is_file()]
    assert not [t for t in texts if str(workspace.store.root).encode() in t or str(tmp_path).encode() in t]


def test_the_card_is_read_by_the_hubs_own_library_with_the_figures_of_the_table(export, workspace, tmp_path) -> None:
    export(CELL, tmp_path / "out")
    card = ModelCard.load(tmp_path / "out/README.md")
    row, mean = rows_of(workspace, cell_of(workspace, CELL))
    assert (row["seed"], mean["seed"], row["task"]) == ("1", "mean", "sum")
    rates = {r.metric_type: r.metric_value for r in card.data.eval_results}
    assert rates == {
        "lc_win_rate": round(float(row["lc_win_rate_pct"]), 4),
        "paired_win_rate": round(float(row["paired_win_rate_pct"]), 4),
        "win_rate": round(float(row["win_rate_pct"]), 4),
    }
    low, high = (f"{float(row[f'paired_{end}_pct']):.2f}" for end in ("low", "high"))
    assert f"| {low} – {high} |" in card.text and "`reference_overlap`" in card.text
    assert card.data.library_name == "transformers" and card.data.license_name == "toy-1.0"
    assert all(f"| `{name}` | `{value}` |" in card.text for name, value in (("lr", 0.01), ("epochs", 2)))


def test_the_program_of_the_card_runs(export, workspace, tmp_path) -> None:
    export(CELL, tmp_path / "out")
    program = re.search(r"```python\n(.*?)```", (tmp_path / "out/README.md").read_text(), re.DOTALL)
    outputs = json.loads(next(workspace.store.root.glob(f"generate/{CELL}-*/outputs.json")).read_bytes())
    row = next(r for r in outputs if r["output"].strip() and "\n" not in r["output"])
    text = program[1].replace('"How do I boil an egg?"', json.dumps(row["instruction"]))
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip() == row["output"].strip(), done.stderr


@pytest.mark.parametrize(("cell", "said"), [("a.base.s1", "as it is"), ("a.ruled.s2", "rules eos, uniform, diversity")])
def test_a_cell_without_training_is_refused_in_words(export, tmp_path, cell: str, said: str) -> None:
    told = export(cell, tmp_path / "out", code=2)
    assert f"error: {cell}: is not trained: its model is a, " in told and said in told and "such as a.ins.s1" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arm", "under"),
    [("held", "a grammar"), ("kept", "the rules eos, uniform"), ("both", "the rules eos and a grammar")],
)
def test_what_no_weights_hold_is_refused_before_anything_is_written(export, trained, tmp_path, arm, under) -> None:
    other = Bench(tmp_path, trained.study.read_text().replace("adapters:\n", OF))
    other.store = trained.store
    told = export(f"a.{arm}.s1", tmp_path / "out", "--check", 1, code=2, study=other)
    assert f"error: a.{arm}.s1: its answers are those of the model of {CELL} under {under}, which no model" in told
    assert f"export {CELL}\n" in told and not (tmp_path / "out").exists()
    assert "such as a.ins.s1" in export("a.base.s1", tmp_path / "out", code=2, study=other)
    opened = winsweep.open_study(other.study, other.store)
    assert opened.model_path(f"a.{arm}.s1") == opened.model_path(CELL)


def test_a_target_that_is_not_free_is_refused(export, trained: Bench, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    assert "not empty" in export(CELL, tmp_path / "mine", code=2)
    assert "not empty" in export(CELL, tmp_path / "mine/file", code=2)
    assert "inside the store" in export(CELL, trained.store / "exported", code=2)
    (tmp_path / "way").symlink_to(trained.store)
    assert "inside the store" in export(CELL, tmp_path / "way/exported", code=2)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["file"] and not (trained.store / "exported").exists()
    (tmp_path / "empty").mkdir()
    export(CELL, tmp_path / "empty")
    assert (tmp_path / "empty/model.safetensors").exists()


def test_weights_may_be_hard_links(export, trained: Bench, tmp_path: Path) -> None:
    export(CELL, tmp_path / "out", "--hard-links")
    stored = next(trained.store.glob(f"collect/{CELL}-*/model.safetensors"))
    assert (tmp_path / "out/model.safetensors").samefile(stored) and not (tmp_path / "out/config.json").is_symlink()
    assert (tmp_path / "out/config.json").stat().st_nlink == 1


def test_what_goes_wrong_leaves_nothing(workspace: Workspace, tmp_path: Path, monkeypatch) -> None:
    def full(source: Path, to: Path, follow_symlinks: bool) -> None:
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        folder.export(workspace, CELL, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_store_that_was_changed_is_not_exported(trained: Bench, tmp_path: Path) -> None:
    shutil.copytree(trained.store, tmp_path / "runs")
    config = next((tmp_path / "runs").glob(f"collect/{CELL}-*/config.json"))
    config.write_text(config.read_text().replace('"llama"', '"other"'))
    with pytest.raises(Damaged, match="config.json"):
        folder.export(open_workspace(trained.study, tmp_path / "runs"), CELL, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_judgement_is_exported_without_figures(trained, export: Callable, tmp_path: Path) -> None:
    other = Bench(tmp_path, trained.study.read_text())
    shutil.copytree(trained.store, other.store)
    shutil.rmtree(other.store / "aggregate")
    export(CELL, tmp_path / "worked out", study=other)  # of the cells that are judged
    assert "model-index" in (tmp_path / "worked out/README.md").read_text()
    shutil.rmtree(next(other.store.glob(f"judge/{CELL}-*")))
    assert "results:  none" in export(CELL, tmp_path / "out", study=other)
    text = (tmp_path / "out/README.md").read_text()
    assert (
        "no figure is given" in text and "model-index" not in text and not (tmp_path / "out/every_eval_ever").exists()
    )
    shutil.rmtree(other.store / "collect")
    assert "its model is not there: ready, missing; type: " in export(CELL, tmp_path / "next", code=2, study=other)
