"""What the environment of a launcher or a job must have for later stages, looked at without a heavy import: a key,
packages, days of shut-down.
"""

import datetime
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

from winsweep.check.finding import Finding
from winsweep.judge import prices

IMPORT_S = 60.0
OWN = "https://api.openai.com/"


def key() -> Finding:
    """Whether there is a key for a paid judge; it is shown nowhere."""
    if os.environ.get("OPENAI_API_KEY", "").strip():
        return Finding("ok", "OPENAI_API_KEY", "set")
    return Finding(
        "problem",
        "OPENAI_API_KEY",
        "not set",
        "legal is your key, or any word where a local endpoint wants none; type: export OPENAI_API_KEY=…",
    )


def is_own() -> bool:
    """Whether OpenAI's own endpoint will be asked."""
    return (os.environ.get("OPENAI_BASE_URL") or OWN).startswith(OWN)


def shut_down(model: str, today: datetime.date | None = None, said: str = "") -> Iterator[Finding]:
    """Until when a judge's model is served: as the endpoint `said`, or for OpenAI's own as the table of prices says."""
    price = prices.price_of(model)
    day = datetime.date.fromisoformat(said) if said else price.shut_down if price and is_own() else None
    if day and day < (today or datetime.date.today()):
        yield Finding(
            "problem",
            f"model {model}",
            f"shut down on {day}",
            "legal is a model that is served, such as judge: gpt_6_luna or judge: {from: alpaca, model: NAME}, "
            "or an endpoint of your own in OPENAI_BASE_URL",
        )
    elif day:
        yield Finding("unknown", f"model {model}", f"will be shut down on {day}", "judge before that, or name another")


def budget(model: str, dollars: float | None) -> Iterator[Finding]:
    """Whether a budget can be kept: without a price of its model, a judge stops before its first call."""
    if dollars is not None and prices.price_of(model) is None:
        yield Finding(
            "problem",
            f"budget of {model}",
            "no price of it is known, so its dollars cannot be counted, and the judge stops before its first call",
            prices.TO_DO,
        )


def packages(needed: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each package (import name to what to type) can be imported here, tried in a process of its own."""
    for name, do in needed.items():
        why = _fault(name)
        yield Finding("problem", f"package {name}", why, do) if why else Finding("ok", f"package {name}", "installed")


def _fault(name: str) -> str:
    """Why a package cannot be imported; no text if it can, or takes longer than a minute to say."""
    try:
        if importlib.util.find_spec(name) is None:
            return "not installed here"
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import {name}"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=IMPORT_S,
        )
    except (ImportError, ValueError) as e:
        return f"cannot be imported here ({type(e).__name__})"
    except subprocess.TimeoutExpired:
        return ""
    last = (done.stderr.strip().splitlines() or ["no word"])[-1]
    return f"cannot be imported here ({last[:200]})" if done.returncode else ""
