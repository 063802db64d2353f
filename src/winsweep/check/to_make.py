"""What can be said of a model that is not here: where it will be made or looked at, and what of the study's own words
cannot fit it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from winsweep.artifact import Artifact
from winsweep.check import fits
from winsweep.check.finding import Finding
from winsweep.keys import restore
from winsweep.study.lora import ALL_LINEAR, Lora
from winsweep.study.pretrain import Pretrain

ABSENT = Finding("unknown", "files", "not on this machine: looked at on a node before anything is made with it")
TO_MAKE = replace(ABSENT, found="not made yet: looked at once the model is there, before anything is made with it")
UNSPELT = Finding(
    "problem",
    "rules",
    "the rule uniform with the paper's table: no tokenizer learnt on the toy corpus has ' ##' as one token",
    "give the arm a table of its own, uniform: {PIECE: SCORE}, as launch/sweeps/demo.yaml has one",
)


def findings(check: Artifact) -> Iterator[Finding]:
    """Of the model of a check that nobody has looked at."""
    said = check.plain_params
    if "base" not in check.inputs:
        yield ABSENT
        yield from filter(None, [fits.tokens(None, said["base"].get("context"), said["max_tokens"])])
        return
    yield TO_MAKE
    made = check.inputs["base"].plain_params
    yield from _of_pretrain(Pretrain(**made["pretrain"]), said)
    asked = [adapter for adapter, _ in said["adapters"]]
    if "tokenizer" not in made and any("uniform" in rules["rules"] and not rules["uniform"] for rules in asked):
        yield UNSPELT


def _of_pretrain(spec: Pretrain, said: Mapping) -> Iterator[Finding]:
    """What of the use that is `said` does not fit the shape of a model that we make."""
    looked = [fits.tokens(spec.max_positions, said.get("context"), said["max_tokens"], "pretrain.max_positions")]
    looked += [fits.adapters(spec.linear(), _of_a_layer(restore(Lora, dict(lora)))) for lora in said.get("loras", ())]
    yield from filter(None, looked)


def _of_a_layer(lora: Lora) -> Lora:
    """The adapters, names of modules in numbered layers without these."""
    if lora.targets == ALL_LINEAR:
        return lora
    return replace(lora, targets=tuple(dict.fromkeys(re.sub(r"^(.*\.)?\d+\.", "", target) for target in lora.targets)))
