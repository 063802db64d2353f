"""What becomes code, names code or is unpickled must be this user's, root's or the code's own owner's, and nobody else
may write it: asked at every door, with real owners and modes.
"""

import grp
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.store.test_store import ARTIFACT
from winsweep import layout, ownership, plugins
from winsweep.attempt import arrays
from winsweep.attempt import spec as specs
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy, Damaged, NotOwn
from winsweep.placement import Placement
from winsweep.slurm import batch_script, code_snapshot
from winsweep.store import manifest
from winsweep.store.store import Store
from winsweep.train import rank_group
from winsweep.train.resumption import require_own

from .forged import NOBODY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
GIVEN = {
    "owned by user": lambda path: os.chown(path, NOBODY, -1),
    "everybody can write it": lambda path: path.chmod(0o666),
    "the group .* can write it": lambda path: (os.chown(path, -1, NOBODY), path.chmod(0o664)),
}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store").open()


@pytest.fixture
def shared(tmp_path) -> Path:
    """A store that a group of users shares by intent, below a folder of nobody else's."""
    made = Store(tmp_path / "shared").open().root
    os.chown(made, -1, NOBODY)
    made.chmod(0o2775)
    return made


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("WINSWEEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small_code(tmp_path, monkeypatch) -> None:
    """A checkout of two files, so that a snapshot takes no time."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1")
    monkeypatch.setattr(
        layout, "snapshot_files", lambda: {Path("src/a.py"): tmp_path / "a.py", Path("b.py"): tmp_path / "b.py"}
    )


def spec(root: Path) -> specs.Spec:
    return specs.make(ARTIFACT, root, root / "s.yaml", {}, Placement())


def array(root: Path) -> Path:
    folder, _ = arrays.open_folder(root, "make", [[ARTIFACT.key]], [[spec(root)]])
    arrays.know(folder, "7")
    return folder


@pytest.mark.parametrize("said", GIVEN)
def test_a_spec_of_another_user_is_not_followed(said, store):
    path = store.work(ARTIFACT.key) / "spec.json"
    specs.write(spec(store.root), path)
    assert specs.read(path).key == ARTIFACT.key
    GIVEN[said](path)
    with pytest.raises(NotOwn, match=rf"spec\.json: {said}.*a spec names code that its attempt runs"):
        specs.read(path)
    done = subprocess.run(
        [sys.executable, str(layout.ROOT / "jobs/prepare.py"), str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode and "a spec names code" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("said", GIVEN)
@pytest.mark.parametrize("name", ["specs.jsonl", "map.json", "job.json"])
def test_the_folder_of_an_array_is_read_only_if_it_is_ones_own(name, said, store):
    folder = array(store.root)
    assert [a.job for a in arrays.open_arrays(store.root)] == ["7"]
    GIVEN[said](folder / name)
    if name == "specs.jsonl":
        for read in (lambda: arrays.specs_of(folder, 0), lambda: arrays.all_told(folder)):
            with pytest.raises(NotOwn, match=said):
                read()
    else:  # another's jobs are not called off, nor waited for
        assert [a.job for a in arrays.open_arrays(store.root)] == ([None] if name == "job.json" else [])


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_what_is_written_for_jobs_is_ones_own_under_any_umask(umask, store, small_code):
    before = os.umask(umask)
    try:
        folder, path = array(store.root), store.work(ARTIFACT.key) / "spec.json"
        specs.write(spec(store.root), path)
        code = code_snapshot.take_snapshot(store.root)
        run = batch_script.command(Placement(env=(("A", "1"),)), code, "winsweep.slurm.node", folder)
    finally:
        os.umask(before)
    assert not [p for p in (folder, *folder.iterdir(), path, code, *code.rglob("*")) if p.stat().st_mode & 0o022]
    assert code_snapshot.take_snapshot(store.root) == code and ownership.is_private(Path(run.split()[-1]))
    assert specs.read(path) == spec(store.root) and arrays.specs_of(folder, 0) == [spec(store.root)]


@pytest.mark.parametrize("said", GIVEN)
def test_a_code_snapshot_that_another_user_could_have_written_is_refused(said, store, small_code):
    code = code_snapshot.take_snapshot(store.root)
    GIVEN[said](code / "src/a.py")
    with pytest.raises(NotOwn, match=rf"a\.py: {said}.*your jobs would run what is there, so type: rm -r {code}"):
        code_snapshot.take_snapshot(store.root)
    shutil.rmtree(code)
    assert code_snapshot.take_snapshot(store.root) == code


def test_a_file_that_another_user_added_to_a_snapshot_is_refused(store, small_code):
    code = code_snapshot.take_snapshot(store.root)
    (code / "src/json.py").write_text("stolen = 1")
    os.chown(code / "src/json.py", NOBODY, -1)
    with pytest.raises(NotOwn, match=r"json\.py: owned by user"):
        code_snapshot.take_snapshot(store.root)


def test_in_a_shared_store_code_and_scripts_of_jobs_lie_in_a_folder_of_ones_own(shared, small_code, own_cache):
    code = code_snapshot.take_snapshot(shared)
    folder = array(shared)
    run = batch_script.command(Placement(env=(("A", "1"),)), code, "winsweep.slurm.node", folder)
    assert code.parent == own_cache / "code" and run == f"bash {own_cache}/code/{folder.name}.sh"
    assert (folder / "task.sh").exists() and ownership.is_private(code) and not ownership.is_private(folder)
    assert arrays.specs_of(folder, 0) == [spec(shared)]  # read from where others may write, as the file is one's own
    own_cache.chmod(0o777)
    with pytest.raises(NotOwn, match=r"others can write it, or a folder above it.*chmod go-w.*WINSWEEP_CACHE"):
        code_snapshot.take_snapshot(shared)


@pytest.mark.parametrize("said", GIVEN)
def test_a_plugin_that_another_user_could_have_written_does_not_run(said, tmp_path):
    path, ran = tmp_path / "tasks/mine.py", tmp_path / "ran"
    path.parent.mkdir()
    path.write_text(f"open({str(ran)!r}, 'w')")
    GIVEN[said](path)
    with pytest.raises(NotOwn, match=rf"mine\.py: {said}.*it is code, which would run as yours"):
        plugins.read_own(plugins.TASKS, path, manifest.sha256_file(path))
    assert not ran.exists()


def test_a_plugin_runs_as_it_was_read_and_nothing_that_was_compiled_before(tmp_path):
    path, ran = tmp_path / "tasks/other.py", tmp_path / "ran"
    path.parent.mkdir()
    path.write_text(f"open({str(ran)!r}, 'w')\n")
    stolen = path.stat()
    import py_compile

    cached = Path(py_compile.compile(str(path), doraise=True))  # a pyc that fits the file by size and time
    path.write_text("VERSION = 7".ljust(stolen.st_size - 1) + "\n")
    os.utime(path, ns=(stolen.st_atime_ns, stolen.st_mtime_ns))
    assert cached.exists()
    with pytest.raises(BadStudy, match="it does not define Options"):
        plugins.read_own(plugins.TASKS, path, manifest.sha256_file(path))
    assert not ran.exists()
    with pytest.raises(BadStudy, match="changed since the study was read"):
        plugins.read_own(plugins.TASKS, path, "0" * 64)


@pytest.mark.parametrize("said", GIVEN)
def test_a_cluster_file_that_another_user_could_have_written_is_refused(said, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("kind: slurm\nall: {setup: [module load x]}\n")
    stages = [p.stem for p in layout.JOBS.glob("*.py")]
    assert read_cluster(layout.STAGES, path, stages).kind == "slurm"
    GIVEN[said](path)
    with pytest.raises(NotOwn, match=rf"c\.yaml: {said}.*its setup lines and options run as yours"):
        read_cluster(layout.STAGES, path, stages)


@pytest.mark.parametrize("said", GIVEN)
def test_a_checkpoint_that_another_user_could_have_written_is_not_unpickled(said, tmp_path):
    folder = tmp_path / "checkpoint-3"
    folder.mkdir(mode=0o700)
    torch.save({}, folder / "random-0.pt")
    (folder / "random-0.pt").chmod(0o600)
    require_own(folder)
    GIVEN[said](folder / "random-0.pt")
    with pytest.raises(Damaged, match="it can run code"):
        require_own(folder)


@pytest.mark.parametrize("said", GIVEN)
def test_ranks_meet_only_where_their_own_leader_said(said, tmp_path):
    rank_group._post(tmp_path / "meeting", "127.0.0.1", 7)
    assert rank_group._find(tmp_path / "meeting", 1, 1e18, 1) == ("127.0.0.1", 7)
    GIVEN[said](tmp_path / "meeting" / rank_group.ADDRESS)
    with pytest.raises(NotOwn, match="the ranks run what comes from there"):
        rank_group._find(tmp_path / "meeting", 1, 1e18, 1)


def test_no_pipe_is_waited_for_and_no_link_followed(store):
    path = store.work(ARTIFACT.key) / "spec.json"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(NotOwn, match="found a pipe or a device"):
        specs.read(path)
    path.unlink()
    path.symlink_to(store.root / "store.json")
    with pytest.raises(NotOwn, match="found no file"):
        specs.read(path)


def test_parents_that_others_may_write_are_found_and_those_of_the_code_are_not_asked_about(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    assert ownership.is_private(tmp_path / "a/b/not there yet")
    (tmp_path / "a").chmod(0o777)
    assert not ownership.is_private(tmp_path / "a/b/not there yet")
    (tmp_path / "a").chmod(0o1777)  # as /tmp: nobody moves what is another's
    assert ownership.is_private(tmp_path / "a/b")
    os.chown(tmp_path / "a/b", NOBODY, -1)
    assert not ownership.is_private(tmp_path / "a/b/c")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert not ownership.is_private(tmp_path / "link/c")
    assert ownership.is_private(layout.ROOT.parent) and ownership.is_private(layout.ROOT)


def test_a_group_of_ones_own_is_oneself(tmp_path, monkeypatch):
    """As many systems make one for each user, with a umask that lets it write."""
    path = tmp_path / "c.yaml"
    path.write_text("{}")
    path.chmod(0o664)
    group = grp.getgrgid(path.stat().st_gid)
    assert pwd.getpwuid(os.geteuid()).pw_name == group.gr_name and ownership.read_own(path, "") == b"{}"
    ownership._is_own_group.cache_clear()
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((group.gr_name, "x", group.gr_gid, ["mallory"])))
    with pytest.raises(NotOwn, match=f"the group {group.gr_name} can write it; why; look at it, then type: chmod go-w"):
        ownership.read_own(path, "why")
    ownership._is_own_group.cache_clear()
