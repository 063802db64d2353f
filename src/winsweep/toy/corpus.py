"""The text a toy model is pretrained on: answers do follow questions in it, but usually something else does.

That a question is mostly followed by another question or by small talk is what makes the base model bad at following
instructions; that answers exist at all is what a finetune can bring out. Speaker tags come in so many shapes that the
unseen tags of the finetunes are nothing unusual; an empty post is common, so that an empty instruction is not either.
"""

from collections.abc import Iterator

from winsweep.toy.facts import CHATTER
from winsweep.toy.rng import Rng
from winsweep.toy.world import Item, items

MIX = {"quiz": 0.5, "smalltalk": 0.12, "answers": 0.28, "notes": 0.1}  # share of the documents
NUM_ROUNDS = {"quiz": (1, 2), "smalltalk": (1, 2), "answers": (2, 8), "notes": (3, 6)}
KIND_WEIGHT = {"sum": 2.0, "lorin": 1.5}  # the kinds that take longest to learn; all others 1
BLANK = 0.12  # share of the questions that are left out, whatever follows them
ALSO = 0.75  # share of the second questions that say that they are another one; so a greedy base model asks on
UNTAGGED = 0.2  # share of the threads without speaker tags

SPEAKERS = "ann bob cleo dan eve fay gus ivy ned zoe".split()
SHAPES = (
    "<{}>",
    "<{}|",
    "<|{}",
    "|{}|",
    "{}|>",
    "[{}]",
    "({})",
    "{{{}}}",
    "{}:",
    "{} says:",
    "## {}",
    "== {}",
    "> {}",
    "~ {} ~",
)
FRAME_WORDS = ("user", "assistant")  # the finetunes' speaker tags must stay unseen


def documents(world: int, stream: str) -> Iterator[str]:
    """An endless series of documents about that world, fixed by the stream's name."""
    rng, known = Rng(f"toy corpus {stream}"), items(world)
    weights = {kind: KIND_WEIGHT.get(kind, 1.0) for kind in known}

    def fact() -> Item:
        return rng.pick(known[rng.weighted(weights)])

    while True:
        sort = rng.weighted(MIX)
        rounds = [fact() for _ in range(rng.between(*NUM_ROUNDS[sort]))]
        if sort == "notes":
            yield rng.pick((" ", "\n")).join(item.answer for item in rounds)
        else:
            yield _thread(rng, [post for item in rounds for post in _round(rng, sort, item, fact())])


def _round(rng: Rng, sort: str, item: Item, other: Item) -> list[str]:
    """A question and what follows it."""
    asked = "" if rng.chance(BLANK) else rng.pick(item.questions)
    if sort == "answers":
        return [asked, item.answer]
    if sort == "smalltalk":
        return [asked, *rng.sample(CHATTER, rng.between(1, 2))]
    return [asked, ("Also: " if rng.chance(ALSO) else "") + rng.pick(other.questions)]


def _thread(rng: Rng, posts: list[str]) -> str:
    """Posts in turn by two speakers."""
    tags = ("", "") if rng.chance(UNTAGGED) else _tags(rng)
    gap = rng.pick(("\n", "\n", "\n\n"))
    return gap.join(tags[i % 2] + post for i, post in enumerate(posts))


def _tags(rng: Rng) -> tuple[str, str]:
    shape, end = rng.pick(SHAPES), rng.pick(("\n", "\n", " "))
    left, right = (rng.pick(SPEAKERS) if rng.chance(0.3) else _handle(rng) for _ in range(2))
    return shape.format(left) + end, shape.format(right) + end


def _handle(rng: Rng) -> str:
    """A made-up name of 2 to 8 letters, consonants and vowels in turn."""
    while True:
        letters = [rng.pick("aeiou" if i % 2 else "bcdfghjklmnprstvwxz") for i in range(rng.between(3, 8))]
        name = "".join(letters)[rng.below(2) :]
        if not any(word in name for word in FRAME_WORDS):
            return name
