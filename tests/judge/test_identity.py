"""Which judge a study names: its identity, and configurations that would be misread."""

from importlib import util
from pathlib import Path

import pytest

from winsweep.errors import BadStudy
from winsweep.judges.alpaca import Options, identity

from .conftest import run_python

CONFIG = "weighted_alpaca_eval_gpt4_turbo"
LOCAL = Options(model="local-model")
PACKAGE = Path(util.find_spec("alpaca_eval").submodule_search_locations[0])


def test_identity_moves_with_prompt_model_and_settings_and_never_imports_alpaca_eval(tmp_path):
    base = identity(Options())
    assert base["model"] == "gpt-4-1106-preview" and base["annotator"] == CONFIG and base["alpaca_eval"] == "0.6.6"
    assert identity(LOCAL) == base | {"model": "local-model"}
    own = tmp_path / "mine"
    own.mkdir()
    text = (PACKAGE / f"evaluators_configs/{CONFIG}/configs.yaml").read_text()
    text = text.replace("alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf", "mine/p")
    prompt = (PACKAGE / "evaluators_configs/alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf.txt").read_text()
    (own / "configs.yaml").write_text("# a comment\n" + text)
    (own / "p.txt").write_text(prompt)
    assert identity(Options(str(own))) == identity(Options(str(own / "configs.yaml"))) == base
    (own / "p.txt").write_text(prompt + " ")
    assert identity(Options(str(own)))["prompt_sha256"] != base["prompt_sha256"]
    (own / "configs.yaml").write_text(text.replace("temperature: 1", "temperature: 0"))
    assert identity(Options(str(own)))["config_sha256"] != base["config_sha256"]
    code = "import sys; from winsweep.judges.alpaca import identity, Options; identity(Options());"
    assert (
        run_python(code + "print({'alpaca_eval', 'pandas', 'aiohttp', 'openai'} & set(sys.modules))", tmp_path)
        == "set()\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "openai_completions",
            "anthropic_completions",
            "fn_completions is 'anthropic_completions'; legal is openai_completions",
        ),
        ("batch_size: 1", "batch_size: 5", "batch_size is 5; legal is 1"),
        ("max_tokens: 1", "tokens_to_favor: [m]", "completions_kwargs has 'tokens_to_favor'; legal are"),
        ("mine/p.txt", "mine/absent.txt", "cannot be read"),
        ("mine/p.txt", "mine/plain.txt", "not ChatML"),
        ("mine/p.txt", "mine/short.txt", "does not hold {output_2} exactly once"),
    ],
)
def test_a_configuration_that_would_be_misread_is_refused(tmp_path, old, new, told):
    own = tmp_path / "mine"
    own.mkdir()
    (own / "p.txt").write_text("<|im_start|>user\n{instruction}{output_1}{output_2}<|im_end|>")
    (own / "plain.txt").write_text("{instruction}{output_1}{output_2}")
    (own / "short.txt").write_text("<|im_start|>user\n{instruction}{output_1}<|im_end|>")
    text = (PACKAGE / f"evaluators_configs/{CONFIG}/configs.yaml").read_text()
    text = text.replace("alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf.txt", "mine/p.txt")
    (own / "configs.yaml").write_text(text.replace(old, new))
    with pytest.raises(BadStudy) as caught:
        identity(Options(str(own)))
    assert told in str(caught.value)


def test_an_unknown_name_says_what_is_legal():
    with pytest.raises(
        BadStudy, match=r"judge 'gpt5': no such configuration; legal is an absolute path or a name.*weighted"
    ):
        identity(Options("gpt5"))
