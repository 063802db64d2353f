"""What others found for the families of a study, to be shown beside what it finds."""

from collections.abc import Sequence
from pathlib import Path

from winsweep import strict
from winsweep.quoting import quoted
from winsweep.strict import Node


def read_published(section: Node, families: Sequence[str], study: Path) -> tuple[tuple[str, float, float], ...]:
    """Family, mean and standard deviation; what a file below `study` says of families that it leaves out is left out.
    BadStudy names all errors.
    """
    names, seen, found = list(dict.fromkeys(families)), strict.Findings(), []
    given = {family: node for family, node in section.mapping().items() if family in names or node.file == str(study)}
    for family, node in sorted(given.items()):
        if figures := seen.of(_figures, family, node, names):
            found.append((family, *figures))
    seen.stop()
    return tuple(found)


def _figures(family: str, node: Node, names: Sequence[str]) -> tuple[float, float]:
    if family not in names:
        raise node.error(f"no family {quoted(family)} in this study", strict.near(family, names))
    if len(strict.items(node)) != 2:
        raise node.error(
            f"found {len(strict.items(node))} numbers", "a mean and a standard deviation are legal", "type [43.3, 1.1]"
        )
    mean, deviation = strict.read(tuple[float, ...], node)
    return mean, deviation
