"""What goes wrong while a study runs: one bad cell, a stop, kills at every stage, two launchers, damage."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.local.conftest import TINY, Bench, kill_when, processes_naming

STAGES = ("pretrain", "prepare", "finetune", "collect", "generate", "judge", "aggregate")


def test_a_failing_cell_does_not_stop_the_others_and_says_what_to_do(bench):
    broken = TINY.replace("seeds: [1, 2]", "seeds: [1]") + ""
    bench.write(broken.replace("leave_out: [sum]}", "leave_out: [sum], recipe: {lr: 1.0e+30}}"))
    said = bench.run(code=1)
    log = next(bench.store.glob(".work/finetune/*/logs/attempt.log"))
    assert (
        "3 of 4 cells" in said
        and "NotFinite" in said
        and "cells: a.sum.s1" in said
        and f"{bench.store}/.work/finetune/" in said
    )
    assert f"launch/sweep.py {bench.study} --store {bench.store} --retry-failed" in said and log.exists()
    assert bench.csv().decode().count("\n") == 1 + 3 and not [n for n in bench.published() if n == "finetune/a.sum.s1"]
    assert "0 jobs run; 3 of 4 cells" in bench.run(code=1)  # it is not tried again by itself
    assert "1 job run" in bench.run("--retry-failed", code=1)
    bench.write(broken)
    assert "4 of 4 cells" in bench.run() and bench.csv().decode().count("\n") == 1 + 4


def test_a_stop_leaves_nothing_running_and_a_state_to_go_on_from(bench, finished):
    process = bench.start("--jobs", "2")
    limit = time.monotonic() + 120
    while not list(bench.store.glob(".work/finetune/*/progress.json")) and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "To go on: python launch/sweep.py" in err
    assert processes_naming(bench.store) == []
    bench.run()
    assert bench.csv() == finished.csv()


@pytest.mark.slow
def test_a_launcher_killed_in_each_stage_loses_no_finished_work(bench, finished):
    kills = 0
    for stage in STAGES:
        before = len(list(bench.store.glob(f".work/{stage}/*/claims/0*")))
        process = bench.start("--jobs", "2")
        kills += kill_when(
            process,
            lambda stage=stage, before=before: len(list(bench.store.glob(f".work/{stage}/*/claims/0*"))) > before,
        )
        limit = time.monotonic() + 30
        while processes_naming(bench.store) and time.monotonic() < limit:
            time.sleep(0.05)
        assert processes_naming(bench.store) == []
    times = bench.times()
    bench.run()
    assert kills == len(STAGES) and times.items() <= bench.times().items() and bench.csv() == finished.csv()


def test_two_launchers_at_once_make_everything_once(bench, finished):
    both = [bench.start("--jobs", "1"), bench.start("--jobs", "1")]
    said = [p.communicate(timeout=300) for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    ended = bench.ends()
    assert len(ended) == len(set(ended)) == len(bench.times()) and bench.csv() == finished.csv()


@pytest.mark.parametrize(
    "stage", ["generate", *(pytest.param(stage, marks=pytest.mark.long) for stage in ("prepare", "collect"))]
)
def test_a_flipped_byte_is_caught_before_use_and_what_has_it_is_made_again_once(finished, tmp_path, stage):
    shutil.copytree(finished.store, tmp_path / "runs")
    bench = Bench(tmp_path)
    name = {
        "prepare": "instructions-*/instructions.jsonl",
        "collect": "a.sum.s1-*/model.safetensors",
        "generate": "a.sum.s1-*/outputs.json",
    }[stage]
    victim = next((bench.store / stage).glob(name))
    times, whole = bench.times(), victim.read_bytes()
    forget(bench, stage)
    flip(victim)
    said = bench.run()
    aside = bench.store / f".work/damaged-{stage}-{victim.parent.name}"
    told = (
        f"set aside as damaged, and made again since: {stage}/{victim.parent.name}; to drop the damaged: rm -r {aside} "
    )
    assert said.count(told) == 1, said
    assert bench.csv() == finished.csv() and victim.read_bytes() == whole != (aside / victim.name).read_bytes()
    assert f"{victim}: found" in json.loads((victim.parent / "record.json").read_bytes())["replaces_damaged"]
    remade = {made for made, when in bench.times().items() if times.get(made) != when}
    assert {made.partition("/")[0] for made in remade} <= {stage, "finetune", "generate", "judge", "aggregate"}
    assert not any("b." in made for made in remade)  # what others made from it, when it was whole, stands
    forget(bench, stage)
    flip(victim)
    said = bench.run(code=1)
    assert f"Damaged: {victim}" in said and "set aside and made again before" in said and victim.exists()
    assert "0 jobs run" in bench.run(code=1)  # and no third time
    shutil.rmtree(aside)
    bench.run("--retry-failed")
    assert bench.csv() == finished.csv()


def forget(bench: Bench, stage: str) -> None:
    """Take away what needs the result of `stage`."""
    for later in ("judge",) if stage == "generate" else ("judge", "generate"):
        shutil.rmtree(next((bench.store / later).glob("a.sum.s1-*")))


def flip(victim: Path) -> None:
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)


def test_a_fork_server_that_dies_takes_its_attempts_along_and_the_launcher_says_so(bench):
    process = bench.start("--jobs", "2")
    limit = time.monotonic() + 60

    def of_fork_server() -> list[int]:
        # the launcher opens it for its child
        return [pid for pid in processes_naming(bench.store / ".work" / "fork_server.log") if pid != process.pid]

    while not (found := of_fork_server()) and time.monotonic() < limit:
        time.sleep(0.05)
    import os

    os.kill(found[0], signal.SIGKILL)
    _out, err = process.communicate(timeout=60)
    assert process.returncode != 0 and "fork_server.log" in err


def test_a_killed_attempt_is_started_again(bench):
    bench.write(TINY.replace("seeds: [1, 2]", "seeds: [1]"))
    process = bench.start("--jobs", "1")
    limit = time.monotonic() + 120
    while not (found := list(bench.store.glob(".work/finetune/*/claims/000001"))) and time.monotonic() < limit:
        time.sleep(0.002)
    import os

    os.kill(int(found[0].read_text().split("@")[1]), signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    key = found[0].parents[1]
    assert (key / "claims" / "000002").exists() and json.loads((key / "ends" / "000002.json").read_bytes())[
        "kind"
    ] == "done"
