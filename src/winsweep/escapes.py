"""Others' text (names, notes, what a model said) as plain text of Markdown or LaTeX: nothing of it is markup. Pure."""

import re
import unicodedata

LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "[": r"{[}",  # behind \\ or \item it would open an argument
    "]": r"{]}",
    "-": r"{-}",  # three in a row are a dash
    "−": r"$-$",
    "–": r"--",
    "“": "``",
    "”": "''",
    "\u2018": "`",
    "\u2019": "'",
    "×": r"$\times$",
    "±": r"$\pm$",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
}


def visible(text: object) -> str:
    """`text` in one line: line breaks as spaces, and each character that cannot be seen, or that turns the direction of
    text, by its number.
    """
    words = " ".join(str(text).split())
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in words)


def code(text: object) -> str:
    """`text` as code in a line of Markdown: no link, no emphasis, no HTML. (In a cell of a table `cell` follows.)"""
    shown = visible(text) or " "
    fence = "`"
    while fence in shown:
        fence += "`"
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def cell(text: str) -> str:
    """Markdown as a cell of a table, which it does not end; what is escaped already stays so."""
    return re.sub(r"\\?\|", r"\\|", text)


def markdown(text: object) -> str:
    """`text` in a line of Markdown as prose: each sign that could be markup stands for itself."""
    shown = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    signs = r"\`*_{}[]()#+-.!|~:@$^="
    return "".join(f"\\{c}" if c in signs else c for c in shown)


def latex(text: object) -> str:
    """`text` for LaTeX (UTF-8, T1, textcomp): each special sign stands for itself; what fonts of Latin do not have, by
    its number.
    """
    return "".join(LATEX.get(c, c if _is_latin(c) else rf"\texttt{{U+{ord(c):04X}}}") for c in visible(text))


def _is_latin(c: str) -> bool:
    return ord(c) < 128 or (ord(c) < 0x180 and unicodedata.category(c)[0] == "L")
