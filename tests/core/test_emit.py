"""submit.sh as text, and what is not submitted because it runs on the login node."""

import subprocess
from dataclasses import replace
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, plan
from winsweep.slurm.chain import After, Array
from winsweep.slurm.emit import Step, submit_text
from winsweep.slurm.tasks import on_nodes

NODES = Placements({s: Placement() for s in ("prepare", "finetune", "generate", "judge")})
SBATCH = """\
#!/bin/bash
echo "$@ RANK=${RANK-} CONF=$SLURM_CONF" >> "$HERE/calls"
[ ! -e "$HERE/down" ] || exit 1
if [ -e "$HERE/full" ] && [ "$(wc -l < "$HERE/calls")" -ge 4 ]; then exit 1; fi
echo "Welcome to job 5"
echo "$(wc -l < "$HERE/calls");cluster"
"""
SCONTROL = """\
#!/bin/bash
echo "$@" >> "$HERE/updates"
[ ! -e "$HERE/begun" ]
"""


def login(*stages: str) -> Placements:
    return Placements({s: replace(p, where="login" if s in stages else "nodes") for s, p in NODES.by_stage.items()})


def wanted() -> list[Artifact]:
    data = Artifact("prepare", 1, "d", {})
    outputs = [
        Artifact("generate", 1, f"c{n}", {"n": n}, {"base": Artifact("finetune", 1, f"c{n}", {"n": n}, {"data": data})})
        for n in range(2)
    ]
    return [Artifact("judge", 1, o.label, {}, {"candidate": o}) for o in outputs]


def test_only_what_nodes_can_make_is_submitted():
    judges = wanted()
    data = judges[0].inputs["candidate"].inputs["base"].inputs["data"]

    def kept(placements: Placements, **facts) -> set[str]:
        return {i.artifact.stage for i in on_nodes(plan(judges, Facts(**facts)), placements) if i.state != "done"}

    assert kept(NODES) == {"prepare", "finetune", "generate", "judge"}
    assert kept(login("judge")) == {"prepare", "finetune", "generate"}
    assert kept(login("prepare")) == set()  # everything waits for it
    assert kept(login("prepare"), running={data.key: "by host@1"}) == set()
    assert kept(login("prepare"), present={data.key}) == {"finetune", "generate", "judge"}


def three_steps(runs: Path) -> list[Step]:
    """A finetune, a collect and the finalizer, whose names bash must not run."""
    steps = []
    for n, stage in enumerate(("finetune", "collect", "finalizer")):
        folder = runs / f"a{n}"
        folder.mkdir(parents=True)
        (folder / "over").touch()
        after = ((), (After(0, corresponding=True),), (After(0), After(1), After("77")))[n]
        words = ("", "aftercorr:$job_0", "afterany:$job_0,afterany:$job_1,afterany:77")[n]
        array = Array(Placement(), ((Artifact(stage, 1, "c\n$(touch pwned)", {}),),), after)
        steps.append(Step(array, f"0{n}-{stage}.sh", folder, words))
    return steps


def test_submit_sh_goes_on_where_it_was_refused_and_notes_the_jobs(tmp_path):
    """Run with an sbatch that writes down how it was called: a script, so what reaches it is what bash makes of
    submit.sh.
    """
    steps = three_steps(tmp_path / "runs of x")
    (tmp_path / "submit.sh").write_text(submit_text("s", steps))
    for name, text in (("sbatch", SBATCH), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def call() -> subprocess.CompletedProcess:
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HERE": str(tmp_path)}
        env |= {"RANK": "3", "SLURM_CONF": "/c", "SLURM_JOB_ID": "9"}
        return subprocess.run(
            ["bash", str(tmp_path / "submit.sh")], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30
        )

    def updates() -> list[str]:
        return (tmp_path / "updates").read_text().splitlines()

    (tmp_path / "down").touch()
    assert call().returncode == 1 and len(calls(tmp_path)) == 1 and not (steps[2].folder / "job.json").exists()
    (tmp_path / "down").unlink()
    (tmp_path / "full").touch()
    assert call().returncode == 1  # the finalizer (2) and the first array (3) are accepted, the second is not
    assert updates() == [
        "update JobId=2 StartTime=now+180",
        "update JobId=2 StartTime=now Dependency=afterany:77?afterany:3",
    ]
    (tmp_path / "full").unlink()
    assert call().returncode == 0
    assert [line.replace(str(tmp_path), "DIR") for line in calls(tmp_path)[1:]] == [
        "--parsable DIR/02-finalizer.sh RANK= CONF=/c",
        "--parsable DIR/00-finetune.sh RANK= CONF=/c",
        "--parsable --dependency=aftercorr:3 DIR/01-collect.sh RANK= CONF=/c",
        "--parsable --dependency=aftercorr:3 DIR/01-collect.sh RANK= CONF=/c",
    ]
    assert updates()[-1] == "update JobId=2 StartTime=now Dependency=afterany:77,afterany:3,afterany:5"
    assert [(s.folder / "job.json").read_text() for s in steps] == [f'{{"job": "{n}"}}' for n in (3, 5, 2)]
    assert not any((s.folder / "over").exists() for s in steps) and not (tmp_path / "pwned").exists()
    assert call().returncode == 0 and len(calls(tmp_path)) == 5  # all were submitted before
    (tmp_path / "begun").touch()
    assert "has begun" in (again := call()).stderr and again.returncode == 1 and len(calls(tmp_path)) == 5


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()
