import msgspec

from tests.golden.corpus import DECISIONS, decide_corpus


def test_the_engine_decides_the_golden_cases_as_ever() -> None:
    assert decide_corpus() == DECISIONS.read_bytes().splitlines()


def test_the_golden_cases_meet_every_outcome() -> None:
    outcomes = {msgspec.json.decode(line)["decision"]["outcome"] for line in DECISIONS.read_bytes().splitlines()}
    assert outcomes == {"approve", "counter_offer", "refer", "decline"}
