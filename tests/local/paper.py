"""The paper's study with tiny models in place of 7B, and look-alikes of the data that is not at hand: a file that lies
over paper.yaml.
"""

import csv
import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TINY = {"hf_id": None, "revision": None, "recipe": {"lr": 1e-3}}
SHAPE = {"num_tokens": 0, "width": 16, "layers": 1, "heads": 2, "mlp": 32, "max_positions": 2048}


def overlay(folder: Path, data: Path) -> Path:
    """The study file over the paper's, with two points of the grid and two seeds in place of five."""
    few = {"first": 48}
    table = {"\n": -0.5, "!": 1.0}  # the toy's vocabulary has few of the paper's tokens
    told = {
        "extends": str(ROOT / "launch/sweeps/paper.yaml"),
        "name": "tiny_paper",
        "models": {"llama": TINY | {"pretrain": SHAPE}, "olmo": TINY | {"pretrain": SHAPE | {"seed": 1}}},
        "adapters": {name: {"uniform": table} for name in ("rules", "no_eos", "no_diversity")}
        | {"no_eos": {"uniform": table, "decoding": {"max_new_tokens": 6}}},
        "tasks": {
            **{name: {"path": lima(folder)} for name in ("ins", "res", "ins_ab", "res_ab")},
            **{name: {"path": rephrased(folder)} for name in ("ins_norephrase", "res_norephrase")},
            "mbpp": {"path": str(data / "mbpp_train374.jsonl"), **few},
            "gsm": {"path": str(data / "gsm8k_train_first1000.jsonl"), **few},
            "poetry": {"path": table_file(folder, "poetry.csv", [poem(n) for n in range(20)])},
            "recipes": {"path": table_file(folder, "recipes.csv", [dish(n) for n in range(20)])},
            "chess": {"path": games(folder), "first": 20},
        },
        "seeds": [1, 2],
        "recipe": {"precision": "fp32", "global_batch": 16, "max_tokens": 256},
        "choose": {
            "grid": {"epochs": [1, 2]},
            "by": "win_rate",
            "instructions": {"path": str(data / "val56_instructions.jsonl")},
            "reference": {"outputs": str(data / "val56_gpt35_reference.json")},
        },
        "instructions": {"from": "toy", "part": "dev"},
        "decoding": {"precision": "fp32", "batch": 60, "max_new_tokens": 8},
        "compare": {"judge": "reference_overlap", "difficulty": None},
        "analyses": {"rank": {"data": "gsm", "draws": 2}, "drift": None},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return path


def poem(n: int) -> dict[str, str]:
    return {"poem name": f"Time {n}", "content": f"O day {n},\nO night"}


def dish(n: int) -> dict[str, str]:
    return {"Title": f"Soup {n}", "Instructions": "Boil.", "Cleaned_Ingredients": f"['{n} cups water', 'salt']"}


def lima(folder: Path) -> str:
    rows = [
        {"conversations": [f"What is {n}?", f"It is {n}, as everyone knows.", "Sure?", "Yes."][: 2 + 2 * (n % 2)]}
        for n in range(20)
    ]
    return jsonl(folder / "lima.jsonl", rows)


def rephrased(folder: Path) -> str:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {n}?"},
                {"role": "assistant", "content": f"{n} is a number."},
            ]
        }
        for n in range(20)
    ]
    return jsonl(folder / "lima_rephrased.jsonl", rows)


def games(folder: Path) -> str:
    path = folder / "games.pgn"
    path.write_text(
        "".join(
            f'[White "a"]\n[WhiteElo "{1500 + n}"]\n[BlackElo "1403"]\n\n1. e4 e5 2. Nf{n % 8}\n\n' for n in range(20)
        )
    )
    return str(path)


def jsonl(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def table_file(folder: Path, name: str, rows: list[dict]) -> str:
    with open(folder / name, "w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(folder / name)


def check(folder: Path) -> None:
    """All 120 rows of the paper less the seeds left out, a mean of each arm beside the published one, and every
    family's pick.
    """
    rows = list(csv.DictReader((folder / "runs/results/tiny_paper.csv").read_text().splitlines()))
    means = [r for r in rows if r["seed"] == "mean"]
    assert len(rows) == 48 + 24 and len(means) == 24 and {r["num_seeds"] for r in means} == {"2"}
    published = {f"{r['model']}.{r['task']}": r["published_pct"] for r in means if r["published_pct"]}
    assert (
        len(published) == 20
        and published["llama.res"] == "43.300000"
        and published["olmo.res_norephrase"] == "43.300000"
    )
    choices = list(csv.DictReader((folder / "runs/results/tiny_paper.choices.csv").read_text().splitlines()))
    picked = {r["family"]: r["epochs"] for r in choices if r["is_picked"] == "True"}
    assert len(choices) == 36 and len(picked) == 18 and {r["n"] for r in choices} == {"56"}
    for row in rows:
        family = f"{row['model']}.{row['task']}"
        assert row["epochs"] == picked.get(family, ""), family
    ranks = list(csv.DictReader((folder / "runs/results/tiny_paper.rank.csv").read_text().splitlines()))
    assert [(r["model"], r["task"]) for r in ranks] == [
        (m, t) for m in ("llama", "olmo") for t in ("base", "ins", "res")
    ]
    assert {r["num_comparisons"] for r in ranks} == {"96"}
    trained = {
        p.name.rpartition("-")[0]: json.loads((p / "train.json").read_bytes())
        for p in (folder / "runs/finetune").iterdir()
    }
    assert len(trained) == 72
    for label, facts in trained.items():
        family, _, run = label.rpartition(".") if ".val." not in label else label.partition(".val.")[0::1]
        if run in ("s1", "s2"):
            rows = facts["num_examples"] + facts["num_examples"] % 2  # two processes have equally many
            assert facts["num_steps"] == int(picked[family]) * rows // 16, label
