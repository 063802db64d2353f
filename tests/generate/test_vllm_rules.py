"""The door to vLLM, driven through stand-ins for its interface: requests come, go and change rows, and each gets its
own rules and grammar.
"""

import enum
import importlib
import json
import sys
import types
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch

import winsweep.generate
from winsweep.errors import BadData
from winsweep.generate.adapter import Rules
from winsweep.generate.grammar import Mask
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter, Grammar
from winsweep.text.ends import Ends
from winsweep.text.model import load_tokenizer
from winsweep.train.tokenizer import learn

VOCAB, FRAME = 300, Frame()
BOTH = (
    Adapter(rules=("eos", "diversity")),
    Adapter(rules=("diversity",), diversity_penalty=0.5, uniform=(("!", 2.0),)),
)


class Direction(enum.Enum):
    UNIDIRECTIONAL = enum.auto()
    SWAP = enum.auto()


@dataclass(frozen=True)
class Update:  # as vLLM's BatchUpdate
    added: list = field(default_factory=list)
    removed: list = field(default_factory=list)
    moved: list = field(default_factory=list)


@pytest.fixture
def doors(monkeypatch):
    """The modules, loaded over stand-ins for the names that they take from vLLM."""
    names = {"LogitsProcessor": object, "BatchUpdate": Update, "MoveDirectionality": Direction}
    for path in ("vllm", "vllm.v1", "vllm.v1.sample", "vllm.v1.sample.logits_processor"):
        monkeypatch.setitem(sys.modules, path, types.ModuleType(path))
    for name, value in names.items():
        setattr(sys.modules["vllm.v1.sample.logits_processor"], name, value)
    modules = ("vllm_rows", "vllm_rules", "vllm_grammar")
    for name in modules:  # as they are with vLLM itself, where it is installed
        monkeypatch.delitem(sys.modules, f"winsweep.generate.{name}", raising=False)
        monkeypatch.delattr(winsweep.generate, name, raising=False)
    yield {name: importlib.import_module(f"winsweep.generate.{name}") for name in modules}
    for name in modules:
        del sys.modules[f"winsweep.generate.{name}"]
        delattr(winsweep.generate, name)


@pytest.fixture
def door(doors):
    return doors["vllm_rules"]


@pytest.fixture(scope="module")
def tokenizer():
    return learn(["<|user|>\nHello you!\n<|assistant|>\n"] * 3, VOCAB)


@pytest.fixture
def config(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    model = SimpleNamespace(tokenizer=str(tmp_path), tokenizer_revision=None, get_vocab_size=lambda: VOCAB)
    return SimpleNamespace(model_config=model, scheduler_config=SimpleNamespace(max_num_seqs=3))


@pytest.fixture
def engine(door, config):
    return door.VllmRules(config, torch.device("cpu"), False)


def test_rows_get_what_transformers_would_give_them_through_every_change_of_the_batch(door, engine, tokenizer):
    def added(row: int, text: str, adapter: Adapter | None):
        prompt, output = tokenizer(FRAME.prompt(text))["input_ids"], []
        rows[row] = (prompt, output, adapter)
        return row, SimpleNamespace(extra_args=door.extra_args(adapter, FRAME) if adapter else None), prompt, output

    def step(update: Update | None) -> None:
        engine.update_state(update)
        logits = torch.randn(3, VOCAB)
        found = engine.apply(logits.clone())
        for row, (prompt, output, adapter) in rows.items():
            ids = torch.tensor([prompt + output])
            want = Rules(adapter, tokenizer, VOCAB)(ids, logits[row : row + 1])[0] if adapter else logits[row]
            assert torch.equal(found[row], want), row
            output.append(int(want.argmax()))

    rows: dict[int, tuple[list[int], list[int], Adapter | None]] = {}
    torch.manual_seed(0)
    step(Update(added=[added(0, "Hello", BOTH[0]), added(1, "you", None), added(2, "!", BOTH[1])]))
    step(None)
    rows[0], rows[1] = rows[1], rows[0]
    step(Update(moved=[(0, 1, Direction.SWAP)]))
    del rows[1]
    rows[1] = rows.pop(2)
    step(Update(removed=[1], moved=[(2, 1, Direction.UNIDIRECTIONAL)]))
    step(Update(added=[added(2, "Hello", BOTH[1]), added(0, "again", BOTH[1])]))
    for _ in range(3):
        step(None)


def test_the_tokenizer_is_the_one_that_all_others_use(door, config, tokenizer, tmp_path):
    """That of the model's own tokenizer.json, whatever transformers makes of its class; refused without an EOS."""
    own = json.loads((tmp_path / "tokenizer.json").read_text())
    own["normalizer"] = {"type": "Prepend", "prepend": "x"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(own))
    about = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(about | {"tokenizer_class": "LlamaTokenizer"}))
    ours = door.VllmRules(config, torch.device("cpu"), False).tokenizer
    assert ours("you")["input_ids"] == load_tokenizer(str(tmp_path), None)("you")["input_ids"]
    assert json.loads(ours.backend_tokenizer.to_str())["normalizer"] == own["normalizer"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(about | {"eos_token": None}))
    with pytest.raises(BadData, match="its tokenizer has no EOS token"):
        door.VllmRules(config, torch.device("cpu"), False)


