"""`instant-credit train`: a book becomes a model bundle in the record and a report on disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource
from msgspec import Struct
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands.bars import shown_progress
from instant_credit.commands.documents import find_book_product, read_document
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.training_options import check_training_options, day_of, training_options
from instant_credit.outcome.definition import load_definition
from instant_credit.record.home import make_home, make_private_folder
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from instant_credit.training.fitting.fit import Watch
from instant_credit.training.fitting.search import Searching, SearchStep
from instant_credit.training.fitting.selection import SelectOptions
from instant_credit.training.fitting.space import TRIALS_MAX, SearchOptions
from instant_credit.training.inference import tell_exploration
from instant_credit.training.intervals import Measured
from instant_credit.training.plans import Wish
from instant_credit.training.repeating import repeat_training
from instant_credit.training.report.page import ReportPaths, write_report
from instant_credit.training.selection_bias import Inference, Variant, choose_inference
from instant_credit.training.workshop import Training
from instant_credit.training.workshop import train as train_on_book

ACTOR: Final = Actor(kind=ActorKind.JOB, id="train")
_LEFT: Final = "no model was recorded. Ended trials of a search are kept, and the same command goes on with them"


class _Request(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    book: str
    wish: Wish
    preset: str | None
    segment: str | None
    search: SearchOptions | None
    select: SelectOptions | None
    product: str | None
    labels: str
    trusted: tuple[str, ...]
    inference: Inference | None
    known_on: date | None
    report: Path | None


@click.command()
@click.option("--book", help="Book to train on (see `book list`).")
@training_options
@click.option(
    "--search",
    "trials",
    type=click.IntRange(1, TRIALS_MAX),
    metavar="TRIALS",
    help="Search for parameters by so many trials on the loans fitted on; with --folds, in each fold and once more. The same command "
    "goes on with a search that was stopped, and more trials go on from fewer.",
)
@click.option(
    "--search-minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="MINUTES",
    help="Begin no trial after so many minutes of searching. The result then depends on the machine; the report tells how many trials "
    "were made, and --search with that number finds the same.",
)
@click.option(
    "--select", "is_selecting", is_flag=True, help="Select variables first: usable, stable, apart, important."
)
@click.option(
    "--select-most",
    type=click.IntRange(1),
    metavar="K",
    help=f"Keep at most so many variables (with --select); default: {SelectOptions().most}.",
)
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: below INSTANT_CREDIT_HOME."
)
@click.option(
    "--repeat",
    metavar="TRAINING",
    help="Do this recorded training again and compare the bundles; takes no other option but --report.",
)
def train(
    *,
    book: str | None,
    trials: int | None,
    search_minutes: float | None,
    is_selecting: bool,
    select_most: int | None,
    report: Path | None,
    repeat: str | None,
    **options: Any,
) -> None:
    """Fit, calibrate and test a model on a book.

    Prints the hash of the model bundle, which `release make --model` takes, and that of the training's manifest, and writes
    report.html and report.json. Without --test-from, --test-share and --folds a book with dates is tested on the last fifth of its
    loans, one without in five folds.

    With --repeat the training of that hash is done again as its manifest in the record says. It ends with the same bundle, or says
    what differs: the book's loans, or versions of what fits. It writes a report only where --report says so.
    """
    if repeat is not None:
        _check_alone(click.get_current_context())
        click.echo(run_stoppable(_repeat(read_settings(os.environ), repeat, report), left="nothing was recorded"))
        return
    if book is None:
        raise click.UsageError("give --book, or --repeat with the hash of a training")
    _check_wishes(click.get_current_context().params)
    request = _Request(
        book=book,
        wish=Wish(
            test_from=day_of(options["test_from"]),
            calibration_months=options["calibration_months"],
            test_share=options["test_share"],
            folds=options["folds"],
        ),
        preset=options["preset"],
        segment=options["segment"],
        search=None if trials is None else SearchOptions(trials=trials, minutes=search_minutes),
        select=_choose_select(select_most) if is_selecting else None,
        product=options["product"],
        labels=options["labels"],
        trusted=options["trusted"],
        inference=choose_inference(options["inference"], options["prudence"], options["propensity"]),
        known_on=day_of(options["known_on"]),
        report=report,
    )
    training, paths = run_stoppable(_train(read_settings(os.environ), request), left=_LEFT)
    click.echo(_summarise(training, paths))


def _choose_select(most: int | None) -> SelectOptions:
    return SelectOptions() if most is None else SelectOptions(most=most)


def _check_wishes(told: dict[str, Any]) -> None:
    """Options that exclude each other, or that only go with others."""
    check_training_options(told, told["trials"])
    if told["search_minutes"] is not None and told["trials"] is None:
        raise click.UsageError("--search-minutes goes with --search")
    if told["select_most"] is not None and not told["is_selecting"]:
        raise click.UsageError("--select-most goes with --select")


def _check_alone(context: click.Context) -> None:
    """Everything but the report's folder comes from the manifest."""
    others = [
        one.opts[0]
        for one in context.command.params
        if one.name is not None
        and one.name not in {"repeat", "report"}
        and context.get_parameter_source(one.name) is ParameterSource.COMMANDLINE
    ]
    if others:
        raise click.UsageError(f"--repeat takes everything from the training's manifest: leave out {', '.join(others)}")


async def _repeat(settings: Settings, training_hash: str, folder: Path | None) -> str:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    async with open_record(settings) as record:
        with _shown_progress(f"{training_hash[:12]} again") as show:
            training = await repeat_training(record, training_hash, progress=show, watch=show.watch)
            paths = None if folder is None else write_report(training, folder, show)
    return f"{_summarise(training, paths)}\nRepeated: the bundle is the same as then"


