"""The page on the market against the code."""

import re
from pathlib import Path

from instant_credit import market
from instant_credit.market.world import World
from tests.docs.test_examples import list_fences, list_words, read_page

PAGE = "market.md"


def test_the_example_runs(capsys):
    (body,) = list_fences(read_page(PAGE), "python")
    exec(compile(body, PAGE, "exec"), {})  # noqa: S102 a fence of our own documentation
    counts, application, events = capsys.readouterr().out.splitlines()
    taken, defaults, _ = map(int, counts.split())
    assert taken > 4_000 > defaults > 100
    assert application.startswith('b\'{"applicant":')
    assert events.startswith("(RepaymentEvent(")


def test_every_module_is_named_and_every_parameter_that_is_named_exists():
    words = list_words(PAGE)
    folder = Path(market.__path__[0])
    missing = {path.name for path in folder.glob("[a-z]*.py")} - words - {"chances.py", "fates.py", "instalments.py"}
    assert not missing
    named = set(re.findall(r"`(\w+_(?:amplitude|year|seed|max|ppm))`", read_page(PAGE)))
    assert len(named) >= 5
    assert named <= set(World.__struct_fields__)
