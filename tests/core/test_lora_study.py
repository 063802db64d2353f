"""What a study may say of adapters, and what follows from it: keys, labels, layers, refusals."""

from pathlib import Path

import pytest

from tests.core.small_study import STUDY, keys, read, refused
from winsweep import layout
from winsweep.errors import BadStudy
from winsweep.graph import Need, discover
from winsweep.keys import plain
from winsweep.study.lora import Lora
from winsweep.study.recipe import Recipe, restore
from winsweep.study.uses import gates_of
from winsweep.zero import resolve

RECIPE = "recipe: {lr: 1.0e-5, epochs: 5, global_batch: 64}"
SUM = "sum: {from: toy, kinds: [sum], recipe: {epochs: 7}}"


def adapters(study) -> dict[str, Lora | None]:
    return {c.label: c.training.recipe.lora for c in study.table.cells if c.training}


def test_layers_of_a_recipe_lay_adapters_over_each_other(tmp_path: Path) -> None:
    text = STUDY.replace(RECIPE, "recipe: {lora: {rank: 16, dropout: 0.1}}").replace(
        SUM, "sum: {from: toy, kinds: [sum], recipe: {lora: {rank: 8, targets: [q_proj, v_proj]}}}"
    )
    found = adapters(read(tmp_path, text.replace("recipe: {lr: 3.0e-6}", "recipe: {lora: null}")))
    assert found["a.ins.s1"] == Lora(rank=16, dropout=0.1) and found["b.ins.s1"] is None
    assert found["a.sum.s1"] == Lora(rank=8, dropout=0.1, targets=("q_proj", "v_proj"))
    assert found["b.sum.s1"] == Lora(rank=8, targets=("q_proj", "v_proj"))


def test_a_grid_of_adapters_and_none(tmp_path: Path) -> None:
    text = STUDY.replace("seeds: [1, 2]", "seeds: [1]\ngrid: {lora: [null, {}, {rank: 8, alpha: 16}]}")
    study = read(tmp_path, text)
    assert [c.label for c in study.table.cells if c.task == "ins" and c.model == "a"] == [
        "a.ins.s1.lora-none",
        "a.ins.s1.lora-defaults",
        "a.ins.s1.lora-rank8-alpha16",
    ]
    assert [dict(c.varying)["lora"] for c in study.table.cells if c.task == "ins" and c.model == "a"] == [
        "none",
        "defaults",
        "rank 8, alpha 16",
    ]
    assert Lora(rank=8, alpha=16.0).scale == 2.0 and Lora(rank=8).scale == 1.0


def test_adapters_move_keys_and_merging_moves_those_after_the_finetune_alone(tmp_path: Path) -> None:
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    made = {}
    for name, said in {"whole": "", "lora": "lora: {rank: 8}", "merged": "lora: {rank: 8, merge: true}"}.items():
        cell = read(tmp_path, STUDY.replace(RECIPE, f"recipe: {{{said}}}")).table.cells[2]
        made[name] = need("judge", cell.comparison).inputs["candidate"]
    lora, merged, whole = made["lora"].inputs, made["merged"].inputs, made["whole"].inputs
    assert lora.keys() == {"base", "lora", "instructions"} and lora["base"].stage == "pretrain"
    assert merged.keys() == whole.keys() == {"base", "instructions"}
    assert lora["lora"].inputs["finetune"].key == merged["base"].inputs["finetune"].key
    assert len({lora["lora"].key, merged["base"].key, whole["base"].key}) == 3


def test_the_check_of_a_model_hears_of_adapters_and_else_has_the_key_that_it_had(tmp_path: Path) -> None:
    def loras(text: str) -> dict:
        study = read(tmp_path, text)
        need = Need(discover(layout.JOBS, "winsweep.jobs"), gates_of(study.table, {}))
        return need("finetune", study.table.cells[2].training).gates["check"].plain_params

    assert "loras" not in loras(STUDY)
    with_adapters = STUDY.replace(RECIPE, "recipe: {lora: {rank: 8}}")
    assert loras(with_adapters)["loras"] == [plain(Lora(rank=8))] and "vllm_adapters" not in loras(with_adapters)
    by_vllm = with_adapters.replace("decoding: {max_new_tokens: 48}", "decoding: {engine: vllm}")
    assert loras(by_vllm)["vllm_adapters"] is True
    assert "vllm_adapters" not in loras(by_vllm.replace("{rank: 8}", "{rank: 8, merge: true}"))


