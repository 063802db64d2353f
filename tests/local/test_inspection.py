"""A wrong row is found before anything is trained: by the dry run, as sweep.py starts, and where no file is at hand,
once all rows are read.
"""

import json
import subprocess
import sys

import pytest

from tests.local.conftest import ROOT, TINY, Bench
from winsweep import inspection, remarks
from winsweep.workspace import open_workspace

ROWS = [{"instruction": f"question {n}", "output": f"answer {n}"} for n in range(12)]
THREE = TINY.replace(
    "  sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}",
    "  one: {path: one.jsonl}\n  two: {path: two.jsonl}\n  three: {path: three.jsonl}",
)


def write(folder, name, rows):
    (folder / name).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


@pytest.fixture
def three(tmp_path) -> Bench:
    bench = Bench(tmp_path, THREE.replace("seeds: [1, 2]", "seeds: [1]"))
    for n, name in enumerate(("one", "two", "three")):
        write(tmp_path, f"{name}.jsonl", [*ROWS[n:], *ROWS[:n]])
    return bench


def test_a_dry_run_counts_files_that_are_not_there_and_wrong_rows_in_one_line(three):
    assert "\nno problems found before anything runs\nTo run it: " in three.run("--dry-run")
    (three.folder / "two.jsonl").unlink()
    assert "\n1 problem found before anything runs; it is said above this table\n" in three.run("--dry-run")
    write(three.folder, "three.jsonl", [{"instruction": "a", "ouput": "b"}])
    assert (
        "did you mean ouput? rename it, or if every row has it, type columns: {output: ouput} beside path:"
        in three.run("--dry-run", code=1)
    )
    said = three.run("--dry-run", code=1)
    assert "\n2 problems found before anything runs; all above this table\n" in said


@pytest.mark.parametrize("word", ["--cancel", "--cancel=a.base.s1", "--watch", "--emit=scripts"])
def test_what_only_a_queue_can_do_starts_nothing_here(three, word):
    assert f"error: {word.partition('=')[0]}: " in (said := three.run(word, code=2)) and "add --cluster NAME" in said
    assert not three.published() and not list(three.store.glob(".work/*"))


def test_a_cluster_that_is_not_there_is_answered_with_those_that_are(three):
    said = three.run("--cluster=testbedd", code=2)
    assert "--cluster: found 'testbedd'; legal: " in said and "; did you mean testbed?; the path" in said
    assert "gpu, local, modules, offline, preemptible" in said


WRONG = [
    ('{"instruction": "a", "out', r"not JSON"),
    ({"instruction": "a"}, "no text under 'output'"),
    ({"instruction": "a", "output": " "}, "no response tokens"),
    ('["a"]', "must be a JSON object"),
    ({"messages": "hello"}, "messages is not a list"),
    ({"messages": [7]}, "messages is not a list"),
]


@pytest.mark.parametrize(("row", "told"), WRONG, ids=[told for _, told in WRONG])
def test_a_wrong_row_of_any_task_is_found_before_anything_runs(three, row, told):
    write(three.folder, "three.jsonl", [*ROWS[:6], row, *ROWS[6:]])
    place = f"{three.folder}/three.jsonl:7: "
    said = three.run("--dry-run", code=1)
    assert f"wrong: {place}" in said and told in said
    said = three.run(code=2)
    assert (
        f"error: {place}" in said
        and told in said
        and "4 of 5 cells" not in said
        and not three.published()
        and not list(three.store.glob(".work/*/*/claims"))
    )
    assert "cells need none of this: --only=a." in said
    assert "1 of 1 models made" in three.run("--only", "a.two", "--train-only")
    assert (
        "--only a.tw: no such cell" in (said := three.run("--only", "a.tw", code=2)) and "did you mean a.two?" in said
    )


def test_all_wrong_files_are_told_at_once(three):
    write(three.folder, "two.jsonl", [{"instruction": "a", "output": ""}])
    write(three.folder, "three.jsonl", [])
    said = three.run("--dry-run", code=1)
    assert (
        "two.jsonl:1: the row has no response" in said
        and "three.jsonl: the source holds no row at all" in said
        and "1 local file of rows read" in said
    )


def test_given_outputs_and_instructions_are_looked_at(three):
    write(three.folder, "asked.jsonl", [{"instruction": "a"}, {"instruction": "b"}])
    three.write(
        THREE.replace("{from: toy, part: dev}", "{path: asked.jsonl}").replace(
            "reference: {task: ins}", "reference: {outputs: given.json}"
        )
    )
    for given, told in [
        (
            [{"instruction": "a", "output": "x"}],
            "given.json: no output for 1 instruction of instructions, the first being 'b'",
        ),
        ([{"instruction": "a"}], "given.json row 0: output is None"),
        ("x", "given.json"),
        ({}, "given.json row 0: instruction is None; legal are the texts instruction and output; the row has nothing"),
        (3, "given.json:1: found '3'"),
    ]:
        (three.folder / "given.json").write_text(given if isinstance(given, str) else json.dumps(given))
        said = three.run(code=2)
        assert told in said and said.count("error: ") == 1, said
    (three.folder / "given.json").write_text(json.dumps([{"instruction": i, "output": "x"} for i in "ab"]))
    write(three.folder, "asked.jsonl", [{"instruction": "a"}, {"instruction": "a"}])
    assert "asked.jsonl:2: the instruction stands at" in three.run("--dry-run", code=1)


