"""What a cluster file says of its nodes: read, refused, and what becomes of it in a batch script."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from winsweep import layout, placement
from winsweep.artifact import Artifact
from winsweep.attempt import arrays
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.graph import discover
from winsweep.node_environment import Container
from winsweep.placement import Placement
from winsweep.slurm import batch_script
from winsweep.slurm.chain import Array

STAGES = discover(layout.JOBS, "winsweep.jobs")


def read(folder: Path, text: str) -> placement.Placements:
    (folder / "c.yaml").write_text(f"kind: slurm\n{text}")
    return read_cluster(layout.STAGES, folder / "c.yaml", STAGES).placements


def script(placed: Placement, folder: Path) -> str:
    array = Array(placed, ((Artifact("finetune", 1, "x", {}, {}),),), ())
    run = batch_script.command(placed, Path("/code"), "winsweep.slurm.node", folder)
    return batch_script.script(array, folder, run, "name", "", ["n7"])


def test_a_university_s_cluster_file_is_read_and_layers_are_merged(tmp_path):
    found = read(
        tmp_path,
        """\
all:
  setup: [module load cuda/12.8, "source /shared/venv/bin/activate"]
  env: {HF_HOME: /shared/hf, NCCL_SOCKET_IFNAME: ib0}
  python: python
  gpu_type: a100
  gpus_by: gres
  sbatch: {reservation: class, exclude: "bad[1-2]", mail-type: FAIL, exclusive: true, nice: 5}
  srun: [--mpi=none]
stages:
  judge: {setup: [], env: {HF_HOME: /else, NCCL_SOCKET_IFNAME: null}, sbatch: {reservation: null, comment: two words}}
labels:
  "a.*": {finetune: {env: {MORE: "1"}}}
