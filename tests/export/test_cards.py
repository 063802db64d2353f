"""What a model card and an evaluation record say of hostile names, hub models and licences."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from winsweep.escapes import markdown
from winsweep.export import every_eval_ever, licence, model_card
from winsweep.export.facts import Facts, Origin

HOSTILE = [
    "<script>alert(1)</script>",
    "[a](javascript:alert(1))",
    "` `` | a\n---\nlicense: mit",
    "![x](https://example.org/x.png)",
    "\x1b[2J\u202egnp.exe",
    "https://example.org www.example.org",
    "&lt;b&gt; *a* _b_ ~~c~~",
    "---",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(told: Facts, name: str, tmp_path: Path) -> None:
    origin = Origin(name, options={name: name}, reader=name)
    bad = replace(
        told,
        label=name,
        arm=name,
        study=name,
        reference=name,
        data=(origin, origin),
        task=name,
        instructions=origin,
        base=origin,
    )
    bad = replace(bad, judge={**told.judge, "name": name}, row={**told.row, "note": name})
    bad = replace(bad, licence=None, frame={**told.frame, "user": name, "template": "tags"})
    text = model_card.readme(bad, "0", has_template=True, name="a/b")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.eval_results[0].dataset_name and card.data.license is None
    shown = without_code(card.text)
    assert not [sign for sign in ("script", "javascript", "example.org", "alert", "\x1b", "\u202e") if sign in shown]
    assert len([line for line in card.text.splitlines() if line.startswith("| this model")]) == 1
    json.dumps(every_eval_ever.record(bad, "0", "a/b", 0.0), allow_nan=False)


def test_the_way_down_to_the_base_is_told(told: Facts) -> None:
    card = model_card.readme(replace(told, starts=("x.b.s1", "a.c.s1")), "0", has_template=True, name="a/b")
    assert "finetuned as the cell `a.c.s1`, then finetuned as the cell `x.b.s1`, then finetuned on" in card


def test_an_option_of_instructions_is_not_told_of_training_rows(told: Facts) -> None:
    assert "part" not in told.data[0].options and told.data[0].options["num_examples"] == 24
    assert told.instructions.options["part"] == "dev"


def test_adapters_name_the_model_that_they_belong_to(told: Facts) -> None:
    worn = replace(told, is_adapter=True, base=Origin("llama", "meta/llama", "ab12"))
    card = model_card.readme(worn, "0", has_template=True, name="a/b")
    assert 'base = "meta/llama"\n' in card and 'from_pretrained(base, revision="ab12", dtype="float32")' in card
    below = replace(worn, starts=("a.c.s1",), worn_by="collect/12ab")
    card = model_card.readme(below, "0", has_template=True, name="a/b")
    assert "belong to the model of the cell `a.c.s1`, winsweep's `collect/12ab`" in card and 'base = "DIREC' in card


def test_each_source_of_a_mix_is_named(told: Facts) -> None:
    mix = (
        Origin("a", "GAIR/lima", "ab12", "train.jsonl", reader="lima", share=0.75, is_emptied=True),
        Origin("b", sha256="cd34", reader="mine", code="ef56", share=0.25, sample={"rows": 9}),
    )
    card = model_card.readme(replace(told, data=mix, task="both"), "0", has_template=True, name="a/b")
    assert yaml.safe_load(card.split("---\n")[1])["datasets"] == ["GAIR/lima"] and "finetuned on `both`" in card
    assert "* 75 %: `GAIR/lima` at `ab12`, `train.jsonl`, read as `lima`; its instructions were emptied" in card
    assert "* 25 %: `b` (local files, sha256 `cd34`), read as `mine` (a file of the study's own, sha256 `ef56`)" in card
    assert 'sampled `{"rows": 9}`' in card


def without_code(text: str) -> str:
    """What a reader of Markdown takes for markup or prose: what is in no code span and no fence, span by span."""
    kept, at, fenced = [], 0, False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if fenced or line.startswith("```"):
            continue
        at = 0
        while (start := line.find("`", at)) >= 0:
            run = len(line[start:]) - len(line[start:].lstrip("`"))
            end = next((i for i in _runs(line, start + run, run)), None)
            if end is None:
                break
            kept.append(line[at:start])
            at = end + run
        kept.append(line[at:])
    return "\n".join(kept)


def _runs(line: str, at: int, length: int) -> list[int]:
    """Where a run of exactly so many backticks begins."""
    found, i = [], at
    while i < len(line):
        if line[i] == "`":
            run = len(line[i:]) - len(line[i:].lstrip("`"))
            found += [i] if run == length else []
            i += run
        else:
            i += 1
    return found


def test_a_base_of_the_hub_and_its_licence_are_named_where_they_are_known(told: Facts, tmp_path: Path) -> None:
    base = Origin("llama", "meta/llama", "ab12")
    bare = model_card.front_matter(replace(told, base=base, licence=None))
    assert bare["base_model"] == "meta/llama" and "license" not in bare
    said = "---\nlicense: other\nlicense_name: llama2\nlicense_link: LICENSE.txt\ntags: [x]\n---\n# Llama\n"
    (tmp_path / "README.md").write_text(said)
    found = licence.licence_in(tmp_path)
    assert found and found.name == "llama2"
    full = replace(told, base=base, licence=found)
    assert yaml.safe_load(model_card.readme(full, "0", True, "a/b").split("---\n")[1])["license_link"] == "LICENSE.txt"
    for text in ("# no front matter\n", "---\nlicense: [a, b]\n---\n", "---\n: {\n---\n", "---\nlicense: 'a\\nb'\n"):
        (tmp_path / "README.md").write_text(text)
        assert licence.licence_in(tmp_path) is None
    assert licence.licence_in(tmp_path / "nowhere") is None and licence.licence_in(None) is None


def test_an_evaluation_record_has_what_its_schema_requires(told: Facts) -> None:
    found = every_eval_ever.record(told, "0.1.0", "someone/model", 1.0)
    assert found["model_info"]["id"] == "someone/model" and found["schema_version"] == every_eval_ever.SCHEMA
    first = found["evaluation_results"][1]
    assert first["score_details"]["score"] == float(told.row["paired_win_rate_pct"])
    interval = first["score_details"]["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"]) == (
        float(told.row["paired_low_pct"]),
        float(told.row["paired_high_pct"]),
    )
    assert {"dataset_name", "source_type"} <= first["source_data"].keys()
    assert all(isinstance(v, str) for v in found["model_info"]["additional_details"].values())
    judge = {"name": "gpt", "model": "gpt-x", "prompt_sha256": "ab"}
    judged = every_eval_ever.record(replace(told, judge=judge), "0", "m", 1.0)["evaluation_results"][0]
    assert judged["metric_config"]["llm_scoring"]["judges"][0]["model_info"]["id"] == "gpt-x"
    assert (
        every_eval_ever.file_name(told) == every_eval_ever.file_name(told)
        and every_eval_ever.file_name(told)[14] == "4"
    )


def test_prose_of_markdown_stands_for_itself() -> None:
    assert markdown("a_b*c* <i> [x](y)") == r"a\_b\*c\* &lt;i&gt; \[x\]\(y\)"