def test_a_file_that_was_found_whole_is_read_once(three, monkeypatch):
    first = inspection.findings(open_workspace(three.study, three.store))
    assert [f.num_rows for f in first] == [12, 12, 12] and not any(f.problem for f in first)
    monkeypatch.setattr("winsweep.text.prepare.rows_of", lambda *_: pytest.fail("read again"))
    assert [f.num_rows for f in inspection.findings(open_workspace(three.study, three.store))] == [12, 12, 12]
    monkeypatch.undo()
    write(three.folder, "two.jsonl", ["no"])
    assert [f.path.name for f in inspection.findings(open_workspace(three.study, three.store)) if f.problem] == [
        "two.jsonl"
    ]
    # and no fault is remembered
    assert [f.path.name for f in inspection.findings(open_workspace(three.study, three.store)) if f.problem] == [
        "two.jsonl"
    ]


def test_rows_are_all_read_before_anything_is_trained(three):
    """Also those of no file of this machine: one task's own chain never comes before another's rows. A row that fails
    stops its own cells alone.
    """
    three.write(
        THREE.replace("  one: {path: one.jsonl}", "  much: {from: toy, sample: {rows: 999999}}").replace(
            "seeds: [1, 2]", "seeds: [1]"
        )
    )
    said = three.run("--jobs", "1", "--verbose", code=1)
    events = [line.split()[1:3] for line in said.splitlines() if "s running " in line]
    stages = [name.split("/")[0] for _, name in events]
    assert stages.count("prepare") == 5 and "prepare" not in stages[stages.index("finetune") :]
    assert "4 of 5 cells" not in said.splitlines()[0] and "and 999999 are to be drawn" in said and "a.much.s1" in said
    assert "finetune/a.three.s1" in three.published()


def test_on_slurm_too_nothing_is_submitted(three):
    write(three.folder, "three.jsonl", [*ROWS[:6], "no"])
    (three.folder / "c.yaml").write_text("kind: slurm\n")
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "launch/sweep.py"),
            str(three.study),
            "--store",
            str(three.store),
            "--cluster",
            str(three.folder / "c.yaml"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/nowhere"},
    )
    assert done.returncode == 2 and "three.jsonl:7: not JSON" in done.stderr


def test_cells_alone_do_not_help_against_a_wrong_table_of_difficulty(three):
    """Every table of the study needs it, that of one cell too."""
    (three.folder / "df_gamed.csv").write_text("a,b\n1,2\n")
    three.write(three.study.read_text().replace("compare: {", "compare: {difficulty: df_gamed.csv, "))
    said = three.run(code=2)
    told = status(three)
    assert "problem  " in told and "df_gamed.csv: found 1 row;" in told
    assert "df_gamed.csv: found 1 row;" in said and "every cell needs them" in said and "--only" not in said


def status(bench: Bench) -> str:
    return subprocess.run(
        [sys.executable, str(ROOT / "launch/status.py"), str(bench.study), "--store", str(bench.store)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_rows_without_an_answer_are_told_of_the_toy_judge_before_and_after(three):
    asked = [{"instruction": f"ask {n}", **({"answer": "yes"} if n else {})} for n in range(3)]
    write(three.folder, "asked.jsonl", asked)
    text = THREE.replace("[1, 2]", "[1]").replace(
        "instructions: {from: toy, part: dev}", "instructions: {path: asked.jsonl}"
    )
    three.write(text)
    told = "1 of 3 instructions of instructions have no answer: there an arm can only tie or lose by reference_overlap"
    said = " ".join(three.run("--dry-run").split())
    assert f" note: {told}; give each row an answer, or name another judge " in said
    (line,) = remarks.unanswerable(open_workspace(three.study, three.store))
    assert line.startswith(told)
    assert f"note     {line}" in remarks.remarks(open_workspace(three.study, three.store), [])
    write(three.folder, "asked.jsonl", asked[1:])
    assert "have no answer" not in three.run("--dry-run")


def test_a_model_that_the_study_makes_itself_is_not_looked_for_on_a_node(three):
    said = three.run("--dry-run")
    assert "not made yet: looked at once the model is there" in said and "on a node" not in said


def test_a_category_that_no_instruction_is_of_is_told_before_and_after(three):
    asked = [{"instruction": f"ask {n}", "answer": "yes", "dataset": "sums" if n else "poems"} for n in range(3)]
    write(three.folder, "asked.jsonl", asked)
    text = three.study.read_text().replace("instructions: {from: toy, part: dev}", "instructions: {path: asked.jsonl}")
    three.write(text.replace("{path: two.jsonl}", "{path: two.jsonl, leave_out: [sum, poems]}"))
    told = "leave_out: no instruction of instructions is of 'sum' (a.two.s1); their categories: 'poems', 'sums'"
    assert f" note: {told} " in " ".join(three.run("--dry-run").split())
    assert f"note     {told}" in remarks.remarks(open_workspace(three.study, three.store), [])
    assert "leave_out" not in three.run("--dry-run", "--train-only") + three.run("--dry-run", "--only", "a.one.s1")
    three.write(three.study.read_text().replace("[sum, poems]", "[sums]"))
    assert "leave_out" not in three.run("--dry-run")
