"""Where pd turns from approve to refer to decline, out of shares of the book."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from instant_credit.policy.document import CutOffs
from instant_credit.policy.drafting.assumptions import APPROVE_SHARE_MIN, Assumptions
from instant_credit.policy.drafting.book import BookRisk, weighted_quantile
from instant_credit.units import PPM

# A referral band of at least a fiftieth of the cut-off, so that rounding can't close it.
_BAND_MIN: Final = 50
# Cut-offs are rounded to this step from the pd beside it on.
_STEPS: Final = ((20_000, 1_000), (2_000, 100), (200, 10))


class ChosenCutOffs(Struct, frozen=True, kw_only=True):
    """Cut-offs and what moved them away from the shares: the price cap, or the reference population of the release's reasons."""

    cut_offs: CutOffs
    is_lowered_by_cap: bool
    is_raised_by_reference: bool


def choose_cut_offs(
    risk: BookRisk, assumptions: Assumptions, *, pd_ppm_at_cap: float, decline_ppm_min: Callable[[int], int]
) -> ChosenCutOffs:
    """Cut-offs at the assumed shares of the book.

    Parameters
    ----------
    pd_ppm_at_cap : the pd whose price is the highest lawful one; infinite where nothing is priced.
    decline_ppm_min : the lowest decline_from_ppm with which a release can give reasons, for an approve_below_ppm.
    """
    lowest, highest = int(risk.pds_ppm.min()), int(risk.pds_ppm.max())
    by_share = round_pd(weighted_quantile(risk.pds_ppm, risk.weights, assumptions.approve_share) + 1)
    approve = min(max(by_share, lowest + 1), highest)
    by_cap = min(round_pd(pd_ppm_at_cap), PPM) if pd_ppm_at_cap < PPM else PPM
    is_lowered = by_cap < approve and risk.share_below(by_cap) >= APPROVE_SHARE_MIN
    if is_lowered:
        approve = by_cap
    declined = weighted_quantile(risk.pds_ppm, risk.weights, 1 - assumptions.decline_share)
    least = max(approve + max(approve // _BAND_MIN, 1), 2)
    decline = min(max(round_pd(declined + 1), least), PPM - 1)
    due = decline_ppm_min(approve)
    is_raised = due > decline
    return ChosenCutOffs(
        cut_offs=CutOffs(approve_below_ppm=approve, decline_from_ppm=max(decline, due)),
        is_lowered_by_cap=is_lowered,
        is_raised_by_reference=is_raised,
    )


def round_pd(pd_ppm: float) -> int:
    """`pd_ppm` as a person would write it: steps of a tenth of a percent, finer for small ones; at least 1."""
    step = next((step for least, step in _STEPS if pd_ppm >= least), 1)
    return max(round(pd_ppm / step) * step, 1)
