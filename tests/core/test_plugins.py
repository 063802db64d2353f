"""A task or a judge of the user's own: found beside the study, known by its content, refused with words."""

import shutil

import pytest

from tests.core.small_study import STUDY, keys, read
from winsweep import layout, plugins
from winsweep.errors import BadStudy
from winsweep.judge import prices

TASK = """\
from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    first: int = 3

def examples(rows, options):
    for number, row in enumerate(rows):
        if number < options.first:
            yield [{"role": "user", "content": row["q"]}, {"role": "assistant", "content": row["a"]}]
"""
JUDGE = """\
from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    margin: int = 0

def identity(options):
    return {}

def annotate(pairs, options, keep, ledger):
    keep([pair | {"preference": 1.5, "annotator": "mine"} for pair in pairs])
"""
OWN = STUDY.replace(
    "sum: {from: toy, kinds: [sum], recipe: {epochs: 7}}", "sum: {from: mine, path: rows.jsonl}"
).replace("judge: reference_overlap", "judge: {from: fair, margin: 1}")


def own(folder, task=TASK, judge=JUDGE):
    for name, text in (("tasks/mine.py", task), ("judges/fair.py", judge)):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "rows.jsonl").write_text('{"q": "1+1?", "a": "2"}\n')
    return read(folder, OWN)


def told(study):
    return {c.task: c for c in study.table.cells}["sum"]


def test_an_own_task_and_judge_are_read_with_their_options(tmp_path):
    cell = told(own(tmp_path))
    source, judge = cell.training.task, cell.comparison.judge
    assert (source.reader, source.version, source.options.first) == ("mine", 1, 3)
    assert (judge.name, judge.options.margin) == ("fair", 1)
    assert plugins.known(plugins.JUDGES, judge.name, judge.code).identity(judge.options) == {}


def test_what_an_own_judge_asks_of_an_endpoint_is_known_wherever_it_is_counted(tmp_path):
    asks = "\nfrom winsweep.judge.prices import Workload\n\ndef workload(options):\n    return Workload('m', 9, 1, 2)\n"
    judge = told(own(tmp_path, judge=JUDGE + asks)).comparison.judge
    assert prices.workload_of(judge) == prices.Workload("m", 9, 1, 2)
    assert prices.workload_of(told(own(tmp_path)).comparison.judge) is None


def test_a_file_is_known_by_its_content_and_not_by_its_place(tmp_path):
    folders = [tmp_path / name for name in ("here", "there", "edited")]
    for folder in folders:
        folder.mkdir()
    here, there = (keys(own(folder)) for folder in folders[:2])
    edited = keys(own(folders[2], task=TASK.replace("3", "4")))
    assert here == there
    assert all(here[label] != edited[label] for label in here if ".sum." in label)
    assert all(here[label] == edited[label] for label in here if ".ins." in label)


def test_an_edit_in_the_same_place_is_seen_by_a_process_that_goes_on(tmp_path):
    assert told(own(tmp_path)).training.task.options.first == 3
    assert told(own(tmp_path, task=TASK.replace("3", "4"))).training.task.options.first == 4


@pytest.mark.parametrize(
    "task, match",
    [
        ("x = 1\n", r"mine.py: it does not define Options .*, examples or instructions"),
        (
            TASK.replace("@dataclass(frozen=True)\n", ""),
            r"mine.py: it does not define Options \(a frozen dataclass\)$|Options",
        ),
        ("def broken(:\n", r"mine.py: cannot be loaded: SyntaxError"),
        (
            "import no_such_module\n",
            r"mine.py: cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("raise SystemExit(3)\n", r"mine.py: cannot be loaded: SystemExit"),
        (TASK.replace("def examples", "def instructions"), "the reader mine has no examples"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, task, match):
    with pytest.raises(BadStudy, match=match):
        own(tmp_path, task=task)


def test_a_name_that_winsweep_has_is_refused(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/toy.py").write_text(TASK)
    with pytest.raises(BadStudy, match=r"tasks/toy.py: found a name that winsweep has too"):
        read(tmp_path, STUDY)


def test_a_study_beside_our_own_folders_names_ours(tmp_path):
    """As in a copy of the package, where tasks/ beside a study is winsweep's."""
    (tmp_path / "tasks").symlink_to(layout.TASKS)
    assert {c.training.task.code for c in read(tmp_path, STUDY).table.cells if c.training} == {None}


def test_an_unknown_name_names_ours_and_theirs(tmp_path):
    own(tmp_path)
    with pytest.raises(BadStudy, match=r"no file mime.py in tasks/.* mine, .*did you mean mine.*your own are found in"):
        read(tmp_path, OWN.replace("from: mine", "from: mime"))


@pytest.mark.parametrize("name", ["../judges/fair", "/etc/passwd", "mine.py", "", "mine\x00"])
def test_a_name_is_no_path(tmp_path, name):
    own(tmp_path)
    shutil.copy(tmp_path / "judges/fair.py", tmp_path / "fair.py")
    with pytest.raises(BadStudy, match="no file|legal"):
        read(tmp_path, OWN.replace("from: mine", f"from: {name!r}".replace("'", '"').replace("\\x00", "\\0")))
