import pytest
from rich.table import Table

from instant_credit.commands.tables import print_table


@pytest.mark.parametrize("cell", ["f" * 64, "n" * 300, "[red]loans[/red]", "[/]", ":bank: loans"])
def test_a_cell_is_printed_whole_and_as_it_is_on_a_narrow_terminal(cell, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("name", "other")
    table.add_row(cell, "x" * 64)
    print_table(table)
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "x" in line)
    assert cell in row
    assert "x" * 64 in row
