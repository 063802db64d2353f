"""Memory and time of collecting a model of real size: `python tests/benchmarks/bench_collect.py [FOLDER] [--layers 32]
[--src OTHER_CHECKOUT/src]`.

Makes random weights of Llama-2-7B's shapes in bf16, in the shards that 8 ranks leave (13.5 GB; `--layers 12` is a
model of 2.7 B), collects them in a process of its own, and writes the manifest as the attempt does. FOLDER needs room
for twice the model; what is in it is removed. `--src` measures another version of winsweep on the same weights.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).parents[2]
NUM_RANKS = 8
RUN = """
import json, resource, sys, threading, time
from pathlib import Path
import transformers, winsweep.train.collect as collects
from winsweep.store import manifest

def anonymous():
    return int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) << 10

most, over = [anonymous()], threading.Event()
def watch():
    while not over.wait(0.05):
        most[0] = max(most[0], anonymous())

first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
threading.Thread(target=watch, daemon=True).start()
begun, out = time.time(), Path(sys.argv[2])
found = collects.collect(Path(sys.argv[1]), out)
collected = time.time()
manifest.seal(out, *([found[1]] if isinstance(found, tuple) else []))
sealed, use = time.time(), resource.getrusage(resource.RUSAGE_SELF)
over.set()
print(json.dumps({"collect_s": collected - begun, "seal_s": sealed - collected, "cpu_s": use.ru_utime + use.ru_stime,
    "before_gb": first / 1e9, "peak_gb": (use.ru_maxrss << 10) / 1e9, "anonymous_gb": most[0] / 1e9}))
"""


def make(folder: Path, layers: int) -> int:
    """The shards of a finetune on 8 ranks, parameter i in shard i mod 8, as winsweep's own writer does it; bytes."""
    sys.path.insert(0, str(ROOT / "src"))
    from winsweep.train.tensor_file import write

    config = LlamaConfig(num_hidden_layers=layers)  # the rest of the defaults are those of Llama-2-7B
    with torch.device("meta"):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    config.save_pretrained(folder / "hf")
    model.generation_config.save_pretrained(folder / "hf")
    shapes = dict(model.named_parameters())
    shards = [f"model-{i + 1:05d}-of-{NUM_RANKS:05d}.safetensors" for i in range(NUM_RANKS)]
    noise = torch.randn(1 << 24).to(torch.bfloat16)
    for i, shard in enumerate(shards):
        mine = {name: shapes[name] for name in [*shapes][i::NUM_RANKS]}
        write(
            folder / shard,
            mine,
            lambda name: noise.repeat(-(-shapes[name].numel() // len(noise)))[: shapes[name].numel()],
        )
    facts = {"steps": 1, "num_steps": 1, "shards": shards, "num_parameters": model.num_parameters()}
    (folder / "train.json").write_text(json.dumps(facts))
    return sum(p.numel() * p.itemsize for p in shapes.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("/tmp/bench_collect"))
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--src", type=Path, action="append", default=[])
    args = parser.parse_args()
    made, out = args.folder / "finetune", args.folder / "out"
    try:
        begun = time.time()
        print(f"{make(made, args.layers) / 1e9:.2f} GB made in {time.time() - begun:.0f} s", flush=True)
        for src in [*args.src, ROOT / "src"]:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            env = os.environ | {"PYTHONPATH": str(src.resolve())}
            ran = subprocess.run([sys.executable, "-c", RUN, made, out], env=env, stdout=subprocess.PIPE, text=True)
            print(src, ran.stdout.splitlines()[-1] if ran.stdout else f"ended with {ran.returncode}", flush=True)
    finally:
        shutil.rmtree(args.folder)


if __name__ == "__main__":
    main()
