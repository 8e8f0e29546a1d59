"""Progress of long work, the one way in which every command shows it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn


@contextmanager
def shown_progress(*columns: ProgressColumn, is_transient: bool = False) -> Iterator[Progress]:
    """Progress on the terminal's error stream, while the block runs; nothing where there is no terminal.

    Parameters
    ----------
    columns : of every task's line.
    is_transient : whether the lines go away at the end.
    """
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=is_transient, disable=not console.is_terminal) as progress:
        yield progress
