"""Another Debian in a folder, for the SLURM that comes with it: downloaded once, and used in a namespace of its own, so
that no mount and no process outlives its use.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

import host

MIRROR = "http://deb.debian.org/debian"
# python3: also for its libraries, which the Python of this process finds there; gcc: for tests/chaos
PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server", "python3", "tini", "gcc", "libc6-dev")
CHECKOUT = Path(__file__).resolve().parents[2]
ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RETRIES = ("-o", "Acquire::Retries=3")


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def take(folder: Path) -> int:
    """The folder for this process and those that it becomes; SystemExit if another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"error: {folder}: another run uses it; wait for its end, or name another --folder") from None
    os.set_inheritable(lock, True)
    return lock


def check_rights() -> None:
    if os.geteuid():
        raise SystemExit("error: a Debian in a folder wants chroot and mounts; type the same with sudo")
    done = subprocess.run([*ALONE, "true"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"error: mounts are not allowed here ({done.stderr.strip()}); a container wants --privileged for them"
        )


def run_alone(words: Sequence[object], log: Path) -> None:
    """A command in mounts and processes of its own, which end with it; SystemExit with its last words if it fails."""
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": PATH, "LC_ALL": "C.UTF-8"}
    silent = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    with open(log, "ab") as out:  # close_fds: it keeps the folder as long as it lives, also if this process is killed
        done = subprocess.run([*ALONE, *map(str, words)], env=env, close_fds=False, stdout=out, **silent)
    if done.returncode:
        said = "\n  ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise SystemExit(
            f"error: {words[0]} ended with {done.returncode}; all that it said is in {log}:\n  {said}\n"
            f"type the same again: it goes on from there"
        )


def install(folder: Path, suite: str, mirror: str) -> Path:
    """The root of the Debian in `folder`, with all PACKAGES; nothing is downloaded twice."""
    root, stamp, wanted = folder / "root", folder / "installed", " ".join(PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return root
    (folder / "debs").mkdir(exist_ok=True)
    if not root.exists():
        bootstrap(folder, root, suite, mirror)
    say(f"{root}: installing {wanted}")
    run_alone([sys.executable, __file__, "packages", root, folder / "debs"], folder / "log")
    stamp.write_text(wanted)
    shutil.rmtree(folder / "debs")
    return root


def bootstrap(folder: Path, root: Path, suite: str, mirror: str) -> None:
    """A minimal Debian, as a whole by rename."""
    if not shutil.which("debootstrap"):
        say("installing debootstrap")
        host.install(["debootstrap"])
    fresh = folder / "root.new"
    subprocess.run(["rm", "-rf", "--one-file-system", fresh], check=True)
    say(f"{root}: Debian {suite} from {mirror}, about 1 GB")
    words = ["debootstrap", "--variant=minbase", f"--cache-dir={folder / 'debs'}", suite, fresh, mirror]
    run_alone(words, folder / "log")
    (fresh / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # no service starts when it is installed
    (fresh / "usr/sbin/policy-rc.d").chmod(0o755)
    (fresh / "etc/hosts").write_text("127.0.0.1 localhost\n")
    fresh.rename(root)


def install_packages(root: Path, debs: Path) -> None:
    """Inside the namespace: what dpkg was stopped in, then the rest."""
    (debs / "partial").mkdir(exist_ok=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    mount(root, [])
    bind(debs, root / "var/cache/apt/archives")
    os.chroot(root)
    os.chdir("/")
    for words in (
        ["dpkg", "--configure", "-a"],
        ["apt-get", "-qq", *RETRIES, "update"],
        ["apt-get", "-qq", *RETRIES, "install", "-y", "--no-install-recommends", *PACKAGES],
    ):
        if code := subprocess.run(words).returncode:
            sys.exit(code)


def mount(root: Path, shared: Iterable[Path]) -> None:
    """Inside the namespace: the kernel's folders, and those of this machine that are `shared` under the same names."""
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "run"], check=True)
    for path in (Path("/dev"), Path("/sys"), *shared):
        bind(path, root / path.relative_to("/"))


def bind(path: Path, at: Path) -> None:
    if path.is_dir():
        at.mkdir(parents=True, exist_ok=True)
    else:
        at.parent.mkdir(parents=True, exist_ok=True)
        at.touch()
    subprocess.run(["mount", "--rbind", path, at], check=True)


def own_python() -> list[Path]:
    """What the Python that runs this consists of, its virtual environment included: from outside /usr as a whole, of
    /usr only its own files.
    """
    if sys.base_prefix != "/usr":
        return [Path(sys.base_prefix), Path(sys.prefix)]
    names = [Path(sys.executable)]
    while names[-1].is_symlink():  # python, python3, python3.11: in this Debian such a name may mean another Python
        names.append(names[-1].parent / names[-1].readlink())
    own = [Path(sysconfig.get_path("stdlib")), *(p for p in names if p.is_relative_to("/usr"))]
    return own if sys.prefix == "/usr" else [*own, Path(sys.prefix)]


def enter(root: Path, command: Sequence[str]) -> None:
    """Inside the namespace: becomes the command, in the checkout, with an empty /tmp. Its end ends all that it
    started.
    """
    subprocess.run(["find", root / "tmp", "-xdev", "-mindepth", "1", "-delete"], check=True)
    mount(root, sorted({CHECKOUT, *own_python()}))
    os.chroot(root)
    if libraries := sysconfig.get_config_var("LIBDIR"):
        Path("/etc/ld.so.conf.d/zz-winsweep.conf").write_text(f"{libraries}\n")
        subprocess.run(["ldconfig"], check=True)
    os.chdir(CHECKOUT)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SRUN", "LD_", "TMP"))}
    env |= {"PATH": f"{Path(sys.executable).parent}:{PATH}", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    check_python(env)
    os.execvpe("tini", ["tini", "-g", "--", *command], env)


def check_python(env: dict[str, str]) -> None:
    asked = "import bz2, ctypes, lzma, sqlite3, ssl, zlib"
    done = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        raise SystemExit(f"error: {sys.executable} does not run in this Debian: {' '.join(said)}; take another Python")


if __name__ == "__main__":
    what, at, *words = sys.argv[1:]
    if what == "packages":
        install_packages(Path(at), Path(words[0]))
    else:
        enter(Path(at), words)
