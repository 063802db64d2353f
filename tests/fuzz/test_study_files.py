"""Study files, cluster files, and what a person types in YAML on a command line, from an enemy."""

import json

import yaml
from hypothesis import strategies as st

from tests.core.small_study import STUDY, keys
from tests.fuzz.held import folder, fuzz, held  # noqa: F401 - a fixture
from tests.fuzz.hostile import YAML
from tests.fuzz.mutation import broken, mutated, text
from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.graph import discover
from winsweep.store.fingerprint import fingerprint
from winsweep.study.cell import LocalFile
from winsweep.study.study import read_study
from winsweep.zero import read_zero

PLACED = r":\d+: |: no such file|lines and commas|entries, each alias|cannot be read|found a name that"
SWEEPS = ("demo", "guards", "local_real")
OWN = """
name: whole
models: {a: {pretrain: {seed: 0}, recipe: {lr: 1.0e-5}}, c: {from: a.ins, context: 128}, d: {path: folder}}
adapters: {base: {rules: []}, rules: {rules: [eos, diversity], models: [a], decoding: {max_new_tokens: 8}}}
tasks:
  ins: {path: rows.jsonl, columns: {instruction: q}, ignore: [x], trajectory: [2], recipe: {epochs: 3}}
  low: {from: toy, recipe: {lora: {rank: 4, targets: [q_proj]}}, models: [a]}
  sum: {from: toy, kinds: [sum], sample: {rows: 3, seed: 1}, models: [a]}
seeds: [1, 2]
recipe: {preset: as_run, lr: 1.0e-5, epochs: 5, global_batch: 64, precision: fp32}
grid: {lr: [1.0e-5, 2.0e-5]}
frame: {user: "<u>", assistant: "<a>"}
instructions: {path: rows.jsonl, system: be brief}
decoding: {max_new_tokens: 48, engine: slots}
compare: {judge: {from: alpaca, model: m, limits: {batch: true}}, reference: {outputs: rows.jsonl}, control: style}
analyses: {drift: {arms: [sum], against: ins, embedder: ngrams}}
notes: some
max_cells: 100
"""
WHOLE = [yaml.safe_load(text) for text in (STUDY, OWN, OWN)]
WHOLE += [yaml.safe_load((layout.ROOT / f"launch/sweeps/{name}.yaml").read_text()) for name in SWEEPS]
CLUSTER = yaml.safe_load(
    """
kind: slurm
track: [wandb]
notify: WINSWEEP_NOTIFY
all: {partition: gpu, account: me, env: {A: b}, setup: [module load x], sbatch: {nice: 5}, srun: [--mpi=none]}
stages:
  finetune: {ranks: 4, nodes: 2, time_min: 60, zero: zero2, gpu_type: a100, container: {runtime: pyxis, image: x.sqsh}}
  judge: {time_min: 10, mem_gb: 4, python: /usr/bin/python3}
labels: {"*": {finetune: {placement: auto}}}
"""
)
ZERO = {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}, "reduce_bucket_size": 5e8}}


def dumped(document: object) -> bytes:
    """A document as YAML; what YAML has no plain form for, as JSON."""
    try:
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, RecursionError, ValueError):
        return json.dumps(document, skipkeys=True).encode("utf-8", "surrogatepass")


@st.composite
def written(draw: st.DrawFn, documents: list) -> bytes:
    """A file of YAML: mutated as a document, or as a text in which a value is YAML of its own, or as bytes."""
    content = dumped(draw(mutated(documents)))
    kind = draw(st.sampled_from(["document", "document", "snippet", "bytes"]))
    if kind == "bytes":
        return draw(broken(dumped(draw(st.sampled_from(documents)))))
    if kind == "snippet":
        lines = content.split(b"\n")
        at = draw(st.integers(0, len(lines) - 1))
        name = lines[at].partition(b":")[0]
        lines[at] = name + b": " + draw(st.sampled_from(YAML) | text).encode("utf-8", "surrogatepass")
        content = b"\n".join(lines)
    return content


def test_a_study_file(folder):  # noqa: F811
    (folder / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    stages = [0]

    def check(content: bytes) -> None:
        (folder / "study.yaml").write_bytes(content)
        held(read, "study.yaml", "folder", "judges/", "tasks/", where=PLACED)

    def read() -> None:
        study = read_study(folder / "study.yaml", lambda path: LocalFile(fingerprint(path)), lenient=True)
        if stages[0] % 20 == 0 and len(study.table.cells) < 20:
            keys(study)
        stages[0] += 1

    for document in WHOLE:
        (folder / "study.yaml").write_bytes(dumped(document))
        read()
    fuzz("study files", written(WHOLE), check, 250)


def test_a_cluster_file(folder):  # noqa: F811
    stages = discover(layout.JOBS, "winsweep.jobs")

    def check(content: bytes) -> None:
        (folder / "c.yaml").write_bytes(content)
        held(lambda: read_cluster(layout.STAGES, folder / "c.yaml", stages), "c.yaml", where=PLACED)

    fuzz("cluster files", written([CLUSTER]), check, 250)


def test_a_configuration_of_deepspeed(folder):  # noqa: F811
    def check(content: bytes) -> None:
        (folder / "z.json").write_bytes(content)
        held(lambda: read_zero(folder / "z.json"), "z.json")

    documents = mutated([ZERO]).map(lambda found: json.dumps(found, skipkeys=True).encode())
    fuzz("DeepSpeed configurations", documents | broken(json.dumps(ZERO).encode()), check, 200)


def test_a_judge_and_votes_as_they_are_typed(folder):  # noqa: F811
    from winsweep.named_judge import judge_of
    from winsweep.votes_source import located

    judges = [
        {"judge": {"from": "alpaca", "model": "m", "limits": {"batch": True, "dollars": 3}, "samples": 8}},
        {"judge": {"from": "rubric", "prompt": "empty", "model": "m"}},
        {"judge": {"from": "jury", "judges": [{"from": "alpaca", "model": "m"}, "reference_overlap"]}},
        {"judge": {"from": "local", "path": "folder"}},
    ]

    def check(words: str) -> None:
        held(lambda: judge_of(words, folder / "store"), "--judge", "judges/")
        held(lambda: located(words), "--votes", "/", "url")

    typed = mutated(judges).map(lambda found: dumped(found.get("judge", found)).decode("utf-8", "surrogateescape"))
    fuzz("judges and votes", typed | st.sampled_from(YAML) | text, check, 200)
