"""Whether the cells of a study can be told apart by their labels."""

from collections.abc import Sequence

from winsweep.strict import Node
from winsweep.study.cell import Cell


def distinct(cells: Sequence[Cell], at: Node) -> tuple[Cell, ...]:
    """`cells`, of which there are some, each with a label of its own: names may have dots, and labels join them with
    dots.
    """
    if not cells:
        raise at.error(
            "no model meets a task or an adapter, so there are no cells",
            "at least one is legal",
            "correct models: of the arms",
        )
    of: dict[str, Cell] = {}
    for cell in cells:
        if (other := of.setdefault(cell.label, cell)) is not cell:
            raise at.error(
                f"two cells would be called {cell.label}: {cell.task} of {cell.model}, and {other.task} of "
                f"{other.model}",
                "names that differ when joined by dots are legal",
                "rename one of them",
            )
    return tuple(cells)
