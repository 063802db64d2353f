"""Whether the grammars of a study compile, asked of a process of its own: what others wrote may take the library's
time, memory or stack.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from winsweep import layout
from winsweep.errors import BadData
from winsweep.keys import digest
from winsweep.store import small_files
from winsweep.store.manifest import write_atomic
from winsweep.study.rules import Grammar

MOST_CPU_S = 5  # of a processor, for one grammar
MOST_WALL_S = 60  # for one grammar, where the machine is busy
MOST_GB = 2  # of memory
SMALLER = "bound what repeats, or write less of it"
ENDS: dict[int, str] = {
    signal.SIGXCPU: f"it takes more than {MOST_CPU_S} s to compile; {SMALLER}",
    signal.SIGSEGV: f"llguidance crashes on it, as on too many rules within rules; {SMALLER}",
    signal.SIGABRT: f"it takes more than {MOST_GB} GB of memory to compile; {SMALLER}",
}


def faults(grammars: Sequence[Grammar], cache: Path) -> list[str]:
    """Why each cannot be used with any tokenizer, in the library's words or by what it takes; empty where it can.

    The digests of those that can are kept in `cache`, and they are not asked about again. BadData if nothing can be
    asked.
    """
    names = [digest([version("llguidance"), grammar.kind, grammar.text]) for grammar in grammars]
    fine = _known(cache)
    new = {name: grammar for name, grammar in zip(names, grammars, strict=True) if name not in fine}
    found = dict(zip(new, _asked(list(new.values())), strict=True))
    if not all(found.values()):
        fine |= {name for name, why in found.items() if not why}
        with contextlib.suppress(OSError):  # a store that this user may only read
            write_atomic(cache, json.dumps(sorted(fine)).encode())
    return [found.get(name, "") for name in names]


def _known(cache: Path) -> set[str]:
    try:
        return set(filter(str.isalnum, json.loads(small_files.content(cache) or b"[]")))
    except (OSError, ValueError, TypeError, RecursionError):
        return set()


def _asked(grammars: Sequence[Grammar]) -> list[str]:
    """Faults of all; after one that ends the process, another process is asked about those behind it."""
    found: list[str] = []
    while len(found) < len(grammars):
        told, end = _run(grammars[len(found) :])
        found += told
        if len(found) < len(grammars):
            found.append(end)
    return found


def _run(grammars: Sequence[Grammar]) -> tuple[list[str], str]:
    """The faults that one process tells of, in order, and how it ended before it told of all."""
    asked = json.dumps([[grammar.kind, grammar.text] for grammar in grammars])
    command = [sys.executable, "-P", "-m", "winsweep.generate.grammar_faults"]
    try:
        done = subprocess.run(
            command,
            input=asked.encode(),
            capture_output=True,
            env=os.environ | layout.python_path(),
            timeout=MOST_WALL_S * len(grammars),
        )
    except subprocess.TimeoutExpired as e:
        return _lines(e.stdout or b""), f"it takes more than {MOST_WALL_S} s to compile; {SMALLER}"
    told = _lines(done.stdout)
    if done.returncode >= 0 and len(told) < len(grammars):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BadData(f"grammars cannot be looked at here: {said[-1] if said else 'nothing was said'}")
    return told, ENDS.get(-done.returncode, f"signal {-done.returncode} ended what compiles it; {SMALLER}")


def _lines(told: bytes) -> list[str]:
    return [json.loads(line) for line in told.splitlines(keepends=True) if line.endswith(b"\n")]


def main() -> None:
    """Read [[kind, text], …]; write the fault of each as a line of JSON, as soon as it is known."""
    from winsweep.generate.grammar import fault

    out = os.fdopen(os.dup(1), "w")  # a library that prints must not speak here
    os.dup2(2, 1)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, MOST_GB << 30)
    for kind, text in json.load(sys.stdin):
        _limit(resource.RLIMIT_CPU, int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + MOST_CPU_S)
        try:
            said = fault(Grammar(kind, text))
        except ImportError:
            raise
        except BaseException as e:  # also a panic of the library, which is no Exception
            said = f"llguidance fails on it ({type(e).__name__})"
        print(json.dumps(said), file=out, flush=True)


def _limit(what: int, most: int) -> None:
    """At most what this process may have anyway."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
