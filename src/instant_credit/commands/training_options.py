"""Options of a training, the same for `train`, which trains at once, and for `retrain`, which queues it. No workshop here."""

import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final, TypeVar, get_args

import click

from instant_credit.commands.documents import labels_option, refuse_future
from instant_credit.factory.requests import EXPLORING, INFERRING, PRUDENCE_MAX, InferenceName, Preset

F = TypeVar("F", bound=Callable[..., Any])

DAY: Final = click.DateTime(["%Y-%m-%d"])

_OPTIONS: Final = (
    click.option("--test-from", type=DAY, help="Test on loans from this day on, fit on those before."),
    click.option(
        "--test-share",
        type=click.FloatRange(0.05, 0.5),
        help="Test on this share of the loans: the latest by date, or of persons by chance.",
    ),
    click.option("--folds", type=click.IntRange(2, 20), help="Test in this many folds, for a book without dates."),
    click.option(
        "--calibration-months",
        type=click.IntRange(1, 120),
        help="Calibrate on this many months before a test by date; default: 6.",
    ),
    click.option(
        "--preset",
        type=click.Choice(get_args(Preset)),
        help="Fit with these parameters; default: those that an inner test chooses.",
    ),
    click.option("--segment", metavar="VARIABLE", help="Calibrate each category of this model variable by itself."),
    click.option(
        "--known-on",
        type=DAY,
        callback=refuse_future,
        help="Take Cases and labels as they were known on this day; default: today.",
    ),
    labels_option,
    click.option(
        "--trust",
        "trusted",
        multiple=True,
        metavar="VARIABLE",
        help="Fit on this variable although it alone tells the outcome, for it was known in time; once for each.",
    ),
    click.option(
        "--inference",
        type=click.Choice(get_args(InferenceName)),
        help="How declined applicants are answered for; default: not at all, as with approved-only (docs/labels.md).",
    ),
    click.option(
        "--prudence",
        type=click.FloatRange(1, PRUDENCE_MAX),
        metavar="FACTOR",
        help="Infer declined applicants to be bad so many times as often as equal approved ones; default: 1.",
    ),
    click.option(
        "--propensity",
        metavar="ATTRIBUTE",
        help="Attribute that tells by which chance each loan was approved (with --inference exploration-weighted).",
    ),
    click.option(
        "--product",
        help="Product: a shipped name or a TOML file; default: the newest that the book was recorded under.",
    ),
)


def training_options(command: F) -> F:
    """Give a command the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_training_options(told: dict[str, Any], trials: int | None) -> None:
    """Options that exclude each other, or that only go with others; `trials` of a search.

    Raises
    ------
    UsageError : they do not go together.
    """
    if sum(told[name] is not None for name in ("test_from", "test_share", "folds")) > 1:
        raise click.UsageError("give one of --test-from, --test-share and --folds")
    if told["preset"] is not None and trials is not None:
        raise click.UsageError("give one of --preset and --search: a search tries the presets first")
    if told["prudence"] is not None and told["inference"] not in INFERRING:
        raise click.UsageError(f"--prudence goes with --inference {' or '.join(INFERRING)}")
    if told["prudence"] is not None and math.isnan(told["prudence"]):
        raise click.UsageError("--prudence is a number")
    if told["propensity"] is not None and told["inference"] != EXPLORING:
        raise click.UsageError(f"--propensity goes with --inference {EXPLORING}")


def day_of(told: datetime | None) -> date | None:
    """The day that an option tells."""
    return None if told is None else told.date()
