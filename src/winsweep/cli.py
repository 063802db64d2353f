"""The command `winsweep`: the files of launch/ by name, with the same arguments."""

import sys

from winsweep import layout
from winsweep.command_names import NAMES, SCRIPTS, as_typed
from winsweep.graph import load
from winsweep.screen import nobody_reads, speak_any
from winsweep.synonyms import closest

SAYS = {
    "run": "make everything that a study asks for, then its table",
    "status": "where a study stands",
    "logs": "the log of a cell",
    "report": "a page with what a study found",
    "score": "win rates of one file, without a study",
    "validate": "whether a judge is any good",
    "doctor": "whether a cluster file fits its cluster",
    "prune": "remove results that no study needs",
    "fsck": "whether a store holds what was put there",
    "init": "write a first study, or a cluster file",
    "one": "train or evaluate one model",
    "export": "a trained cell as a model directory for others",
    "archive": "a study's results as one file for others",
    "reproduce": "such a file brought here, and whether the same would be made",
    "track": "write a study to an experiment tracker",
    "completion": "what your shell needs to complete these words",
}
USAGE = "usage: winsweep COMMAND [ARGUMENTS]\n\n" + "".join(f"  {name:10s} {says}\n" for name, says in SAYS.items())
COMPLETION = """\
bash, in ~/.bashrc:     eval "$(winsweep completion bash)"
zsh, in ~/.zshrc:       eval "$(winsweep completion zsh)"
"""
MORE = "\nwinsweep COMMAND --help says more. winsweep --version says which this is."


def main() -> int:
    """Run the command that sys.argv names; its exit code."""
    speak_any()
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        print(USAGE + MORE)
        return 0
    if name == "--version":
        print(f"winsweep {_version()}")
        return 0
    if name == "completion":
        return _completion(rest)
    name = NAMES.get(name, name)  # sweep is what its script is called
    if name not in SCRIPTS:
        near = closest(name, SAYS)
        hint = f"; did you mean {near}?" if near else ""
        print(f"error: found {name!r}; legal: {', '.join(SAYS)}{hint}", file=sys.stderr)
        return 2
    sys.argv = [f"winsweep {name}", *rest]  # as help, and hints of what to type, show it
    module = load(layout.LAUNCH / f"{SCRIPTS[name]}.py", "winsweep.launch")
    module.__doc__ = as_typed(module.__doc__ or "")
    return module.main()


def _completion(words: list[str]) -> int:
    from winsweep import completion

    if len(words) != 1 or words[0] not in completion.SHELLS:
        legal = " | ".join(completion.SHELLS)
        print(f"usage: winsweep completion {legal}\n\n{COMPLETION}", file=sys.stderr)
        return 2
    try:
        print(completion.script(words[0], SAYS), flush=True)
    except BrokenPipeError:
        return nobody_reads()
    return 0


def _version() -> str:
    from importlib import metadata

    return metadata.version("winsweep")


if __name__ == "__main__":
    sys.exit(main())
