"""One word for one thing: the names that the field's terms have replaced stand nowhere, neither alone nor as a part of
an identifier.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "jobs", "launch", "slurm", "tests", "docs")
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".sbatch", ".in", ".cff", ""}
LEFT_OUT = ("src/winsweep/shipped/", "src/winsweep.egg-info/", "docs/_build/", "tests/test_words.py")
NEW = {
    "house": "workspace",
    "nursery": "fork server",
    "gang": "process group (of an attempt), rank group (in training)",
    "crew": "sharding",
    "roll": "rank registry",
    "pulse": "rank heartbeat",
    "course": "batch schedule",
    "closing": "finalizer",
    "standing": "queue view",
    "freeze": "code snapshot",
    "frozen": "code snapshot",
    "tick": "reconcile",
    "settle": "wait until known",
    "bed": "cluster",
    "dice": "rng",
    "sheet": "safe_csv",
    "bill": "judge's cost",
    "doomed": "what cannot finish",
    "obey": "follow",
    "lookout": "watchdog",
}
# What these words mean elsewhere: Python's, torch's, the paper's trainer's and everyday ones.
ALLOWED = re.compile(
    r"exclude_frozen_parameters|frozen=True|frozen dataclass|FrozenInstanceError|gc\.(un)?freeze|get_freeze_count"
    r"|schedule_ticks|ticks? of the schedule|schedule's ticks|counted in ticks of|\d ticks"
    r"|of course|\.roll\(|roll the noodles|contextlib\.closing|data sheets?|test_?bed",
    re.IGNORECASE,
)
ALLOWED_IN = {
    "src/winsweep/study/recipe.py": {"tick"},  # schedule_ticks is a field of keys
    "docs/figures/draw.py": {"tick"},  # of an axis
    "src/winsweep/report/plot_panels.py": {"tick"},  # of an axis
    "tests/report/test_axis_numbers.py": {"tick"},  # of an axis
    "tests/core/test_warm.py": {"frozen"},  # by the garbage collector
    "tests/core/test_doctor.py": {"course"},  # an account's name
}
OLD_MODULES = re.compile(
    r"\btrain[./](gang|course|host|pulse)\b|\bgenerate[./](crew|expected|finished|fits|pieces|loaded|cache)\b"
    r"|\bslurm[./](closing|standing|freeze|opening)\b|\bslurm/slurm\.py|\bwinsweep\.slurm\.slurm\b"
    r"|\bcosts[./](bill|compute|pace|estimate)\b|\btestbed/(bed|machine|processes)\b"
    r"|\btext[./]controls\b"
)
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # of an identifier, in snake or camel case
OTHER_FORMS = {
    "nurseries": "nursery",
    "froze": "freeze",
    "freezing": "freeze",
    "settled": "settle",
    "settling": "settle",
}
OLD = {form: old for old in NEW for form in (old, f"{old}s")} | OTHER_FORMS


def texts() -> list[Path]:
    inside = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix in TEXT]
    found = [*inside, *ROOT.glob("*.md"), *ROOT.glob("*.toml"), ROOT / "Makefile"]
    return [p for p in found if not p.relative_to(ROOT).as_posix().startswith(LEFT_OUT) and p.name != "CHANGELOG.md"]


def old_words(line: str) -> set[str]:
    """The replaced words in a line, each in its first form."""
    left = ALLOWED.sub(" ", line)
    return {OLD[part] for found in PART.findall(left) if (part := found.lower()) in OLD}


def faults(name: str, line: str) -> list[str]:
    """What is wrong with a line of the file `name`, and what to write instead."""
    words = sorted(old_words(line) - ALLOWED_IN.get(name, set()))
    module = OLD_MODULES.search(line)
    return [f"{w} is now {NEW[w]}" for w in words] + ([f"there is no module {module[0]}"] if module else [])


def test_no_replaced_word_is_left():
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {what}: {line.strip()[:100]}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        for what in faults(path.relative_to(ROOT).as_posix(), line)
    ]
    assert not wrong, "\n".join(["", *wrong])


def test_words_are_found_in_every_form_and_what_is_allowed_is_not():
    said = "open_house(), NurseryGang, crews, SETTLED, needsClosing, two houses, nurseries, frozen code, course"
    assert old_words(said) == {"house", "nursery", "gang", "crew", "settle", "closing", "frozen", "course"}
    assert not old_words(
        "@dataclass(frozen=True), of course: gc.freeze(), schedule_ticks: 1; Testbed, embed, controller"
    )
    assert OLD_MODULES.search("winsweep.generate.crew")
    assert not OLD_MODULES.search("winsweep.generate.sharding, winsweep/stats/table.py, slurm/slurm.conf")
