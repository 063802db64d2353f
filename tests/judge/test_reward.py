"""A reward model: a reward in a batch is that of the answer alone, preferences are Bradley-Terry's, and what is no
reward model is refused in words.
"""

import json
import math
import re
import shutil

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from winsweep.check import judge as check
from winsweep.errors import BadData, BadStudy, JudgeRefused
from winsweep.judge import reward
from winsweep.judges import reward_model
from winsweep.judges.reward_model import Options
from winsweep.store.fingerprint import fingerprint
from winsweep.study.cell import HubModel, Judge, LocalFile

from . import tiny
from .pairs import make_pair
from .test_stage import STAGE, made, make_job

WORDS = "the model that writes best is one of many, and its outputs are long or short".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.make_reward(tmp_path_factory.mktemp("reward"), tiny.make(tmp_path_factory.mktemp("judge")))


def make_pairs(num: int) -> list[dict]:
    text = [" ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, 4 + 9 * i % 50)) for i in range(2 * num + 1)]
    return [make_pair(f"Say {i} things.", text[i], text[2 * num - i]) for i in range(num)]


def with_config(folder, to, **fields):
    shutil.copytree(folder, to)
    said = json.loads((to / "config.json").read_text()) | fields
    (to / "config.json").write_text(json.dumps(said))
    return to


@torch.no_grad()
def alone(folder, instruction: str, output: str) -> float:
    """The reward as a model's page has it: one talk, no padding, nothing else."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    talk = [{"role": "user", "content": instruction}, {"role": "assistant", "content": output}]
    ids = AutoTokenizer.from_pretrained(folder).apply_chat_template(talk, return_dict=True, return_tensors="pt")
    return model(ids["input_ids"]).logits[0, 0].item()


@pytest.mark.parametrize("pad_token_id", [None, 1])  # 1 is EOS, with which the template ends each turn
def test_a_reward_in_a_batch_is_that_of_the_answer_alone(folder, tmp_path, pad_token_id):
    folder = with_config(folder, tmp_path / "model", pad_token_id=pad_token_id)
    pairs, rows = make_pairs(9), []
    reward_model.annotate(pairs, Options(path=str(folder), precision="fp32", batch=5), rows.extend)
    by_text = {row["instruction"]: row for row in rows}
    for pair in pairs:
        row = by_text[pair["instruction"]]
        wanted = {pair[side]: alone(folder, pair["instruction"], pair[side]) for side in ("output_1", "output_2")}
        assert sorted(row["raw_completion"]["rewards"]) == pytest.approx(sorted(wanted.values()), abs=1e-5)
        margin = wanted[pair["output_2"]] - wanted[pair["output_1"]]
        assert row["preference"] == pytest.approx(1 + 1 / (1 + math.exp(-margin)), abs=1e-5)
    said = [row["preference"] for row in rows]
    assert max(said) - min(said) > 0.2


def test_swapped_sides_mirror_and_far_apart_rewards_are_whole_wins():
    assert reward.preference(0.3, -1.2) + reward.preference(-1.2, 0.3) == pytest.approx(3, abs=1e-12)
    assert reward.preference(-800, 800) == 2 and reward.preference(800, -800) == 1 and reward.preference(2, 2) == 1.5


def test_in_a_stage_it_is_known_by_content_and_reads_nothing_twice(folder, tmp_path, monkeypatch):
    sha = fingerprint(folder)
    options = Options(weights=LocalFile(sha), precision="fp32")
    judge, pairs = Judge("reward_model", 1, options), [*make_pairs(4), make_pair("Same?", "one", "one")]
    job = make_job(tmp_path, pairs, judge, reward_model.identity(options), {}, {sha: str(folder)})
    STAGE.run(job)
    rows = made(job)
    assert rows[-1]["preference"] == 1.5 and rows[-1]["raw_completion"] is None
    assert {(r["annotator"], r["model"], r["precision"]) for r in rows} == {("reward_model", f"sha256:{sha}", "fp32")}
    monkeypatch.setattr(reward, "RewardModel", None)  # the ledger has all of it
    STAGE.run(job)
    assert made(job) == rows
    assert reward_model.identity(Options(weights=HubModel("a/b", "c0ffee")))["model"] == "a/b@c0ffee"
    with pytest.raises(BadStudy, match=r"judge reward_model: no model; exactly one of path"):
        reward_model.identity(Options())


def test_what_does_not_fit_or_is_no_number_is_named(folder, tmp_path):
    pairs = make_pairs(3)
    pairs[1]["output_2"] = "zq " * 900
    kept: list[dict] = []
    with pytest.raises(JudgeRefused, match=r"#1 'Say 1 things.': with its answer it has \d+ tokens, and the model rea"):
        reward_model.annotate(pairs, Options(path=str(folder), precision="fp32"), kept.extend)
    assert len(kept) == 2
    broken = shutil.copytree(folder, tmp_path / "nan")
    model = AutoModelForSequenceClassification.from_pretrained(broken, dtype=torch.float32)
    with torch.no_grad():
        model.score.weight[:] = 3e38
    model.save_pretrained(broken)
    with pytest.raises(JudgeRefused, match="a reward is not a number"):
        reward_model.annotate(make_pairs(2), Options(path=str(broken), precision="fp32"), kept.extend)
    with torch.no_grad():
        model.score.weight[:] = math.nan
    model.save_pretrained(nan := shutil.copytree(broken, tmp_path / "more"))
    with pytest.raises(BadData, match=r"its weight score\.weight holds NaN or infinity"):
        reward_model.annotate(make_pairs(2), Options(path=str(nan), precision="fp32"), kept.extend)


def two_outputs(folder, to):
    with_config(folder, to, id2label={"0": "a", "1": "b"}, label2id={"a": 0, "b": 1})


def no_template(folder, to):
    shutil.copytree(folder, to)
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        if (to / name).exists() and name.endswith("json"):
            said = json.loads((to / name).read_text())
            said.pop("chat_template", None)
            (to / name).write_text(json.dumps(said))
        elif (to / name).exists():
            (to / name).unlink()


def no_head(folder, to):
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, to)
    tensors = load_file(to / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if k != "score.weight"}, to / "model.safetensors", {"format": "pt"})


def language_model(folder, to):
    with_config(folder, to, architectures=["LlamaForCausalLM"])


def pickled(folder, to):
    shutil.copytree(folder, to)
    (to / "model.safetensors").unlink()
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.save(model.state_dict(), to / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (two_outputs, r"gives 2 numbers; legal is one, the reward \(num_labels: 1"),
        (no_template, r"has no chat template"),
        (no_head, r"has no weights for score.weight"),
        (language_model, r"is a LlamaForCausalLM; legal is one with a head that gives one number"),
        (pickled, r"has no weights in files of safetensors"),
    ],
)
def test_what_is_no_reward_model_is_refused_before_and_as_it_is_loaded(folder, tmp_path, spoil, told):
    spoil(folder, tmp_path / "model")
    options = Options(path=str(tmp_path / "model"), precision="fp32")
    with pytest.raises((BadStudy, BadData), match=told):
        reward_model.annotate(make_pairs(1), options, lambda rows: None)
    (found,) = check.look(reward_model, options)
    assert found.verdict == "problem" and re.search(told, found.found)


def test_a_whole_one_passes_the_check(folder):
    (found,) = check.look(reward_model, Options(path=str(folder)))
    assert (found.verdict, found.what) == ("ok", "weights")