def test_a_recipe_comes_back_from_its_plain_form() -> None:
    recipe = Recipe(lora=Lora(rank=8, targets=("q_proj",)))
    assert restore(plain(recipe)) == recipe and restore(plain(Recipe())) == Recipe()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{rank: 0}", "recipe.lora.rank: found 0; at least 1 is legal"),
        ("{dropout: 1.5}", "recipe.lora.dropout: found 1.5; 0 to 0.99 is legal"),
        ("{alpha: 0}", "recipe.lora.alpha: found 0; at least 0.001 is legal"),
        ("{targets: []}", r"study.yaml:\d+: recipe.lora.targets: found no names; all-linear or names"),
        ("{targets: ['']}", "recipe.lora.targets: found ''; all-linear or names"),
        ("{targets: [all-linear]}", "recipe.lora.targets: found all-linear in a list; .*type targets: all-linear"),
        ("{targets: [up_proj, up_proj]}", "recipe.lora.targets: found up_proj twice; .*each once"),
        ("{targets: q_proj}", r"recipe.lora.targets: found the text 'q_proj'; legal: .*or a list; type \[q_proj\]"),
        ("{targets: most}", "recipe.lora.targets: found the text 'most'; legal: all-linear"),
        ("{r: 8}", "recipe.lora.r: unknown key 'r'; legal: rank, .*did you mean rank"),
        ("yes", "recipe.lora: found true; a mapping"),
        ("{quantize: int8}", "recipe.lora.quantize: found the text 'int8'; legal: nf4"),
        ("{load_in_4bit: true}", r"unknown key 'load_in_4bit'; .*did you mean quantize"),
        ("{load_in_8bit: true}", "there is none: weights are in 16 or 32 bits, or in 4 under adapters"),
    ],
)
def test_bad_adapters_are_refused(said: str, told: str, tmp_path: Path) -> None:
    refused(tmp_path, RECIPE, f"recipe: {{lora: {said}}}", told)


def test_vllm_takes_adapters_up_to_its_rank(tmp_path: Path) -> None:
    text = STUDY.replace("decoding: {max_new_tokens: 48}", "decoding: {engine: vllm}")
    with pytest.raises(
        Exception, match=r"decoding: engine: vllm with the adapters of a.ins, of rank 513; .*merge: true"
    ):
        read(tmp_path, text.replace(RECIPE, "recipe: {lora: {rank: 513}}"))
    for said in ("{}", "{rank: 512}", "{rank: 513, merge: true}"):
        assert keys(read(tmp_path, text.replace(RECIPE, f"recipe: {{lora: {said}}}")))


def test_a_base_in_4_bits_is_another_finetune_and_a_recipe_without_keeps_its_key(tmp_path: Path) -> None:
    assert "quantize" not in plain(Lora(rank=8)) and plain(Lora(quantize="nf4"))["quantize"] == "nf4"
    recipe = Recipe(lora=Lora(rank=8, quantize="nf4"))
    assert restore(plain(recipe)) == recipe
    found = [
        read(tmp_path, STUDY.replace(RECIPE, f"recipe: {{lora: {said}}}"))
        for said in ("{rank: 8}", "{rank: 8, quantize: nf4}", "{rank: 8, quantize: nf4, merge: true}")
    ]
    one, other, merged = (study.table.cells[2].training.recipe for study in found)
    assert one.lora and other.lora == Lora(rank=8, quantize="nf4") and plain(one) != plain(other) == plain(merged)


def test_vllm_takes_no_adapters_of_a_base_in_4_bits(tmp_path: Path) -> None:
    text = STUDY.replace("decoding: {max_new_tokens: 48}", "decoding: {engine: vllm}")
    with pytest.raises(
        Exception, match=r"engine: vllm with the adapters of a.ins, whose base is in 4 bits; .*merge: true"
    ):
        read(tmp_path, text.replace(RECIPE, "recipe: {lora: {quantize: nf4}}"))
    assert keys(read(tmp_path, text.replace(RECIPE, "recipe: {lora: {quantize: nf4, merge: true}}")))


def test_a_base_in_4_bits_is_for_adapters_alone(tmp_path: Path) -> None:
    refused(
        tmp_path,
        RECIPE,
        "recipe: {quantize: nf4}",
        r"recipe.quantize: unknown key .*type quantize: … under recipe.lora",
    )


def test_stage_3_is_not_for_a_base_in_4_bits() -> None:
    config = {"zero_optimization": {"stage": 3}}
    with pytest.raises(BadStudy, match=r"found ZeRO stage 3 with recipe.lora.quantize; .*type zero: zero2"):
        resolve(config, Recipe(lora=Lora(quantize="nf4")), 2)
    assert resolve(config, Recipe(lora=Lora()), 2) and resolve(
        {"zero_optimization": {"stage": 2}}, Recipe(lora=Lora()), 2
    )


def test_adapters_are_not_chosen_between(tmp_path: Path) -> None:
    said = "grid: {lora: [{rank: 8}, {rank: 16}]}, instructions: {from: toy}, reference: {outputs: x.json}"
    refused(tmp_path, "seeds: [1, 2]", f"seeds: [1]\nchoose: {{{said}}}", "choose.grid.lora: found adapters to choose")
