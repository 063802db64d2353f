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


def test_first_and_system_are_legal_for_every_source(tmp_path):
    text = with_task("{from: toy, first: 9, system: ' Be brief. '}").replace(
        "instructions: {from: toy}", "instructions: {from: alpaca_eval, first: 20, system: Be brief.}"
    )
    study = read(tmp_path, text)
    assert (task(study).first, task(study).system) == (9, "Be brief.")
    asked = study.table.cells[0].comparison.candidate.instructions
    assert (asked.first, asked.sample, asked.system) == (20, None, "Be brief.")
    gsm = task(read(tmp_path, with_task("{from: gsm, first: 7}")))
    assert (gsm.first, gsm.options.first) == (None, 7)  # its reader has that option
    plain, more = (keys(read(tmp_path, with_task(f"{{from: toy, kinds: [poem]{x}}}"))) for x in ("", ", system: S"))
    assert {k for k in plain["a.both.s1"] if k.startswith("finetune")} - more["a.both.s1"]
    assert {label: plain[label] for label in keys(read(tmp_path, STUDY))} == keys(read(tmp_path, STUDY))


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
        ("{from: toy, first: 0}", r"first: found 0; a number of rows from 1 is legal"),
        ("{from: toy, system: ' '}", r"system: found an empty text; a system message has text; take system: out"),
        ("{from: toy, system: 5}", r"system: found 5; text is legal here"),
        ("{mix: {ins: 1.0}, system: S}", r"found it beside mix:"),
        ("{from: toy, sample: 9}", r"sample: "),
        ("{from: toy, sample: {seed: 1}}", r"sample: rows is missing"),
        ("{from: toy, sample: {rows: 0}}", r"sample\.rows: found 0"),
        ("{from: toy, sample: {rows: 3, keep: most}}", r"sample\.keep: found the text 'most'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path, entry, match):
    refused(tmp_path, SUM, f"{SUM}\n  both: {entry}", match)