def test_a_request_that_comes_back_with_output_goes_on(engine, door, tokenizer):
    prompt, output = tokenizer(FRAME.prompt("Hi"))["input_ids"], [7, 8]
    engine.update_state(
        Update(added=[(0, SimpleNamespace(extra_args=door.extra_args(BOTH[0], FRAME)), prompt, output)])
    )
    want = Rules(BOTH[0], tokenizer, VOCAB)(torch.tensor([prompt + output]), torch.zeros(1, VOCAB))
    assert torch.equal(engine.apply(torch.zeros(1, VOCAB)), want)


def test_what_the_rules_cannot_do_is_refused(engine, door, tokenizer):
    params = SimpleNamespace(extra_args=door.extra_args(BOTH[0], FRAME))
    with pytest.raises(ValueError, match="a prompt of embeddings"):
        engine.update_state(Update(added=[(0, params, None, [])]))
    with pytest.raises(ValueError, match=r"winsweep_rules: found \{'rules'.*use it"):
        door.VllmRules.validate_params(SimpleNamespace(extra_args={"winsweep_rules": {"rules": ["eos"]}}))
    output: list[int] = []
    engine.update_state(Update(added=[(0, params, tokenizer(FRAME.prompt("Hi"))["input_ids"], output)]))
    output.append(-1)
    with pytest.raises(ValueError, match="async_scheduling=False"):
        engine.apply(torch.zeros(1, VOCAB))


def test_rows_may_write_what_their_own_grammar_allows_through_every_change_of_the_batch(doors, config, tokenizer):
    door, ends = doors["vllm_grammar"], Ends((tokenizer.eos_token_id,))
    engine = door.VllmGrammar(config, torch.device("cpu"), False)
    rows: dict[int, tuple[Grammar | None, list[int]]] = {}

    def added(row: int, grammar: Grammar | None, output: list[int]):
        rows[row] = (grammar, output)
        params = SimpleNamespace(extra_args=door.extra_args(grammar, ends.ids) if grammar else None)
        door.VllmGrammar.validate_params(params)
        return row, params, [5, 6], output

    def step(update: Update | None) -> None:
        engine.update_state(update)
        logits = torch.randn(3, VOCAB)
        found = engine.apply(logits.clone())
        for row, (grammar, output) in rows.items():
            want = logits[row]
            if grammar:
                mask = Mask(grammar, tokenizer, VOCAB, ends)
                want = mask.forbid(want[None], [mask.begin(output)])[0]
            assert torch.equal(found[row], want), row
            output.append(int(want.argmax()))

    torch.manual_seed(0)
    short, figures = Grammar("regex", "[a-z ]{30,60}"), Grammar("json_schema", '{"type": "array", "minItems": 40}')
    step(Update(added=[added(0, short, []), added(1, None, []), added(2, figures, [])]))
    step(None)
    rows[0], rows[1] = rows[1], rows[0]
    step(Update(moved=[(0, 1, Direction.SWAP)]))
    del rows[1]
    rows[1] = rows.pop(2)
    step(Update(removed=[1], moved=[(2, 1, Direction.UNIDIRECTIONAL)]))
    written = tokenizer("hello")["input_ids"]
    step(Update(added=[added(2, short, written), added(0, figures, [])]))
    for _ in range(3):
        step(None)
    assert len(engine.masks) == 2


def test_what_a_grammar_cannot_be_asked_with_is_refused(doors, config):
    door = doors["vllm_grammar"]
    for given in ({"grammar": {"kind": "regex"}, "ends": [1]}, {"grammar": {"kind": "regex", "text": "a"}}, "a"):
        with pytest.raises(ValueError, match=r"winsweep_grammar: found .*extra_args gives; use it"):
            door.VllmGrammar.validate_params(SimpleNamespace(extra_args={"winsweep_grammar": given}))
    with pytest.raises(ValueError, match="nothing ends an answer"):
        door.VllmGrammar.validate_params(SimpleNamespace(extra_args=door.extra_args(Grammar("regex", "a"), [])))
    engine, output = door.VllmGrammar(config, torch.device("cpu"), False), list[int]()
    params = SimpleNamespace(extra_args=door.extra_args(Grammar("regex", "a+"), [2]))
    engine.update_state(Update(added=[(0, params, None, output)]))  # a prompt of embeddings is none of its business
    output.append(-1)
    with pytest.raises(ValueError, match="async_scheduling=False"):
        engine.apply(torch.zeros(1, VOCAB))
