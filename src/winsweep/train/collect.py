"""The checkpoint collector: what must be true of a finished finetune before anything is generated from it."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors import safe_open
from torch import Tensor
from transformers import PreTrainedModel

from winsweep.errors import Incomplete, NotFinite
from winsweep.store import folders
from winsweep.store.free_room import refuse_full
from winsweep.store.indexes import is_name, refuse_outside
from winsweep.study.recipe import CALMER
from winsweep.text.number_check import is_finite
from winsweep.text.weights import BASE_NAMES, SAFE, read_shapes, shapes_in, tensors_of, weight_files
from winsweep.train import original_format, tensor_file
from winsweep.train.conversion import Place
from winsweep.train.original_format import Conversion

MAX_SHARD = "5GB"
NUM_NAMED = 3  # tensors that a note spells out


@dataclass(frozen=True)
class Trained:
    """The weights in the shards of a finetune: shapes at once, numbers one tensor at a time."""

    file_of: Mapping[str, Path]
    shapes: Mapping[str, Tensor]  # on the meta device

    def read(self, name: str) -> Tensor:
        """One weight, mapped from its file as long as the tensor lives; NotFinite where it has NaN or infinity."""
        with safe_open(self.file_of[name], framework="pt") as file:
            weight = file.get_tensor(name)
        if not is_finite(weight):
            raise NotFinite(
                f"{name}: holds NaN or infinity, so the model is not published; {CALMER}, or look at the loss in "
                f"log.jsonl"
            )
        return weight


def collect(finetune: Path, out: Path, max_shard: str | int = MAX_SHARD) -> tuple[dict, dict[str, dict]]:
    """Fill `out` with a Hugging Face model directory made from the shards of `finetune`, whose manifest was verified
    before.

    Its tensors have the names and shapes that the base's own files have, whatever transformers calls them inside, so
    that vLLM and older transformers read them. A weight is in memory only while it is written, and with it those that
    its file's format joins it with (the experts of a layer). Incomplete if steps, shards or parameters are missing;
    NotFinite names a weight with NaN or infinity. Gives counts, with where names differ from the base's, and the
    manifest's entries of the files of weights.
    """
    done = json.loads((finetune / "train.json").read_bytes())
    if done["steps"] != done["num_steps"]:
        raise Incomplete(f"{finetune}: stopped after {done['steps']} of {done['num_steps']} steps; it is never used")
    weights = find_weights(finetune, done["shards"])
    num_parameters = sum(w.numel() for w in weights.shapes.values())
    if num_parameters != done["num_parameters"]:
        raise Incomplete(
            f"{finetune}: the shards hold {num_parameters} parameters; the model has {done['num_parameters']}"
        )
    folders.make(out)
    refuse_full(out, sum(w.nbytes for w in weights.shapes.values()), f"the model of {num_parameters:,} parameters")
    shutil.copytree(finetune / "hf", out, dirs_exist_ok=True)
    (out / BASE_NAMES).unlink(missing_ok=True)
    model = original_format.model_of(out, weights.shapes)
    saved = original_format.saved(model, weights.shapes)
    written = write(saved, model.num_parameters(), weights, out, max_shard)
    check_loads(out, type(model), saved, weights)
    notes = against_base(out, finetune / "hf" / BASE_NAMES)
    return {"steps": done["steps"], "num_parameters": num_parameters, **notes}, written


def find_weights(finetune: Path, shards: list[str]) -> Trained:
    """Incomplete where a shard is not there."""
    for name in shards:
        if not is_name(name) or not (finetune / name).exists():
            raise Incomplete(f"{finetune / name}: the shard is not there; {len(shards)} were written")
    return weights_in([finetune / name for name in shards])


def weights_in(files: Iterable[Path]) -> Trained:
    shapes = {file: shapes_in(file) for file in files}
    return Trained(
        {name: file for file, found in shapes.items() for name in found},
        {name: tensor for found in shapes.values() for name, tensor in found.items()},
    )


def write(saved: Conversion, num_parameters: int, weights: Trained, out: Path, max_shard: str | int) -> dict[str, dict]:
    """The files of weights in `out`, split and named as save_pretrained does it; their entries for a manifest."""
    split = split_state_dict_into_shards_factory(
        dict(saved.tensors),
        max_shard_size=max_shard,
        filename_pattern="model{suffix}.safetensors",
        get_storage_size=lambda tensor: tensor.untyped_storage().nbytes(),
        get_storage_id=lambda tensor: tensor.untyped_storage()._cdata,
    )
    written = {}
    for file, names in split.filename_to_tensors.items():
        layout = {name: saved.tensors[name] for name in names}
        written[file] = tensor_file.write(out / file, layout, Numbers(saved, weights.read, names))
    if split.is_sharded:
        told = {"total_parameters": num_parameters, **split.metadata}
        index = json.dumps({"metadata": told, "weight_map": split.tensor_to_filename}, indent=2, sort_keys=True) + "\n"
        (out / f"{SAFE}.index.json").write_bytes(index.encode())
    return written


class Numbers:
    """Tensors of a conversion with their numbers, each asked for once; what several are made from is kept until the
    last of them was given.
    """

    def __init__(self, conversion: Conversion, read: Callable[[str], Tensor], names: Iterable[str]) -> None:
        self.conversion, self.read = conversion, read
        self.left = Counter(map(conversion.roots, names))
        self.done: dict[frozenset[str], dict[Place, Tensor]] = {}

    def __call__(self, name: str) -> Tensor:
        roots = self.conversion.roots(name)
        done = self.done.setdefault(roots, {})
        self.left[roots] -= 1
        if not self.left[roots]:
            del self.done[roots]
        return self.conversion.recorder.again(self.conversion.tensors[name], self.read, done)


def check_loads(folder: Path, kind: type[PreTrainedModel], saved: Conversion, weights: Trained) -> None:
    """A plain from_pretrained would take every weight as it was trained and miss none.

    Names and shapes are looked at without numbers, which suffices for a weight that only has another name in its file.
    Of those that a file has in another form, the numbers are compared.
    """
    refuse_outside(folder)
    found = read_shapes(folder)
    into = original_format.loaded(folder, kind, found, next(iter(weights.shapes.values())).dtype)
    files = weights_in(weight_files(folder))
    changed = [name for name in weights.shapes if not _is_same(name, saved, into, weights, files)]
    if changed:
        raise Incomplete(
            f"{folder}: {changed[0]} loads as other numbers than were trained ({len(changed)} such weights)"
        )


def _is_same(name: str, saved: Conversion, into: Conversion, weights: Trained, files: Trained) -> bool:
    if name not in into.tensors:
        return False
    if into.is_renamed(name):
        [named] = into.roots(name)
        if saved.is_renamed(named):
            return saved.roots(named) == {name}
    loaded = into.recorder.again(into.tensors[name], files.read, {})
    return torch.equal(loaded.to(weights.shapes[name].dtype), weights.read(name))


def against_base(out: Path, base_names: Path) -> dict[str, list[str]]:
    """Tensors whose name or shape is not that of the base's own files, named; nothing where all are, or where the
    base's are not known.
    """
    if not base_names.exists():
        return {}
    base, ours = json.loads(base_names.read_bytes()), tensors_of(out)
    other = sorted(name for name, shape in ours.items() if base.get(name) != shape)
    gone = sorted(base.keys() - ours.keys())
    found = {"tensors_not_as_in_base": other, "tensors_of_base_not_saved": gone}
    told = {
        what: [*names[:NUM_NAMED], *([f"{len(names)} in all"] if len(names) > NUM_NAMED else [])]
        for what, names in found.items()
        if names
    }
    for what, names in told.items():
        print(f"{what.replace('_', ' ')}: {', '.join(names)}", flush=True)
    return told
