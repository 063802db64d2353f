"""Studies whose files come from servers on the loopback, and the commands that fetch them."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.core.small_study import STUDY
from winsweep.store.fingerprint import fingerprint
from winsweep.study.cell import LocalFile
from winsweep.study.study import read_study

ROOT = Path(__file__).resolve().parents[2]
FOOD = b"Title,Cleaned_Ingredients\nSoup,[]\n"
ROWS = b'{"instruction": "a", "output": "b"}\n' * 9000
SHA = hashlib.sha256(ROWS).hexdigest()
MODEL = {
    "config.json": b"{}",
    "tokenizer.json": b"{} ",
    "model.safetensors.index.json": json.dumps(
        {"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}
    ).encode(),
    "model-00001-of-00002.safetensors": b"x" * 200_000,
    "model-00002-of-00002.safetensors": b"y",
}


def study(folder: Path, ins: str, also: str = "") -> Path:
    """STUDY with a toy model and another source for its arm ins."""
    text = STUDY.replace("ins: {from: toy}", f"ins: {ins}").replace(
        '{hf_id: some/model, revision: "12ab", ', "{pretrain: {seed: 1}, "
    )
    text = text.replace("global_batch: 64}", "global_batch: 64, max_tokens: 512}")  # as many as the toy model holds
    (folder / "study.yaml").write_text(text + also)
    return folder / "study.yaml"


def read(path: Path, lenient: bool = False):
    return read_study(path, lambda p: LocalFile(fingerprint(p)), lenient)


def command(name: str, path: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / f"launch/{name}.py"), str(path), "--store", str(path.parent / "runs"), *words],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"HF_HUB_DISABLE_TELEMETRY": "1"} | env,
    )


def sweep(path: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    return command("sweep", path, *words, **env)
