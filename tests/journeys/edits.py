"""Edits of drafted documents, kept as data: what a person changes in them, line by line.

A file of edits has a part for each document (``== product.toml``). Lines with ``-`` stand in the document one below the other, with or
without a comment behind them; those with ``+`` take their place. A line that ends with ``...`` stands for any line that begins so. Lines
with ``#`` say why. Every edit must find its lines, and changes them wherever they stand.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "drafts"
Edit = tuple[list[str], list[str]]


def read_edits(name: str) -> dict[str, list[Edit]]:
    """The edits of the tape `name` by document."""
    found: dict[str, list[Edit]] = {}
    edits: list[Edit] = []
    previous = ""
    for line in (FOLDER / f"{name}.edits").read_text(encoding="utf-8").splitlines():
        sign, text = line[:1], line[1:]
        if line.startswith("== "):
            edits = found.setdefault(line[3:], [])
        elif sign == "-":
            if previous != "-":
                edits.append(([], []))
            edits[-1][0].append(text)
        elif sign == "+":
            edits[-1][1].append(text)
        previous = sign
    return found


def apply_edits(text: str, edits: list[Edit]) -> str:
    """`text` after the edits, in their order."""
    lines = text.splitlines()
    for old, new in edits:
        places = [
            at
            for at in range(len(lines) - len(old) + 1)
            if all(is_line(lines[at + i], wanted) for i, wanted in enumerate(old))
        ]
        assert places, f"no such lines in the draft: {old}"
        for at in reversed(places):
            lines[at : at + len(old)] = new
    return "\n".join(lines) + "\n"


def is_line(line: str, wanted: str) -> bool:
    """Whether a line of a document is the one that an edit names."""
    if wanted.endswith("..."):
        return line.startswith(wanted[:-3])
    return line == wanted or line.startswith(f"{wanted}  #")
