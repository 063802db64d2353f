"""The four trackers, by their real libraries and offline: what is read back is log.jsonl and the table, once."""

import csv
import os
import random
import shutil
import subprocess
import time

import pytest

from tests.trackers.conftest import rounded, rows_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # their libraries' own


def test_what_is_read_back_is_the_log_and_the_table(desk, name):
    said = desk.track(name)
    assert "to look: " in said and "4 runs written" in said
    found = desk.read(name)
    with open(desk.store / "results/small.csv", encoding="utf-8", newline="") as file:
        table = {f"a.{row['task']}": row for row in csv.DictReader(file)}
    assert len(found) == 4 and {run.group for run in found.values()} == {"a.ins", "a.sum", "a.base", "table"}
    for task in ("ins", "sum"):
        made = desk.finetune(task)
        run = found[f"finetune-{made.name.rpartition('-')[2]}"]
        assert run.rows == rows_of(made / "log.jsonl", name) and len(run.rows) == 6
        assert (run.name, run.group) == (f"a.{task}.s1", f"a.{task}")
        assert float(run.config["recipe/lr"]) == 1e-3
    means = next(run for run in found.values() if run.group == "table").final
    for arm, row in table.items():
        run = next(run for run in found.values() if run.group == arm)
        for column in ("paired_win_rate_pct", "paired_low_pct", "paired_high_pct", "win_rate_pct"):
            want = rounded(float(row[column])) if name == "tensorboard" else float(row[column])
            assert run.final[f"final/{column}"] == want == means[f"final/{arm}/{column}"]


def test_a_second_call_writes_nothing(desk, name):
    desk.track(name)
    before = desk.read(name)
    assert "0 runs written; 4 were there as they are" in desk.track(name)
    assert desk.read(name) == before


def test_a_log_that_grows_is_extended_and_one_that_goes_back_is_written_over(desk, name):
    attempt = desk.unfinished("sum")
    attempt.come_to(attempt.lines[:2])
    desk.track(name)
    assert [row["step"] for row in desk.read(name)[attempt.id].rows] == [1, 2]
    other = [line.replace(b'"loss": ', b'"loss": 1') for line in attempt.lines]
    attempt.come_to([*attempt.lines[:2], *other[2:5], attempt.lines[5][:20]])  # the last one is being written
    desk.track(name)
    assert desk.read(name)[attempt.id].rows == rows_at(attempt, [*attempt.lines[:2], *other[2:5]], name)
    attempt.come_to(attempt.lines[:4])  # went on from the checkpoint of step 2
    desk.track(name)
    assert desk.read(name)[attempt.id].rows == rows_at(attempt, attempt.lines[:4], name)
    attempt.come_to([])  # an attempt that has just begun takes nothing away
    desk.track(name)
    assert len(desk.read(name)[attempt.id].rows) == 4


def test_figures_that_change_are_there_once(desk, name):
    desk.track(name)
    table = next(desk.store.glob("aggregate/*/results.csv"))
    lines = table.read_text().splitlines()
    for column in ("paired_win_rate_pct", "win_rate_pct"):
        n = lines[0].split(",").index(column)
        lines = [lines[0], *(",".join([*(f := line.split(","))[:n], "12.5", *f[n + 1 :]]) for line in lines[1:])]
    table.write_text("\n".join(lines) + "\n")
    assert "4 runs written" in desk.track(name)
    for run in desk.read(name).values():
        assert {v for k, v in run.final.items() if k.endswith("paired_win_rate_pct")} == {12.5}
        assert run.group not in ("a.ins", "a.sum") or len(run.rows) == 6


def test_a_log_that_was_removed_takes_nothing_away(desk, name):
    desk.track(name)
    before = desk.read(name)
    for made in desk.store.glob("finetune/*"):
        shutil.rmtree(made)
    desk.track(name)
    assert {id: run.rows for id, run in desk.read(name).items()} == {id: run.rows for id, run in before.items()}


def test_kills_at_any_moment_leave_nothing_twice(desk, name):
    attempt = desk.unfinished("sum")
    attempt.come_to(attempt.lines[:1])
    begun = time.monotonic()
    desk.track(name, "--out", str(desk.store.parent / "timed"))
    lasts, chance = time.monotonic() - begun, random.Random(name)
    for kill in range(1 if name == "mlflow" else 5):  # it takes ten seconds to begin
        attempt.come_to(attempt.lines[: 1 + kill % 6] if kill % 3 else attempt.lines[:2])  # back, now and then
        process = subprocess.Popen(desk.command(name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(lasts * chance.uniform(0.3, 1.0))
        process.kill()
        process.wait()
    attempt.come_to(attempt.lines)
    desk.track(name)
    found = desk.read(name)
    assert found[attempt.id].rows == rows_at(attempt, attempt.lines, name)
    made = desk.finetune("ins")
    assert found[f"finetune-{made.name.rpartition('-')[2]}"].rows == rows_of(made / "log.jsonl", name)
    assert "0 runs written" in desk.track(name)


def test_two_calls_at_once_write_once(desk, name):
    both = [subprocess.Popen(desk.command(name), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert sorted(text.split(" runs")[0] for text in said) == ["0", "4"], said
    assert all(len(run.rows) in (0, 6) for run in desk.read(name).values())


def test_no_secret_is_kept(desk, name, monkeypatch):
    secret = "s3cr3t" * 7
    for variable in ("WANDB_API_KEY", "MLFLOW_TRACKING_TOKEN", "HF_TOKEN"):
        monkeypatch.setenv(variable, secret)
    assert secret not in desk.track(name)
    files = [p for p in desk.store.parent.rglob("*") if p.is_file()]
    assert files and not [p for p in files if secret.encode() in p.read_bytes()]


def test_follow_goes_on_until_the_study_is_done(desk, name):
    assert "4 runs written" in desk.track(name, "--follow")


def rows_at(attempt, lines, name):
    copy = attempt.log.with_name("copy.jsonl")
    copy.write_bytes(b"".join(lines))
    try:
        return rows_of(copy, name)
    finally:
        os.unlink(copy)
