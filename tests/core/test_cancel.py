"""What `--cancel` takes out of the queue where two studies share a store. SLURM's commands are scripts."""

import json
import shlex
from pathlib import Path

import pytest

from tests.core.faulty import STUDY
from tests.core.test_finalizer import queue  # noqa: F401  # a fixture
from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.slurm import cancel, neighbours, reconcile
from winsweep.slurm import queue as queue_module
from winsweep.workspace import Workspace, open_workspace

OTHER = STUDY.replace("name: faulty", "name: other").replace("seeds: [1]", "seeds: [2]")


def open_and_submit(folder: Path, name: str, text: str) -> Workspace:
    (folder / f"{name}.yaml").write_text(text)
    workspace = open_workspace(folder / f"{name}.yaml", folder / "runs")
    reconcile.reconcile(workspace, read_cluster(layout.STAGES, folder / "c.yaml", workspace.need.stages))
    return workspace


def names(queue: Path) -> list[str]:  # noqa: F811
    """The stages of the jobs in the queue."""
    return sorted(json.loads(path.read_text())["name"].split(".")[1] for path in queue.glob("*.json"))


@pytest.fixture
def two(tmp_path, queue) -> tuple[Workspace, Workspace]:  # noqa: F811
    """Two studies of one store that differ in their seed: the second waits for the first one's model and rows."""
    return open_and_submit(tmp_path, "one", STUDY), open_and_submit(tmp_path, "two", OTHER)


SHARED = ["check", "prepare", "pretrain"]
OF_A_SEED = ["finalizer", "finetune+collect", "generate", "judge"]


def test_a_cancelled_study_takes_nothing_of_another_one_out_of_the_queue(two, queue, capsys):  # noqa: F811
    one, second = two
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, *OF_A_SEED, "watchdog"])
    cancel.cancel(second, "")
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, "watchdog"])
    assert "stay, as another study of this store waits for them" in capsys.readouterr().out
    assert reconcile.look(one).finalizer
    cancel.cancel(one, "")
    assert names(queue) == []


def test_what_another_study_waits_for_stays_although_this_one_submitted_it(two, queue):  # noqa: F811
    one, second = two
    cancel.cancel(one, "")
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, "watchdog"])
    seen = reconcile.look(second)
    assert seen.finalizer and not [i for i in seen.items if i.state == "ready"]
    cancel.cancel(second, "")
    assert names(queue) == []


def test_a_cancelled_cell_takes_nothing_of_another_study(two, queue):  # noqa: F811
    one, _ = two
    cancel.cancel(one, "a.ins.s1")
    assert not {*SHARED} - {*names(queue)} and names(queue).count("judge") == 1


def test_what_another_study_left_damaged_ends_no_command_on_this_one(two, queue):  # noqa: F811
    one, second = two
    tasks = reconcile.look(one).tasks
    [other] = [a for a, _ in tasks if a.keys == ((f"finalizer/{second.study.name}",),)]
    (other.folder / "finalizer.json").write_text("{")
    assert neighbours.say(one, tasks) == ""
    (other.folder / "finalizer.json").unlink()
    assert neighbours.say(one, tasks) == ""


def test_an_arm_is_cancelled_with_all_its_seeds_and_a_wrong_name_is_told(tmp_path, queue):  # noqa: F811
    text = STUDY.replace("seeds: [1]", "seeds: [1, 2]").replace(
        "tasks: {", "tasks: {more: {from: toy, num_examples: 25}, "
    )
    study = open_and_submit(tmp_path, "one", text)
    seen, labels = reconcile.look(study), [label for label in study.judged if ".more." in label]
    tasks = cancel.of_cells(study, labels, seen)
    gone = {key for array, task in seen.tasks if task.id in tasks for key in array.keys[task.index]}
    assert gone == cancel.own(study, labels) >= {study.judged[label].key for label in labels} and len(labels) == 2
    assert not any(".ins." in a.label for a in study.order if a.key in gone)
    with pytest.raises(BadStudy, match=r"--cancel a\.mor: no such cell .*did you mean a\.more\?"):
        cancel.cancel(study, "a.mor")


def test_a_study_that_was_edited_since_is_cancelled_with_what_it_asked_for_before(tmp_path, two, queue):  # noqa: F811
    edited = open_and_submit(tmp_path, "one", STUDY.replace("examples: 24", "examples: 25"))
    cancel.cancel(edited, "")
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, "watchdog"])


