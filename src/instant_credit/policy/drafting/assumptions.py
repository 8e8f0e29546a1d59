"""What a draft has to assume, because no book tells it; every one of these stands in the draft as a comment."""

import math
from typing import Final

from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.units import PPM

BANDS: Final = 5
# A cap on prices may lower the approvals to this share of the book; below it the draft keeps to the share that was asked for and says so.
APPROVE_SHARE_MIN: Final = 0.10
PRICE_STEP_PPM: Final = 1_000


class Assumptions(Struct, frozen=True, kw_only=True):
    """Shares of the book and the economics of a loan; rates in ppm a year.

    Attributes
    ----------
    approve_share, decline_share : parts of the book, by weight, that the cut-offs approve (the safest) and decline (the riskiest);
        what lies between is referred.
    loss_given_default_ppm : part of the amount lent that is lost when a loan goes bad.
    losses_hash : the loss table that tells it; None = it is assumed.
    losses_by : the attribute by whose categories the table tells it, each of which is then priced by what it loses; None = all alike.
    cost_ppm : funding and operation, a year, of what is outstanding.
    margin_ppm : profit, likewise.
    apr_ppm_max : the cap on prices. 36% is the cap of the US Military Lending Act (10 USC 987(b)); another law may set another.
    instalment_to_income_ppm_max : largest part of monthly income that the instalment may take.
    """

    approve_share: float = 0.60
    decline_share: float = 0.25
    loss_given_default_ppm: int = 600_000
    losses_hash: str | None = None
    losses_by: str | None = None
    cost_ppm: int = 80_000
    margin_ppm: int = 30_000
    apr_ppm_max: int = 360_000
    instalment_to_income_ppm_max: int = 350_000

    def __post_init__(self) -> None:
        """Refused with everything that is wrong at once."""
        shares_fit = self.approve_share + self.decline_share <= 1
        problems = [
            text
            for text, is_right in (
                ("the share to approve must lie above 0% and below 100%", 0 < self.approve_share < 1),
                ("the share to decline must lie from 0% to below 100%", 0 <= self.decline_share < 1),
                ("the shares to approve and to decline must not add up to more than 100%", shares_fit),
                ("the loss given default must lie from 0% to 100%", 0 <= self.loss_given_default_ppm <= PPM),
                ("costs and margin cannot be negative", min(self.cost_ppm, self.margin_ppm) >= 0),
                ("the largest APR must lie from 0% to 100%", 0 <= self.apr_ppm_max <= PPM),
                ("the part of income must lie from 0% to 100%", 0 <= self.instalment_to_income_ppm_max <= PPM),
                (
                    "costs and margin alone are above the largest APR",
                    self.cost_ppm + self.margin_ppm <= self.apr_ppm_max,
                ),
            )
            if not is_right
        ]
        if problems:
            raise Refused("\n".join(["policy draft:", *(f"- {text}" for text in problems)]))

    def price_ppm(self, pd_ppm: float, term_months: int) -> int:
        """The APR at which the expected loss of a loan with this pd is earned over its term, rounded up and not above the cap.

        A level loan of n months is outstanding on average for (n + 1) / 24 years of its amount, so a loss of pd x LGD of the amount
        costs pd x LGD x 24 / (n + 1) of the balance a year.
        """
        exact = self.base_apr_ppm + self.loss_apr_ppm(pd_ppm, term_months)
        return min(-(-exact // PRICE_STEP_PPM) * PRICE_STEP_PPM, self.apr_ppm_max)

    def unbounded_price_ppm(self, pd_ppm: float, term_months: int) -> float:
        """The same without rounding and cap."""
        return self.base_apr_ppm + self._earn_loss(pd_ppm, term_months)

    @property
    def base_apr_ppm(self) -> int:
        """What every price has beside the expected loss."""
        return self.cost_ppm + self.margin_ppm

    @property
    def prices_segments(self) -> bool:
        """Whether each segment is priced by what it loses; where nothing is lost all are alike."""
        return self.losses_by is not None and self.loss_given_default_ppm > 0

    def loss_apr_ppm(self, pd_ppm: float, term_months: int) -> int:
        """What of the price before rounding and cap earns the expected loss, in whole ppm, rounded up."""
        return math.ceil(self._earn_loss(pd_ppm, term_months))

    def _earn_loss(self, pd_ppm: float, term_months: int) -> float:
        return pd_ppm * self.loss_given_default_ppm / PPM * 24 / (term_months + 1)

    def pd_ppm_at_cap(self, term_months: int) -> float:
        """The pd whose price is the cap; infinite when nothing is lost."""
        left = self.apr_ppm_max - self.base_apr_ppm
        if self.loss_given_default_ppm == 0:
            return math.inf
        return left * PPM / self.loss_given_default_ppm * (term_months + 1) / 24
