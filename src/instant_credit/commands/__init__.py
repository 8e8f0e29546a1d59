"""The command line: one module a subject, loaded when it is called, so that `serve` never imports the workshop."""

import sys
from importlib import import_module
from typing import Final

import click

from instant_credit import __version__
from instant_credit.errors import BrokenInvariant, InstantCreditError

COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "tape": ("tape", "tape", "Import loan tapes."),
    "book": ("tape", "book", "List and export books of recorded Cases."),
    "train": ("train", "train", "Fit, calibrate and test a model on a book."),
    "release": ("release", "release", "Make, activate and list releases."),
    "replay": ("replay", "replay", "Decide recorded Cases again and compare bytes."),
    "serve": ("serve", "serve", "Serve the API."),
    "key": ("store", "key", "Create, list and revoke API keys."),
    "migrate": ("store", "migrate", "Bring the database to this version's schema."),
    "database": ("store", "database", "Delete the embedded database of this home."),
    "schemas": ("schemas", "schemas", "Export JSON Schemas and the OpenAPI document."),
    "demo": ("demo", "demo", "The main job end to end: tape, model, release, three decisions over HTTP."),
    "warm": ("warm", "warm", "Compile the kernels once, before workers start."),
}


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
    """Run the command line; expected errors end with one line on stderr and status 1."""
    try:
        cli()
    except BrokenInvariant:
        raise
    except InstantCreditError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
