"""The board as text: what it shows at a moment, on a screen of a size. Pure."""

import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from winsweep import screen, training_log
from winsweep.amounts import plural
from winsweep.costs.durations import duration
from winsweep.watch import rows
from winsweep.watch.rows import Choice, Table
from winsweep.watch.seen import Result, Seen

STYLES = {
    "failed": "red",
    "blocked": "yellow",
    "running": "cyan",
    "queued": "blue",
    "done": "green",
    "ready": "",
    "waiting": "dim",
}
HELP = "q quit   ↑↓←→ choose   enter its log   f next failure   c cells   r look now"
ROOMY = 110  # columns from which on a line has room for more
TALL = 32  # lines from which on there is room for a line between
NAME = 14  # columns of a model's or an arm's name, at most, on a narrow screen
Span = tuple[str, str]  # text and its style
Line = list[Span]


@dataclass(frozen=True)
class Log:
    """The end of a log that is shown."""

    key: str = ""
    path: str = ""
    lines: tuple[str, ...] = ()


def board(
    seen: Seen, table: Table, choice: Choice, log: Log, trouble: str, next_at: float, width: int, height: int
) -> list[Line]:
    """Exactly `height` lines of at most `width` columns."""
    top = title(seen, trouble, next_at, width)
    about = detail(rows.chosen(choice, table), seen, log, width)
    room = height - len(top) - 2 - 1  # the heads of the table, the line of keys
    if choice.is_log:
        body = [*about, *log_lines(log, room + 1 - len(about))]
    else:
        now = happening(seen, width)
        num_log = max(3, min(6, room // 4))
        num_rows = min(len(table.rows), max(3, (room - len(about) - num_log - min(len(now), 4))))
        num_now = max(1, room - len(about) - num_log - num_rows)
        rule: list[Line] = [[("── now ".ljust(width, "─"), "dim")]] if height >= TALL and now else []
        body = [*grid(table, choice, num_rows, width), *rule, *shortened(now, num_now), *about]
        body += log_lines(log, height - len(top) - len(body) - 1)
    lines = [*top, *body][: height - 1]
    lines += [[]] * (height - 1 - len(lines))
    keys = HELP.replace("c cells", "c arms") if choice.by == "cells" else HELP
    return [*lines, [(screen.cut("enter back   q quit" if choice.is_log else keys, width), "reverse")]]


def title(seen: Seen, trouble: str, next_at: float, width: int) -> list[Line]:
    """How far the study is, when it was seen and is seen next, and what the board could not see."""
    parts = [f"{seen.study}: {seen.num_done} of {len(seen.cells)} cells done"]
    counts = Counter(r.state for r in seen.results)
    parts += [f"{counts[s]} {s}" for s in ("failed", "blocked", "running", "queued") if counts[s]]
    can = " that can be made" if counts["failed"] else ""
    second = [
        f"{plural(seen.num_left, 'result')} left{until(seen)}" if seen.num_left else f"nothing left{can}; {seen.table}"
    ]
    second += [f"seen {clock(seen.at)}, next {clock(next_at)}" if next_at else f"seen {clock(seen.at)}"]
    wrong = [trouble] if trouble else []
    if seen.queue is not None:
        second += [f"queue {clock(seen.queue.asked_at)}"] if seen.queue.asked_at else []
        wrong += [f"SLURM's queue is not known: {seen.queue.trouble}"] if seen.queue.trouble else []
    second += [f"{seen.gpu_hours:.2f} GPU-hours so far"] if seen.gpu_hours else []  # last, as a narrow line is cut
    told: list[Line] = [[(screen.cut(" · ".join(parts), width), "bold")], [(screen.cut(" · ".join(second), width), "")]]
    return told + [[(line, "yellow")] for text in wrong for line in textwrap.wrap(screen.printable(text), width)[:2]]


def clock(at: float | None) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) if at else ""


def until(seen: Seen) -> str:
    """The estimated end."""
    if seen.left_s is None:
        return ", end not known yet" if seen.left_why else ""
    return f", about {duration(seen.left_s)}, until {time.strftime('%a %H:%M', time.localtime(seen.at + seen.left_s))}"


def grid(table: Table, choice: Choice, num: int, width: int) -> list[Line]:
    """The heads and `num` rows around the chosen one, with the columns that fit around the chosen one."""
    top = max(0, min(choice.row - num // 2, len(table.rows) - num))
    names = row_names(table, choice, top, num, width)
    entries = [[rows.entry(r.results.get(h, ())) for h in table.heads] for r in table.rows[top : top + num]]
    widths = [max(len(head), *(len(of[n][0]) for of in entries), 1) for n, head in enumerate(table.heads)]
    first, last = window(widths, choice.column, width - len(names[0]))
    heads = "".join("  " + table.heads[n].rjust(widths[n]) for n in range(first, last))
    lines: list[Line] = [[(names[0] + heads, "bold")]]
    for at, (name, of) in enumerate(zip(names[1:], entries), top):
        line: Line = [(name, "bold" if at == choice.row else "")]
        for n in range(first, last):
            style = "reverse" if (at, n) == (choice.row, choice.column) else STYLES[of[n][1]]
            line += [("  ", ""), (of[n][0].rjust(widths[n]), style)]
        lines.append(line)
    return lines


def row_names(table: Table, choice: Choice, top: int, num: int, width: int) -> list[str]:
    """The model and the arm or cell of each of `num` rows from `top` on, all equally wide, below what they are."""
    part = f" {top + 1}-{top + num}/{len(table.rows)}" if num < len(table.rows) else ""
    columns = [
        ["model", *(screen.printable(row.model) for row in table.rows)],
        [choice.by[:-1] + part, *(screen.printable(row.name) for row in table.rows)],
    ]
    wide = [max(len(of[0]), min(max(map(len, of)), max(NAME, width // 5))) for of in columns]
    shown = [[of[0], *of[1 + top : 1 + top + num]] for of in columns]
    return ["  ".join(screen.cut(text, w).ljust(w) for text, w in zip(pair, wide)) for pair in zip(*shown)]


def window(widths: Sequence[int], chosen: int, room: int) -> tuple[int, int]:
    """The range of columns that fit, the chosen one among them; from the first on where it is."""
    first = 0
    while first < chosen and sum(w + 2 for w in widths[first : chosen + 1]) > room:
        first += 1
    last = first + 1
    while last < len(widths) and sum(w + 2 for w in widths[first : last + 1]) <= room:
        last += 1
    return first, last


def happening(seen: Seen, width: int) -> list[Line]:
    """What failed, runs and is queued, a line each."""
    of = {state: [r for r in seen.results if r.state == state] for state in ("failed", "running", "queued")}
    told: list[Line] = [[(f"✗ {screen.printable(r.stage)}/{_name(r)}  {r.why}", "red")] for r in of["failed"]]
    told += [[(running_words(r, width), "cyan")] for r in sorted(of["running"], key=lambda r: r.training is None)]
    waits = Counter(r.why.partition(": ")[2] or r.why for r in of["queued"])
    told += [[(f"… {num} × {why}", "blue")] for why, num in waits.most_common()]
    return [[(screen.cut(text, width), style) for text, style in line] for line in told]


def running_words(r: Result, width: int) -> str:
    """A running result in a line: how far, and of a finetune its loss."""
    name = f"▸ {r.stage}/{_name(r)}  {r.share or 0:.0%}"
    name += f", {duration(r.left_s)} left" if r.left_s is not None and width >= ROOMY else ""
    if r.training is None:
        return name
    t = r.training
    step = training_log.Step(t.step, t.loss, t.lr, t.tokens_per_s, t.eval_loss)
    said = training_log.words(step).partition("  ")[2]
    bars = training_log.sparkline(t.losses, max(0, min(40, width - len(name) - len(said) - 4)))
    return "  ".join(filter(None, [name, bars, said]))


def _name(r: Result) -> str:
    return screen.printable(r.label)


def shortened(lines: Sequence[Line], num: int) -> list[Line]:
    """At most `num` lines, the last of which says how many more there are."""
    if len(lines) <= num:
        return list(lines)
    return [*lines[: num - 1], [(f"  … and {len(lines) - num + 1} more", "dim")]]


def detail(entry: Sequence[Result], seen: Seen, log: Log, width: int) -> list[Line]:
    """The most pressing result of the chosen entry: what it is, how it stands and why, and what to type."""
    chosen = rows.pressing(entry)
    if chosen is None:
        return [[("── nothing to make here ".ljust(width, "─"), "dim")]]
    others = len(entry) - 1
    name = f"── {chosen.stage}/{_name(chosen)}: {chosen.state}{f', and {others} more' if others else ''} "
    lines: list[Line] = [[(screen.cut(name.ljust(width, "─"), width), STYLES[chosen.state] or "bold")]]
    if chosen.why and chosen.state not in ("done", "running"):
        lines += [[(line, "")] for line in textwrap.wrap(screen.printable(chosen.why), width)[:3]]
    if chosen.state == "failed":
        lines += [[(line, "bold")] for line in screen.wrapped(f"again: {seen.retry}", width)[:3]]
    if log.path and log.key == chosen.key:
        lines += [[(line, "dim")] for line in screen.wrapped(f"log: {log.path}", width)[:2]]
    return lines


def log_lines(log: Log, num: int) -> list[Line]:
    """The end of the log."""
    return [[(line, "")] for line in log.lines[-num:]] if num > 0 else []
