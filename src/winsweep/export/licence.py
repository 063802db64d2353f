"""What the licence of a base model is, where its own files say so; it is never guessed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from winsweep import yaml_nodes

KEYS = ("license", "license_name", "license_link")
FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
TEXTS = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")  # that go along with a model
LONGEST = 200  # characters of a licence's name


@dataclass(frozen=True)
class Licence:
    """What the model card of a base says, as it says it."""

    said: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.said.get("license_name") or self.said["license"])


def licence_in(folder: Path | None) -> Licence | None:
    """The licence that the README.md of a model names; None where it names none, or there is no README.md."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace") if folder else ""
    except OSError:
        return None
    found = FRONT.match(text)
    try:
        card = yaml.safe_load(found[1]) if found else {}
    except yaml_nodes.ERRORS:
        return None
    said = {key: card[key] for key in KEYS if _is_name(card.get(key))} if isinstance(card, dict) else {}
    return Licence(said) if "license" in said else None


def texts_in(folder: Path | None) -> list[Path]:
    """The files of a model that a licence may ask to be passed on."""
    found = {path for pattern in TEXTS for path in folder.glob(pattern)} if folder and folder.is_dir() else set()
    return sorted(path for path in found if path.is_file())


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()
