"""A store that a group shares by intent: two users work in it, what one publishes serves the other, and what becomes
code stays each one's own.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.judge.test_ledger import question, told
from tests.store.test_store import ARTIFACT
from winsweep import ownership, pruning
from winsweep.attempt import arrays, fork_server, history
from winsweep.attempt import spec as specs
from winsweep.errors import Damaged, NotOwn
from winsweep.graph import load
from winsweep.judge.ledger import Ledger
from winsweep.local import local
from winsweep.placement import Placement
from winsweep.pruning import Waste
from winsweep.store import manifest
from winsweep.store.store import Store

from .forged import NOBODY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
KEY = ARTIFACT.key


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that the group may write, whose new files are the group's; where another user comes to it."""
    above = Path(tempfile.mkdtemp(prefix="winsweep-shared-"))
    above.chmod(0o755)
    folder = above / "store"
    folder.mkdir()
    os.chown(folder, -1, NOBODY)
    folder.chmod(0o2775)
    before = os.umask(0o002)
    yield folder
    os.umask(before)
    shutil.rmtree(above)


def as_another(act: Callable[[], object], user: int = NOBODY) -> object:
    """What `act` returns (plain types) or raises (its words), done by a user of the group."""
    read, write = os.pipe()
    if not (pid := os.fork()):
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(user, user, user)
            ownership._trusted.cache_clear()
            ownership._is_own_group.cache_clear()
            said = json.dumps(act())
        except BaseException as e:
            said = json.dumps(f"{type(e).__name__}: {e}")
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        found = json.loads(answer.read())
    os.waitpid(pid, 0)
    return found


def publish(root: Path) -> int:
    store = Store(root).open()
    claim = store.claim(KEY, "me", lambda _: False)
    specs.write(specs.make(ARTIFACT, store.root, Path("s.yaml"), {}, Placement()), store.work(KEY) / "spec.json")
    specs.read(store.work(KEY) / "spec.json")
    (claim.out / "record.json").write_text(json.dumps({"owner": "me"}))
    store.publish(ARTIFACT.name, claim)
    claim.end({"kind": "done"})
    return claim.number


def test_what_one_user_began_another_goes_on_with_and_both_use_the_result(shared):
    mine = Store(shared).open().claim(KEY, "mine", lambda _: False)
    specs.write(specs.make(ARTIFACT, shared, Path("s.yaml"), {}, Placement()), mine.root / "spec.json")
    assert as_another(lambda: publish(shared)) == 2 and not mine.still_held()
    store = Store(shared).open()
    assert store.has(KEY) and history.failures(store, [KEY]) == {}
    manifest.verify(store.find(KEY))  # data is known by its manifest, whoever wrote it
    with pytest.raises(NotOwn, match=f"owned by user .*{NOBODY}.*copy it to a file of your own"):
        specs.read(store.work(KEY) / "spec.json")


def test_both_users_have_a_log_of_what_one_of_them_began(shared):
    """Else the attempt of the other ended before its first word, and the result failed for good."""
    logs = Store(shared).open().work(KEY) / "logs"

    def say() -> str:
        log = local.own_log(logs)
        if not (pid := os.fork()):
            fork_server.redirect(log)
            os.write(1, b"begun ")
            os._exit(0)
        os.waitpid(pid, 0)
        return f"{log.name}: {log.read_text()}"

    assert [say(), as_another(say)] == ["attempt.log: begun ", "attempt.log: begun begun "]
    (logs / "attempt.log").chmod(0o644)  # of one who does not share it
    assert as_another(say) == f"attempt.u{NOBODY}.log: begun "
    assert Store(shared).log(KEY).name == f"attempt.u{NOBODY}.log"


def test_checkpoints_of_one_user_stay_and_the_other_begins_anew(shared):
    """Else the other failed on them for good, and could not even remove them; and the first one's way was blocked."""

    def take(*kept: str) -> tuple[list[str], int]:
        claim = Store(shared).open().claim(KEY, f"of {os.getpid()}", lambda _: False)
        for name in kept:
            (claim.work / name).mkdir(0o700)
        found = sorted(p.name for p in claim.work.iterdir() if p.name not in kept)
        return found, claim.number

    assert as_another(lambda: take("checkpoint-8")) == [[], 1]
    assert as_another(lambda: take("encoded"), 4321) == [[], 2]
    assert as_another(take) == [["checkpoint-8"], 3]
    assert [p.name for p in sorted(Store(shared).work(KEY).glob("state-*/*"))] == ["encoded", "checkpoint-8"]


