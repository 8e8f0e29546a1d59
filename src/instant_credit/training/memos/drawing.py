"""Drawings of a memo: intervals over days and looks, how much is ripe, survival, money of the loss budget."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from instant_credit.experiment.comparing import Compared, MetricReading
from instant_credit.experiment.readout import ArmExposure, SurvivalReading
from instant_credit.training.report.svg import FAINT, OURS, THEIRS, draw

_WIDE = (9.0, 3.3)


def draw_intervals(
    reading: MetricReading, compared: Compared, started_on: date, name: str, effect: float | None
) -> Markup:
    """Difference and interval over days since the start, the planned looks among them.

    Parameters
    ----------
    name : tells the drawing apart from others of its page.
    effect : the gain worth finding, drawn on its own side of nought; None = none is drawn.
    """
    course = compared.course
    known = [at for at, low in enumerate(course.lower) if low is not None]

    def paint(axes: Axes) -> None:
        days = np.array([(course.days[at] - started_on).days for at in known], dtype=np.float64)
        axes.axhline(0.0, color=FAINT, linewidth=1.2)
        if effect is not None:
            axes.axhline(effect, color=FAINT, linewidth=1.2, dashes=(4, 3))
        if known:
            lower, upper = (
                np.array([ends[at] for at in known], dtype=np.float64) for ends in (course.lower, course.upper)
            )
            middle = np.array([course.differences[at] for at in known], dtype=np.float64)
            axes.fill_between(days, lower, upper, color=OURS, alpha=0.14, linewidth=0.0)
            axes.plot(days, middle, color=OURS, linewidth=1.8, label="every day")
        looks = [look for look in compared.looks if look.lower is not None and look.difference is not None]
        if looks:
            places = np.array([(look.on - started_on).days for look in looks], dtype=np.float64)
            middles = np.array([look.difference for look in looks], dtype=np.float64)
            ends = np.array([(look.lower, look.upper) for look in looks], dtype=np.float64)
            axes.errorbar(places, middles, yerr=np.abs(ends.T - middles), fmt="o", color=THEIRS, label="planned looks")
        axes.set(xlabel="days since the start", ylabel=f"{reading.name}, less the control")
        _say_unit(axes, is_money=reading.kind in ("loss", "profit"))
        if known or looks:
            axes.legend(loc="best")

    label = f"Difference in {reading.name} of {compared.arm} from the control over days, with its interval; the table holds the figures."
    return draw(paint, name, label, _WIDE)


def draw_maturity(readings: Sequence[MetricReading], name: str) -> Markup:
    """Ripe units of those that were exposed, by metric and arm."""

    def paint(axes: Axes) -> None:
        rows = [(f"{reading.name}, {arm.arm}", arm.exposed, arm.ripe) for reading in readings for arm in reading.arms]
        places = np.arange(len(rows), dtype=np.float64)[::-1]
        axes.barh(places, [exposed for _, exposed, _ in rows], color=FAINT, height=0.6, label="exposed")
        axes.barh(places, [ripe for *_, ripe in rows], color=OURS, height=0.6, label="ripe")
        axes.set_yticks(places, [row for row, _, _ in rows])
        axes.set(xlabel="units")
        axes.legend(loc="best")

    height = 1.0 + 0.3 * sum(len(reading.arms) for reading in readings)
    return draw(paint, name, "Units that were exposed and those that are ripe, by metric and arm.", (9.0, height))


def draw_survival(reading: SurvivalReading, name: str) -> Markup:
    """Shares without default by months since the first exposure, of the control and the arm."""

    def paint(axes: Axes) -> None:
        for curve, colour, whose in ((reading.control, THEIRS, "control"), (reading.curve, OURS, reading.arm)):
            axes.step(range(len(curve) + 1), (1.0, *curve), where="post", color=colour, linewidth=1.8, label=whose)
        axes.set(xlabel="months since the first exposure", ylabel=f"without {reading.metric}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
        axes.legend(loc="best")

    label = f"Shares without {reading.metric} by months since the first exposure, {reading.arm} and control."
    return draw(paint, name, label, _WIDE)


def draw_spending(exposure: Sequence[ArmExposure], budget: int | None, name: str) -> Markup:
    """Expected loss that each arm reserved by day, beside the budget."""

    def paint(axes: Axes) -> None:
        for place, arm in enumerate(exposure):
            days = np.arange(len(arm.reserved_by_day), dtype=np.float64)
            money = np.array(arm.reserved_by_day, dtype=np.float64)
            axes.plot(
                days,
                money,
                color=THEIRS if place == 0 else OURS,
                linewidth=1.8,
                alpha=1.0 / max(1, place),
                label=arm.arm,
            )
        if budget is not None:
            axes.axhline(float(budget), color=FAINT, linewidth=1.6, dashes=(4, 3), label="loss budget of an arm")
        axes.set(xlabel="days since the start", ylabel="cents reserved", ylim=(0, None))
        _say_unit(axes, is_money=True)
        axes.legend(loc="best")

    return draw(paint, name, "Expected loss reserved by arm and day on the champion's pd, beside the budget.", _WIDE)


def _say_unit(axes: Axes, *, is_money: bool) -> None:
    if is_money:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    else:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
