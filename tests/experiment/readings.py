"""Frozen experiments for tests: units drawn day by day from one seed, added up as the record adds them up."""

from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.random import PCG64, Generator

from instant_credit.canonical import hash_content
from instant_credit.experiment.frozen import Closing, DayCounts, DaySums, Frozen, Hazard
from instant_credit.experiment.plan import Plan, encode_plan
from instant_credit.experiment.sums import Sums
from instant_credit.units import PPM

START = date(2025, 1, 6)
CATEGORIES = ("own", "rent")


def freeze(
    plan: Plan,
    *,
    days: int,
    per_day: int = 100,
    rates: tuple[float, ...] = (0.08, 0.08),
    seed: int = 1,
    entry_days: int | None = None,
    start: date = START,
    **changes: Any,
) -> Frozen:
    """An experiment as of its day `days`: every metric is a share whose chance by arm is `rates`, times 1,000 cents where it is money.

    Every unit is one application; its champion's pd tells something of its outcome.
    """
    rng = Generator(PCG64(seed))
    shares = np.array([arm.share_ppm for arm in plan.arms]) / PPM
    sums: list[DaySums] = []
    counts: list[DayCounts] = []
    months: dict[tuple[int, int, int], tuple[int, int]] = {}
    for day in range(days):
        n = per_day if day < (days if entry_days is None else entry_days) else 0
        arms, pds, homes, luck = (
            rng.choice(len(shares), n, p=shares),
            rng.beta(1, 4, n),
            rng.integers(0, 2, n),
            rng.random(n),
        )
        for arm in range(len(shares)):
            is_arm = arms == arm
            is_bad = is_arm & (luck < np.minimum(1.0, rates[arm] * 5.0 * pds))
            for segment, category in ((-1, -1), (0, 0), (0, 1)):
                here = is_arm if segment < 0 else is_arm & (homes == category)
                units = int(here.sum())
                counts.append(
                    DayCounts(
                        day_on=start + timedelta(days=day),
                        segment=segment,
                        category=category,
                        arm=arm,
                        applications=units,
                        units=units,
                        offers=units,
                        unit_offers=units,
                        reserved_cents=units * 1_000,
                    )
                )
                for place, metric in enumerate(plan.metrics):
                    scale = 1_000.0 if metric.kind.is_money else 1.0
                    if units and day + metric.ripe_days < days:
                        sums.append(
                            DaySums(
                                metric=place,
                                segment=segment,
                                category=category,
                                arm=arm,
                                ripe_on=start + timedelta(days=day + metric.ripe_days),
                                sums=add_up(np.where(is_bad, scale, 0.0)[here], np.round(pds[here] * PPM)),
                                hits=0.0 if metric.kind.is_money else float(is_bad[here].sum()),
                            )
                        )
            for month in range(1, 13):
                if day + 30 * month < days:
                    known, gone = months.get((0, arm, month), (0, 0))
                    months[0, arm, month] = known + int(is_arm.sum()), gone + int(is_bad.sum()) // 12
    return Frozen(
        experiment=1,
        plan_hash=hash_content(encode_plan(plan)),
        started_on=start,
        until=start + timedelta(days=days - 1) if days else None,
        categories=(CATEGORIES,) * len(plan.segments),
        sums=tuple(sums),
        counts=tuple(counts),
        hazards=tuple(
            Hazard(metric=metric, arm=arm, month=month, at_risk=known, defaults=gone)
            for (metric, arm, month), (known, gone) in months.items()
        ),
        **changes,
    )


def close(arm: str, day: int, guardrail: str | None = None) -> Closing:
    """The arm closed on a day after the start."""
    return Closing(arm=arm, closed_on=START + timedelta(days=day), guardrail=guardrail)


def add_up(values: Any, covariates: Any) -> Sums:
    """Sums of units of one application each."""
    y, x = np.asarray(values, dtype=np.float64), np.asarray(covariates, dtype=np.float64)
    return Sums(
        units=len(y),
        s=float(len(y)),
        y=float(y.sum()),
        x=float(x.sum()),
        ss=float(len(y)),
        sy=float(y.sum()),
        sx=float(x.sum()),
        yy=float(y @ y),
        yx=float(y @ x),
        xx=float(x @ x),
    )