""",
    )
    everywhere = found.of("finetune", "b")
    assert everywhere.env == (("HF_HOME", "/shared/hf"), ("NCCL_SOCKET_IFNAME", "ib0"))
    assert dict(found.of("finetune", "a.x").env) == dict(everywhere.env) | {"MORE": "1"}
    judge = found.of("judge", "b")
    assert judge.setup == () and judge.env == (("HF_HOME", "/else"),) and dict(judge.sbatch)["comment"] == "two words"
    assert "reservation" not in dict(judge.sbatch) and dict(judge.sbatch)["exclude"] == "bad[1-2]"
    text = script(everywhere, tmp_path)
    for line in ("--reservation=class", "--gres=gpu:a100:1", "--exclusive", "--mail-type=FAIL", "--nice=5"):
        assert f"#SBATCH {line}\n" in text
    assert "#SBATCH --exclude='bad[1-2],n7'\n" in text and "--mpi=none" in text and "gpus-per-node" not in text
    assert placement.restore(json.loads(json.dumps(placement.plain(everywhere)))) == everywhere


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("env: {HF_TOKEN: x}", "found the variable HF_TOKEN; a secret is never written to disk"),
        ("env: {openai_api_key: x}", "a secret is never written to disk"),
        ("env: {A-B: x}", "letters, digits and _ are legal"),
        ("env: {RANK: '1'}", "winsweep or SLURM sets it"),
        ("env: {MASTER_PORT: '1'}", "winsweep or SLURM sets it"),
        ("env: {SLURM_CONF: x}", "SLURM sets it"),
        ("env: {ws_folder: /tmp}", "the script of a rank has its own so"),
        ("env: {A: 1}", 'quote it: A: "…"'),
        ("sbatch: {array: 0-3}", "winsweep sets it: throttle:"),
        ("sbatch: {time: 5}", "winsweep sets it: time_min:"),
        ("sbatch: {gpus: 5}", "winsweep sets it: gpus_per_rank:"),
        ("sbatch: {job-name: x}", "winsweep sets it"),
        ("sbatch: {p: x}", "long options are legal, without --"),
        ("sbatch: {--comment: x}", "long options are legal, without --"),
        ('sbatch: {comment: "a\\n#SBATCH --wrap=x"}', "one line without quotes"),
        ("sbatch: {exclusive: false}", "leave exclusive out"),
        ("srun: [-n5]", "--OPTION or --OPTION=VALUE"),
        ("srun: [--ntasks=5]", "winsweep sets it: ranks:"),
        ("setup: [' ']", "a command of bash is legal"),
        ("setup: module load cuda", "type [module load cuda]"),
        ("container: {runtime: docker, image: x}", "legal: apptainer, pyxis"),
        ("container: {runtime: apptainer}", "image is missing"),
        ("sbatch: {arra: 0-3}", "SLURM reads it as array; winsweep sets it: throttle:"),
        ("sbatch: {tim: 5}", "SLURM reads it as time"),
        ("sbatch: {wait: true}", "winsweep sets it: sbatch is to answer at once"),
        ("sbatch: {exclude: true}", "text, a whole number"),
        ("sbatch: {export: 'ALL,HF_TOKEN=x'}", "found a value of HF_TOKEN; a secret is never written to disk"),
        ("srun: [--ntask=5]", "SLURM reads it as ntasks"),
        ("srun: ['--export=ALL,MY_API_KEY=x']", "found a value of MY_API_KEY"),
        ("setup: [export HF_TOKEN=hf_x]", "found a value of HF_TOKEN"),
        ("setup: ['true; WANDB_API_KEY=\"x\" true']", "found a value of WANDB_API_KEY"),
        ('setup: ["echo \\ud800"]', "half of a character"),
        ('env: {A: "\\ud800"}', "half of a character"),
        ("env: {MY_PASSPHRASE: x}", "a secret is never written to disk"),
        ("container: {runtime: apptainer, image: x, args: ['--env=HF_TOKEN=x']}", "found a value of HF_TOKEN"),
        ("container: {runtime: pyxis, image: x, args: [--ntasks=5]}", "winsweep sets it: ranks:"),
        ('container: {runtime: pyxis, image: "a\\nb"}', "one line that is not empty"),
        ("container: {runtime: apptainer, image: x, mounts: ['']}", "one line that is not empty"),
        ("gpu_type: 'gpu:a100'", "the kind alone is legal; a100 where sinfo has gpu:a100:4"),
        ("gpus_by: each", "legal: gpus-per-node, gres, gpus-per-task"),
        ("gpu_type: 'a100 h100'", "one word"),
        ("env: {HF_HOME: ~/hf}", "a whole path is legal, as nothing here is expanded; write it out, or export it in"),
        ("env: {HF_HOME: $SCRATCH/hf}", "nothing here is expanded"),
        ("env: {LD_LIBRARY_PATH: '/a:${HOME}/lib'}", "nothing here is expanded"),
        ("python: ~/venv/bin/python", "nothing here is expanded"),
        ("python: --help", "no option is legal here"),
        ("python: python -S", "a path or a name is legal, without options"),
        ("python: A=b", "a path or a name is legal"),
        ('python: "a\\nb"', "a path or a name is legal"),
        ("container: {runtime: apptainer, image: ~/x.sif}", "nothing here is expanded"),
        ("container: {runtime: apptainer, image: --help}", "no option is legal here"),
        ("container: {runtime: apptainer, image: x, mounts: [$DATA]}", "nothing here is expanded"),
        ("container: {runtime: apptainer, image: x, mounts: ['/a:']}", "PATH, PATH:PATH_INSIDE and"),
        ("container: {runtime: pyxis, image: x, mounts: [data]}", "with whole paths"),
        ("srun: [--help]", "srun would end without a rank"),
        ("srun: [--test-only]", "srun would end without a rank"),
        ("sbatch: {clusters: other}", "jobs are looked for in the cluster"),
        ("signal_s: 3600, time_min: 60", "so that it saves at once; less than the time limit is legal"),
        ("signal_s: 65536, time_min: 60000", "1 to 65535 is legal"),
        ("time_min: 4294967356", "1 to 527040 is legal"),
        ("timeout_s: 1.0e+18", "1 to 604800 is legal"),
        ("threads: 1099511627776", "1 to 4096 is legal"),
    ],
)
def test_what_may_not_be_said_is_refused_with_its_place(fields, told, tmp_path):
    with pytest.raises(BadStudy) as e:
        read(tmp_path, f"all: {{{fields}}}\n")
    assert str(e.value).startswith(f"{tmp_path}/c.yaml:2: all.") and told in str(e.value)


def test_what_only_looks_like_a_secret_or_an_option_cut_short_is_taken(tmp_path):
    lines = ["export HF_TOKEN=$(cat ~/token)", 'export A_KEY="$B_KEY"', "sort --key=2 /dev/null", "MONEY=1; KEYS=`id`"]
    found = read(
        tmp_path,
        f"""\
all:
  env: {{TOKENIZERS_PARALLELISM: "false"}}
  setup: {json.dumps(lines)}
  sbatch: {{time-min: 5, gres: "lscratch:100", mem-per-cpu: 4G}}
  srun: [--container=bundle, --mpi=pmix]
  gpus_by: gres
