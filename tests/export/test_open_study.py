"""import winsweep: a study's tables, answers, judgements, logs and models, also of one that is not finished."""

import csv
import json
import shutil
from pathlib import Path

import pytest

import winsweep
from tests.export.conftest import CELL, rows_of
from tests.local.conftest import Bench
from winsweep.errors import BadStudy, Damaged, NotFound
from winsweep.store.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(trained: Bench) -> winsweep.OpenStudy:
    return winsweep.open_study(trained.study, trained.store)


def test_tables_are_those_of_the_csv(opened: winsweep.OpenStudy, trained: Bench) -> None:
    for frame, name in ((opened.results, "tiny.csv"), (opened.differences, "tiny.differences.csv")):
        with open(trained.store / "results" / name, encoding="utf-8", newline="") as f:
            told = list(csv.DictReader(f))
        assert list(frame.columns) == list(told[0]) and len(frame) == len(told)
        for column in ("paired_win_rate_pct", "difference_pct", "p_holm"):
            if column in frame:
                wanted = [float(row[column] or "nan") for row in told]
                assert frame[column].fillna(-1).tolist() == [-1 if x != x else x for x in wanted]


def test_answers_judgements_logs_and_models_are_those_of_the_store(opened, trained: Bench) -> None:
    made = {
        stage: next(trained.store.glob(f"{stage}/{CELL}-*")) for stage in ("generate", "judge", "finetune", "collect")
    }
    outputs, annotations = opened.outputs(CELL), opened.annotations(CELL)
    assert outputs["output"].tolist() == [row["output"] for row in rows_of(made["generate"] / "outputs.json")]
    assert annotations["preference"].tolist() == [r["preference"] for r in rows_of(made["judge"] / "annotations.json")]
    assert set(outputs["cell"]) == {CELL} == set(annotations["cell"])
    log = [json.loads(line) for line in (made["finetune"] / "log.jsonl").read_text().splitlines()]
    assert opened.training_log(CELL)["loss"].tolist() == [line["loss"] for line in log]
    assert opened.model_path(CELL) == made["collect"]
    cells = opened.cells.set_index("cell")
    assert len(cells) == 8 and cells["judged"].all() and cells["answered"].all()
    assert cells["trained"].isna().sum() == 4 and set(opened.outputs()["cell"]) == set(cells.index)


@pytest.mark.parametrize(
    ("cell", "error", "said"),
    [
        ("a.smu.s1", BadStudy, "no cell 'a.smu.s1'.*did you mean a.sum.s1"),
        ("a.base.s1", NotFound, "a.base.s1: is not trained: its model is a, as it is; .* such as a.ins.s1"),
    ],
)
def test_what_cannot_be_is_said(opened, cell: str, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        opened.model_path(cell)
    with pytest.raises(error, match=said):
        opened.training_log(cell)


def test_a_study_that_is_not_finished_shows_what_is_there(trained: Bench, tmp_path: Path) -> None:
    other = Bench(tmp_path, trained.study.read_text())
    shutil.copytree(trained.store, other.store)
    for stage in ("aggregate", "results"):
        shutil.rmtree(other.store / stage)
    for path in other.store.glob("judge/a.sum.s2-*"):
        shutil.rmtree(path)
    opened = winsweep.open_study(other.study, other.store)
    assert opened.cells.set_index("cell").loc["a.sum.s2", ["answered", "judged"]].tolist() == [True, False]
    assert "a.sum.s2" not in set(opened.annotations()["cell"]) and "a.sum.s2" in set(opened.outputs()["cell"])
    assert len(opened.results) == 7 + 3  # cells that are judged, and the means of the arms that have both seeds
    with pytest.raises(NotFound, match="a.sum.s2: its comparison is not there: ready, missing; type: "):
        opened.annotations("a.sum.s2")
    log = next(other.store.glob(f"finetune/{CELL}-*"))
    state = other.store / f".work/finetune/{log.name.rpartition('-')[2]}/state-000002"
    state.mkdir(parents=True)
    (state / "log.jsonl").write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "lo')
    shutil.rmtree(log)
    assert opened.training_log(CELL)["loss"].tolist() == [2.5]  # as far as it has come
    shutil.rmtree(state)
    with pytest.raises(NotFound, match="removed it with the shards; its model stands"):
        opened.training_log(CELL)


def test_nothing_is_given_of_a_study_that_has_not_begun(trained: Bench, tmp_path: Path) -> None:
    bench = Bench(tmp_path, trained.study.read_text())
    with pytest.raises(NotFound, match="no store in .*, so nothing was run there yet"):
        winsweep.open_study(bench.study, bench.store)
    Store(bench.store).open()
    opened = winsweep.open_study(bench.study, bench.store)
    assert not opened.cells["judged"].any() and opened.outputs().empty and opened.annotations().empty
    with pytest.raises(NotFound, match=r"no table: no cell is judged yet; type: python launch/sweep.py .*--store"):
        _ = opened.results
    with pytest.raises(NotFound, match="its model is not there: (ready|waiting)"):
        opened.model_path(CELL)


def test_a_changed_file_is_damaged(trained: Bench, tmp_path: Path) -> None:
    other = Bench(tmp_path, trained.study.read_text())
    shutil.copytree(trained.store, other.store)
    path = next(other.store.glob(f"generate/{CELL}-*/outputs.json"))
    path.write_text(path.read_text() + " ")
    with pytest.raises(Damaged, match="outputs.json"):
        winsweep.open_study(other.study, other.store).outputs(CELL)