async def _train(settings: Settings, request: _Request) -> tuple[Training, ReportPaths]:
    folder = request.report
    if folder is None:
        make_home(settings.home)
        make_private_folder(settings.home / "reports")
        folder = settings.home / "reports" / request.book
    folder.mkdir(parents=True, exist_ok=True)
    definition = load_definition(read_document("labels", request.labels))
    async with open_record(settings) as record:
        with _shown_progress(f"on {request.book}") as show:
            training = await train_on_book(
                record,
                book=request.book,
                product=await find_book_product(record, request.book, request.product),
                plan=request.wish,
                parameters=request.preset,
                segment=request.segment,
                selecting=request.select,
                searching=None if request.search is None else _find_search(settings, request.search, show),
                known_on=request.known_on or record.clock.now().astimezone(UTC).date(),
                definition=definition,
                trusted=request.trusted,
                inference=request.inference,
                actor=ACTOR,
                progress=show,
                watch=show.watch,
            )
            return training, write_report(training, folder, show)


def _find_search(settings: Settings, options: SearchOptions, show: "_Shown") -> Searching:
    make_home(settings.home)
    return Searching(options=options, folder=settings.home / "searches", tell=show.tell_search)


def _summarise(training: Training, paths: ReportPaths | None) -> str:
    """What a person wants to read at the end."""
    model, scorecard = training.model.quality, training.scorecard_tested.quality
    weighted = "weighted " if training.training_set.is_weighted else ""
    definition = training.training_set.definition
    lines = [
        f"Labels: {definition.name} version {definition.version}, as known on {training.training_set.known_on}",
        *(f"Left out: {one.count:,} Cases {one.reason}" for one in training.training_set.left_out),
        *_summarise_inference(training),
        f"Tested on {training.plan_why}",
        *(
            f"{part.name}: {part.loans:,} loans, {part.bads:,} bad ({weighted}bad rate {part.bad_rate:.2%}), "
            f"{part.first_on} to {part.last_on}"
            for part in training.parts
        ),
        *_summarise_choice(training),
        *_summarise_search(training),
        f"AUC   {_measured_text(model.auc)}, scorecard {_measured_text(scorecard.auc)}",
        f"KS    {_measured_text(model.ks)}, scorecard {_measured_text(scorecard.ks)}",
        f"Brier {_measured_text(model.brier)}, scorecard {_measured_text(scorecard.brier)}",
        f"Mean pd {model.pd_mean:.4f}, bad rate {_measured_text(model.bad_rate)}",
        f"Bundle: {training.bundle_hash}",
        f"Training: {training.training_hash}",
    ]
    if paths is not None:
        lines += [f"Report: {paths.html}", f"JSON:   {paths.json}"]
    return "\n".join(lines)


def _summarise_inference(training: Training) -> list[str]:
    inference, rejects = training.manifest.inference, training.training_set.rejects
    if inference is None or rejects is None:
        return []
    if inference.variant is Variant.EXPLORATION_WEIGHTED:
        return [f"Inference: {inference.variant.value}, {tell_exploration(training.training_set).in_words}"]
    factor = "" if inference.prudence == 1 else f" with prudence {inference.prudence:g}"
    return [
        f"Inference: {inference.variant.value}{factor}, {len(rejects.days):,} declined applicants without an outcome"
    ]


def _summarise_choice(training: Training) -> list[str]:
    if training.choice is None:
        return []
    tried = ", ".join(f"{one.preset} {one.auc:.4f}" for one in training.choice.tried)
    return [f"Preset: {training.choice.preset}" + (f" (inner AUC {tried})" if tried else "")]


def _summarise_search(training: Training) -> list[str]:
    search = training.search
    if search is None:
        return []
    taken = f"trial {search.best} taken: inner AUC {search.taken.auc:.4f}, that of trial 0 {search.trials[0].auc:.4f}"
    return [f"Search: {len(search.trials)} trials on the loans fitted on, {taken}"]


def _measured_text(measured: Measured) -> str:
    return f"{measured.value:.4f} ({measured.low:.4f} to {measured.high:.4f})"


class _Shown:
    """Shows the stage, and beneath it how far the present fit and a search are."""

    def __init__(self, progress: Progress, what: str) -> None:
        self.watch: Watch | None = None if progress.disable else self._tell_tree
        self._progress = progress
        self._fits = 0
        self._trees: TaskID | None = None
        self._title = f"Training {what}"
        self._stage = progress.add_task(self._title, total=None)
        self._search: TaskID | None = None

    def __call__(self, stage: str, done: int) -> None:
        text = f"{self._title}: {stage}" + (f" {done:,} Cases" if done else "")
        self._progress.update(self._stage, description=text)

    def _tell_tree(self, done: int, trees: int) -> None:
        if self._trees is None:
            self._trees = self._progress.add_task("Fit")
        self._fits += done == 1
        text = f"Fit {self._fits}: {done:,} of {trees:,} trees"
        self._progress.update(self._trees, description=text, completed=done, total=trees)

    def tell_search(self, step: SearchStep) -> None:
        if self._search is None:
            self._search = self._progress.add_task("Search")
        which = f"Search {step.number} of {step.searches}" if step.searches > 1 else "Search"
        best = "" if step.best is None else f", best AUC {step.best:.4f}"
        text = f"{which}: {step.ended} of {step.trials} trials{best}"
        self._progress.update(self._search, description=text, completed=step.ended, total=step.trials)


@contextmanager
def _shown_progress(what: str) -> Iterator[_Shown]:
    """What is being done, on the terminal's error stream; nothing where there is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
    with shown_progress(*columns) as progress:
        yield _Shown(progress, what)
