"""What exploration teaches about whom nobody lent to, against the truth, and what it costs."""

import numpy as np
import pytest
from scipy import stats

from tests.budget import IS_PROVING
from tests.training.selective import PROGRAMME, Told, Years

SEEDS = range(20 if IS_PROVING else 2)
SHARES_PPM = (0, 10_000, 30_000, 50_000) if IS_PROVING else (0, 30_000)


def find_gain(with_it: list[float], without: list[float]) -> tuple[float, float, float]:
    """Mean of the paired differences and the ends of its 95% interval."""
    gains = np.subtract(with_it, without)
    low, high = stats.t.interval(0.95, len(gains) - 1, loc=gains.mean(), scale=stats.sem(gains))
    return float(gains.mean()), float(low), float(high)


@pytest.mark.prove
@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_three_percent_of_exploration_earn_more_than_none_and_cost_less_than_the_cap():
    told: dict[int, list[Told]] = {share: [] for share in SHARES_PPM}
    for seed in SEEDS:
        years = Years(seed)
        for share in SHARES_PPM:
            told[share].append(years.learn(share))
            print(f"seed {seed}, {share / 10_000:.0f}%: {told[share][-1]}", flush=True)
    none, three = told[0], told[30_000]
    for share, lives in told.items():
        means = {name: np.mean([getattr(one, name) for one in lives]) for name in Told.__struct_fields__}
        print(f"{share / 10_000:.0f}%:", ", ".join(f"{name} {mean:,.4f}" for name, mean in means.items()))
    figures = {
        "recall": find_gain([one.recall for one in three], [one.recall for one in none]),
        "recall_at_share": find_gain([one.recall_at_share for one in three], [one.recall_at_share for one in none]),
        "miss": find_gain([-abs(one.miss) for one in three], [-abs(one.miss) for one in none]),
        "profit_cents": find_gain([one.profit_cents for one in three], [one.profit_cents for one in none]),
    }
    for name, (mean, low, high) in figures.items():
        print(f"gain of 3% in {name}: {mean:,.4f} [{low:,.4f}, {high:,.4f}]")
        assert (low if IS_PROVING else mean) > 0, name
    for lives in told.values():
        for one in lives:
            assert max(one.cost_cents, one.lost_cents) <= one.reserved_cents <= PROGRAMME["cap_cents"]
