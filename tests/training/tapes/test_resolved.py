"""Whether a tape's loans can be trained on, told where they are counted."""

import pytest

from instant_credit.training.tapes.resolved import TRAINABLE_MIN, Resolved


@pytest.mark.parametrize(
    ("goods", "bads", "told"),
    [
        (0, 0, "no loan is resolved"),
        (500, 0, "every resolved loan is good"),
        (0, 500, "every resolved loan is bad"),
        (500, TRAINABLE_MIN - 1, "training needs 40 good and 40 bad"),
        (TRAINABLE_MIN - 1, 500, "training needs 40 good and 40 bad"),
    ],
)
def test_loans_that_no_model_can_be_trained_on_say_why(goods: int, bads: int, told: str) -> None:
    fault = Resolved(goods=goods, bads=bads, unresolved=7).fault
    assert fault is not None
    assert told in fault


def test_enough_of_both_kinds_is_no_fault() -> None:
    assert Resolved(goods=TRAINABLE_MIN, bads=TRAINABLE_MIN).fault is None


def test_counts_add_up() -> None:
    both = Resolved(goods=1, bads=2, unresolved=3) + Resolved(goods=10, bads=20, unresolved=30)
    assert both == Resolved(goods=11, bads=22, unresolved=33)
