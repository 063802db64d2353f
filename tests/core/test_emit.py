"""submit.sh as text, and what is not submitted because it runs on the login node."""

import subprocess
from dataclasses import replace
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, plan
from winsweep.slurm.chain import After, Array, on_nodes
from winsweep.slurm.emit import Step, submit_text

NODES = Placements({s: Placement() for s in ("prepare", "finetune", "generate", "judge")})
SBATCH = """\
#!/bin/bash
echo "$@ RANK=${RANK-} CONF=$SLURM_CONF" >> "$HERE/calls"
[ ! -e "$HERE/down" ] || exit 1
echo "$(wc -l < "$HERE/calls");cluster"
"""


def login(*stages: str) -> Placements:
    return Placements({s: replace(p, where="login" if s in stages else "nodes") for s, p in NODES.by_stage.items()})


def wanted() -> list[Artifact]:
    data = Artifact("prepare", 1, "d", {})
    outputs = [Artifact("generate", 1, f"c{n}", {"n": n}, {"base": Artifact("finetune", 1, f"c{n}", {"n": n}, {"data": data})})
               for n in range(2)]
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


def test_submit_sh_goes_on_where_it_was_refused_and_notes_the_jobs(tmp_path):
    """Run with an sbatch that writes down how it was called: a script, so what reaches it is what bash makes of submit.sh."""
    steps = []
    for n, stage in enumerate(("finetune", "collect", "closing")):
        folder = tmp_path / "runs of x" / f"a{n}"
        folder.mkdir(parents=True)
        (folder / "over").touch()
        after = ("", "aftercorr:$job_0", "afterany:$job_0,afterany:$job_1,afterany:77")[n]
        steps.append(Step(Array(Placement(), ((Artifact(stage, 1, "c\n$(touch pwned)", {}),),), (After(0),)), f"0{n}-{stage}.sh",
                          folder, after))
    (tmp_path / "submit.sh").write_text(submit_text("s", steps))
    (tmp_path / "sbatch").write_text(SBATCH)
    (tmp_path / "sbatch").chmod(0o755)

    def call() -> subprocess.CompletedProcess:
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HERE": str(tmp_path), "RANK": "3", "SLURM_CONF": "/c", "SLURM_JOB_ID": "9"}
        return subprocess.run(["bash", str(tmp_path / "submit.sh")], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30)

    (tmp_path / "down").touch()
    assert call().returncode == 1 and len(calls(tmp_path)) == 1 and not (steps[0].folder / "job.json").exists()
    (tmp_path / "down").unlink()
    assert call().returncode == 0
    assert [line.replace(str(tmp_path), "DIR") for line in calls(tmp_path)[1:]] == [
        "--parsable DIR/00-finetune.sh RANK= CONF=/c", "--parsable --dependency=aftercorr:2 DIR/01-collect.sh RANK= CONF=/c",
        "--parsable --dependency=afterany:2,afterany:3,afterany:77 DIR/02-closing.sh RANK= CONF=/c"]
    assert [(s.folder / "job.json").read_text() for s in steps] == [f'{{"job": "{n}"}}' for n in (2, 3, 4)]
    assert not any((s.folder / "over").exists() for s in steps) and not (tmp_path / "pwned").exists()
    assert call().returncode == 0 and len(calls(tmp_path)) == 4  # all were submitted before


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()
