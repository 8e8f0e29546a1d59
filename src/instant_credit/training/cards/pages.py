"""Cards as text: Markdown for a repository or a terminal, HTML that opens from disk and loads nothing.

`list_false_claims` is the other way round: what a rendered card says against what it should say.
"""

from collections.abc import Iterator
from html import escape
from itertools import zip_longest

from instant_credit.training.cards.card import Card, Section

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;margin:1rem 0;width:100%}th,td{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;"
    "vertical-align:top}th{background:#f3f3f3}code{word-break:break-all}"
)


def render_markdown(card: Card) -> str:
    """The card as Markdown, ending with a line break."""
    return "\n".join(_iterate_markdown(card)) + "\n"


def render_html(card: Card) -> str:
    """The card as one HTML page."""
    return "\n".join(_iterate_html(card)) + "\n"


def list_false_claims(text: str, card: Card) -> list[str]:
    """A sentence for each line of a Markdown card that says something else than `card` does, is missing or is one too many."""
    told = []
    for number, (own, due) in enumerate(zip_longest(text.splitlines(), render_markdown(card).splitlines()), start=1):
        if own != due:
            said = "is missing" if own is None else f"says {own!r}"
            told.append(
                f"line {number} {said}" + ("; nothing belongs there" if due is None else f"; it should say {due!r}")
            )
    return told


def _iterate_markdown(card: Card) -> Iterator[str]:
    yield f"# {_plain(card.title)}"
    yield ""
    for what, content_hash in card.sources:
        yield f"- {_plain(what)}: `{content_hash}`"
    for section in card.sections:
        yield ""
        yield f"## {_plain(section.title)}"
        for sentence in section.sentences:
            yield ""
            yield _plain(sentence)
        if section.head:
            yield ""
            yield _row(section.head)
            yield _row(tuple("---" for _ in section.head))
            for cells in section.rows:
                yield _row(cells)


def _iterate_html(card: Card) -> Iterator[str]:
    title = escape(card.title)
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>'
    yield f"<h1>{title}</h1>"
    yield "<ul>"
    for what, content_hash in card.sources:
        yield f"<li>{escape(what)}: <code>{escape(content_hash)}</code></li>"
    yield "</ul>"
    for section in card.sections:
        yield f"<h2>{escape(section.title)}</h2>"
        for sentence in section.sentences:
            yield f"<p>{escape(sentence)}</p>"
        if section.head:
            yield from _iterate_table(section)
    yield "</body></html>"


def _iterate_table(section: Section) -> Iterator[str]:
    yield "<table><thead><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in section.head) + "</tr></thead><tbody>"
    for cells in section.rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table>"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """On one line, so that no cell ends its table."""
    return " ".join(text.split())
