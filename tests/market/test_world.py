"""A world's parameters lie within their bounds."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from instant_credit.market.world import World
from instant_credit.units import date_from_days


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "seed lies"),
        ({"hidden_seed": 2**48}, "hidden_seed lies"),
        ({"return_share": 1.1}, "return_share lies"),
        ({"cure_share": float("nan")}, "cure_share lies"),
        ({"hidden_sd": -0.1}, "hidden_sd is not negative"),
        ({"applications_per_day": 1}, "applications_per_day lies"),
        ({"return_days": 13}, "return_days lies"),
        ({"reporting_days_max": 31}, "reporting_days_max is at most"),
        ({"funding_apr_ppm": 1_000_001}, "an apr is at most"),
    ],
)
def test_what_lies_out_of_bounds_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        World(**{"seed": 1, **wrong})


def test_a_day_has_its_applicants() -> None:
    world = World(seed=1, first_on=date(2024, 1, 1), applications_per_day=50)
    assert world.number_of_day(date(2024, 1, 3)) == 100
    assert world.number_of_day(date(2023, 1, 3)) == 0
    days = world.apply_on(np.array([99, 100, 149, 150]))
    assert [date_from_days(int(day)) for day in days] == [date(2024, 1, day) for day in (2, 3, 3, 4)]