""",
    ).of("finetune", "x")
    assert found.setup == tuple(lines) and dict(found.sbatch)["time-min"] == "5"
    assert "#SBATCH --gres=gpu:1,lscratch:100\n" in script(found, tmp_path)


def test_attempts_on_this_machine_take_none_of_it(tmp_path):
    (tmp_path / "c.yaml").write_text("kind: local\nall: {env: {A: b}}\nlabels: {x: {judge: {setup: [true]}}}\n")
    with pytest.raises(BadStudy, match="(?s)found env with kind: local.*found setup with kind: local"):
        read_cluster(layout.STAGES, tmp_path / "c.yaml", STAGES)


def run_task(placed: Placement, folder: Path, module: str = "winsweep.slurm.node", **more: str) -> tuple[int, str]:
    """A rank's script as srun starts it."""
    command = batch_script.command(placed, folder / "code", module, folder)
    env = os.environ | {"SLURM_ARRAY_TASK_ID": "3", "SLURM_PROCID": "1"} | more
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_rank_runs_in_the_environment_that_was_asked_for(tmp_path):
    (tmp_path / "code/src").mkdir(parents=True)
    (tmp_path / "code/src/said.py").write_text(
        "import os, sys\nprint(os.environ['A'], os.environ['B'], os.environ['OUT'], sys.argv[1:])\nsys.exit(5)\n"
    )
    hostile = "$(touch /tmp/x) `id` \"'; exit"
    placed = Placement(
        env=(("A", hostile), ("OUT", "1")), setup=("export B=$((OUT + 1))", "cd /", "export OUT=$PWD"), python="python3"
    )
    code, said = run_task(placed, tmp_path, "said")
    assert said.startswith(f"{hostile} 2 / ['{tmp_path}']") and code == 5
    assert "python3 -m said, which did not begin, ended with 5" in (arrays.failure(tmp_path, 3) or "")


@pytest.mark.parametrize(
    ("placed", "told"),
    [
        (
            Placement(setup=("true", "echo no such module >&2; (exit 7)")),
            r"setup line 2, `echo .*`, ended with 7: no such module",
        ),
        (Placement(setup=("module load cuda",)), r"setup line 1, `module load cuda`, ended with 127: .*not found"),
        (Placement(setup=("echo over; exit 4",)), r"setup line 1, `echo over; exit 4`, ended with 4: over"),
        (
            Placement(python="/no/such/python"),
            r"/no/such/python -m .*, which did not begin, ended with 127: .*No such file",
        ),
        (Placement(setup=("true",), python="python3.99"), r"python3.99 -m .* ended with 127"),
        (
            Placement(container=Container("apptainer", "/no/image.sif")),
            r"python3 -m .* in /no/image.sif, which did not begin",
        ),
    ],
)
def test_what_fails_before_a_rank_has_begun_is_noted_with_its_output(placed, told, tmp_path):
    code, said = run_task(placed, tmp_path)
    noted = arrays.failure(tmp_path, 3)
    assert code and noted and re.search(told, noted, re.DOTALL), (noted, said)


def test_what_a_rank_ends_with_once_it_has_begun_is_its_own(tmp_path):
    (tmp_path / "code/src").mkdir(parents=True)
    (tmp_path / "code/src/said.py").write_text(
        f"import sys\nsys.path.insert(0, {str(layout.ROOT / 'src')!r})\nfrom pathlib import Path\n"
        "from winsweep.slurm import task_script\ntask_script.mark_begun(Path(sys.argv[1]))\nsys.exit(66)\n"
    )
    assert run_task(Placement(setup=("true",)), tmp_path, "said")[0] == 66
    assert arrays.failure(tmp_path, 3) is None and not list((tmp_path / "begun").iterdir())


def test_a_setup_line_must_be_a_whole_command(tmp_path):
    with pytest.raises(BadStudy, match="setup: found 'if true; then'; each line must be a whole command of bash"):
        run_task(Placement(setup=("if true; then", "fi")), tmp_path)


@pytest.mark.parametrize(
    ("placed", "wanted"),
    [
        (Placement(ranks=4, nodes=2, gpus_per_rank=1), "--gpus-per-node=2"),
        (Placement(ranks=4, nodes=2, gpus_per_rank=2, gpu_type="h100"), "--gpus-per-node=h100:4"),
        (Placement(ranks=4, nodes=2, gpus_per_rank=2, gpus_by="gres"), "--gres=gpu:4"),
        (Placement(ranks=4, nodes=2, gpus_per_rank=2, gpus_by="gpus-per-task", gpu_type="a"), "--gpus-per-task=a:2"),
    ],
)
def test_gpus_are_asked_for_as_the_site_wants_it(placed, wanted, tmp_path):
    asked = re.findall(r"#SBATCH (--gp\S+|--gres\S+)", script(placed, tmp_path))
    assert asked == [wanted]


def test_pyxis_starts_the_container_by_srun_and_setup_runs_before_it(tmp_path):
    image = "registry.example.org#team/image:1"
    placed = Placement(
        setup=("module load x",),
        container=Container("pyxis", image, ("/data", "/a:/b:ro"), ("--no-container-mount-home",)),
    )
    text = script(placed, tmp_path)
    before, _, srun = text.partition("\nsrun ")
    assert "# setup\nmodule load x\n" in before and f"'--container-image={image}'" in srun
    assert "--container-mounts=/data:/data,/a:/b:ro" in srun and "--no-container-mount-home" in srun
    assert "module load" not in (tmp_path / "task.sh").read_text()
