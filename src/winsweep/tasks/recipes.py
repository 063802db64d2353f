"""Food recipes as a single task (Hewitt et al. 2024): the first 1,000, each a list of ingredients and then the
instructions.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.errors import BadData
from winsweep.quoting import excerpt
from winsweep.strict import number
from winsweep.study.cell import HubData
from winsweep.study.frame import Message
from winsweep.text.shapes import conversation, text

VERSION = 1
DATA = HubData(
    "Hieu-Pham/kaggle_food_recipes", "Food Ingredients and Recipe Dataset with Image Name Mapping.csv", "3bc17b7"
)  # all that is known of the commit; the hub resolves the beginning of one
NEEDS_PATH = False
STRING = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")  # a string as Python's repr writes it


@dataclass(frozen=True)
class Options:
    first: int = number(1000, 1)  #: how many recipes to take [rows]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for row in islice(rows, options.first):
        listed = "".join(f" - {each}\n" for each in ingredients(text(row, "Cleaned_Ingredients")))
        yield conversation(f"Recipe for {text(row, 'Title')}", f"{listed}\n\n{text(row, 'Instructions')}")


def ingredients(written: str) -> list[str]:
    """The strings of a Python list of strings, read one by one; BadData for anything else, as the text is anybody's."""
    found = STRING.findall(written)
    if "".join(STRING.sub("", written).split()) != f"[{',' * (len(found) - 1)}]":
        raise BadData(f"Cleaned_Ingredients: found {excerpt(written)}; a list of quoted strings is legal")
    try:
        return [ast.literal_eval(string) for string in found]
    except (SyntaxError, ValueError) as e:
        raise BadData(
            f"Cleaned_Ingredients: found {excerpt(written)}, a string of which cannot be read ({e})"
        ) from None
