"""The shapes that rows of training data come in, each read as a conversation; a key with content that no shape has is
refused by name.
"""

from collections.abc import Collection, Iterable, Mapping

from winsweep import synonyms
from winsweep.errors import BadData
from winsweep.quoting import excerpt
from winsweep.study.frame import Message
from winsweep.text.conversations import with_system

NAMES = ("messages", "instruction", "input", "output", "system", "history")  # what columns: may name
SHAPES = (
    "{messages: [{role, content}]}, {conversations: [{from, value}]}, {instruction, input, output}, {prompt, "
    "completion}; each with a system, "
    "and history: [[instruction, response], …] beside an instruction"
)
PASSED_OVER = frozenset(
    (
        "",
        "Unnamed: 0",
        "id",
        "idx",
        "index",
        "uuid",
        "source",
        "dataset",
        "datasplit",
        "split",
        "subset",
        "category",
        "metadata",
        # and all that end in _id
        "meta",
        "generator",
        "model",
        "license",
        "language",
        "lang",
        "url",
        "tags",
        "timestamp",
    )
)
MOST_SHOWN, MOST_NAMED = 60, 20  # letters of a value and names of columns in a message
ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "system": "system"}
CALLS = ("tool_calls", "function_call", "tools", "functions", "tool_call_id", "images", "image", "audio", "videos")


def conversation(instruction: str, response: str) -> list[Message]:
    return [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]


def text(row: Mapping, name: str) -> str:
    """The text under `name`; BadData where there is none."""
    if has(row, name) and not isinstance(row[name], str):
        raise BadData(
            f"no text under {excerpt(name)}: found {excerpt(row[name])}; text is legal; write it in quotes, or "
            f"remove the row"
        )
    if name in row and row[name] is None:
        raise BadData(
            f"no text under {excerpt(name)}: found null, or an empty field; text is legal; write it, or remove the row"
        )
    if not isinstance(row.get(name), str):
        like = synonyms.closest(name, [str(k) for k, v in row.items() if isinstance(v, str) and k not in NAMES])
        do = (
            f"; did you mean {like}? rename it, or if every row has it, type columns: {{{name}: {like}}} beside path:"
            if like
            else ""
        )
        raise BadData(f"no text under {excerpt(name)}; the row has {_names(row)}{do}")
    return row[name]


def _names(row: Mapping) -> str:
    """The columns of a row, as many as a person reads."""
    more = len(row) - MOST_NAMED
    shown = ", ".join(str(name)[:MOST_SHOWN] for name in list(row)[:MOST_NAMED])
    return (shown or "nothing") + (f" and {more} more" if more > 0 else "")


def with_input(row: Mapping) -> str:
    """An instruction as it is asked: an input stands below it."""
    return "\n\n".join([text(row, "instruction"), *([text(row, "input")] if has(row, "input") else [])])


def has(row: Mapping, name: str) -> bool:
    """Whether the row says anything under `name`."""
    value = row.get(name)
    return value is not None and not (isinstance(value, (str, list, dict, tuple)) and not value)


def messages_of(row: Mapping) -> list[Message]:
    """The conversation that a row holds in one of the SHAPES; BadData says which key is missing, unknown or given
    beside another shape.
    """
    shape, keys = _shape(row)
    if shape in ("messages", "conversations"):
        said = [message(m) for m in listed(row, shape)]
        begun = next((m["content"] for m in said if m["role"] == "user"), None)
        keys = keys | ({"prompt"} if row.get("prompt") == begun else set())  # as some data sets say it twice
    elif shape == "prompt":
        said = [*earlier(row), *conversation(text(row, "prompt"), text(row, "completion"))]
    else:
        said = [*earlier(row), *conversation(with_input(row), text(row, "output"))]
    refuse_unknown(row, keys)
    return after_system(row, said, shape)


def after_system(row: Mapping, said: list[Message], shape: str) -> list[Message]:
    """The conversation behind the row's system, if it has one; BadData if that would be the second."""
    if not has(row, "system"):
        return said
    if any(m["role"] == "system" for m in said):
        raise BadData(
            f"a system stands beside {shape!r}, which has a system message; one is legal; remove one, or type ignore: "
            f"[system]"
        )
    return with_system(said, text(row, "system"))


def renamed(row: Mapping, columns: Iterable[tuple[str, str]], ignore: Collection[str]) -> dict:
    """The row with `columns` (our name, the file's name) under our names, less `ignore`; BadData where one is missing
    or twice there.
    """
    theirs_of = dict(columns)
    rest = {name: value for name, value in row.items() if name not in ignore and name not in theirs_of.values()}
    for ours, theirs in theirs_of.items():
        if theirs not in row:
            raise BadData(f"no {excerpt(theirs)}, which columns: names; the row has {_names(row)}")
        if has(rest, ours):
            raise BadData(
                f"columns: reads {excerpt(theirs)} as {ours}, and the row has {excerpt(ours)}, too; one is legal; "
                f"type ignore: "
                f"[{ours}]"
            )
    return rest | {ours: row[theirs] for ours, theirs in theirs_of.items()}


