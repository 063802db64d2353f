"""Trained weights in the names and shapes of the base's own files, as transformers saves and loads them: worked out on
the meta device.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion
from transformers.modeling_utils import remove_tied_weights_from_state_dict

from winsweep.errors import Incomplete
from winsweep.text.weights import load_shapes
from winsweep.train.conversion import Recorder


@dataclass(frozen=True)
class Conversion:
    """Tensors by name, without numbers, and how each came to be."""

    tensors: Mapping[str, Tensor]
    recorder: Recorder

    def is_renamed(self, name: str) -> bool:
        return self.recorder.is_renamed(self.tensors[name])

    def roots(self, name: str) -> frozenset[str]:
        """The weights that the tensor `name` is made from."""
        try:
            return self.recorder.roots(self.tensors[name])
        except Incomplete as e:
            raise Incomplete(f"{name}: {e}; legal are tensors that were trained, so the model is not published") from e


def model_of(folder: Path, shapes: Mapping[str, Tensor]) -> PreTrainedModel:
    """The model that the configuration in `folder` describes, with these very tensors for weights; Incomplete where it
    has others.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(folder, trust_remote_code=False), dtype=next(iter(shapes.values())).dtype
        )
    wanted = model.state_dict()
    wrong = sorted(name for name in shapes if name in wanted and wanted[name].shape != shapes[name].shape)
    unexpected = sorted(shapes.keys() - wanted.keys())
    model.load_state_dict({n: t for n, t in shapes.items() if n not in wrong}, strict=False, assign=True)
    model.tie_weights()
    ours = {t.untyped_storage()._cdata for t in shapes.values()}
    lacking = [name for name, p in model.named_parameters() if p.untyped_storage()._cdata not in ours]
    if lacking or wrong or unexpected:
        raise Incomplete(
            f"{folder}: the trained weights are not those of its configuration: "
            f"{(wrong or lacking or unexpected)[0]}; train it again"
        )
    return model


def saved(model: PreTrainedModel, shapes: Mapping[str, Tensor]) -> Conversion:
    """What `save_pretrained(save_original_format=True)` would write of a model with the weights `shapes`, in its order.
    Incomplete where it would write what was not trained.
    """
    with Recorder(shapes) as recorder:
        state = model.state_dict()
        for name in model._keys_to_ignore_on_save or ():
            state.pop(name, None)
        state = revert_weight_conversion(model, remove_tied_weights_from_state_dict(state, model))
    found = Conversion(state, recorder)
    for name in state:
        found.roots(name)
    return found


def loaded(folder: Path, kind: type[PreTrainedModel], found: Mapping[str, Tensor], dtype: torch.dtype) -> Conversion:
    """The parameters that `from_pretrained` makes of the tensors `found` in `folder`; Incomplete where one of them is
    missing, has another shape or is not asked for.
    """
    with _in_this_thread(), Recorder(found) as recorder:
        model, report = load_shapes(kind, AutoConfig.from_pretrained(folder, trust_remote_code=False), found, dtype)
    if wrong := {what: names for what, names in report.items() if names}:
        raise Incomplete(f"{folder}: does not load as a model: {wrong}")
    return Conversion(dict(model.named_parameters()), recorder)


@contextmanager
def _in_this_thread() -> Iterator[None]:
    """transformers converts in threads, where a recorder sees nothing, unless the environment says otherwise."""
    before = environ.get(name := "HF_DEACTIVATE_ASYNC_LOAD")
    environ[name] = "1"
    try:
        yield
    finally:
        environ.pop(name)
        if before is not None:
            environ[name] = before
