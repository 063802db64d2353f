"""What a testbed is: its options, its configuration written from the templates beside this file, its daemons, and what
they answer.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

from daemons import end_all, own, wait_for
from host import release

HERE = Path(__file__).resolve().parent
DEFAULT = Path("/tmp/winsweep-testbed")
READY = {  # succeeds once the daemon serves
    # slurmdbd would make its database itself; but with MariaDB 11.8.9's library it reads nothing after a failed try
    "mariadbd": ["mariadb", "--no-defaults", "-e", "create database if not exists slurm_acct"],
    "slurmdbd": ["sacctmgr", "-n", "show", "cluster"],
    "slurmctld": ["scontrol", "ping"],
}
HOST = socket.gethostname().partition(".")[0]
LIVE = ("idle", "mixed", "allocated", "completing")


@dataclass(frozen=True)
class Options:
    """What may differ between testbeds; fixed for the life of one."""

    nodes: int = 4
    port: int = 16800  # slurmctld; slurmdbd has the next one, node K the one 100 + K later
    accounting: bool = False
    enforce: str = ""  # AccountingStorageEnforce: limits, qos, …; wants accounting
    gpu_type: str = ""  # of the two GPUs of each node; none by default
    max_array_size: int = 10001  # the highest index is one less
    min_job_age_s: int = 5  # for so long slurmctld remembers a job that has ended
    slurmd_timeout_s: int = 10  # a node that is silent for so long is down, and its jobs are requeued


def take_turns() -> int:
    """Only one `up` or `down` at a time; the lock ends with the process."""
    lock = os.open(HERE, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "SLURM_CONF": f"{folder}/slurm.conf", "MYSQL_UNIX_PORT": f"{folder}/mysql.sock"}


def is_testbed(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("options.json", "slurm.conf"))


def saved_options(folder: Path) -> Options | None:
    return Options(**json.loads((folder / "options.json").read_text())) if is_testbed(folder) else None


def busy_ports(options: Options) -> list[int]:
    busy = []
    for port in (options.port, options.port + 1, *range(options.port + 101, options.port + 101 + options.nodes)):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                busy.append(port)
    return busy


def write_configuration(folder: Path, options: Options) -> None:
    """SLURM's files and the folders that they name, as a whole by rename. SystemExit: the folder has something else in
    it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"error: {folder}: holds files that are not a testbed's; type: up --dir NEW_FOLDER")
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in ("log", "state", *(f"spool/n{k + 1}" for k in range(options.nodes))):
        (fresh / name).mkdir(parents=True)
    for gpu in ("gpu0", "gpu1"):
        (fresh / gpu).symlink_to("/dev/null")
    for template in HERE.glob("*.conf.in"):
        path = fresh / template.stem
        path.touch(0o600 if path.stem == "slurmdbd" else 0o644)  # slurmdbd reads no other mode
        path.write_text(Template(template.read_text()).substitute(values(folder, options)))
    (fresh / "options.json").write_text(json.dumps(asdict(options)))
    fresh.rename(folder)


def check_cgroup_conf(folder: Path) -> None:
    """Away with cgroup.conf where slurmd, which is asked, does not come up with it: there it needs none."""
    conf = folder / "cgroup.conf"
    if conf.exists() and ask(folder, "slurmd", "-G", "-N", "n1", "-f", f"{folder}/slurm.conf") is None:
        conf.unlink()


def values(folder: Path, options: Options) -> dict[str, object]:
    """What the templates leave open."""
    ports = {
        "dbd_port": options.port + 1,
        "first_port": options.port + 101,
        "last_port": options.port + 100 + options.nodes,
    }
    accounting = f"accounting_storage/{'slurmdbd' if options.accounting else 'none'}"
    return (
        asdict(options)
        | ports
        | {
            "dir": folder,
            "host": HOST,
            "accounting": accounting,
            "gres": f"gpu:{options.gpu_type}:2" if options.gpu_type else "gpu:2",
            "type": f"Type={options.gpu_type}" if options.gpu_type else "",
            "enforced": f"AccountingStorageEnforce={options.enforce}" if options.enforce else "# Nothing is enforced.",
        }
    )


def commands(folder: Path, options: Options) -> dict[str, list[str]]:
    """Every daemon in the order of starting, with its command line."""
    conf = f"{folder}/slurm.conf"
    database = {
        "mariadbd": [
            "mariadbd",
            "--no-defaults",
            "--user=root",
            f"--datadir={folder}/mysql",
            f"--socket={folder}/mysql.sock",
            f"--pid-file={folder}/mariadbd.pid",
            "--skip-networking",
            "--innodb-lock-wait-timeout=900",
        ],
        "slurmdbd": ["slurmdbd", "-D"],
    }
    nodes = {f"n{k + 1}": ["slurmd", "-D", "-N", f"n{k + 1}", "-f", conf] for k in range(options.nodes)}
    return (database if options.accounting else {}) | {"slurmctld": ["slurmctld", "-D", "-f", conf]} | nodes


def start_missing(folder: Path, options: Options) -> list[str]:
    """Starts each daemon that does not run, and waits until it serves before the next one that needs it; returns their
    names.
    """
    alive = set(own(folder).values())
    started = [name for name in commands(folder, options) if name not in alive]
    for name in started:
        if name == "mariadbd":
            make_database(folder)
        start(folder, name, commands(folder, options)[name])
        if name in READY:
            wait_for(lambda name=name: ask(folder, *READY[name]) is not None, f"{name}; see {folder}/log", 40)
        if name == "slurmdbd":
            enrol(folder)
    return started


def start(folder: Path, name: str, command: list[str]) -> None:
    with open(folder / "log" / f"{name}.out", "ab") as out:
        silent = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
        subprocess.Popen(command, env=environment(folder), cwd=folder, start_new_session=True, **silent)


def make_database(folder: Path) -> None:
    if not (folder / "mysql").exists():
        fresh = folder / "mysql.new"
        shutil.rmtree(fresh, ignore_errors=True)
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={fresh}", "--skip-test-db"],
            check=True,
            capture_output=True,
            timeout=120,
        )
        fresh.rename(folder / "mysql")


def enrol(folder: Path) -> None:
    """The cluster, one account and root in it; saying it twice changes nothing."""
    for words in "cluster testbed", "account testbed", "user root account=testbed":
        ask(folder, "sacctmgr", "-i", "add", *words.split())
    if "testbed" not in (ask(folder, "sacctmgr", "-n", "show", "association", "user=root", "format=account") or ""):
        raise SystemExit(f"error: slurmdbd did not take the cluster in; see {folder}/log/slurmdbd.log")


def ask(folder: Path, *words: str) -> str | None:
    """What a SLURM command prints; None if it fails or is silent for 15 s."""
    try:
        done = subprocess.run(words, env=environment(folder), capture_output=True, text=True, timeout=15)
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else done.stdout


def node_states(folder: Path) -> dict[str, str]:
    """As sinfo has them: a star behind a state means that the node does not answer."""
    return dict(
        sorted(
            line.split() for line in (ask(folder, "sinfo", "-h", "-N", "-p", "main", "-o", "%N %T") or "").splitlines()
        )
    )


def num_live(folder: Path) -> int:
    return sum(state in LIVE for state in node_states(folder).values())


def remove(folder: Path, keep: bool = False) -> int:
    """Ends the testbed and, unless told to keep it, forgets its folder; returns how many processes there were."""
    num_ended = end_all(folder)
    if not keep and is_testbed(folder):
        shutil.rmtree(folder)
    release()
    return num_ended
