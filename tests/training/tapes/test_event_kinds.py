"""Which events a tape can tell."""

import msgspec
import pytest

from instant_credit.outcome.events import EventKind
from instant_credit.training.tapes.parts import EventRule

UNTOLD = {EventKind.DAYS_PAST_DUE, EventKind.VOID}


def convert(kind: EventKind) -> EventRule:
    told = {"kind": kind.value, "when": {"column": "status", "is_one_of": ["x"]}, "event_on": {}, "known_on": {}}
    return msgspec.convert(told, EventRule)


@pytest.mark.parametrize("kind", sorted(set(EventKind) - UNTOLD))
def test_a_tape_tells_events_that_need_neither_days_nor_names(kind: EventKind) -> None:
    assert convert(kind).kind is kind


@pytest.mark.parametrize("kind", sorted(UNTOLD))
def test_a_mapping_that_asks_for_more_is_refused(kind: EventKind) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"not of kind {kind}"):
        convert(kind)
