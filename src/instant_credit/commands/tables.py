"""How the commands print tables: whole, since a hash or an id that is cut or broken can't be given to another command."""

from typing import Final

from rich.console import Console
from rich.table import Table

_WIDTH_MAX: Final = 10_000


def print_table(table: Table) -> None:
    """Print `table` on standard output as wide as its content, whatever the terminal's width. Cells are plain text, never markup."""
    Console(width=_WIDTH_MAX, markup=False, emoji=False, highlight=False).print(table)
