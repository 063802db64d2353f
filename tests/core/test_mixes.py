"""Samples of sources and mixes of tasks in a study: their keys, and what is refused."""

import pytest

from tests.core.small_study import STUDY, keys, read, refused
from winsweep.study.cell import Mix
from winsweep.study.sample import Sample

SUM = "sum: {from: toy, kinds: [sum], recipe: {epochs: 7}}"


def with_task(entry: str) -> str:
    return STUDY.replace(SUM, f"{SUM}\n  both: {entry}")


def task(study, name="both"):
    return next(c.training.task for c in study.table.cells if c.task == name)


def test_a_mix_names_tasks_of_the_study_and_readers_with_data_of_their_own(tmp_path):
    study = read(tmp_path, with_task("{mix: {ins: 0.25, gsm: 0.75}, rows: 80, seed: 3, recipe: {epochs: 2}}"))
    mix = task(study)
    assert isinstance(mix, Mix) and (mix.rows, mix.seed) == (80, 3)
    assert [(source.reader, share) for source, share in mix.parts] == [("toy", 0.25), ("gsm", 0.75)]
    assert mix.parts[0][0] == task(study, "ins")


def test_what_a_mix_asks_for_is_in_its_keys_alone(tmp_path):
    plain = keys(read(tmp_path, STUDY))
    base = keys(read(tmp_path, with_task("{mix: {ins: 0.5, sum: 0.5}}")))
    assert {label: base[label] for label in plain} == plain
    seen = {frozenset(base["a.both.s1"])}
    for other in (
        "{mix: {ins: 0.4, sum: 0.6}}",
        "{mix: {ins: 0.5, sum: 0.5}, rows: 8}",
        "{mix: {ins: 0.5, sum: 0.5}, seed: 1}",
        "{mix: {ins: 0.5, gsm: 0.5}}",
    ):
        seen.add(frozenset(keys(read(tmp_path, with_task(other)))["a.both.s1"]))
    assert len(seen) == 5


def test_a_sample_is_part_of_a_source_and_of_its_keys(tmp_path):
    study = read(tmp_path, with_task("{from: toy, sample: {rows: 9, seed: 2, keep: rest}}"))
    assert task(study).sample == Sample(rows=9, seed=2, keep="rest")
    told = {
        frozenset(keys(read(tmp_path, with_task(f"{{from: toy, sample: {sample}}}")))["a.both.s1"])
        for sample in ("{rows: 9}", "{rows: 8}", "{rows: 9, seed: 1}", "{rows: 9, keep: rest}")
    }
    assert len(told) == 4


@pytest.mark.parametrize(
    "entry, match",
    [
        ("{mix: {ins: 0.5, sum: 0.6}}", r"mix: found shares that sum to 1\.1; shares sum to 1"),
        ("{mix: {ins: 0.5, sum: -0.5}}", r"mix\.sum: found -0\.5; a share above 0 and up to 1 is legal"),
        ("{mix: {ins: .nan, sum: 0.5}}", r"mix\.ins: found nan"),
        ("{mix: {ins: half}}", r"mix\.ins: found the text 'half'"),
        ("{mix: {}}", r"mix: .*type \{NAME: 0.5, OTHER: 0.5\}"),
        ("{mix: [ins, sum]}", r"mix"),
        (
            "{mix: {ins: 0.5, mbppp: 0.5}}",
            r"no task 'mbppp' in this study, .*; legal: ins, sum, both, .*did you mean mbpp",
        ),
        ("{mix: {ins: 0.5, both: 0.5}}", r"both is a mix itself"),
        ("{mix: {ins: 0.5, jsonl: 0.5}}", r"path is missing"),
        ("{mix: {ins: 1.0}, from: toy}", r"found it beside mix:"),
        ("{mix: {ins: 1.0}, row: 6}", r"unknown key 'row'.* did you mean rows"),
        ("{mix: {inns: 1.0}}", r"no task 'inns' in this study.*did you mean ins"),
        ("{mix: {ins: 1.0}, sample: {rows: 3}}", r"found it beside mix:"),
        ("{mix: {ins: 0.5, sum: 0.5}, rows: 1}", r"rows: found 1; a number from 2 on is legal"),
        ("{mix: {ins: 0.5, sum: 0.5}, rows: many}", r"rows: found the text 'many'"),
        ("{from: toy, rows: 9}", r"rows"),
        ("{from: toy, sample: 9}", r"sample: "),
        ("{from: toy, sample: {seed: 1}}", r"sample: rows is missing"),
        ("{from: toy, sample: {rows: 0}}", r"sample\.rows: found 0"),
        ("{from: toy, sample: {rows: 3, keep: most}}", r"sample\.keep: found the text 'most'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path, entry, match):
    refused(tmp_path, SUM, f"{SUM}\n  both: {entry}", match)
