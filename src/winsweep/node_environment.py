"""What a node needs before a rank starts, as a cluster file says it: variables, setup lines, interpreter, container.

Also sbatch's and srun's own options, and which of them winsweep sets itself. Pure; none of it can change a key.
"""

import re
from dataclasses import dataclass
from typing import Literal

from winsweep import strict
from winsweep.quoting import quoted

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OPTION = re.compile(r"[a-z][a-z0-9-]+")
SECRET = re.compile(r"KEY|TOKEN(?!IZERS_PARALLELISM)|SECRET|PASSW|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
# NAME=VALUE with a name of a secret, but not one that reads it from elsewhere, as $(cat FILE) and $OTHER do.
ASSIGNED = re.compile(
    rf"(?<![\w-])(?=(?P<name>[A-Za-z_]\w*)=[\"']?[^\s\"'$`])\w*?(?:{SECRET.pattern})\w*=", re.IGNORECASE
)
# ~/… and $NAME/…, at the beginning or behind a colon
UNEXPANDED = re.compile(r"(^|[:=])(~\w*|\$\{?[A-Za-z_]\w*\}?)(/|:|$)")
# Variables that a rank gets from SLURM or from winsweep; a name that ends in _ stands for all that begin so.
OWN_VARIABLES = {
    "PYTHONPATH": "python: names the interpreter, whose packages are used",
    "CUDA_VISIBLE_DEVICES": "SLURM sets it for the GPUs of a job",
    "OMP_NUM_THREADS": "threads: says it",
    "RANK": "the ranks find each other",
    "LOCAL_RANK": "the ranks find each other",
    "WORLD_SIZE": "the ranks find each other",
    "MASTER_": "the ranks find each other",
    "SLURM_": "SLURM sets it",
    "ws_": "the script of a rank has its own so",
    "SBATCH_": "sbatch: {OPTION: VALUE} says it",
    "SRUN_": "srun: [OPTION] says it",
}
# Options of sbatch that winsweep sets, and what says it in a cluster file.
OWN_SBATCH = {
    "account": "account:",
    "array": "throttle: limits how many tasks run at once",
    "clusters": "jobs are looked for in the cluster of the machine that sweep.py is called on; call it there",
    "begin": "a finalizer is given one",
    "constraint": "constraint:",
    "cpus-per-task": "threads:",
    "dependency": "the order of the stages gives it",
    "error": "the logs lie in the store",
    "gpus": "gpus_per_rank:, gpu_type: and gpus_by:",
    "gpus-per-node": "gpus_per_rank:, gpu_type: and gpus_by:",
    "gpus-per-task": "gpus_per_rank:, gpu_type: and gpus_by:",
    "job-name": "jobs are found by it",
    "kill-on-invalid-dep": "what depends on a failed task must end",
    "mem": "mem_gb:",
    "nodes": "nodes:",
    "ntasks": "ranks:",
    "ntasks-per-node": "ranks: and nodes:",
    "no-requeue": "a task that is stopped goes on in its next turn",
    "open-mode": "a log goes on in the next turn",
    "output": "the logs lie in the store",
    "parsable": "the job's id is read",
    "partition": "partition:",
    "qos": "qos:",
    "requeue": "a task that is stopped goes on in its next turn",
    "signal": "signal_s:",
    "test-only": "doctor.py does it",
    "time": "time_min:",
    "wait": "sbatch is to answer at once",
    "wrap": "the task is a rank",
}
NO_RANK = "srun would end without a rank"
OWN_SRUN = {
    "cpus-per-task": "threads:",
    "error": "the logs lie in the store",
    "kill-on-bad-exit": "a rank that ends with an error ends the others",
    "nodes": "nodes:",
    "ntasks": "ranks:",
    "output": "the logs lie in the store",
    "help": NO_RANK,
    "multi-prog": "the task is a rank",
    "test-only": NO_RANK,
    "unbuffered": "logs are read while a task runs",
    "usage": NO_RANK,
    "version": NO_RANK,
    "wait": "how long ranks wait for the last one",
    "container-image": "container:",
    "container-mounts": "container: {mounts: [...]}",
}
# Layers of a cluster file are merged by name in these; in all other fields the nearest layer decides.
MERGED = ("env", "sbatch")
FIELDS = ("setup", "env", "python", "container", "gpu_type", "gpus_by", "sbatch", "srun")
FREE = ("setup", "env", "python", "container", "sbatch", "srun")  # whose texts may be more than a word


@dataclass(frozen=True)
class Container:
    """An image that the ranks of a task run in; the store, the code, scratch and local data are mounted by winsweep."""

    #: what runs it: apptainer (or singularity under that name) on the node, or pyxis, a plugin of srun
    runtime: Literal["apptainer", "pyxis"]
    image: str  #: a file (`.sif`, `.sqsh`) on the shared disk, or a name in a registry
    mounts: tuple[str, ...] = ()  #: more directories, as `PATH`, `PATH:PATH_INSIDE` or `PATH:PATH_INSIDE:ro`
    args: tuple[str, ...] = ()  #: more options of `apptainer exec`, or of srun
    digest: str = ""  #: sha256 of the image, for the record; filled in by winsweep where the image is a file


def checked(name: str, node: strict.Node) -> strict.Node:
    """`node`, the value of a Placement's field; BadStudy with everything in it that may not be said there."""
    seen = strict.Findings()
    if name in OF_MAPPINGS:
        for key, value in node.mapping().items():
            seen.of(OF_MAPPINGS[name], key, value)
    if name == "container":
        seen.of(_check_container, node.mapping())
    if name == "gpu_type" and isinstance(node.value, str) and re.search("[:,]", node.value):
        raise node.error(f"found {quoted(node.value)}", "the kind alone is legal", "a100 where sinfo has gpu:a100:4")
    if name == "python":
        _check_python(node)
    if name in OF_LISTS:
        for item in strict.items(node):
            seen.of(OF_LISTS[name], item)
    seen.stop()
    return node


def _check_variable(name: str, node: strict.Node) -> None:
    if not NAME.fullmatch(name):
        raise node.error(f"found the variable {quoted(name)}", "letters, digits and _ are legal in a name")
    if SECRET.search(name):
        why = "a secret is never written to disk, and this file and the job scripts are"
        raise node.error(
            f"found the variable {name}",
            why,
            f"leave it out; export {name} where sweep.py is called, as jobs inherit that",
        )
    for own, instead in OWN_VARIABLES.items():
        if name == own or (own.endswith("_") and name.startswith(own)):
            raise node.error(f"found the variable {name}", f"winsweep or SLURM sets it: {instead}", "leave it out")
    if not isinstance(node.value, str):
        raise node.error(f"found {strict.show(node.value)}", "text is legal here", f'quote it: {name}: "…"')
    if "\0" in node.value or "\n" in node.value:
        raise node.error(f"found a line break or a NUL in {name}", "one line is legal here")
    _refuse_unexpanded(node)


def _check_option(name: str, node: strict.Node) -> None:
    if not OPTION.fullmatch(name):
        raise node.error(f"found the option {quoted(name)}", "long options are legal, without --", "see man sbatch")
    _refuse_own(name, node, OWN_SBATCH)
    _refuse_assigned(node)
    value = node.value
    if (
        (value is True and name == "exclude")
        or value is False
        or value is None
        or isinstance(value, (list, dict, float))
    ):
        legal = "text, a whole number, or true (for an option without a value) is legal"
        raise node.error(f"found {strict.show(value)}", legal, f"leave {name} out, or quote its value")
    if isinstance(value, str) and (not value or re.search(r"[\0\n\r'\"\\]", value)):
        raise node.error(f"found {strict.show(value)}", "one line without quotes or backslashes is legal here")


def _check_srun(node: strict.Node) -> None:
    if not isinstance(node.value, str) or not re.fullmatch(r"--[a-z][a-z0-9-]*(=[^\0\n\r]*)?", node.value):
        raise node.error(f"found {strict.show(node.value)}", "--OPTION or --OPTION=VALUE is legal", "see man srun")
    _refuse_own(node.value[2:].partition("=")[0], node, OWN_SRUN)
    _refuse_assigned(node)


def _check_line(node: strict.Node) -> None:
    if not isinstance(node.value, str) or not node.value.strip() or "\0" in node.value:
        raise node.error(f"found {strict.show(node.value)}", "a command of bash is legal", "module load cuda, say")
    _refuse_assigned(node)


def _check_container(given: dict[str, strict.Node]) -> None:
    runtime = given["runtime"].value if "runtime" in given else None
    for text in [*([given["image"]] if "image" in given else []), *_items(given, "mounts"), *_items(given, "args")]:
        if isinstance(text.value, str) and not re.fullmatch(r"[^\0\n\r]+", text.value):
            raise text.error(f"found {strict.show(text.value)}", "one line that is not empty is legal here")
        _refuse_assigned(text)
    for text in [given["image"]] if "image" in given else []:
        _refuse_option(text)
        _refuse_unexpanded(text)
    for text in _items(given, "mounts"):
        _check_mount(text)
    for text in _items(given, "args") if runtime == "pyxis" else []:
        _check_srun(text)


def _check_python(node: strict.Node) -> None:
    """BadStudy for what `env` would not take for one command."""
    _refuse_option(node)
    _refuse_unexpanded(node)
    if isinstance(node.value, str) and re.search(r"[\0\n\r=]|\s-|^[^/]*\s", node.value):
        legal = "a path or a name is legal, without options"
        raise node.error(f"found {strict.show(node.value)}", legal, "options go into env: {PYTHONUNBUFFERED: '1'}, say")


def _check_mount(node: strict.Node) -> None:
    _refuse_unexpanded(node)
    parts = node.value.split(":") if isinstance(node.value, str) else ["/"]
    if not 1 <= len(parts) <= 3 or not all(parts) or not all(part.startswith("/") for part in parts[:2]):
        legal = "PATH, PATH:PATH_INSIDE and PATH:PATH_INSIDE:ro are legal, with whole paths"
        raise node.error(f"found {strict.show(node.value)}", legal)


def _refuse_option(node: strict.Node) -> None:
    if isinstance(node.value, str) and node.value.startswith("-"):
        raise node.error(f"found {strict.show(node.value)}", "no option is legal here", "see args: and srun:")


def _refuse_unexpanded(node: strict.Node) -> None:
    """BadStudy for a path that begins as a shell would read it: what is written here reaches a node as it is."""
    if isinstance(node.value, str) and UNEXPANDED.search(node.value):
        why = "a whole path is legal, as nothing here is expanded"
        raise node.error(f"found {strict.show(node.value)}", why, "write it out, or export it in a line of setup:")


def _items(given: dict[str, strict.Node], name: str) -> list[strict.Node]:
    found = given[name].value if name in given else None
    return found if isinstance(found, list) else []


def _refuse_own(name: str, node: strict.Node, own: dict[str, str]) -> None:
    """BadStudy for an option that winsweep sets, or one cut short: SLURM reads --arra as --array."""
    if name != "container" and (found := min((o for o in own if o.startswith(name)), key=len, default=None)):
        short = "" if found == name else f"SLURM reads it as {found}; "
        raise node.error(f"found the option {name}", f"{short}winsweep sets it: {own[found]}", "leave it out")


def _refuse_assigned(node: strict.Node) -> None:
    """BadStudy for a text that gives a secret by its name."""
    if isinstance(node.value, str) and (found := ASSIGNED.search(node.value)):
        why = "a secret is never written to disk, and this file and the job scripts are"
        raise node.error(
            f"found a value of {found['name']}", why, "export it where sweep.py is called, as jobs inherit that"
        )


def option(node: strict.Node) -> str:
    """The value of an sbatch option as it stands in a script; "" for an option without one."""
    return "" if node.value is True else str(node.value)


OF_MAPPINGS = {"env": _check_variable, "sbatch": _check_option}
OF_LISTS = {"srun": _check_srun, "setup": _check_line}
