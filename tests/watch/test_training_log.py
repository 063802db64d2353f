"""The log of a finetune is read on from where one was; what is no step in it is passed over."""

import json
import math

import pytest

from winsweep import training_log
from winsweep.store.store import Store
from winsweep.training_log import Step, Steps, read_on


def line(step: int, **more: object) -> str:
    return json.dumps({"step": step, "loss": 1.0 / step, "lr": 1e-4, "tokens_per_s": 100.0} | more) + "\n"


def test_it_is_read_on_and_anew_where_another_file_is_there(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(line(1) + line(2) + line(3)[:20])
    read = read_on(path, Steps())
    assert [s.step for s in read.steps] == [1, 2]
    path.write_text(line(1) + line(2) + line(3))
    again = read_on(path, read)
    assert [s.step for s in again.steps] == [1, 2, 3] and read_on(path, again) == again
    other = tmp_path / "other"  # as an attempt that goes on from a checkpoint leaves it
    other.write_text(line(1))
    other.rename(path)
    assert [s.step for s in read_on(path, again).steps] == [1]
    path.unlink()
    assert read_on(path, again) == again


@pytest.mark.parametrize(
    "wrong",
    ["", "{", "[]", "null", '{"loss": 1}', '{"step": "x"}', '{"step": 1, "loss": "y"}', "\x1b[2J", '{"step": []}'],
)
def test_what_is_no_step_is_passed_over(tmp_path, wrong):
    path = tmp_path / "log.jsonl"
    path.write_text(f"{wrong}\n{line(7)}")
    assert [s.step for s in read_on(path, Steps()).steps] == [7]


def test_of_a_huge_log_the_newest_part_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(training_log, "MOST_BYTES", 2000)
    path = tmp_path / "log.jsonl"
    path.write_text("".join(line(n) for n in range(1, 500)))
    read = read_on(path, Steps())
    assert read.steps[-1].step == 499 and len(read.steps) < 50


def test_a_step_is_told_with_its_numbers_and_the_last_held_out_loss():
    steps = [Step(1, 2.5, 0.0, 900.0), Step(1, eval_loss=2.25), Step(2, 1.25, 1e-5, 1234.5)]
    assert training_log.words(steps[0], 20) == "step 1 of 20  loss 2.5  lr 0  900 tokens/s"
    assert training_log.words(steps[1]) == "step 1  held-out loss 2.25"
    assert training_log.last(steps) == Step(2, 1.25, 1e-5, 1234.5, 2.25) and training_log.last([]) is None


def test_a_sparkline_has_the_highest_at_the_top():
    assert training_log.sparkline([3.0, 2.0, 1.0], 10) == "█▅▁"
    assert training_log.sparkline([4.0] * 5, 3) == "▁▁▁" and training_log.sparkline([], 3) == ""
    assert training_log.sparkline([3.0, math.nan, 1.0, math.inf], 10) == "█ ▁ "  # of a run that diverged
    assert len(training_log.sparkline([float(n) for n in range(1000)], 40)) == 40
    assert training_log.thinned([1.0, 3.0, 5.0, 7.0], 2) == [2.0, 6.0]


KEY = "finetune/0123456789ab"


def log(folder, text='{"step": 1, "loss": 2.5}\n'):
    folder.mkdir(parents=True)
    (folder / training_log.NAME).write_text(text)
    return folder / training_log.NAME


def test_a_result_is_found_whatever_the_study_that_made_it_called_it(tmp_path):
    store = Store(tmp_path).open()
    assert training_log.path_of(store, KEY) is None
    made = log(store.root / "finetune/another.label.s1-0123456789ab")
    assert training_log.path_of(store, KEY) == training_log.path_of(store, KEY, made.parent) == made
    assert training_log.path_of(store, "generate/0123456789ab") is None


def test_the_latest_attempt_comes_first(tmp_path):
    store = Store(tmp_path).open()
    log(store.work(KEY) / "state-000002")
    latest = log(store.work(KEY) / "state-000010")
    assert training_log.path_of(store, KEY) == latest


def test_rows_are_the_whole_lines_up_to_the_first_that_is_none(tmp_path):
    whole = '{"step": 1, "loss": 2.5}\n{"step": 1, "eval_loss": 3.0}\n'
    first = [{"step": 1, "loss": 2.5}, {"step": 1, "eval_loss": 3.0}]
    for n, rest in enumerate(["", '{"step": 2', '{"step": 2}', "garbage\n" + whole, "[1]\n" + whole]):
        assert training_log.rows(log(tmp_path / str(n), whole + rest)) == first
    assert training_log.rows(tmp_path / "gone") == []
