"""The job of a store that looks after its others. SLURM's commands are scripts."""

from tests.core.faulty import STUDY
from tests.core.test_cancel import names, open_and_submit
from tests.core.test_finalizer import queue  # noqa: F401  # a fixture

BEGUN = '#!/bin/sh\n[ "$1" = update ] && { echo "Job has already finished" >&2; exit 1; }\necho "MaxArraySize = 1001"\n'


def test_one_that_has_begun_since_the_queue_was_read_gets_a_successor(tmp_path, queue, capsys):  # noqa: F811
    """It may have looked before the jobs were there that are submitted now."""
    open_and_submit(tmp_path, "one", STUDY)
    assert names(queue).count("watchdog") == 1
    (tmp_path / "bin/scontrol").write_text(BEGUN)
    open_and_submit(tmp_path, "one", STUDY.replace("examples: 24", "examples: 25"))
    assert names(queue).count("watchdog") == 2 and "no watchdog" not in capsys.readouterr().err


def test_one_that_waits_is_enough(tmp_path, queue):  # noqa: F811
    open_and_submit(tmp_path, "one", STUDY)
    open_and_submit(tmp_path, "one", STUDY.replace("examples: 24", "examples: 25"))
    assert names(queue).count("watchdog") == 1