def test_what_is_closed_to_its_own_user_for_a_while_is_gone_on_with(shared):
    """As on a disk that is read-only for a moment: a new beginning would cost all that was done."""

    def take() -> list[str]:
        claim = Store(shared).open().claim(KEY, f"of {os.getpid()}", lambda _: False)
        found = sorted(p.name for p in claim.work.iterdir())
        (claim.work / "checkpoint-8").mkdir(0o500, exist_ok=True)
        return found

    assert [as_another(take), as_another(take)] == [[], ["checkpoint-8"]]


def test_prune_moves_nothing_away_that_it_may_not_remove(shared):
    """It renamed checkpoints of another user, failed, and removed nothing that came after."""

    def make() -> None:
        for name, mode in (("closed", 0o700), ("open", 0o775), ("kept", 0o755)):
            (shared / name / "in").mkdir(parents=True)
            (shared / name / "in/file").write_text("words")
            (shared / name / "in").chmod(mode)

    as_another(make, 4321)
    found = [Waste(shared / name, 5, "") for name in ("closed", "open", "kept", "gone")]

    def prune() -> list[str]:
        stay = pruning.closed(found)
        pruning.remove([w for w in found if w not in stay])
        return [w.path.name for w in stay]

    assert as_another(prune) == ["closed", "kept"]
    assert sorted(p.name for p in shared.iterdir()) == ["closed", "kept"]


def test_judgements_of_one_user_serve_the_other(shared):
    mine = Ledger(Store(shared).open().root / ".judged/j", {"judge": "j"})
    mine.find([question(1), question(2)])
    mine.add(question(1), told())
    mine.close()

    def other() -> list[int]:
        theirs = Ledger(shared / ".judged/j", {"judge": "j"})
        found = theirs.find([question(1), question(2)])
        theirs.add(question(2), told(1.5))
        theirs.close()
        return [len(found), *theirs.tokens]

    assert as_another(other) == [1, 200, 2]
    assert mine.news() == {question(2): told(1.5)} and mine.tokens == [200, 2]


def test_jobs_of_one_user_are_not_seen_as_the_others(shared):
    root = Store(shared).open().root
    told_to = [[specs.make(ARTIFACT, root, Path("s.yaml"), {}, Placement())]]
    folder, _ = arrays.open_folder(root, "make", [[KEY]], told_to)
    assert len(arrays.open_arrays(root)) == 1
    for path in (folder, *folder.iterdir()):
        os.chown(path, 4321, NOBODY)
    assert as_another(lambda: len(arrays.open_arrays(shared))) == 0
    assert "owned by user" in str(as_another(lambda: len(arrays.specs_of(folder, 0))))


def test_that_a_store_is_shared_is_told_once_to_each(shared):
    Store(shared).open()
    said = ownership.told_once(shared)
    assert "can write it. Others may change" in said and f"chmod -R go-w {shared}" in said
    theirs = str(as_another(lambda: ownership.told_once(shared)))  # chmod would be refused
    assert ownership.told_once(shared) == "" and "can write it" in theirs and "--store DIR" in theirs
    assert "chmod" not in theirs
    shared.chmod(0o755)
    (shared / ".cache/told-0").unlink()
    assert ownership.told_once(shared) == ""


def test_a_file_that_another_user_changed_in_a_result_is_found(shared):
    publish(shared)
    made = Store(shared).find(KEY)
    assert as_another(lambda: (made / "record.json").write_text("{}")) == 2
    with pytest.raises(Damaged, match=r"record\.json: found 2 bytes"):
        manifest.verify(made)


def test_a_result_that_another_user_made_up_whole_is_data_that_nothing_tells_from_yours(shared):
    """What cannot be prevented where others may write: docs/explanation/security.md says so."""
    publish(shared)

    def replace() -> int:
        made = Store(shared).find(KEY)
        (made / "manifest.json").unlink()
        (made / "record.json").write_text(json.dumps({"owner": "me", "forged": True}))
        manifest.seal(made)
        return 1

    assert as_another(replace) == 1
    manifest.verify(Store(shared).find(KEY))
    shared.chmod(0o755)
    for path in shared.rglob("*"):
        path.chmod(path.stat().st_mode & ~0o022)
    assert "PermissionError" in str(as_another(replace))  # after chmod -R go-w


def test_names_that_another_user_gave_steer_no_terminal_in_prune(capsys):
    say = load(ROOT / "launch/prune.py", "tests.launched").say
    say([], {}, [Waste(Path("/store/collect/\x1b[2J-0123456789ab"), 5, "no study \u202e names it")], is_verbose=True)
    shown = capsys.readouterr().out
    assert "/store/collect/" in shown and "in 1 directory" in shown
    assert all(c.isprintable() or c == "\n" for c in shown)
