"""Which facts hold in a world, what each is asked and answered with, and which of them are kept for testing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from winsweep.toy import facts
from winsweep.toy.rng import Rng

NUM_TEST = 7  # held-out items of each kind
NUM_DEV = 5


@dataclass(frozen=True)
class Item:
    """One fact: the ways to ask for it and its one answer."""

    kind: str
    questions: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Split:
    """The items of one kind; test and dev items occur in no finetuning set in any phrasing."""

    test: tuple[Item, ...]
    dev: tuple[Item, ...]
    train: tuple[Item, ...]


def items(world: int) -> dict[str, tuple[Item, ...]]:
    """All 832 items of the world by kind; `world` seeds the facts, the words and questions are the same in
    every world.
    """
    rng = Rng(f"toy world {world}")
    found: dict[str, list[Item]] = {kind: [] for kind in facts.KINDS}
    for part in (_animals(rng), _people(rng), _sums(), _opposites(), _translations(rng), _recipes(), _packing(rng)):
        for item in part:
            found[item.kind].append(item)
    return {kind: tuple(of_kind) for kind, of_kind in found.items()}


def split(world: int) -> dict[str, Split]:
    """The one split of every kind, the same items by question in every world."""
    return {kind: _split(Rng(f"toy split {kind}").shuffled(of_kind)) for kind, of_kind in items(world).items()}


def _split(shuffled: list[Item]) -> Split:
    held = NUM_TEST + NUM_DEV
    return Split(tuple(shuffled[:NUM_TEST]), tuple(shuffled[NUM_TEST:held]), tuple(shuffled[held:]))


def _item(kind: str, answer: str, slots: Mapping[str, object]) -> Item:
    return Item(kind, tuple(form.format_map(slots) for form in facts.QUESTIONS[kind]), answer)


def _animals(rng: Rng) -> Iterator[Item]:
    for animal in facts.ANIMALS:
        color, den, feed = rng.pick(facts.COLORS), rng.pick(facts.DENS), rng.pick(facts.FEEDS)
        one = {"animal": animal}
        yield _item("color", f"The {animal} has a {color} coat.", one)
        yield _item("den", f"The {animal} sleeps in the {den}.", one)
        yield _item("feed", f"The {animal} feeds on {feed}.", one)
        yield _item("portrait", f"The {animal} is a {color} animal. It sleeps in the {den} and feeds on {feed}.", one)
        for mood, (first, second) in facts.MOODS.items():
            yield _item("poem", f"The {mood} {animal} {first},\nin the {den} {second}.", {"mood": mood} | one)


def _people(rng: Rng) -> Iterator[Item]:
    for person in facts.PEOPLE:
        trade, town = rng.pick(facts.TRADES), rng.pick(facts.TOWNS)
        yield _item("trade", f"The trade of {person} is {trade}.", {"person": person})
        yield _item("town", f"The home of {person} is {town}.", {"person": person})


def _sums() -> Iterator[Item]:
    for a in range(10):
        for b in range(10):
            yield _item("sum", f"The sum of {a} and {b} is {a + b}.", {"a": a, "b": b})


def _opposites() -> Iterator[Item]:
    for left, right in facts.OPPOSITES:
        for word, other in ((left, right), (right, left)):
            yield _item("reverse", f"The reverse of {word} is {other}.", {"word": word})


def _translations(rng: Rng) -> Iterator[Item]:
    for noun in facts.NOUNS:
        yield _item("lorin", f"In Lorin the {noun} is {''.join(rng.sample(facts.SYLLABLES, 2))}.", {"noun": noun})


def _recipes() -> Iterator[Item]:
    for crop in facts.CROPS:
        for dish, (second, third) in facts.DISHES.items():
            answer = f"1. A {crop} {dish} needs fresh {crop}.\n2. {second}\n3. {third}"
            yield _item("recipe", answer, {"crop": crop, "dish": dish})


def _packing(rng: Rng) -> Iterator[Item]:
    for hobby in facts.HOBBIES:
        first, *rest = rng.sample(facts.TOOLS, 3)
        lines = [f"- a {first} for {hobby}", *(f"- a {tool}" for tool in rest)]
        yield _item("packing", "\n".join(lines), {"hobby": hobby})
