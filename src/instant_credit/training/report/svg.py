"""Drawing as inline SVG: the same numbers give the same text, colours follow the page, nothing is loaded.

Colours are drawn as placeholders and replaced by the page's CSS variables, so that one drawing suits a light and a dark page and
print. Clouds of points are held as a picture inside the drawing: small, and no loan can be read off it.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Final

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK: Final = "#010101"
FAINT: Final = "#020202"
OURS: Final = "#030303"
THEIRS: Final = "#040404"
SIZE: Final = (4.6, 3.5)
_CSS: Final = {
    INK: "var(--ink-soft)",
    FAINT: "var(--line)",
    OURS: "var(--ours)",
    THEIRS: "var(--theirs)",
}
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    "font.size": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}
_PICTURE_DPI: Final = 144


@contextmanager
def styled(name: str) -> Iterator[None]:
    """The page's style while something is drawn; ids of the drawing follow from `name` alone."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        yield


def draw(paint: Callable[[Axes], None], name: str, label: str, size: tuple[float, float] = SIZE) -> Markup:
    """A drawing of one pair of axes; `label` says in words what it shows, to those who cannot see it."""
    with styled(name):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set_axisbelow(True)
        paint(axes)
        return save(figure, name, label)


def save(
    figure: Figure, name: str, label: str, colours: dict[str, str] | None = None, *, is_tight: bool = False
) -> Markup:
    """`figure` as SVG for the page; called within `styled(name)`.

    `colours` are further ones to replace; `is_tight` takes as much room as what was drawn needs.
    """
    figure.patch.set_alpha(0.0)
    for axes in figure.axes:
        axes.patch.set_alpha(0.0)
    text = io.StringIO()
    figure.savefig(
        text,
        format="svg",
        dpi=_PICTURE_DPI,
        bbox_inches="tight" if is_tight else None,
        metadata={"Date": None, "Creator": None},
    )
    return Markup(_tidy(text.getvalue(), name, label, {**(colours or {}), **_CSS}))  # noqa: S704 our own drawing; matplotlib escapes its texts


def _tidy(svg: str, name: str, label: str, colours: dict[str, str]) -> str:
    """Drop what a page does not need, keep ids apart between drawings, let the page choose size, font and colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head = rf'<svg viewBox="\1" role="img" aria-label="{escape(label)}">'.replace("\\", "\\\\").replace("\\\\1", "\\1")
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', head, svg, count=1)
    wanted = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in wanted else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", svg)
    for placeholder, colour in colours.items():
        svg = svg.replace(placeholder, colour)
    return svg
