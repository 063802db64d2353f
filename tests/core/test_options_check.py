"""Options of srun and setup lines, read by srun and bash themselves before anything is submitted."""

import os
from pathlib import Path

import pytest

from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.graph import discover
from winsweep.slurm import options_check
from winsweep.slurm.doctor import by_placement, check_options

SRUN = """\
#!/bin/bash
for word in "$@"; do
    case $word in
        --version) echo slurm 22.05; exit 0 ;;
        --help) echo '      --mpi=type  --container=path  -b, --begin=time'; exit 0 ;;
        --mpi=*) ;;
        *) echo "srun: unrecognized option '$word'" >&2; echo 'Try "srun --help" for more information' >&2; exit 255 ;;
    esac
done
"""


@pytest.fixture
def srun(tmp_path, monkeypatch) -> Path:
    """A stand-in for SLURM's, which is not installed everywhere and asks for its configuration."""
    file = tmp_path / "bin" / "srun"
    file.parent.mkdir()
    file.write_text(SRUN)
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")
    return file


def read(folder: Path, text: str):
    (folder / "c.yaml").write_text(f"kind: slurm\nall: {{{text}}}\n")
    return read_cluster(layout.STAGES, folder / "c.yaml", discover(layout.JOBS, "winsweep.jobs"))


def test_an_option_that_srun_cannot_read_is_told_before_any_job_meets_it(srun, tmp_path):
    assert options_check.look(read(tmp_path, "srun: [--mpi=none]")) == []
    with pytest.raises(BadStudy) as e:
        options_check.look(read(tmp_path, "srun: [--mpi=none, --beginn=now]"))
    assert str(e.value) == (
        f"{tmp_path}/c.yaml: srun: found --mpi=none --beginn=now, of which srun says: unrecognized option "
        "'--beginn=now'; options are legal that srun has; see man srun, or correct it"
    )
    placed = by_placement(read(tmp_path, "srun: [--mpi=none, --beginn=now]"))
    assert [(f.verdict, f.found) for f in check_options(placed)] == [
        ("problem", "unrecognized option '--beginn=now'")
    ] * len(placed)


def test_an_option_that_plugins_of_the_nodes_may_know_is_noted_and_refuses_nothing(srun, tmp_path):
    cluster = read(tmp_path, "srun: [--mpi=none, --private-tmp=x]")
    [told] = options_check.look(cluster)
    assert told == (
        f"{tmp_path}/c.yaml: srun of this machine does not know --private-tmp; if no plugin of the nodes knows it "
        "either, each job ends as it starts; see srun --help on a node"
    )
    assert {f.verdict for f in check_options(by_placement(cluster))} == {"unknown"}


@pytest.mark.parametrize("said", ["#!/bin/bash\nexit 1\n", "no program"])
def test_where_srun_says_nothing_nothing_is_refused(said, srun, tmp_path):
    srun.write_text(said)
    options_check.look(read(tmp_path, "srun: [--colour=red]"))


def test_a_setup_line_that_is_no_whole_command_is_told_by_a_dry_run_too(tmp_path):
    with pytest.raises(BadStudy, match="setup: found 'if true; then'; each line must be a whole command of bash"):
        options_check.look(read(tmp_path, "setup: ['if true; then', fi]"))
