"""What a journey tells: one document of all figures, a page that opens from disk, and the canonical export of each life. Edge.

The same book, route and release of this program give the same bytes, but for the page's program version.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from instant_credit.application.product import Product
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.factory.timemachine.journey import HIDING, Life, Lived
from instant_credit.factory.timemachine.quarters import LastYear, Side
from instant_credit.factory.timemachine.route import Route
from instant_credit.outcome.definition import hash_definition
from instant_credit.policy.document import encode_policy
from instant_credit.training.gates.thresholds import hash_thresholds
from instant_credit.training.intervals import Measured
from instant_credit.training.report.charts import draw_course
from instant_credit.training.report.environment import make_environment
from instant_credit.training.whole_files import replace_files
from instant_credit.units import Cents, money_text

PAGE: Final = "timemachine.html"
FIGURES: Final = "timemachine.json"


class Story(Struct, frozen=True, kw_only=True):
    """All figures of a journey.

    Attributes
    ----------
    lives : the one in which outcomes of declined applicants are hidden, then the one that sees all.
    exports : SHA-256 of each life's canonical export, by its name.
    """

    schema_version: int = 1
    book: str
    product: str
    currency: str
    first: date
    last: date
    every: str
    preset: str
    selects: bool
    bads_min: int
    labels: str
    labels_hash: str
    policy: str
    policy_hash: str
    thresholds: str
    thresholds_hash: str
    loans: int
    lives: tuple[Life, ...]
    exports: dict[str, str]


class StoryPaths(Struct, frozen=True, kw_only=True):
    """Where a journey was written."""

    page: Path
    figures: Path
    exports: tuple[Path, ...]


def tell_story(route: Route, product: Product, loans: int, lived: Sequence[Lived]) -> Story:
    """The figures of a journey over so many loans."""
    return Story(
        book=route.book,
        product=product.name,
        currency=product.currency,
        first=route.first,
        last=route.last,
        every=route.every,
        preset=route.preset,
        selects=route.selects,
        bads_min=route.bads_min,
        labels=route.definition.title,
        labels_hash=hash_definition(route.definition),
        policy=route.policy.title,
        policy_hash=hash_content(encode_policy(route.policy)),
        thresholds=route.thresholds.title,
        thresholds_hash=hash_thresholds(route.thresholds),
        loans=loans,
        lives=tuple(one.life for one in lived),
        exports={one.life.name: hash_content(b"".join(one.lines)) for one in lived},
    )


def write_story(story: Story, lived: Sequence[Lived], folder: Path) -> StoryPaths:
    """Write page, figures and exports into `folder`, which is there; former ones of the same names are replaced whole."""
    paths = StoryPaths(
        page=folder / PAGE,
        figures=folder / FIGURES,
        exports=tuple(folder / f"{one.life.name}.ndjson" for one in lived),
    )
    exports = {path: b"".join(one.lines) for path, one in zip(paths.exports, lived, strict=True)}
    replace_files(
        {**exports, paths.figures: encode_canonical(story) + b"\n", paths.page: render_story(story).encode()},
        mode=0o600,
    )
    return paths


def render_story(story: Story) -> str:
    """The page."""
    environment = make_environment("instant_credit.factory.timemachine")
    environment.filters["money"] = lambda cents: money_text(Cents(round(cents)), story.currency)
    return environment.get_template("timemachine.html.j2").render(
        story=story, lives=[(life, _draw_life(life)) for life in story.lives], hiding=HIDING
    )


def _draw_life(life: Life) -> list[Markup]:
    """AUC, calibration, stability, approval, loss and profit by quarter; learning beside frozen."""
    stability = [None if quarter.psi is None else _bare(quarter.psi.value) for quarter in life.quarters]
    return [
        _draw_sides(life, "auc", "AUC", lambda side: side.auc),
        _draw_sides(life, "calibration", "expected over observed", lambda side: _bare(side.expected_to_observed)),
        draw_course(f"{life.name}-psi", "PSI of the pd", _name_quarters(life), [("against all before", stability)]),
        _draw_sides(life, "offered", "share offered a loan", lambda side: side.offered),
        _draw_sides(life, "loss", "loss of an application", lambda side: _in_money(side.loss_cents)),
        _draw_sides(life, "profit", "profit of an application", lambda side: _in_money(side.profit_cents)),
    ]


def _draw_sides(life: Life, name: str, title: str, find: Callable[[Side], Measured | None]) -> Markup:
    learning = [find(quarter.learning) for quarter in life.quarters]
    frozen = [None if quarter.frozen is None else find(quarter.frozen) for quarter in life.quarters]
    lines = [("learning", learning), ("frozen first model", frozen)]
    return draw_course(f"{life.name}-{name}", title, _name_quarters(life), lines)


def _name_quarters(life: Life) -> list[str]:
    return [quarter.name for quarter in life.quarters]


def _bare(value: float | None) -> Measured | None:
    """A figure without an interval."""
    return None if value is None else Measured(value=value, low=value, high=value)


def _in_money(measured: Measured | None) -> Measured | None:
    """Cents as units of money."""
    return (
        None
        if measured is None
        else Measured(value=measured.value / 100, low=measured.low / 100, high=measured.high / 100)
    )


def describe_last_year(last: LastYear | None, currency: str) -> str:
    """Learning against frozen at the journey's end, in one sentence."""
    if last is None:
        return (
            "Learning and frozen can't be compared over the last four quarters: in one of them no model had been promoted before, or too few "
            "loans tell."
        )
    auc = f"{last.auc.value:+.4f} ({last.auc.low:+.4f} to {last.auc.high:+.4f})"
    brier = "" if last.brier is None else f"{last.brier.value:+.5f} ({last.brier.low:+.5f} to {last.brier.high:+.5f})"
    return (
        f"Learning less frozen over {last.quarters[0]} to {last.quarters[-1]}: AUC {auc}, Brier score {brier}, loss of an application {money_interval(last.loss_cents, currency)}, "
        f"profit {money_interval(last.profit_cents, currency)}."
    )


def money_interval(one: Measured | None, currency: str) -> str:
    """An amount in cents with its interval, for people."""
    if one is None:
        return "too few"
    value, low, high = (money_text(Cents(round(amount)), currency) for amount in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"
