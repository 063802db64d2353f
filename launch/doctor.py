"""Check that a cluster file fits its cluster. Small test jobs are run; nothing is trained.

  python launch/doctor.py NAME                 NAME is a file of slurm/clusters/
  python launch/doctor.py NAME STUDY.yaml      and whether the study's models fit its GPUs and the disk

Exit code: 0 no problem, 1 a problem, 2 it could not start.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, command_names, layout, paths
from winsweep.check.finding import Finding
from winsweep.cluster_file import cluster_file, read_cluster
from winsweep.errors import WinsweepError
from winsweep.graph import discover
from winsweep.store import disk


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "cluster", metavar="NAME", type=paths.word, help="a file of slurm/clusters/ without .yaml, or a path to one"
    )
    p.add_argument(
        "study", metavar="STUDY.yaml", type=paths.argument, nargs="?", help="a study whose models are looked at, too"
    )
    arguments.store(p, "where results will be kept. The nodes must see it (default: runs)")
    p.add_argument(
        "--wait", type=float, default=120.0, metavar="SECONDS", help="how long to wait for a node (default: 120)"
    )
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        file = cluster_file(a.cluster, "CLUSTER")
        cluster = read_cluster(layout.STAGES, file, discover(layout.JOBS, "winsweep.jobs"))
        if cluster.kind == "local":
            print(f"ok       {file}: kind is local: attempts are processes of this machine, and SLURM is not used")
            return 0
        from winsweep.slurm.doctor import diagnose

        verdicts = [say(finding) for finding in diagnose(cluster, a.store, a.wait, a.study)]
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as e:
        print(f"error: {disk.words(e, a.store)}", file=sys.stderr)
        return 2
    print(", ".join(f"{verdicts.count(v)} {v}" for v in ("ok", "problem", "unknown")))
    return 1 if "problem" in verdicts else 0


def say(finding: Finding) -> str:
    print(command_names.as_typed(str(finding)), flush=True)
    return finding.verdict


if __name__ == "__main__":
    sys.exit(main())
