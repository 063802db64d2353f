"""Train one model, or evaluate one. `make train` and `make eval` call this.

  python launch/one.py train --model llama2-7b --data lima
  python launch/one.py train_resp --model llama2-7b --data lima
  python launch/one.py eval --model resp_tuned_llama2-7b

train is instruction tuning. train_resp is response tuning: it leaves the
instructions out. eval compares with the instruction-tuned sibling.
It writes a study file, says where, and runs sweep.py on it.
"""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import command_end, command_names, paths, strict
from winsweep.cluster_file import cluster_file
from winsweep.errors import BadStudy, WinsweepError
from winsweep.store.manifest import write_atomic
from winsweep.study import single

HERE = Path(__file__).resolve().parent
# of make's command line
READ = ("MODEL", "DATA", "LR", "EPOCHS", "SEED", "JUDGE", "CLUSTER", "STORE", "DRY_RUN", "PYTHON", "TORCH_INDEX", "BIN")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("act", choices=("train", "train_resp", "eval"), help="what to do")
    p.add_argument(
        "--model",
        default="",
        help="a name of launch/models.yaml, such as llama2-7b. For eval what was trained: resp_tuned_llama2-7b",
    )
    p.add_argument(
        "--data",
        type=paths.word,
        default="",
        help="a task, such as lima or gsm, or a file of rows (default: its sibling's)",
    )
    p.add_argument(
        "--lr", default="", help="the highest learning rate, such as 1e-5 (default: the model's in launch/models.yaml)"
    )
    p.add_argument(
        "--epochs", default="", help="passes over the data, such as 10 (default: the model's in launch/models.yaml)"
    )
    p.add_argument("--seed", default="", help="seed of the order of the data (default: 1)")
    p.add_argument("--judge", default="", help="gpt_6_luna, reference_overlap, or a model that OPENAI_BASE_URL serves")
    p.add_argument(
        "--cluster",
        metavar="NAME",
        type=paths.word,
        default="",
        help="a file of slurm/clusters/ without .yaml (default: this machine)",
    )
    p.add_argument("--store", metavar="DIR", type=paths.word, default="", help="where results are kept (default: runs)")
    p.add_argument("--dry-run", default="", nargs="?", const="1", help="write the study file, and print what would run")
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        refuse_unread(os.environ.get("MAKEFLAGS", ""))
        path, told = write(a, Path(a.store or "runs"))
        words = [
            *(["-P", "-m", "winsweep", "run"] if command_names.is_by_name() else [str(HERE / "sweep.py")]),
            str(path),
            "--store",
            a.store or "runs",
            *([] if a.act == "eval" else ["--train-only"]),
        ]
        words += ["--cluster", a.cluster] if a.cluster else []
        words += ["--dry-run"] if a.dry_run else []
        words += [f"--only={label}" for label in single.cells(told)]
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    else:
        os.execv(sys.executable, [sys.executable, *words])


def write(a: argparse.Namespace, store: Path) -> tuple[Path, single.Told]:
    """The study file in the store's folder studies/, written if it is new or says something else, and what it says."""
    folder = store / "studies"
    if a.act == "eval":
        path = single.find(a.model, folder)
        told = single.judged_by(single.read_told(path), a.judge) if a.judge else single.read_told(path)
    else:
        asked = single.Asked(a.model, a.data, a.lr, a.epochs, a.seed, a.judge)
        told = single.training(asked, single.read_known(HERE / "models.yaml"), a.act == "train_resp")
        path = folder / f"{told['name']}.yaml"
    if a.cluster:
        cluster_file(a.cluster, "CLUSTER")
    if a.act != "eval":
        print(f"then:  {evaluation(told['name'], store)}", flush=True)
    if path.exists() and single.read_told(path) == told:
        print(f"study: {path}", flush=True)
        return path, told
    print(f"study: {path} ({'replaces what it said; its results stay' if path.exists() else 'new'})", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, single.text(told, command_names.as_typed(f"launch/one.py {a.act}")))
    return path, told


def evaluation(model: str, store: Path) -> str:
    """What to type to evaluate what was trained."""
    other = "" if store == Path("runs") else shlex.quote(str(store))
    if command_names.is_by_name():
        return f"winsweep one eval --model {model}{other and f' --store {other}'}"
    return f"make eval MODEL={model}{other and f' STORE={other}'}"


def refuse_unread(flags: str) -> None:
    """BadStudy for a NAME=value on make's command line (`flags`: its MAKEFLAGS) that nothing reads, such as EPOCH=3."""
    words = re.split(r"(?<!\\) ", flags.partition("-- ")[2])
    for name in (word.partition("=")[0].rstrip(":?+") for word in words if "=" in word):
        if name not in READ:
            raise BadStudy(f"{name}: nothing reads it; {strict.near(name.upper(), READ)}")


if __name__ == "__main__":
    sys.exit(main())
