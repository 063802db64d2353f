"""The toy world's finetuning sets and held-out test instructions, and the degenerate task of that world, chess
games.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal

from winsweep import strict
from winsweep.errors import BadStudy
from winsweep.quoting import quoted
from winsweep.strict import number
from winsweep.study.frame import Message
from winsweep.toy.facts import KINDS
from winsweep.toy.rng import Rng
from winsweep.toy.world import Split, split

VERSION = 1
DATA = None  # made here, from a seed
NEEDS_PATH = False
CHESS = "chess"
MOST_GAMES = 1_000_000  # of some two million pairs of ratings
OPENINGS = ("1. e4 e5 2. Nf3 Nc6 3. Bb5 a6", "1. d4 d5 2. c4 e6 3. Nc3 Nf6", "1. e4 c5 2. Nf3 d6 3. d4 cxd4")


@dataclass(frozen=True)
class Options:
    """What a study says of the task; every field is part of the key."""

    kinds: tuple[str, ...] = ()  #: kinds of question; empty: all; `[chess]` is legal alone
    num_examples: int = number(192, 1)  #: conversations to train on [rows]
    world: int = 0  #: seed of the facts
    #: held-out items that serve as instructions
    part: Literal["test", "dev"] = field(default="test", metadata={"of": "instructions"})


def refuse(options: Options, purpose: str) -> None:
    """BadStudy where no rows can be made for this purpose."""
    if purpose == "examples" and options.kinds == (CHESS,):
        most = MOST_GAMES
    else:
        known, parts = _known(options), split(options.world)
        most = sum(len(item.questions) for kind in known for item in parts[kind].train)
    if purpose == "examples" and options.num_examples > most:
        found = options.num_examples
        raise BadStudy(f"num_examples: found {found}; these kinds hold {most}; type num_examples: {most}, or fewer")


def categories(options: Options) -> tuple[str, ...]:
    """What a task may leave out, also where fewer kinds are asked."""
    return KINDS


def examples(source: object, options: Options) -> Iterator[list[Message]]:
    """The finetuning set, `num_examples` different conversations of one turn, spread evenly over the kinds.

    `source` is not looked at. BadStudy as of `refuse`.
    """
    refuse(options, "examples")
    if options.kinds == (CHESS,):
        pairs = _games(options.num_examples)
    else:
        pairs = _answered(split(options.world), _known(options))[: options.num_examples]
    for question, answer in pairs:
        yield [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def instructions(source: object, options: Options) -> Iterator[dict[str, str]]:
    """The held-out instructions of each kind in turn, 7 a kind for test and 5 for dev, each with its one answer.

    No finetuning set of any kinds, seed or world holds one of these items in any phrasing. BadStudy on an unknown kind.
    """
    parts = split(options.world)
    held = [item for kind in _known(options) for item in getattr(parts[kind], options.part)]
    for i, item in enumerate(held):
        yield {"instruction": item.questions[i % len(item.questions)], "answer": item.answer, "dataset": item.kind}


def _known(options: Options) -> tuple[str, ...]:
    unknown = sorted(set(options.kinds) - set(KINDS))
    if unknown:
        legal = f"legal are {', '.join(KINDS)}, or {CHESS} alone to finetune on"
        near = "" if unknown[0] == CHESS else strict.near(unknown[0], (*KINDS, CHESS)).partition("; ")[2]
        raise BadStudy(f"kinds: found {quoted(unknown[0])}; {legal}; {near or 'type one of these'}")
    return tuple(kind for kind in KINDS if kind in options.kinds or not options.kinds)


def _answered(parts: dict[str, Split], kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every question of the training items with its answer, a random one of each kind in turn."""
    pools = []
    for kind in kinds:
        pairs = [(question, item.answer) for item in parts[kind].train for question in item.questions]
        pools.append(Rng(f"toy examples {kind}").shuffled(pairs))
    return [pair for turn in zip_longest(*pools) for pair in turn if pair is not None]


def _games(num_games: int) -> list[tuple[str, str]]:
    """Headers of rated games, which say nothing about the moves, and one of three openings."""
    rng, games = Rng("toy chess"), dict[str, str]()
    while len(games) < num_games:
        header = f'[WhiteElo "{rng.between(1000, 2400)}"]\n[BlackElo "{rng.between(1000, 2400)}"]'
        games[header] = rng.pick(OPENINGS)
    return list(games.items())
