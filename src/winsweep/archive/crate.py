"""The metadata of an archive as RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) has it: what the parts are, and how each
result was made. Pure.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

FILE = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
TYPES = {"csv": "text/csv", "json": "application/json", "yaml": "application/yaml", "html": "text/html"}
WINSWEEP = "#winsweep"


def metadata(
    study: str, text: str, files: Mapping[str, Mapping[str, Any]], made: Sequence[Mapping[str, Any]], licence: str
) -> dict[str, Any]:
    """The graph: the root with its parts, the study, results' files, and one CreateAction for each of `made`.

    `made` has of each result `name`, `folder` (where it lies in the archive), `record`, `inputs` (names of results).
    `licence` may be empty. The date is that of the last result, so that the same results give the same bytes.
    """
    version = next((m["record"].get("commit", "") for m in made if m["record"].get("commit")), "")
    parts = [name for name in files if name.startswith(("study/", "results/"))]
    folders = [f"{m['folder']}/" for m in made]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"winsweep study {study}",
        "description": text or f"The study {study}: what was asked, its results, and how each was made.",
        "datePublished": published_on([m["record"] for m in made]),
        "license": {"@id": licence} if licence else "not stated: ask the authors",
        "hasPart": [{"@id": name} for name in (*parts, *folders)],
        "mentions": [{"@id": f"#{m['name']}"} for m in made],
    }
    descriptor = {"@id": FILE, "@type": "CreativeWork", "conformsTo": {"@id": SPECIFICATION}, "about": {"@id": "./"}}
    software = {
        "@id": WINSWEEP,
        "@type": "SoftwareApplication",
        "name": "winsweep",
        "softwareVersion": version or "unknown",
    }
    graph = [descriptor, root, software, *(_file(name, files[name]) for name in parts)]
    graph += [{"@id": licence, "@type": "CreativeWork", "name": licence}] if licence else []
    for m in made:
        graph += [_dataset(m), _action(m)]
    return {"@context": f"{SPECIFICATION}/context", "@graph": graph}


def published_on(records: Sequence[Mapping[str, Any]]) -> str:
    """The day of the last of some results, in UTC."""
    last = max((_begun({"record": record}) for record in records), default=0.0)
    return datetime.datetime.fromtimestamp(last, datetime.UTC).date().isoformat()


def _file(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = TYPES.get(name.rpartition(".")[2])
    said = {"encodingFormat": kind} if kind else {}
    return {
        "@id": name,
        "@type": "File",
        "name": name.rpartition("/")[2],
        "contentSize": str(entry["size"]),
        "identifier": f"sha256:{entry['sha256']}",
        **said,
    }


def _dataset(m: Mapping[str, Any]) -> dict[str, Any]:
    return {"@id": f"{m['folder']}/", "@type": "Dataset", "name": m["name"], "identifier": m["name"].split("-")[-1]}


def _action(m: Mapping[str, Any]) -> dict[str, Any]:
    """Who made a result from what: the study's file stands for what was asked."""
    begun, seconds = _begun(m), float(m["record"].get("seconds") or 0.0)
    times = {"startTime": _time(begun), "endTime": _time(begun + seconds)} if begun else {}
    return {
        "@id": f"#{m['name']}",
        "@type": "CreateAction",
        "name": f"{m['name'].partition('/')[0]} of {m['name'].partition('/')[2].rpartition('-')[0]}",
        "instrument": {"@id": WINSWEEP},
        "object": [{"@id": "study/study.yaml"}, *({"@id": f"{folder}/"} for folder in m["inputs"])],
        "result": {"@id": f"{m['folder']}/"},
        **times,
    }


def _begun(m: Mapping[str, Any]) -> float:
    begun = m["record"].get("begun")
    return float(begun) if isinstance(begun, (int, float)) and 0 < begun < 1e11 else 0.0


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")
