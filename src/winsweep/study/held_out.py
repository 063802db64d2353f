"""What a finetune looks at beside what it learns from: in no key, as no weight depends on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winsweep.keys import worked_out_once

if TYPE_CHECKING:
    from winsweep.study.cell import Rows


@worked_out_once
@dataclass(frozen=True)
class Evaluation:
    """Rows whose loss is looked at, and after how many optimizer steps each time."""

    source: "Rows"
    every: int