def refuse_unknown(row: Mapping, known: Collection[str]) -> None:
    """BadData for a key with content that is neither known nor such that plainly says nothing to learn from."""
    for name in row:
        is_read = name in known or name in PASSED_OVER or (str(name).endswith("_id") and name not in CALLS)
        if has(row, name) and not is_read:
            raise BadData(
                f"the row has {excerpt(name)} ({excerpt(row[name])}), which would not be read; legal are {SHAPES}; to "
                f"read "
                f"it, type "
                f"columns: {{instruction: {name}}} or the like beside path:; to pass it over, ignore: [{name}]"
            )


def message(given: object) -> Message:
    """One message, of {role, content} or {from, value}, with its weight where that is 0.

    BadData for another role, for content that is not text, and for whatever else it says.
    """
    if not isinstance(given, Mapping) or not ({"role", "content"} <= given.keys() or {"from", "value"} <= given.keys()):
        raise BadData(
            "messages is not a list of {role, content}"
            + ("; from: lima reads a list of texts" if isinstance(given, str) else f"; found {excerpt(given)}")
        )
    said, content = ("role", "content") if {"role", "content"} <= given.keys() else ("from", "value")
    for name in given:
        if has(given, name) and name not in (said, content, "weight", "train", "id"):
            raise BadData(
                f"a message has {excerpt(name)} ({excerpt(given[name])}), which would not be read; legal are role, "
                f"content, and weight or "
                "train; take it out of the message, or remove the row"
            )
    if not isinstance(given[said], str) or given[said] not in ROLES:
        raise BadData(f"a message has the role {excerpt(given[said])}; {', '.join(ROLES)} are legal; remove the row")
    read: Message = {"role": ROLES[given[said]], "content": _content(given[content])}
    return read if _is_learned(given) or read["role"] != "assistant" else read | {"weight": 0}


def in_turns(row: Mapping) -> str:
    """The key under which a row has its messages, "" where it has none; BadData for two, and for an empty list."""
    names = [name for name in ("messages", "conversations") if has(row, name)]
    if len(names) == 2:
        raise BadData("messages stand beside conversations; one of them is legal; type ignore: [conversations]")
    if names:
        return names[0]
    empty = [name for name in ("messages", "conversations") if name in row]
    if empty and not has(row, "instruction") and not has(row, "prompt"):
        raise BadData(
            f"{empty[0]} has no message; a list of {{role, content}} is legal; remove the row or give it messages"
        )
    return ""


def _shape(row: Mapping) -> tuple[str, set[str]]:
    """Which shape a row has, and the keys that are read of it."""
    if name := in_turns(row):
        return name, {name, "system"}
    if "prompt" in row and "completion" in row and not has(row, "instruction"):
        return "prompt", {"prompt", "completion", "system", "history"}
    if not has(row, "instruction") and not has(row, "output") and {"question", "answer"} <= row.keys():
        raise BadData(
            "no text under 'instruction'; the row has question, answer; type columns: {instruction: question, output: "
            "answer} beside path:"
        )
    return "instruction", {"instruction", "input", "output", "system", "history"}


def listed(row: Mapping, name: str) -> list:
    """The list under `name`; BadData for anything else."""
    if not isinstance(row[name], list):
        table = "; a field of a table is text, so save these rows as .jsonl" if isinstance(row[name], str) else ""
        raise BadData(f"{name} is not a list of {{role, content}}; found {excerpt(row[name])}{table}")
    return row[name]


def earlier(row: Mapping) -> list[Message]:
    """The turns of `history` before the row's own."""
    turns = listed(row, "history") if has(row, "history") else []
    if not all(isinstance(t, (list, tuple)) and len(t) == 2 and all(isinstance(x, str) for x in t) for t in turns):
        raise BadData(f"history: found {excerpt(turns)}; a list of [instruction, response] is legal")
    return [m for asked, said in turns for m in conversation(asked, said)]


def _content(given: object) -> str:
    """Text, or the parts of a message where all are text."""
    if (
        isinstance(given, list)
        and given
        and all(isinstance(p, Mapping) and p.get("type") == "text" and has(p, "text") for p in given)
    ):
        return "".join(text(part, "text") for part in given)
    if not isinstance(given, str):
        raise BadData(
            f"messages is not a list of {{role, content}} with text as content; found {excerpt(given)}; remove the row"
        )
    return given


def _is_learned(given: Mapping) -> bool:
    weight, train = given.get("weight"), given.get("train")
    if weight not in (None, 0, 1) or train not in (None, True, False):
        raise BadData(
            f"a message has the {'weight ' + repr(weight) if weight not in (None, 0, 1) else 'train ' + repr(train)}; "
            f"weight 0 or 1, and "
            "train true or false, are legal"
        )
    return weight != 0 and train is not False and train != 0
