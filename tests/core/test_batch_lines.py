"""What a person reads of batches before, while and after they are on their way: both prices, and where they are."""

import dataclasses
import time

import pytest

from tests.core.test_judge_cost import PAID, opened, publish, said
from winsweep import batch_lines
from winsweep.costs import judge_cost
from winsweep.errors import BadStudy
from winsweep.judge import batch_records, ledger, prices
from winsweep.judge.batch_records import Record

BATCHED = PAID.replace("limits: {", "limits: {batch: true, ")


def priced(tmp_path, monkeypatch, line: str) -> None:
    (tmp_path / "prices.yaml").write_text(f"date: 2026-01-01\nmodels:\n  gpt-4.1: {line}\n")
    monkeypatch.setattr(prices, "FILE", tmp_path / "prices.yaml")
    prices.table.cache_clear()


@pytest.fixture(autouse=True)
def table_is_read_again():
    yield
    prices.table.cache_clear()


BY = "by the prices of 2026-01-01, budget $5.00"
NO_SHARE = "prices.yaml has no batch: of it, so"


@pytest.mark.parametrize(
    ("judge", "batch", "told"),
    [
        (PAID, ", batch: 0.5", f"about $6.57 of gpt-4.1 {BY}; $3.29 with batch: true in limits; under a minute"),
        (
            BATCHED,
            ", batch: 0.5",
            f"about $3.29 of gpt-4.1 in batches {BY}; $6.57 call by call; answers come within",
        ),
        (PAID, "", f"{NO_SHARE} what it costs in batches is not known; under a minute"),
        (BATCHED, "", f"{NO_SHARE} the full price is counted; answers come within a day of each batch"),
    ],
)
def test_a_dry_run_names_both_prices(tmp_path, monkeypatch, judge, batch, told):
    priced(tmp_path, monkeypatch, f"{{input: 100, output: 0{batch}}}")
    workspace = opened(tmp_path, judge)
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(10)})
    assert told in said(workspace)


def test_a_table_without_batch_prices_is_said_before_anything_runs(tmp_path, monkeypatch):
    priced(tmp_path, monkeypatch, "{input: 1, output: 1}")
    (line,) = judge_cost.warnings(opened(tmp_path, BATCHED))
    assert (
        "has no batch price of it, so the full price is counted against a budget" in line and "add batch: 0.5" in line
    )
    assert judge_cost.warnings(opened(tmp_path)) == []
    priced(tmp_path, monkeypatch, "{input: 1, output: 1, batch: 0.5}")
    assert judge_cost.warnings(opened(tmp_path, BATCHED)) == []


@pytest.mark.parametrize("batch", ["-0.5", "1.5", "half", "true"])
def test_a_batch_price_is_a_share(tmp_path, monkeypatch, batch):
    priced(tmp_path, monkeypatch, f"{{input: 1, output: 1, batch: {batch}}}")
    with pytest.raises(BadStudy, match="batch: found"):
        prices.table()


def test_status_says_where_batches_are(tmp_path):
    workspace = opened(tmp_path, BATCHED)
    assert batch_lines.lines(workspace) == []
    judged = workspace.judged["a.sum.s1"]
    place, _ = ledger.place(workspace.store.root, "alpaca", 1, judged.params["identity"])
    place.mkdir(parents=True)
    folder, now = batch_records.folder_of(place), time.time()
    first = Record("a" * 32, "http://h/v1", "file-1", 500, (9, 9), now, 1, now, "batch_7", "in_progress", 120, 3, now)
    batch_records.begin(folder, first, ["0" * 64])
    at = time.strftime("%a %H:%M", time.localtime(now))
    (line,) = batch_lines.lines(workspace)
    assert (
        line
        == f"batch    judge alpaca: batch batch_7: 120 of 500 answered, 3 failed, in_progress, since {at}, asked {at}"
    )
    batch_records.begin(folder, Record("b" * 32, "http://h/v1", "file-2", 20, (9, 9), now + 1), ["1" * 64])
    assert "a batch without an answer yet: 0 of 20 answered, asked for, since" in batch_lines.lines(workspace)[1]
    batch_records.update(folder, dataclasses.replace(first, over="completed"))
    assert len(batch_lines.lines(workspace)) == 1 and not (folder / f"{'a' * 32}.keys").exists()
    (folder / f"{'c' * 32}.json").write_text("[" * 99999)
    assert "found no batch in it" in batch_lines.lines(workspace)[0]
