"""What a search looks through: the page and the module tell what the code holds."""

from instant_credit.training.fitting import space
from tests.docs.test_examples import read_page


def tell_bounds() -> list[str]:
    """Each parameter's bounds as the tables write them."""
    return [
        f"{one.low:,g} to {one.high:,g}" + f" by {one.step}" * ((one.step or 1) > 1) + ", log" * one.is_log
        for one in space.SPACE.bounds.values()
    ]


def test_the_table_of_the_page_tells_the_space_of_the_search() -> None:
    lines = iter(read_page("models.md").splitlines())
    next(line for line in lines if line.startswith("| parameter | bounds |"))
    next(lines)
    rows = [line.split("|") for line, _ in zip(lines, space.SPACE.bounds, strict=False)]
    assert [row[2].strip() for row in rows] == tell_bounds()


def test_the_table_of_the_module_tells_the_space_of_the_search() -> None:
    assert space.__doc__ is not None
    rows = [line.split(None, 1) for line in space.__doc__.splitlines() if line.split(" ")[0] in space.SPACE.bounds]
    assert [row[0] for row in rows] == list(space.SPACE.bounds)
    for (_, told), bounds in zip(rows, tell_bounds(), strict=True):
        assert told.strip().startswith(f"{bounds}  ")
