"""The files of texts beside a report: what is in them, when they are written, and when they are gone."""

import json
import os
import shutil

import pytest

from tests.report.made_store import HEAD, study_text
from tests.report.read_study import ASKED, NUM, answer, judge, read_study, rows_of
from tests.report.readable import make, report
from winsweep import plugins
from winsweep.errors import LinkInStore
from winsweep.report import chunks, judge_words
from winsweep.report.files import texts_note, write_after_run, write_report
from winsweep.report.table import read_table
from winsweep.report.texts import write_texts
from winsweep.study.cell import Judge
from winsweep.workspace import open_workspace


@pytest.fixture
def made(tmp_path):
    return read_study(tmp_path)


def entry_of(workspace, folder):
    return write_texts(workspace, read_table(workspace), folder)


def test_files_hold_what_the_annotations_say(made, tmp_path):
    entry = entry_of(made, tmp_path / "made.texts")
    cell = next(c for c in entry["cells"] if c["cell"] == "m.t0.s1")
    held = {k: chunks.read_chunk(tmp_path / "made.texts" / cell[k]) for k in ("answers", "reference", "judged")}
    rows = rows_of(made)
    assert held["answers"]["text"] == [r["output_2"] for r in rows]
    assert held["answers"]["cut"] == [r["truncated"] for r in rows]
    assert held["reference"]["text"] == [r["output_1"] for r in rows]
    assert held["judged"]["preference"] == [r["preference"] for r in rows]
    assert held["judged"]["by_order"] == [r.get("preferences_by_order") for r in rows]
    assert (
        held["judged"]["said"][1] == [{"text": "words 1 [[A]]"}, {"text": "[[B]]"}] and held["judged"]["said"][0] == []
    )
    assert (cell["reference_name"], entry["num"], entry["missing"]) == ("m.ins.s1", NUM, [])


def test_turns_of_instructions_are_there_where_any_has_several(made, tmp_path):
    entry = entry_of(made, tmp_path / "made.texts")
    assert "turns" not in chunks.read_chunk(tmp_path / "made.texts" / entry["instructions"])
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<b>Hi"}]
    asked = [{**row, "messages": said} if n == 1 else row for n, row in enumerate(ASKED)]
    talked = make(tmp_path / "talked", study_text(1, [1]), asked, answer, judge)
    entry = entry_of(talked, tmp_path / "talked.texts")
    turns = chunks.read_chunk(tmp_path / "talked.texts" / entry["instructions"])["turns"]
    assert turns[:3] == [[], [["system", "Be brief."], ["user", "<b>Hi"]], []]


def test_answers_that_cells_share_are_one_file(made, tmp_path):
    entry = entry_of(made, tmp_path / "made.texts")
    of = {c["cell"]: c for c in entry["cells"]}
    assert of["m.t0.s1"]["reference"] == of["m.t1.s1"]["reference"] == of["m.ins.s1"]["answers"]
    names = {p.name for p in (tmp_path / "made.texts").iterdir()}
    assert names == chunks.files_of(entry) and len(names) == 1 + 7 + len(of)  # both seeds of base answer the same


def test_files_are_written_only_if_they_are_not_there(made):
    folder = report(made).with_suffix(".texts")
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    report(made)
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    cut = min(before)
    cut.write_bytes(cut.read_bytes()[:-20])
    whole = min(before, key=lambda p: p.name != cut.name and p.stat().st_size)
    report(made)
    assert chunks.is_whole(cut) and {p for p in before if p.stat().st_mtime_ns != before[p]} == {cut} and whole.exists()


def test_files_of_an_earlier_report_are_removed_and_others_stay(made):
    folder = report(made).with_suffix(".texts")
    (folder / "answers-000000000000.html").write_text("old")
    (folder / "mine.txt").write_text("mine")
    report(made)
    assert not (folder / "answers-000000000000.html").exists() and (folder / "mine.txt").exists()


def test_without_texts_no_file_and_no_word_of_them_is_left(made, tmp_path):
    path = report(made)
    words = [r["instruction"] for r in ASKED] + [r["output_2"] for r in rows_of(made) if len(r["output_2"]) > 9]
    assert not [w for w in words if w in path.read_text()]  # nor are they in the page that has a folder of them
    write_report(made, with_texts=False)
    assert not path.with_suffix(".texts").exists() and not [w for w in words if w in path.read_text()]
    assert json.loads(path.read_text().partition('id="texts">')[2].partition("<")[0]) is None
    apart = write_report(made, tmp_path / "apart" / "page.html", with_texts=True)
    assert (apart.parent / "page.texts").is_dir()


def test_a_run_leaves_a_report_without_texts_without_them(made):
    path = write_report(made, with_texts=False)
    before = path.read_bytes()
    assert write_after_run(made) == "" and path.read_bytes() == before
    earlier = before.replace(b'name="winsweep-key" content="', b'name="winsweep-key" content="0')
    path.write_bytes(earlier)
    assert write_after_run(made) == "" and path.read_bytes() != earlier and not path.with_suffix(".texts").exists()
    report(made)
    assert write_after_run(made) == "" and path.with_suffix(".texts").is_dir()


