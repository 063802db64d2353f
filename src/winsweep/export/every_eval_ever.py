"""An exported cell's results in the form of Every Eval Ever (github.com/evaleval/every_eval_ever), schema 0.3.0. Pure.

What a hub shows by itself is the model-index of the card: its newer `.eval_results/` takes registered benchmarks alone.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from winsweep.escapes import visible
from winsweep.export.facts import Facts, Origin
from winsweep.export.model_card import RATES

SCHEMA = "0.3.0"
SPREAD = {  # of a rate: the column of its standard error, and those of its interval
    "lc_win_rate_pct": ("lc_standard_error_pct", None, None),
    "paired_win_rate_pct": ("paired_standard_error_pct", "paired_low_pct", "paired_high_pct"),
    "win_rate_pct": ("standard_error_pct", None, None),
}
SPACE = uuid.UUID("7c1f5cf1-4c37-4f0e-9a0a-0f7f4f6f2b5e")  # of the names of files


def file_name(told: Facts) -> str:
    """`UUID.json`, the same for the same judgement; in the form of version 4, which the schema's checks want."""
    named = uuid.uuid5(SPACE, f"{told.judged.get('name', told.label)}")
    return f"{uuid.UUID(int=named.int, version=4)}.json"


def record(told: Facts, version: str, name: str, now: float) -> dict[str, Any]:
    """The row of the cell, each win rate a result; `name` is OWNER/MODEL, `now` the time of the export in seconds."""
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"winsweep/{name}/{now:.0f}",
        "evaluation_timestamp": f"{told.judged.get('begun', now):.0f}",
        "retrieved_timestamp": f"{now:.0f}",
        "source_metadata": {
            "source_name": f"the study {visible(told.study)}, run by winsweep",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "first_party",
        },
        "eval_library": {
            "name": "winsweep",
            "version": version,
            "additional_details": {"commit": str(told.judged.get("commit", "unknown"))},
        },
        "model_info": _model(told, name),
        "evaluation_results": [_result(told, column) for column in RATES if told.row.get(column)],
    }


def _model(told: Facts, name: str) -> dict[str, Any]:
    packages = told.judged.get("packages", {})
    engine = "vllm" if told.decoding["engine"] == "vllm" else "transformers"
    base = told.base.hf_id or told.base.sha256 or "pretrained by winsweep"
    owner, _, model = name.rpartition("/")
    return {
        "name": model,
        "id": f"{owner or 'unknown'}/{model}",
        "developer": owner or "unknown",
        "inference_engine": {"name": engine, "version": str(packages.get(engine, "unknown"))},
        "additional_details": {
            "deployment_type": "self_deployed",
            "model_availability": "unknown",
            "base_model": base,
            "base_revision": told.base.revision,
            "finetune_key": told.row.get("finetune_key", ""),
        },
    }


def _result(told: Facts, column: str) -> dict[str, Any]:
    kind, name = RATES[column]
    official = told.row.get("lc_formula") == "official" and column == "lc_win_rate_pct"
    return {
        "evaluation_name": visible(told.instructions.reader),
        "source_data": _source(told.instructions),
        "evaluation_timestamp": f"{told.judged.get('begun', 0):.0f}",
        "metric_config": {
            "evaluation_description": f"{name} in percent against {visible(told.reference)}; 50: as good",
            "metric_id": f"winsweep.{kind}",
            "metric_name": kind,
            "metric_kind": "win_rate",
            "metric_unit": "percent",
            "metric_parameters": {"formula": told.row.get("lc_formula", ""), "is_official": official},
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 100.0,
            **_judge(told.judge),
        },
        "score_details": {
            "score": float(told.row[column]),
            "details": {"reference": visible(told.reference), "note": visible(told.row.get("note", ""))},
            "uncertainty": _uncertainty(told.row, column),
        },
        "generation_config": {
            "generation_args": {"temperature": 0.0, "max_tokens": int(told.decoding["max_new_tokens"])},
            "additional_details": {"precision": str(told.decoding["precision"]), "frame": str(dict(told.frame))},
        },
    }


def _uncertainty(row: Mapping[str, str], column: str) -> dict[str, Any]:
    error, low, high = SPREAD[column]
    found: dict[str, Any] = {"num_samples": int(row["n"])}
    if row.get(error):
        found["standard_error"] = {"value": float(row[error]), "method": "analytic, over instructions"}
    if low and high and row.get(low):
        ends = {"lower": float(row[low]), "upper": float(row[high])}
        found["confidence_interval"] = {**ends, "confidence_level": 0.95, "method": "analytic, over instructions"}
    return found


def _source(of: Origin) -> dict[str, Any]:
    if of.hf_id:
        more = {"revision": of.revision, "file": of.file}
        return {"dataset_name": of.name, "source_type": "hf_dataset", "hf_repo": of.hf_id, "additional_details": more}
    more = {"reader": of.reader, "sha256": of.sha256}
    return {"dataset_name": visible(of.name), "source_type": "other", "additional_details": more}


def _judge(judge: Mapping[str, Any]) -> dict[str, Any]:
    """The judge, if it is a language model: one whose identity names a prompt."""
    if not judge.get("prompt_sha256"):
        return {"additional_details": {"judge": visible(judge["name"])}}
    model = visible(judge.get("model", "unknown"))
    details = {"deployment_type": "unknown", "model_availability": "unknown"}
    return {
        "llm_scoring": {
            "judges": [{"model_info": {"name": model, "id": model, "additional_details": details}}],
            "input_prompt": f"that of {visible(judge['name'])}, sha256 {judge['prompt_sha256']}",
        }
    }
