"""`python -m benchmarks SUITE --json OUT`, `python -m benchmarks readme README.md ...`.

A suite ends with status 1 when one of its checks fails; its results are written all the same.
"""

import sys
from importlib import import_module
from pathlib import Path

import click

from benchmarks import readme

SUITES = ("scoring", "cold-start", "decide", "fit", "http", "experiments")


@click.group()
def cli() -> None:
    """Time the engine; ours and the peers take turns on the same input in one run."""


def suite_command(suite: str) -> click.Command:
    """Wrap one suite as a command."""

    @click.command(suite, help=f"Run suite {suite}.")
    @click.option(
        "--json",
        "out",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the object here, raw samples beside it.",
    )
    @click.option("--quick", is_flag=True, help="End within a minute.")
    @click.option("--seed", default=1, show_default=True, help="Which applicants are drawn.")
    def run(out: Path | None, quick: bool, seed: int) -> None:
        failed = import_module("benchmarks." + suite.replace("-", "_")).run(out=out, quick=quick, seed=seed)
        if failed:
            click.echo("over budget: " + "; ".join(failed), err=True)
            sys.exit(1)

    return run


for name in SUITES:
    cli.add_command(suite_command(name))


@cli.command("readme")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def rewrite_readme(paths: tuple[Path, ...]) -> None:
    """Write the tables and plots of PATHS from the results' JSON."""
    for path in paths:
        click.echo(f"{path}: {', '.join(readme.rewrite(path)) or 'no markers with results found'}")


if __name__ == "__main__":
    cli()
