"""Models as they come from the hub: without a pad token, without BOS, with more rows than tokens; and those that do not
come.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers.decoders import ByteLevel
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    OlmoConfig,
    OlmoForCausalLM,
    PreTrainedTokenizerFast,
)

from tests.train.world import World
from winsweep.errors import BadData
from winsweep.generate import greedy
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.recipe import Recipe
from winsweep.text.encode import MASKED, encode_all
from winsweep.text.model import load_tokenizer, save_around
from winsweep.train.collect import collect
from winsweep.train.loss import collate, example_losses
from winsweep.train.tokenizer import load

SHAPE = dict(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=128,
    initializer_range=0.3,
)
ROWS = [
    [{"role": "user", "content": f"Say {'it ' * i}"}, {"role": "assistant", "content": "So " * (i % 3) + "be it."}]
    for i in range(7)
]
RECIPE = Recipe(lr=1e-2, epochs=2, global_batch=4, max_tokens=64, precision="fp32")


def llama(folder: Path, data: Path) -> Path:
    """As Llama-2: 32,000 tokens and rows, BOS, no pad token."""
    tokenizer = load(data / "llama2_tokenizer.model")
    tokenizer.save_pretrained(folder)
    LlamaForCausalLM(LlamaConfig(vocab_size=32000, bos_token_id=1, eos_token_id=2, **SHAPE)).save_pretrained(folder)
    return folder


def olmo(folder: Path) -> Path:
    """As OLMo: byte-level tokens with EOS last, no BOS, 24 rows more than tokens; generation_config.json names a wrong
    EOS.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["|||IP_ADDRESS|||"], show_progress=False
    )
    backend.train_from_iterator(["<|user|>\n\n<|assistant|>\nSay it. So be it."] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    config = OlmoConfig(vocab_size=len(tokenizer) + 24, eos_token_id=tokenizer.eos_token_id, pad_token_id=1, **SHAPE)
    OlmoForCausalLM(config).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 0}))
    return folder


@pytest.fixture(scope="module", params=["llama", "olmo"])
def base(request, tmp_path_factory) -> Path:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp(request.param)
    return olmo(folder) if request.param == "olmo" else llama(folder, request.getfixturevalue("data"))


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory) -> Path:
    """A model directory from a few steps on `base`, by the path that finetune and collect take."""
    root, tokenizer = tmp_path_factory.mktemp("trained"), load_tokenizer(str(base), None)
    world = World(root, base, "zero1", 1, RECIPE, micro_tokens=56)
    world.examples = encode_all(ROWS, tokenizer, Frame(), RECIPE).examples
    world.done()
    save_around(str(base), None, tokenizer, world.out / "hf")
    collect(world.out, root / "model")
    return root / "model"


def test_no_row_is_added_and_no_text_changes(base, trained):
    before, after = (AutoModelForCausalLM.from_pretrained(p, dtype=torch.float32) for p in (base, trained))
    rows = before.get_input_embeddings().weight.shape
    assert (
        after.get_input_embeddings().weight.shape == rows
        and after.config.vocab_size == before.config.vocab_size == rows[0]
    )
    assert not torch.equal(before.get_input_embeddings().weight, after.get_input_embeddings().weight)
    plain, kept = PreTrainedTokenizerFast.from_pretrained(base), load_tokenizer(str(trained), None)
    assert plain.pad_token is None and kept.pad_token == kept.eos_token == plain.eos_token and len(kept) == len(plain)
    text = Frame().prompt("Say it") + "So." + plain.eos_token
    assert kept(text)["input_ids"] == plain(text)["input_ids"]
    assert (plain(text)["input_ids"][0] == plain.bos_token_id) == (plain.bos_token_id is not None)
    assert after.generation_config.eos_token_id == plain.eos_token_id


def test_what_fills_a_training_batch_changes_no_loss(base):
    net, tokenizer = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), load_tokenizer(str(base), None)
    examples = encode_all(ROWS, tokenizer, Frame(), RECIPE).examples
    batch = collate(examples)
    for filler in (tokenizer.eos_token_id, 7):
        other = batch._replace(ids_BT=torch.where(batch.present_BT.bool(), batch.ids_BT, filler))
        torch.testing.assert_close(example_losses(net, other), example_losses(net, batch), rtol=0, atol=0)
    assert batch.labels_BT[batch.present_BT == 0].unique().tolist() == [MASKED]


def test_what_fills_a_prompt_changes_no_answer(trained, tmp_path):
    def answers(model: Path, work: Path, batch: int = 7) -> list[greedy.Answer]:
        work.mkdir()
        asked = [f"Say {'it ' * i}" for i in range(7)]
        return greedy.answer_all(
            asked, str(model), None, Decoding(max_new_tokens=12, batch=batch), Frame(), None, work, lambda a, b: None
        )

    plain = answers(trained, tmp_path / "eos")
    assert plain == answers(trained, tmp_path / "alone", batch=1) and len({a.text for a in plain}) > 1
    other, tokenizer = Path(shutil.copytree(trained, tmp_path / "model")), load_tokenizer(str(trained), None)
    tokenizer.pad_token_id = 0  # <unk> of one, |||IP_ADDRESS||| of the other
    tokenizer.save_pretrained(other)
    assert load_tokenizer(str(other), None).pad_token_id == 0 and answers(other, tmp_path / "other") == plain


def test_a_model_that_cannot_be_had_says_what_to_do():
    said = (
        r"nobody/gated at 12ab: cannot be loaded .* accept its terms at https://huggingface.co/nobody/gated and type "
        r"`hf auth login`; "
        r".*`hf download nobody/gated --revision 12ab` .* HF_HUB_OFFLINE=1 here; .* model a path:"
    )
    with pytest.raises(BadData, match=said):
        load_tokenizer("nobody/gated", "12ab")


def test_a_directory_without_a_tokenizer_is_named(tmp_path):
    LlamaConfig().save_pretrained(tmp_path)
    with pytest.raises(
        BadData, match=f"{tmp_path}: has no tokenizer that can be read .*put its files beside the weights"
    ):
        load_tokenizer(str(tmp_path), None)
