"""The sample-ratio check of a readout, replayed over all frozen days: what was once found stays found. Pure.

An arm that is closed takes nobody from then on, so the plan's shares hold among the arms that are open. The days are cut into spans with the
same open arms; days on which an arm was closed belong to none. Every span is checked apart, with its part of the error: there are at most as
many with two open arms or more as there are arms beside the control.

Who is exposed is in the books by the same commit, so assigned and exposed are one figure here; recorded is lower by the units that were exposed
long enough ago to be ripe for the plan's fastest metric and are not in its sums.
"""

from datetime import date
from itertools import pairwise

import numpy as np
from msgspec import Struct

from instant_credit.experiment.frozen import Counts, Frozen
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.ratios import ALPHA, ArmCounts, Check, Ratios, check_ratios
from instant_credit.units import PPM


class RatioCheck(Struct, frozen=True, kw_only=True):
    """Counts by arm of a stage and segment ("" = everybody), the always-valid chance of them, and from which chance down it blocks."""

    stage: str
    segment: str
    counts: tuple[int, ...]
    chance: float
    alpha: float
    has_failed: bool


class Span(Struct, frozen=True, kw_only=True):
    """Checks over the units that came in on the days from `from_on` to `until_on`, when these arms were open.

    `findings` are what no chance explains, in words.
    """

    from_on: date
    until_on: date
    arms: tuple[str, ...]
    checks: tuple[RatioCheck, ...]
    findings: tuple[str, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether it forbids a verdict."""
        return bool(self.findings) or any(check.has_failed for check in self.checks)


class Sampling(Struct, frozen=True, kw_only=True):
    """Whether the arms hold the shares that the plan gave them; `alpha` is the chance that a sound experiment is ever blocked."""

    alpha: float
    is_blocked: bool
    spans: tuple[Span, ...]
    words: str


_Cells = dict[str, tuple[Counts, Counts, Counts]]
_Days = tuple[int, int]


def check_sampling(plan: Plan, frozen: Frozen, alpha: float = ALPHA) -> Sampling:
    """The check as of the last frozen day."""
    spans: list[Span] = []
    fastest = min(range(len(plan.metrics)), key=lambda at: plan.metrics[at].ripe_days)
    ripe_days = plan.metrics[fastest].ripe_days
    cells = _count_cells(plan, frozen, fastest)
    for first, last, places in _split_days(plan, frozen):
        total = sum(plan.arms[place].share_ppm for place in places)
        shares = [plan.arms[place].share_ppm * PPM // total for place in places]
        # What rounding leaves goes to the control, so that shares add up; less than a millionth an arm.
        shares[0] += PPM - sum(shares)
        own = {name: (came[:, places], lost[:, places], crossed) for name, (came, lost, crossed) in cells.items()}
        ratios = _replay(tuple(shares), own, (first, last), ripe_days, alpha / (len(plan.arms) - 1))
        spans.append(
            Span(
                from_on=frozen.day(first),
                until_on=frozen.day(last),
                arms=tuple(plan.arms[place].name for place in places),
                checks=tuple(_tell_check(check) for check in ratios.checks),
                findings=tuple(f"{one.contradiction}{_within(one.segment)}" for one in ratios.findings),
            )
        )
    is_blocked = any(span.is_blocked for span in spans)
    return Sampling(alpha=alpha, is_blocked=is_blocked, spans=tuple(spans), words=_tell(spans, is_blocked))


def _count_cells(plan: Plan, frozen: Frozen, fastest: int) -> _Cells:
    """By segment, "" for everybody: exposed, lost and crossed units, int64[days, arms] each; lost ones by the day of their exposure."""
    ripe_days = plan.metrics[fastest].ripe_days
    ripe: dict[tuple[int, int], Counts] = {}
    for one in frozen.sums:
        if one.metric == fastest:
            held = ripe.setdefault((one.segment, one.category), np.zeros((frozen.days, len(plan.arms)), dtype=np.int64))
            held[frozen.place(one.ripe_on) - ripe_days, one.arm] += one.sums.units
    found: _Cells = {}
    settled = max(0, frozen.days - ripe_days)
    for segment, category, name in [(-1, -1, ""), *frozen.cells(plan)]:
        exposed = frozen.count(plan, "units", segment, category)
        lost = exposed - ripe.get((segment, category), np.zeros_like(exposed))
        lost[settled:] = 0
        found[name] = exposed, lost, frozen.count(plan, "units_in_two_arms", segment, category)
    return found


def _split_days(plan: Plan, frozen: Frozen) -> list[tuple[int, int, list[int]]]:
    """Spans of days with the same open arms, at least two of them: first and last day since the start, places of the arms."""
    closed = {one.arm: frozen.place(one.closed_on) for one in frozen.closings}
    edges = sorted({-1, *closed.values(), frozen.days})
    spans = []
    for before, after in pairwise(edges):
        open_arms = [place for place, arm in enumerate(plan.arms) if closed.get(arm.name, frozen.days) >= after]
        if after - before > 1 and len(open_arms) > 1:
            spans.append((max(0, before + 1), after - 1, open_arms))
    return spans


def _replay(shares: tuple[int, ...], cells: _Cells, span: _Days, ripe_days: int, alpha: float) -> Ratios:
    """The check as it stands on the last day, each day's handed on to the next."""
    days = next(iter(cells.values()))[0].shape[0]
    courses = {name: _accumulate(counts, span, ripe_days) for name, counts in cells.items()}
    ratios: Ratios | None = None
    seen: dict[str, ArmCounts] = {}
    for day in range(span[0], days):
        now = {
            name: ArmCounts(
                assigned=tuple(exposed[day].tolist()),
                exposed=tuple(exposed[day].tolist()),
                recorded=tuple((exposed[day] - lost[day]).tolist()),
                crossed=int(crossed[day]),
            )
            for name, (exposed, lost, crossed) in courses.items()
        }
        if now == seen and ratios is not None:
            continue
        seen = now
        ratios = check_ratios(shares, now[""], {k: v for k, v in now.items() if k}, alpha=alpha, before=ratios)
    assert ratios is not None
    return ratios


def _accumulate(counts: tuple[Counts, Counts, Counts], span: _Days, ripe_days: int) -> tuple[Counts, Counts, Counts]:
    """Exposed and lost units int64[days, arms] and crossed ones int64[days], of the span's cohorts as known at the end of each day."""
    exposed, lost, crossed = counts
    is_own = np.zeros(exposed.shape[0], dtype=bool)
    is_own[span[0] : span[1] + 1] = True
    came = np.cumsum(np.where(is_own[:, None], exposed, 0), axis=0)
    gone = np.cumsum(np.where(is_own[:, None], lost, 0), axis=0)
    known = np.zeros_like(gone)
    known[ripe_days:] = gone[: max(0, gone.shape[0] - ripe_days)]
    return came, known, np.cumsum(crossed.sum(axis=1))


def _tell_check(check: Check) -> RatioCheck:
    return RatioCheck(
        stage=check.stage,
        segment=check.segment,
        counts=check.counts,
        chance=check.chance,
        alpha=check.alpha,
        has_failed=check.has_failed,
    )


def _tell(spans: list[Span], is_blocked: bool) -> str:
    if not spans:
        return "Nobody has been counted yet."
    if not is_blocked:
        return "The arms hold their planned shares at every stage and in every segment."
    told: list[str] = []
    for span in spans:
        told += span.findings
        told += [
            f"{check.stage} units{_within(check.segment)} are {' : '.join(map(str, check.counts))} "
            f"(chance {check.chance:.2g}, at most {check.alpha:.2g} blocks)"
            for check in span.checks
            if check.has_failed
        ]
    return "The arms do not hold their planned shares: " + "; ".join(told) + "."


def _within(segment: str) -> str:
    return f" in {segment}" if segment else ""
