"""The README.md of an exported model: what a hub reads of it (YAML), and what a person reads. Pure."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from winsweep.escapes import cell, code, visible
from winsweep.export.facts import Facts, Origin, Row
from winsweep.export.loading import is_on_hub, loading

RATES = {  # of the columns of results.csv: kind, and what it is called
    "lc_win_rate_pct": ("lc_win_rate", "length-controlled win rate"),
    "paired_win_rate_pct": ("paired_win_rate", "win rate at equal length, head to head"),
    "win_rate_pct": ("win_rate", "win rate"),
}
DIGITS = 2
HOW = """\
{model}
question = "How do I boil an egg?"
{prompt}
answer = model.generate(**inputs, max_new_tokens={max_new_tokens}, do_sample=False)
print(tokenizer.decode(answer[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
"""
PAPER = """\
@article{hewitt2024instruction,
  title = {Instruction Following without Instruction Tuning},
  author = {John Hewitt and Nelson F. Liu and Percy Liang and Christopher D. Manning},
  year = {2024},
  journal = {arXiv preprint arXiv:2409.14254}
}"""


def readme(told: Facts, version: str, has_template: bool, name: str) -> str:
    """The whole card; `name` is what the model is loaded by. Others' text in it is code or quoted YAML: no link, no
    HTML, no markup.
    """
    front = yaml.safe_dump(front_matter(told), sort_keys=False, allow_unicode=True, width=1000)
    parts = [about(told), results(told), use(told, has_template, name), training(told), data(told), judging(told)]
    parts += [licence(told), made(told, version), cite()]
    return f"---\n{front}---\n\n# {code(told.label)}\n\n" + "\n\n".join(parts) + "\n"


def front_matter(told: Facts) -> dict[str, Any]:
    """What the hub reads: licence only where the base's own card says it, `base_model` and `datasets` only where they
    are the hub's.
    """
    relation = "adapter" if told.is_adapter else "finetune"
    base = {"base_model": told.base.hf_id, "base_model_relation": relation} if told.base.hf_id else {}
    licence = dict(told.licence.said) if told.licence else {}
    names = list(dict.fromkeys(part.hf_id for part in told.data if part.hf_id))
    datasets = {"datasets": names} if names else {}
    index = {"model-index": model_index(told)} if told.row else {}
    library = "peft" if told.is_adapter else "transformers"
    fixed = {"library_name": library, "pipeline_tag": "text-generation", "tags": ["winsweep", visible(told.arm)]}
    return {**licence, **base, **fixed, **datasets, **index}


def model_index(told: Facts) -> list[dict[str, Any]]:
    """The figures of the cell's own row in the hub's form for results that a model's maker gives."""
    of = told.instructions
    dataset = {"type": of.hf_id or visible(of.reader), "name": visible(of.name)}
    dataset |= {"revision": of.revision} if of.revision else {}
    metrics = [
        {
            "type": kind,
            "value": round(float(told.row[column]), 4),
            "name": f"{name} against {visible(told.reference)}, judged by {visible(told.judge['name'])}",
            "verified": False,
        }
        for column, (kind, name) in RATES.items()
        if told.row.get(column)
    ]
    task = {"type": "text-generation", "name": "following instructions"}
    return [{"name": visible(told.label), "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]


def about(told: Facts) -> str:
    before = "".join(f"finetuned as the cell {code(label)}, then " for label in reversed(told.starts))
    return (
        f"{source(told.base)}, {before}finetuned on {code(told.task)} (seed {told.seed}): the cell {code(told.label)} "
        f"of the study {code(told.study)}, made by winsweep."
    )


def results(told: Facts) -> str:
    """The figures of this seed and of the mean over seeds, with intervals; in words where there are none."""
    title = "## Results\n\n"
    if not told.row:
        return f"{title}Not judged, or not in a table yet: no figure is given."
    head = ["", *(name for _, name in RATES.values()), "95 % interval (at equal length)", "instructions"]
    rows = [_figures(f"this model, seed {told.seed}", told.row)]
    rows += [_figures(f"mean over {told.mean['num_seeds']} seeds", told.mean)] if told.mean else []
    note = f"\n\nNote: {code(told.row['note'])}." if told.row.get("note") else ""
    return (
        f"{title}In percent, against the answers of {code(told.reference)}: 50 is as good as those. The interval of "
        f"this model is over instructions, that of a mean over seeds and instructions.\n\n{table(head, rows)}{note}"
    )


def _figures(name: str, row: Row) -> list[str]:
    low, high = row.get("paired_low_pct"), row.get("paired_high_pct")
    interval = f"{_number(low)} – {_number(high)}" if low and high else "–"
    return [name, *(_number(row.get(column)) for column in RATES), interval, row["n"]]


def beneath(told: Facts) -> str:
    """What adapters need beside them, and how far it can be said where that is."""
    if told.starts:
        what = f"the model of the cell {code(told.starts[0])}, winsweep's {code(told.worn_by)}"
    elif told.worn_by:
        what = f"{code(told.base.name)}, winsweep's {code(told.worn_by)}"
    else:
        what = source(told.base)
    where = "" if is_on_hub(told) else " It is on no hub that is known here: whoever made it can pass it on."
    return f"These are adapters alone (LoRA), in the form of peft. They belong to {what}.{where}"


def use(told: Facts, has_template: bool, name: str) -> str:
    """A program that answers as the study's answers were made."""
    prompt = 'inputs = tokenizer.apply_chat_template(\n    [{"role": "user", "content": question}],\n'
    prompt += '    add_generation_prompt=True, return_tensors="pt", return_dict=True,\n)'
    if not has_template:
        user, assistant = (json.dumps(f"{told.frame[who]}\n", ensure_ascii=False) for who in ("user", "assistant"))
        prompt = f'inputs = tokenizer({user} + question + "\\n" + {assistant}, return_tensors="pt")'
    precision = {"fp32": "float32", "bf16": "bfloat16"}[str(told.decoding["precision"])]
    model = loading(told, name, precision)
    text = HOW.format(model=model, prompt=prompt, max_new_tokens=told.decoding["max_new_tokens"])
    beside = f"{beneath(told)}\n\n" if told.is_adapter else ""
    return f"## Use\n\n{beside}```python\n{text}```\n\n{_said_of_prompts(told, has_template)}"


def _said_of_prompts(told: Facts, has_template: bool) -> str:
    tags = f"{code(told.frame['user'])} and {code(told.frame['assistant'])}"
    if told.frame["template"] == "chat":
        frame = "The frame of its training is the chat template of its own tokenizer."
    elif has_template:
        frame = f"The frame of its training, {tags}, is the chat template here."
    else:
        frame = f"The frame of its training, {tags}, cannot be said as a chat template of this tokenizer."
    return f"{frame} In the study a special token that an instruction spells was read as text."


def training(told: Facts) -> str:
    shown = [[code(name), code(value)] for name, value in told.recipe.items()]
    return f"## Training\n\nEvery field of the recipe.\n\n{table(['field', 'value'], shown)}"


def data(told: Facts) -> str:
    notes = told.trained.get("notes", {})
    count = f"{notes['num_examples']} examples" if "num_examples" in notes else "Examples"
    if len(told.data) == 1:
        return f"## Data\n\n{count} of {_part(told.data[0])}."
    parts = "\n".join(f"* {100 * part.share:g} %: {_part(part)}" for part in told.data)
    return f"## Data\n\n{count} of a mix:\n\n{parts}"


def _part(of: Origin) -> str:
    """A source of rows: where from, by which reader, and what of it."""
    said = f"{source(of)}, read as {code(of.reader)}"
    said += f" (a file of the study's own, sha256 {code(of.code)})" if of.code else ""
    said += f", options {code(json.dumps(of.options, ensure_ascii=False))}" if of.options else ""
    said += f", sampled {code(json.dumps(of.sample, ensure_ascii=False))}" if of.sample else ""
    return (
        f"{said}; its instructions were emptied, so that it was trained on responses alone" if of.is_emptied else said
    )


def judging(told: Facts) -> str:
    judge = ", ".join(f"{name} {code(value)}" for name, value in told.judge.items() if value not in ("", {}, None))
    return (
        f"## How it was judged\n\nAnswers to {source(told.instructions)}, decoded greedily (at most "
        f"{told.decoding['max_new_tokens']} tokens, {told.decoding['precision']}), compared one by one with those of "
        f"{code(told.reference)}. Judge: {judge}. A judge's preference is no measure of truth or of safety."
    )


def licence(told: Facts) -> str:
    """What binds the model, as far as the base's own files say."""
    if told.licence:
        return f"## Licence\n\nThat of the base, as its own model card says: {code(told.licence.name)}."
    if not told.base.hf_id and not told.base.sha256:
        return "## Licence\n\nThe base was pretrained by winsweep on generated text. Name a licence here."
    return (
        "## Licence\n\nThe licence of the base was not found beside its weights, so none is named here. It binds this "
        "model, too: look it up and name it before you pass the model on."
    )


def made(told: Facts, version: str) -> str:
    """By which program, packages and device; no host and no path."""
    trained = told.trained or told.collected
    packages = ", ".join(f"{name} {number}" for name, number in sorted(trained.get("packages", {}).items()))
    commit = str(trained.get("commit", "unknown")) + (" with changes" if trained.get("dirty") else "")
    seconds = f", {told.trained['seconds']:.0f} s" if "seconds" in told.trained else ""
    return (
        f"## How it was made\n\nwinsweep {code(version)}, commit {code(commit)}, on {code(trained.get('device', '?'))}"
        f"{seconds}. {code(packages)}. Keys: finetune {code(told.row.get('finetune_key') or _key(told.trained))}, "
        f"judgement {code(told.row.get('judge_key') or _key(told.judged))}."
    )


def cite() -> str:
    asked = "Please cite winsweep, the base, the data, and the paper whose method this is:"
    return f"## Cite\n\n{asked}\n\n```bibtex\n{PAPER}\n```"


def source(of: Origin) -> str:
    """Where a model or rows come from, in a line of Markdown."""
    if of.hf_id:
        file = f", {code(of.file)}" if of.file else ""
        return f"{code(of.hf_id)} at {code(of.revision)}{file}"
    if of.sha256:
        return f"{code(of.name)} (local files, sha256 {code(of.sha256)})"
    return f"{code(of.name)} (made by winsweep)"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def _number(text: str | None) -> str:
    return f"{float(text):.{DIGITS}f}" if text else "–"


def _key(record: Mapping[str, Any]) -> str:
    return str(record.get("name", "?")).rpartition("-")[2]
