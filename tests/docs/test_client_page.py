"""docs/client.md against the client and a real server."""

import inspect
import re

import pytest

from instant_credit.client import failures
from instant_credit.client.attempts import Patience
from instant_credit.client.blocking import Client
from instant_credit.client.doorway import CONNECTIONS_DEFAULT
from instant_credit.settings import PORT_DEFAULT
from tests.docs.test_examples import list_fences, list_words, read_page
from tests.lending import House, anchor_record

PAGE = "client.md"
ADDRESS = f"http://127.0.0.1:{PORT_DEFAULT}"


def test_the_examples_run_one_after_another(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"KEY": house.keys["all"]}
    for fence in list_fences(read_page(PAGE), "python"):
        names["PUBLIC_KEY"] = anchor_record(house.environ)
        assert ADDRESS in fence or "import" in fence
        exec(fence.replace(ADDRESS, house.server.address), names)  # noqa: S102 fences of our own documentation
    said = capsys.readouterr().out
    assert "/facts/term_months VALUE_ABOVE_MAXIMUM" in said
    assert "try again later" not in said


def test_every_call_is_documented_and_no_other() -> None:
    calls = {name for name, one in vars(Client).items() if inspect.isfunction(one) and not name.startswith("_")}
    rows = re.findall(r"^\| (`\w+\([^|]*) \|", read_page(PAGE), re.MULTILINE)
    table = {name for row in rows for name in re.findall(r"`(\w+)\(", row)}
    assert table == calls - {"close"}


def test_every_failure_is_documented() -> None:
    kinds = {
        name
        for name, one in vars(failures).items()
        if isinstance(one, type) and issubclass(one, failures.CallFailed) and one.__module__ == failures.__name__
    }
    assert kinds <= list_words(PAGE)


def test_the_patience_shown_is_the_one_that_holds() -> None:
    shown = dict(re.findall(r"^\| `([a-z_]+)` \| ([\d.]+) \|", read_page(PAGE), re.MULTILINE))
    own = Patience()
    assert {name: float(value) for name, value in shown.items()} == {
        name: float(getattr(own, name)) for name in Patience.__struct_fields__
    }
    assert f"({CONNECTIONS_DEFAULT})" in read_page(PAGE)
