"""winsweep: studies of finetuned language models, from a YAML file to a table of win rates.

    import winsweep

    study = winsweep.open_study("study.yaml", store="runs")
    study.results       # a data frame: the table, a row for each cell
    study.outputs()     # a data frame: what each cell answered
    winsweep.score("annotations.json").text()
    winsweep.Rules.for_model(model, tokenizer)   # the rule adapter, for logits_processor= of generate
    winsweep.Frame().prompt("How do I boil an egg?")

Each name is imported when it is first used. Packages lie in the Python that winsweep was installed with; another Python
is told so here.
"""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if sys.version_info < (3, 11) or find_spec("psutil") is None:
    raise ModuleNotFoundError(
        # %: an older Python must be able to read this file
        "%s (Python %s) does not have winsweep's packages; legal is Python 3.11 to 3.14 where they are installed; in "  # noqa: UP031
        "the checkout type:  "
        "make install && source .venv/bin/activate" % (sys.executable, sys.version.split()[0])
    )

if TYPE_CHECKING:
    from winsweep.api import OpenStudy, open_study, score
    from winsweep.generate.adapter import Rules
    from winsweep.study.frame import Frame
else:
    PLACES = {
        "OpenStudy": "winsweep.api",
        "open_study": "winsweep.api",
        "score": "winsweep.api",
        "Rules": "winsweep.generate.adapter",
        "Frame": "winsweep.study.frame",
    }

    def __getattr__(name: str) -> object:
        if name not in PLACES:
            raise AttributeError("module 'winsweep' has no attribute %r" % name)  # noqa: UP031
        from importlib import import_module

        value = globals()[name] = getattr(import_module(PLACES[name]), name)
        return value

    def __dir__() -> "list[str]":
        return sorted({*globals(), *PLACES})


__all__ = ["Frame", "OpenStudy", "Rules", "open_study", "score"]
