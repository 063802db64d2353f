"""GPU-hours of what nothing was measured of yet: by the sizes that models' names tell, and by assumptions, all of which
are printed.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from winsweep import amounts
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.study.lora import trained_parameters

# Rows of a task and their tokens in an epoch, by Llama-2's vocabulary, with the frame, cut at 2,048.
COUNTED = {"lima": (1030, 708_332), "lima_no_rephrase": (1029, 708_332), "gsm": (1000, 210_112), "mbpp": (374, 40_073)}
UNCOUNTED_ROWS, UNCOUNTED_ROW_TOKENS, FILE_BYTES_PER_TOKEN = 1000, 400, 4
PEAK_FLOP_PER_S, SHARE_OF_PEAK = 989e12, 0.4  # an H100's in bf16; trainers of 7B models are published at 35 to 60 %
ANSWER_TOKENS, ANSWER_TOKENS_PER_S = 359, 2000  # of AlpacaEval's answers the mean; a speed for 7 B parameters
SLOWER_IN_4_BITS = 1.4  # assumed, not measured: the hours beside those of a base in 16 bits
START_H = 0.1  # to start, load and save: of one GPU
SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([bm])(?![A-Za-z0-9])", re.IGNORECASE)


def lines(
    missing: Sequence[Artifact], num_asked: Mapping[Artifact, int | None], files: Mapping[str, Path]
) -> list[str]:
    """A line of GPU-hours for finetunes and answers of models whose names tell a size, then what was assumed; none if
    no name does.

    `num_asked`: instructions by their artifact, None where they are not counted yet; `files`: local files by sha256.
    """
    tuned = [(a, size) for a in missing if a.stage == "finetune" and (size := num_parameters(a))]
    answered = [(a, size) for a in missing if a.stage == "generate" and (size := num_parameters(a))]
    if not tuned and not answered:
        return []
    tokens = {a: epochs(a) * epoch_tokens(a, files) for a, _ in tuned}
    tuning_h = sum(flop(a, size) * tokens[a] / (PEAK_FLOP_PER_S * SHARE_OF_PEAK) / 3600 + START_H for a, size in tuned)
    written = [(num_asked.get(a.inputs["instructions"]) or 805) * ANSWER_TOKENS * size / 7e9 for a, size in answered]
    answering_h = sum(n / ANSWER_TOKENS_PER_S / 3600 + START_H for n in written)
    other = sum(a.stage in ("finetune", "generate") for a in missing) - len(tuned) - len(answered)
    total, tuning, answering = _hours(tuning_h, answering_h)
    return [
        (
            f"about {total} of one H100: {tuning} for {plural(len(tuned), 'finetune')} "
            f"({_millions(sum(tokens.values()))}), {answering} for {plural(len(answered), 'set')} of outputs"
        ),
        *assumptions(tuned, other),
    ]


def _hours(*parts_h: float) -> list[str]:
    """The sum of the parts, with its unit, and each part in that unit, rounded so that they add up: minutes below an
    hour, tenths of hours where whole ones would say little.
    """
    unit, scale = ("minutes", 60) if sum(parts_h) < 1 else ("hours", 1)
    decimals = int(scale == 1 and (sum(parts_h) < 10 or any(0 < part < 0.5 for part in parts_h)))
    parts = [round(part * scale, decimals) for part in parts_h]
    return [f"{sum(parts):,.{decimals}f} {unit}", *(f"{part:,.{decimals}f}" for part in parts)]


def flop(finetune: Artifact, size: float) -> float:
    """Of a token: two of a parameter forward, two for the gradient of what goes in, two for that of each one that is
    trained (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
    """
    lora = finetune.plain_params["recipe"].get("lora")
    if not lora:
        return 6 * size
    return (SLOWER_IN_4_BITS if lora.get("quantize") else 1.0) * (4 * size + 6 * trained_parameters(lora, size, {}))


def _millions(num: float) -> str:
    return f"{num / 1e6:,.0f} M tokens" if num >= 5e5 else amounts.tokens(num)


def assumptions(tuned: Sequence[tuple[Artifact, float]], other: int) -> list[str]:
    guessed = sorted({name for a, _ in tuned for name in readers(a)} - COUNTED.keys())
    said = [
        (
            f"6 FLOP a token and parameter (4 beneath adapters) at {SHARE_OF_PEAK:.0%} of "
            f"{PEAK_FLOP_PER_S / 1e12:.0f} TFLOP/s; parameters by the models' names"
        ),
        (
            f"answers of {ANSWER_TOKENS} tokens at {ANSWER_TOKENS_PER_S:,} tokens/s for 7 B (an arm that does not stop "
            f"takes up to ten times that)"
        ),
        f"{START_H} hours to start and save each",
    ]
    said += (
        [
            (
                f"{UNCOUNTED_ROWS:,} rows of {UNCOUNTED_ROW_TOKENS} tokens, or a file's bytes / "
                f"{FILE_BYTES_PER_TOKEN}, for {', '.join(guessed)}"
            )
        ]
        if guessed
        else []
    )
    if any((a.plain_params["recipe"].get("lora") or {}).get("quantize") for a, _ in tuned):
        said.append(f"{SLOWER_IN_4_BITS} times the FLOP where the base is in 4 bits")
    said += ["the middle of its grid where choose: decides"] if any("choice" in a.inputs for a, _ in tuned) else []
    left_out = [
        (
            f"    not counted: {plural(other, 'finetune or set of outputs', 'finetunes and sets of outputs')} of "
            "models whose names tell no size"
        )
    ] * bool(other)
    return [*(f"    assumed: {line}" for line in said), *left_out]


def num_parameters(a: Artifact) -> float | None:
    """What the name of the model that `a` comes from says, as "7b" or "160M"; None if it says nothing."""
    while below := a.inputs.get("base") or a.inputs.get("finetune"):
        a = below
    found = SIZE.search(str(a.plain_params.get("base", {}).get("source", {}).get("hf_id", "")).rpartition("/")[2])
    return float(found[1]) * {"b": 1e9, "m": 1e6}[found[2].lower()] if found else None


def epochs(finetune: Artifact) -> float:
    """Epochs that a run takes; of a run whose number is chosen the middle of those that are tried."""
    said = finetune.plain_params.get("stop_after_epochs") or finetune.plain_params["recipe"]["epochs"]
    return (
        said
        if isinstance(said, int)
        else median(run["epochs"] for run in finetune.inputs["choice"].plain_params["runs"])
    )


def epoch_tokens(finetune: Artifact, files: Mapping[str, Path]) -> float:
    examples = finetune.inputs["examples"]
    counted = [_counted(a.plain_params["source"], files) for a in _sources(examples)]
    if "mix" not in examples.plain_params:
        return counted[0][1]
    shares = [part["share"] for part in examples.plain_params["mix"]]
    total = examples.plain_params["rows"] or min(rows / share for (rows, _), share in zip(counted, shares))
    return sum(total * share * tokens / rows for (rows, tokens), share in zip(counted, shares))


def _sources(examples: Artifact) -> list[Artifact]:
    """The prepared source that the examples are, or those of the mix."""
    return list(examples.inputs.values()) or [examples]


def _counted(source: Mapping, files: Mapping[str, Path]) -> tuple[float, float]:
    """Rows and tokens of a source, as far as they are known before it is prepared."""
    rows: float
    tokens: float
    rows, tokens = COUNTED.get(source["reader"], (UNCOUNTED_ROWS, UNCOUNTED_ROWS * UNCOUNTED_ROW_TOKENS))
    path = files.get((source["data"] or {}).get("sha256", ""))
    if source["reader"] not in COUNTED and path and path.is_file():
        tokens = path.stat().st_size / FILE_BYTES_PER_TOKEN
        rows = max(tokens / UNCOUNTED_ROW_TOKENS, 1)
    elif first := (source["options"] or {}).get("first") or source.get("first"):
        rows, tokens = min(first, rows), tokens * min(first, rows) / rows
    if sample := source.get("sample"):
        kept = min(sample["rows"], rows) if sample["keep"] == "sample" else max(rows - sample["rows"], 1)
        rows, tokens = kept, tokens * kept / rows
    return rows, tokens


def readers(finetune: Artifact) -> set[str]:
    """Who reads what a finetune trains on."""
    return {a.plain_params["source"]["reader"] for a in _sources(finetune.inputs["examples"])}