def test_a_link_in_place_of_the_folder_or_a_file_is_refused_and_what_it_leads_to_stays(made, tmp_path):
    folder = report(made).with_suffix(".texts")
    target = tmp_path / "elsewhere"
    shutil.move(folder, target)
    folder.symlink_to(target)
    held = sorted(os.listdir(target))
    for with_texts in (True, False):
        with pytest.raises(LinkInStore):
            write_report(made, with_texts=with_texts)
    assert sorted(os.listdir(target)) == held
    folder.unlink()
    report(made)
    name = next(p for p in folder.iterdir())
    (tmp_path / "secret").write_text("secret")
    name.unlink()
    name.symlink_to(tmp_path / "secret")
    report(made)  # the cell is told of as missing, or its file refused
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_half_finished_study_shows_what_is_there(tmp_path):
    def leave(a):
        return a.label.startswith("m.t1.s2") or (a.stage == "judge" and a.label.startswith("m.t0.s2"))

    made = make(tmp_path, study_text(2, [1, 2]), ASKED, answer, judge, leave)
    entry = entry_of(made, tmp_path / "half.texts")
    of = {c["cell"]: c for c in entry["cells"]}
    assert [m["cell"] for m in entry["missing"]] == ["m.t1.s2"] and "m.t1.s2" not in of
    assert of["m.t0.s2"]["answers"] and not of["m.t0.s2"]["judged"] and of["m.t0.s1"]["judged"]


def test_nothing_answered_yet_is_no_folder(tmp_path):
    made = make(tmp_path, study_text(1, [1]), ASKED, answer, judge, lambda a: True)
    assert entry_of(made, tmp_path / "none.texts") is None and not (tmp_path / "none.texts").exists()


def test_what_is_taken_away_or_damaged_meanwhile_is_told(made, tmp_path):
    published = made.store.published()
    (published[made.judged["m.t0.s1"].key] / "annotations.json").write_text("[]")
    shutil.rmtree(published[made.judged["m.t1.s1"].inputs["candidate"].key])
    found = entry_of(made, tmp_path / "made.texts")
    assert {m["cell"] for m in found["missing"]} == {"m.t0.s1", "m.t1.s1"} and len(found["cells"]) == 6
    assert all(m["why"] for m in found["missing"])


def test_a_reference_that_is_a_file_is_read_from_what_was_judged(tmp_path):
    given = [{"instruction": r["instruction"], "output": f"given {n}"} for n, r in enumerate(ASKED)]
    (tmp_path / "given.json").write_text(json.dumps(given))
    text = study_text(1, [1], HEAD.replace("reference: {task: ins}", "reference: {outputs: given.json}"))
    (tmp_path / "study.yaml").write_text(text)
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    assert "reference" not in workspace.judged["m.t0.s1"].inputs
    made = make(tmp_path, text, ASKED, answer, judge, given=given)
    entry = entry_of(made, tmp_path / "made.texts")
    cell = next(c for c in entry["cells"] if c["cell"] == "m.t0.s1")
    held = chunks.read_chunk(tmp_path / "made.texts" / cell["reference"])
    assert held["text"] == [r["output"] for r in given] and cell["reference_name"] == "given.json"


def test_half_a_pair_of_surrogates_and_numbers_that_are_none_come_through(tmp_path):
    path = tmp_path / "answers-000000000000.html"
    path.write_bytes(chunks.chunk({"text": ["\ud83d", "\u2028</script>"]}))
    assert chunks.read_chunk(path) == {"text": ["\ud83d", "\u2028</script>"]} and path.read_bytes().isascii()


@pytest.mark.parametrize(
    "raw, words",
    [
        (None, []),
        ("[[A]]", [{"text": "[[A]]"}]),
        (
            {
                "text": "m",
                "logprobs": {
                    "content": [{"top_logprobs": [{"token": "m", "logprob": 0.0}, {"token": "M", "logprob": -9999.0}]}]
                },
            },
            [{"text": "m", "tokens": [("m", 1.0)]}],
        ),
        ({"message": {"content": "yes", "reasoning_content": "as"}}, [{"text": "as\n\nyes"}]),
        ([{"text": "a"}, {"text": "b", "logprobs": {"content": []}}], [{"text": "a"}, {"text": "b"}]),
        ({"odd": 1}, [{"text": '{\n "odd": 1\n}'}]),
        (7, [{"text": "7"}]),
        ({"text": 5, "logprobs": {"content": [{"top_logprobs": [{"token": None, "logprob": "x"}]}]}}, None),
    ],
)
def test_what_a_judge_said_is_read_whatever_shape_it_has(raw, words):
    assert words is None or judge_words.words(raw) == words
    assert all(isinstance(reply["text"], str) for reply in judge_words.words(raw))


@pytest.mark.parametrize(
    "order, first",
    [("hash", {"candidate", "reference"}), ("reference_first", {"reference"}), ("both", {"both"}), ("", {""})],
)
def test_which_output_was_shown_first_follows_the_judges_rule(order, first):
    from winsweep.judge.questions import is_candidate_first

    tell = judge_words.shown_first(order)
    rows = [{"instruction": f"q{n}", "raw_completion": {"text": "m"}} for n in range(40)]
    assert {tell(row) for row in rows} == first
    if order == "hash":
        assert [tell(r) == "candidate" for r in rows] == [is_candidate_first(r["instruction"]) for r in rows]
    assert tell({"instruction": "same", "raw_completion": None}) == ""


@pytest.mark.parametrize(
    "name, options, order",
    [
        ("chain_of_thought", {"model": "m"}, "hash"),
        ("chain_of_thought", {"model": "m", "both_orders": True}, "both"),
        ("alpaca_eval_2", {}, "hash"),
        ("reference_overlap", {}, ""),
    ],
)
def test_a_judge_says_its_rule(name, options, order):
    module = plugins.ours(plugins.JUDGES, name)
    assert judge_words.order_of(Judge(name, module.VERSION, module.Options(**options))) == order


def test_more_than_100_mb_are_warned_of(made):
    path = report(made)
    assert texts_note(path) == ""
    with open(path.with_suffix(".texts") / "large", "wb") as f:
        f.truncate(101_000_000)
    assert "101 MB" in texts_note(path) and "--without-texts" in texts_note(path)
