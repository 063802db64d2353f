"""What counts without an attempt: tasks that left the queue without beginning, damage that two find at once."""

import pytest

from winsweep.attempt import arrays, endings, history
from winsweep.attempt.spec import Spec
from winsweep.errors import Damaged
from winsweep.placement import Placement
from winsweep.slurm import queue
from winsweep.store import damage
from winsweep.store.store import Store


def spec(store: Store, stage: str, digest: str, **inputs: str) -> Spec:
    return Spec(str(store.root), "s.yaml", stage, 1, digest, digest, {}, inputs, {}, Placement())


def submitted(store: Store, job: str, *task: Spec) -> arrays.Submitted:
    folder, _ = arrays.open_folder(store.root, task[0].stage, [[s.key for s in task]], [task])
    arrays.know(folder, job)
    return next(x for x in arrays.open_arrays(store.root) if x.folder == folder)


def test_three_tasks_that_never_began_are_a_failure_and_what_waits_for_them_is_not(tmp_path):
    store = Store(tmp_path).open()
    tuned = spec(store, "finetune", "a" * 12)
    model = spec(store, "collect", "b" * 12, finetune=tuned.key)
    for number in range(3):
        assert history.failures(store, [tuned.key]) == {}
        history.note_lost(store, submitted(store, str(70 + number), tuned, model))
    assert "lost: 72_0 left the queue and never began" in history.failures(store, [tuned.key])[tuned.key]
    assert history.ends(store, model.key) == []  # its input was not there: it could not have begun
    history.forgive(store, [tuned.key])
    assert history.failures(store, [tuned.key]) == {}


def test_a_lost_task_of_an_earlier_array_brings_no_attempt_after_a_failure_for_good(tmp_path):
    store = Store(tmp_path).open()
    broken = spec(store, "judge", "a" * 12)
    history.count(store, broken.key, "1", "config", "cannot be loaded")
    history.note_lost(store, submitted(store, "70", broken))
    assert history.failures(store, [broken.key]) == {broken.key: "config: cannot be loaded"}
    assert [e.kind for e in history.ends(store, broken.key)] == ["config", "stopped"]


def test_a_lost_task_from_before_a_person_asked_for_more_takes_none_of_the_new_attempts(tmp_path):
    store = Store(tmp_path).open()
    array = submitted(store, "70", broken := spec(store, "judge", "a" * 12))
    history.count(store, broken.key, "1", "config", "cannot be loaded")
    history.note_lost(store, array, [0])  # while others of its array run
    history.forgive(store, [broken.key])
    history.note_lost(store, array)
    assert history.failures(store, [broken.key]) == {} and history.so_far(store, broken.key) == ""


def test_a_lost_task_counts_once_and_before_the_others_of_its_array_end(tmp_path):
    """It is submitted anew while they run for days, so its budget is known by then."""
    store = Store(tmp_path).open()
    lost, broken, runs = (spec(store, "finetune", letter * 12) for letter in "abc")
    told = [[lost], [broken], [runs]]
    folder, name = arrays.open_folder(store.root, "finetune", [[s.key for s in task] for task in told], told)
    arrays.know(folder, "7")
    (folder / "failed").mkdir()
    (folder / "failed" / "1").write_text("no such module")
    found = queue.pairs(
        arrays.open_arrays(store.root), [queue.Task("7", 2, name, "RUNNING", "None", "n1", "1:00", "1:00:00")]
    )
    for _ in range(2):
        ((array, indices),) = queue.gone(found, {lost.key, broken.key, runs.key})
        assert indices == {0, 1}
        history.note_lost(store, array, indices)
        assert [[e.kind for e in history.ends(store, s.key)] for s in (lost, broken, runs)] == [["lost"], ["setup"], []]
    assert queue.gone(found, {runs.key}) == []
    history.note_lost(store, array)
    kinds = [[e.kind for e in history.ends(store, s.key)] for s in (lost, broken, runs)]
    assert kinds == [["lost"], ["setup"], ["lost"]]


def test_a_task_that_began_or_was_never_submitted_is_not_lost(tmp_path):
    store = Store(tmp_path).open()
    tuned = spec(store, "finetune", "a" * 12)
    claim = store.claim(tuned.key, "host@1@2.00@slurm-7_0.0", lambda _: False)
    claim.end({"kind": "killed", "reason": "r"})
    history.note_lost(store, submitted(store, "7", tuned))
    assert [e.kind for e in history.ends(store, tuned.key)] == ["killed"]
    folder, _ = arrays.open_folder(store.root, "finetune", [[tuned.key]], [[tuned]])
    history.note_lost(store, next(x for x in arrays.open_arrays(store.root) if x.folder == folder))
    assert len(history.ends(store, tuned.key)) == 1


def test_the_next_attempt_says_nothing_of_one_that_was_forgiven(tmp_path):
    """Nor does it take an attempt that left no record for another's: that one was killed."""
    store = Store(tmp_path).open()
    tuned = spec(store, "finetune", "a" * 12)
    claim = store.claim(tuned.key, "host@1@2.00@one", lambda _: False)
    claim.end({"kind": "judge refused", "reason": "r"})
    history.forgive(store, [tuned.key])
    after = store.claim(tuned.key, "host@2@3.00@two", lambda _: False)
    endings.explain_predecessor(store, tuned.key, after, "two")
    assert [e.kind for e in history.ends(store, tuned.key) if e.kind] == []
    last = store.claim(tuned.key, "host@3@4.00@three", lambda _: False)
    endings.explain_predecessor(store, tuned.key, last, "three")
    assert [e.kind for e in history.ends(store, tuned.key)] == ["killed"]


def test_what_a_second_task_writes_before_it_claims_is_left_to_it(tmp_path):
    store = Store(tmp_path).open()
    work = store.work("finetune/aaaaaaaaaaaa")
    work.mkdir(parents=True)
    for name in (".spec.json.77.tmp", "spec.json", "progress.json"):
        (work / name).touch()
    store.tidy("finetune/aaaaaaaaaaaa")
    assert sorted(p.name for p in work.iterdir()) == [".spec.json.77.tmp", "spec.json"]


def test_two_that_find_the_same_damage_at_once_wait_for_the_same_to_be_made_again(tmp_path):
    store = Store(tmp_path).open()
    (tmp_path / ".work").mkdir(exist_ok=True)
    (path := tmp_path / "prepare/ins-aaaaaaaaaaaa").mkdir(parents=True)
    for _ in range(2):
        assert damage.set_aside(store, path, "x differs").key == "prepare/aaaaaaaaaaaa"
    path.mkdir()
    with pytest.raises(Damaged, match="was set aside and made again before"):
        damage.set_aside(store, path, "x differs")
