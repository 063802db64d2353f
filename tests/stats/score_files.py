"""Files that launch/score.py is given in its tests."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def put(path: Path, rows: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows))
    return path


def outputs(texts: list[str], name: str) -> list[dict]:
    return [{"instruction": t, "output": f"{name} says {t}", "generator": name} for t in texts]


def named(rows: list[dict], candidate: str = "c", reference: str = "gpt4_1106_preview") -> list[dict]:
    return [
        row | {"generator_1": reference, "generator_2": candidate, "annotator": "weighted_alpaca_eval_gpt4_turbo"}
        for row in rows
    ]
