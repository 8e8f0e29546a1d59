import msgspec
import pytest

from instant_credit.decision.release import ENGINES
from tests.golden.corpus import decide_corpus, decisions_path


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_decides_the_golden_cases_as_ever(engine: int) -> None:
    assert decide_corpus(engine) == decisions_path(engine).read_bytes().splitlines()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_golden_cases_meet_every_outcome(engine: int) -> None:
    lines = decisions_path(engine).read_bytes().splitlines()
    assert {msgspec.json.decode(line)["decision"]["outcome"] for line in lines} == {
        "approve",
        "counter_offer",
        "refer",
        "decline",
    }
