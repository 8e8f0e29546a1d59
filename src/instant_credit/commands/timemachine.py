"""`instant-credit timemachine`: live through a book again, month by month, learning as it goes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from instant_credit.access.purposes import BookPurpose
from instant_credit.commands.bars import shown_progress
from instant_credit.commands.documents import find_book_product, read_document
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.factory.timemachine.journey import HIDING, SEEING, Life, Lived, live
from instant_credit.factory.timemachine.journey import Progress as Step
from instant_credit.factory.timemachine.lender import ACTOR
from instant_credit.factory.timemachine.loans import read_loans
from instant_credit.factory.timemachine.route import BADS_MIN_DEFAULT, Every, Route
from instant_credit.factory.timemachine.telling import (
    StoryPaths,
    describe_last_year,
    money_interval,
    tell_story,
    write_story,
)
from instant_credit.outcome.definition import load_definition
from instant_credit.policy.document import read_policy
from instant_credit.record.home import LIVES, make_home, make_private_folder
from instant_credit.record.persons import log_book_read
from instant_credit.record.pool import open_record
from instant_credit.score.scorecard import read_scorecard
from instant_credit.settings import Settings, read_settings
from instant_credit.training.fitting.choice import PRESETS
from instant_credit.training.gates.thresholds import read_thresholds
from instant_credit.training.intervals import Measured
from instant_credit.units import Cents, money_text

_LEFT: Final = "nothing was written; the same command begins anew"
_EVERY_WORDS: Final[dict[str, Every]] = {
    "monthly": "month",
    "quarterly": "quarter",
    "half-yearly": "half-year",
    "yearly": "year",
    "never": "never",
}


@click.command()
@click.option("--book", required=True, help="Book to live through (see `book list`).")
@click.option("--from", "first", required=True, type=click.DateTime(["%Y-%m"]), help="First month, as 2008-01.")
@click.option("--to", "last", required=True, type=click.DateTime(["%Y-%m"]), help="Last month, as 2011-12.")
@click.option(
    "--retrain",
    "every",
    type=click.Choice(list(_EVERY_WORDS)),
    default="quarterly",
    show_default=True,
    help="How often a model is trained.",
)
@click.option(
    "--scorecard",
    default="personal_loan",
    show_default=True,
    help="The expert's scorecard, which decides until a model is promoted: a shipped name or a TOML file.",
)
@click.option(
    "--policy", default="personal_loan_18m", show_default=True, help="Policy throughout: a shipped name or a TOML file."
)
@click.option(
    "--labels",
    default="bad_90_in_18",
    show_default=True,
    help="What good and bad mean, with a window: a shipped definition's name or a TOML file (docs/labels.md).",
)
@click.option(
    "--thresholds",
    default="young_book",
    show_default=True,
    help="Gates that a model has to pass: a shipped name or a TOML file.",
)
@click.option(
    "--preset", type=click.Choice(PRESETS), default="steady", show_default=True, help="Parameters of every fit."
)
@click.option(
    "--select/--no-select",
    "selects",
    default=True,
    show_default=True,
    help="Select variables before each fit: usable, stable, apart, important.",
)
@click.option(
    "--bads-min",
    type=click.IntRange(1),
    default=BADS_MIN_DEFAULT,
    show_default=True,
    help="Ripe bad loans below which nothing is trained.",
)
@click.option(
    "--product", help="Product: a shipped name or a TOML file; default: the newest that the book was recorded under."
)
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: below INSTANT_CREDIT_HOME."
)
def timemachine(
    *,
    book: str,
    first: datetime,
    last: datetime,
    every: str,
    scorecard: str,
    policy: str,
    labels: str,
    thresholds: str,
    preset: str,
    selects: bool,
    bads_min: int,
    product: str | None,
    report: Path | None,
) -> None:
    """Live through a book again, month by month, with what was known then.

    Applications are decided by the release of their day through the same desk as at the counter, in a record of their own; this home's
    record is only read. Outcomes are learned when they were known; of declined applicants never, and a second life that sees them is lived
    beside it. Writes timemachine.html, timemachine.json and each life's canonical export, which are the same bytes every time.

    The exports hold evidence in the clear: keep them as you keep the record. That the book was read is written down.
    """
    route = Route(
        book=book,
        first=first.date(),
        last=last.date(),
        every=_EVERY_WORDS[every],
        definition=load_definition(read_document("labels", labels)),
        scorecard=read_scorecard(read_document("scorecards", scorecard)),
        policy=read_policy(read_document("policies", policy)),
        thresholds=read_thresholds(read_document("gates", thresholds)),
        preset=preset,
        selects=selects,
        bads_min=bads_min,
    )
    paths, lived, currency = run_stoppable(_run(read_settings(os.environ), route, product, report), left=_LEFT)
    for one in lived:
        _print_life(one.life, currency)
    click.echo(f"Report:  {paths.page}")
    click.echo(f"Figures: {paths.figures}")
    for path in paths.exports:
        click.echo(f"Export:  {path}")


async def _run(
    settings: Settings, route: Route, product_told: str | None, report: Path | None
) -> tuple[StoryPaths, tuple[Lived, ...], str]:
    make_home(settings.home)
    folder = report
    if folder is None:
        make_private_folder(settings.home / "reports")
        folder = settings.home / "reports" / f"{route.book}-timemachine"
    folder.mkdir(parents=True, exist_ok=True)
    with _shown() as show:
        async with open_record(settings) as record:
            product = await find_book_product(record, route.book, product_told)
            show("read", "read the book", 0, 1)
            loans = await read_loans(record, route.book, product, route.end)
            await log_book_read(record, route.book, BookPurpose.ANALYSIS, ACTOR)
            show("read", f"{len(loans):,} loans", 1, 1)
        lived = []
        make_home(settings.home / LIVES)
        for name in (HIDING, SEEING):
            home = settings.home / LIVES / f"{route.book}-{name}"
            own = Settings(home=home, key_ring=home / "keys" / "ring.json", variants=0)
            lived.append(await live(own, route, product, loans, name=name, progress=show.step))
    story = tell_story(route, product, len(loans), lived)
    return write_story(story, lived, folder), tuple(lived), product.currency


class _Shown:
    """One line a life."""

    def __init__(self, add: Callable[[str, int], TaskID], update: Callable[[TaskID, int, str], None]) -> None:
        self._add, self._update = add, update
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, life: str, stage: str, done: int, total: int) -> None:
        if life not in self._tasks:
            self._tasks[life] = self._add(life, total)
        self._update(self._tasks[life], done, stage)

    def step(self, step: Step) -> None:
        """Show how far a life is."""
        self(step.life, step.stage, step.done, step.total)


@contextmanager
def _shown() -> Iterator[_Shown]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[stage]}"),
        TimeElapsedColumn(),
    )
    with shown_progress(*columns) as bars:
        yield _Shown(
            lambda life, total: bars.add_task(life, total=total, stage=""),
            lambda task, done, stage: bars.update(task, completed=done, stage=stage),
        )


def _print_life(life: Life, currency: str) -> None:
    heading = "outcomes of declined applicants hidden" if life.name == HIDING else "a life that sees all, beside it"
    click.echo(f"\n{life.name}: {heading}")
    for attempt in life.attempts:
        click.echo(
            f"  {attempt.day}: {attempt.ripe_bads:,} ripe bad of {attempt.ripe_goods + attempt.ripe_bads:,}: {attempt.words}"
        )
    table = Table()
    for head in (
        "quarter",
        "applications",
        "bad",
        "AUC",
        "expected/observed",
        "PSI",
        "offered",
        "loss",
        "profit",
        "AUC less frozen",
        "profit less frozen",
    ):
        table.add_column(head, justify="left" if head == "quarter" else "right")
    for quarter in life.quarters:
        own, less = quarter.learning, quarter.difference
        table.add_row(
            quarter.name,
            f"{quarter.applications:,}",
            f"{quarter.bads:,}",
            "" if own.auc is None else f"{own.auc.value:.3f}",
            "" if own.expected_to_observed is None else f"{own.expected_to_observed:.2f}",
            "" if quarter.psi is None else f"{quarter.psi.value:.3f}",
            f"{own.offered.value:.1%}",
            _money(own.loss_cents, currency),
            _money(own.profit_cents, currency),
            ""
            if less is None or less.auc is None
            else f"{less.auc.value:+.4f} ({less.auc.low:+.4f} to {less.auc.high:+.4f})",
            "" if less is None else money_interval(less.profit_cents, currency),
        )
    print_table(table)
    click.echo(describe_last_year(life.last_year, currency))


def _money(one: Measured | None, currency: str) -> str:
    return "" if one is None else money_text(Cents(round(one.value)), currency)