def test_what_an_edit_leaves_in_the_queue_is_told_with_what_takes_it_out(tmp_path, two, queue):  # noqa: F811
    """And nothing else is: neither what the study asks for now, nor what the other one does."""
    _, second = two
    assert not any(neighbours.say_earlier(w, reconcile.look(w).tasks) for w in two)
    edited = open_and_submit(tmp_path, "one", STUDY.replace("examples: 24", "examples: 25"))
    told = neighbours.say_earlier(edited, reconcile.look(edited).tasks)
    assert told.startswith(
        "queued or running: 3 jobs of what this study asked for before it was edited, which nothing needs now"
    )
    assert not neighbours.say_earlier(second, reconcile.look(second).tasks)
    assert not neighbours.say_earlier(edited.models(), reconcile.look(edited).tasks)
    queue_module.run(shlex.split(told.partition("out: ")[2]))
    assert names(queue) == sorted([*SHARED, "prepare", *OF_A_SEED, *OF_A_SEED, "watchdog"])
    seen = reconcile.look(edited)
    assert not neighbours.say_earlier(edited, seen.tasks) and not [i for i in seen.items if i.state == "ready"]


def test_tasks_of_a_job_that_is_wanted_for_others_are_named_one_by_one(tmp_path, queue):  # noqa: F811
    open_and_submit(tmp_path, "one", STUDY.replace("seeds: [1]", "seeds: [1, 2, 3]"))
    edited = open_and_submit(tmp_path, "one", STUDY.replace("seeds: [1]", "seeds: [3]"))
    [job] = [p.stem for p in queue.glob("*.json") if json.loads(p.read_text())["name"].split(".")[1] == "judge"]
    told = neighbours.say_earlier(edited, reconcile.look(edited).tasks)
    assert f"'{job}_[0,1]'" in told


TWO_ARMS = STUDY.replace("seeds: [1]", "seeds: [1, 2]").replace(
    "examples: 24}", "examples: 24}, resp: {from: toy, num_examples: 25}"
)


def test_a_job_whose_first_task_is_left_out_is_looked_at_as_any_other(tmp_path, queue, capsys):  # noqa: F811
    """Its tasks stand at the places of what each waits for."""
    one = open_and_submit(tmp_path, "one", TWO_ARMS)
    assert any(not array.keys[0] for array, _ in reconcile.look(one).tasks)
    edited = open_and_submit(tmp_path, "one", TWO_ARMS.replace("examples: 25", "examples: 26"))
    assert "before it was edited" in neighbours.say_earlier(edited, reconcile.look(edited).tasks)
    cancel.cancel(edited, "")
    assert names(queue) == []


def test_a_study_that_was_renamed_is_no_other_study(tmp_path, two, queue, capsys):  # noqa: F811
    """What its file asked for under its earlier name goes as after any edit, the finalizer of that name too."""
    renamed = STUDY.replace("name: faulty", "name: renamed")
    same = open_and_submit(tmp_path, "one", renamed)
    told = neighbours.say_earlier(same, reconcile.look(same).tasks)
    assert told.startswith("queued or running: 1 job of what this study asked for before")
    edited = open_and_submit(tmp_path, "one", renamed.replace("examples: 24", "examples: 25"))
    assert neighbours.say_earlier(edited, reconcile.look(edited).tasks).startswith(
        "queued or running: 4 jobs of what this study asked for"
    )
    cancel.cancel(edited, "")
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, "watchdog"])
    assert "; 4 stay, as another study of this store waits for them" in capsys.readouterr().out


def test_two_files_of_one_name_keep_their_finalizers_and_are_told(tmp_path, queue, capsys):  # noqa: F811
    one = open_and_submit(tmp_path, "one", STUDY)
    assert not neighbours.say_namesakes(one, reconcile.look(one).tasks)
    copy = open_and_submit(tmp_path, "copy", STUDY.replace("seeds: [1]", "seeds: [2]"))
    assert names(queue).count("finalizer") == 2 and reconcile.look(one).finalizer
    told = neighbours.say_namesakes(copy, reconcile.look(copy).tasks)
    assert told.startswith(f"note: {tmp_path}/one.yaml is in the queue and has the name faulty, too;")
    assert not neighbours.say_earlier(copy, reconcile.look(copy).tasks)
    cancel.cancel(copy, "")
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, "watchdog"])


def test_a_copy_that_asks_for_the_same_and_a_file_that_was_moved_are_the_same_study(tmp_path, queue):  # noqa: F811
    one = open_and_submit(tmp_path, "one", STUDY)
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, "watchdog"])
    open_and_submit(tmp_path, "copy", STUDY)
    assert names(queue) == sorted([*SHARED, *OF_A_SEED, "watchdog"])
    one.study.path.unlink()
    moved = open_and_submit(tmp_path, "moved", STUDY.replace("seeds: [1]", "seeds: [1, 2]"))
    assert names(queue).count("finalizer") == 1 and not neighbours.say_namesakes(moved, reconcile.look(moved).tasks)
    cancel.cancel(moved, "")
    assert names(queue) == []
