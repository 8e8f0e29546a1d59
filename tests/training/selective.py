"""A lender whose score declines what it never understood, a year of lending with and without exploration, and a model made of it.

    year 1: score ─► approved | zone: approved by chance | beyond ─► loans ─► 12 months later: labels, propensities ─► model
    year 2: everybody who applies ─► the model's pds, and what is true of them

The preset was fixed on seeds 500 to 504; the proof runs on others. The score weighs short files and used-up lines so much that of neither enough
are approved: there a model of approvals alone has nothing to go by.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.document import load_product
from instant_credit.application.product import AttributeType, Product
from instant_credit.experiment.exploration import Programme, explore_by, read_programme, reserve_cents
from instant_credit.features.build import build_features
from instant_credit.features.program import FeatureProgram, compile_features
from instant_credit.market.applicants import Applicants, draw_applicants
from instant_credit.market.instalments import Offers, offer_as_asked
from instant_credit.market.loans import Loans, live_loans
from instant_credit.market.truth import Truth, draw_truth
from instant_credit.market.world import YEAR_DAYS, World
from instant_credit.record.shipped import read_starter
from instant_credit.training.dataset import list_columns
from instant_credit.training.fitting.fit import FitParameters, fit_model
from instant_credit.training.selection_bias import weight_by_exploration
from instant_credit.units import Cents, Ppm

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

APPLICATIONS: Final = 73_000
JUDGED: Final = 20_000
PRICE: Final = Ppm(180_000)
DECLINE_FROM: Final = 0.15
# Of all who apply, so many are approved where models are compared at one share.
APPROVED_SHARE: Final = 0.7
PARAMETERS: Final = FitParameters(iterations=120, depth=3, learning_rate=0.06, l2_leaf_reg=200.0, threads=1)
PROGRAMME: Final = {
    "pd_floor_ppm": 700_000,
    "amount_cents_max": 1_000_000,
    "lost_ppm": 900_000,
    "cap_cents": 1_200_000_000,
    "starts_on": date(2024, 1, 1),
    "ends_on": date(2024, 12, 31),
}


class Told(Struct, frozen=True, kw_only=True):
    """What a year of lending taught, and what it cost.

    Attributes
    ----------
    recall : of all defaults that year 2 would bring, the share that the model declines at its cut-off.
    recall_at_share : the same where the best `APPROVED_SHARE` are approved.
    miss : by how much the mean pd of whom the old score declines lies above their true one.
    profit_cents : of year 2 by application, with the model deciding at its cut-off.
    loans, cost_cents, lost_cents, reserved_cents : of the explored loans of year 1; the cost is what they lost net of what they earned.
    """

    recall: float
    recall_at_share: float
    miss: float
    profit_cents: float
    loans: int
    cost_cents: int
    lost_cents: int
    reserved_cents: int


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Applicants of a year, and what the lender's old score and a model's variables say of them."""

    applicants: Applicants
    truth: Truth
    pds: Floats
    matrix: NDArray[np.float32]


class Years:
    """Two years of one world; year 2 is lived in the whole, for judging only."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed=seed, hidden_seed=seed)
        self.first = self._see(0, APPLICATIONS)
        self.second = self._see(APPLICATIONS, JUDGED)
        self.brought = self._live(
            self.second, np.full(JUDGED, True), offer_as_asked(self.second.applicants, PRICE)
        ).profit_cents

    def learn(self, share_ppm: int) -> Told:
        """Lend for a year with so much exploration, and judge the model that comes of it; 0 = none."""
        zone = (self.first.pds >= DECLINE_FROM) & (self.first.pds < PROGRAMME["pd_floor_ppm"] / 1e6)
        explored = np.full(APPLICATIONS, False)
        reserved = 0
        offers = offer_as_asked(self.first.applicants, PRICE)
        if share_ppm:
            programme = write_programme(share_ppm)
            explored[zone] = draw_persons(programme, self.first.applicants.persons[zone])
            offers.amounts[explored] = np.minimum(offers.amounts[explored], programme.amount_cents_max)
            reserved = sum(reserve_cents(programme, Cents(one)) for one in offers.amounts[explored].tolist())
        loans = self._live(self.first, (self.first.pds < DECLINE_FROM) | explored, offers)
        pds = self._fit(loans, np.where(explored, share_ppm / 1e6, 1.0))
        return self._judge(pds, loans, explored, reserved)

    def _fit(self, loans: Loans, propensities: Floats) -> Floats:
        """Pds of year 2's applicants by a model of year 1's loans, each told bad if it defaulted within twelve months."""
        rows = loans.taken
        labels = ((loans.default_months > 0) & (loans.default_months <= 12)).astype(np.int8)[rows]
        weights = weight_by_exploration(np.ones(len(labels)), propensities[rows])
        fitted = fit_model(self.first.matrix[rows], labels, list_columns(product()), PARAMETERS, weights=weights)
        return 1.0 / (1.0 + np.exp(-fitted.score(self.second.matrix)))

    def _judge(self, pds: Floats, loans: Loans, explored: Mask, reserved: int) -> Told:
        true = self.second.truth.pds
        was_declined = self.second.pds >= DECLINE_FROM
        best = np.argsort(pds, kind="stable")[: int(APPROVED_SHARE * JUDGED)]
        return Told(
            recall=float(true[pds >= DECLINE_FROM].sum() / true.sum()),
            recall_at_share=float(1.0 - true[best].sum() / true.sum()),
            miss=float((pds - true)[was_declined].mean()),
            profit_cents=float(self.brought[pds < DECLINE_FROM].sum() / JUDGED),
            loans=int((loans.taken & explored).sum()),
            cost_cents=-int(loans.profit_cents[explored].sum()),
            lost_cents=int(loans.loss_cents[explored].sum()),
            reserved_cents=reserved,
        )

    def _see(self, first: int, count: int) -> Seen:
        applicants = draw_applicants(self.world, first, count)
        return Seen(applicants, draw_truth(self.world, applicants), score_by_hand(applicants), lay_out(applicants))

    def _live(self, seen: Seen, approved: Mask, offers: Offers) -> Loans:
        return live_loans(self.world, seen.applicants, seen.truth, approved, offers)


def write_programme(share_ppm: int) -> Programme:
    """The shipped programme with the preset's limits."""
    changed = {"share_ppm": share_ppm, **PROGRAMME}
    lines = read_starter("explorations", "personal_loan").splitlines()
    kept = [line for line in lines if line.partition(" =")[0] not in changed]
    return read_programme("\n".join([*kept, *(f"{name} = {value}" for name, value in changed.items())]))


def draw_persons(programme: Programme, persons: NDArray[np.int64]) -> Mask:
    """Whom the programme draws."""
    explore = explore_by("selective-labels", programme)
    return np.array([explore(person.to_bytes(32, "big")).is_drawn for person in persons.tolist()], dtype=np.bool_)


def score_by_hand(applicants: Applicants) -> Floats:
    """The old score's pds: no line that is used up and no short file gets far."""
    facts = applicants.columns
    years = (applicants.applied_days - facts["earliest_credit_on"]) / YEAR_DAYS
    odds = -2.4 + 3.0 * np.maximum(facts["revolving_utilisation"] - 0.55, 0.0) / 0.45 + 0.35 * facts["inquiries_6m"]
    odds += 0.5 * facts["delinquencies_2y"] + 2.0 * (years < 4)
    return 1.0 / (1.0 + np.exp(-odds))


@cache
def product() -> Product:
    return load_product(read_starter("products", "personal_loan"))


@cache
def program() -> FeatureProgram:
    return compile_features(product())


def lay_out(applicants: Applicants) -> NDArray[np.float32]:
    """The model's variables of each applicant; what the market does not tell is missing."""
    packed = np.empty((len(applicants), program().columns))
    for place, attribute in enumerate(product().case_attributes):
        is_category = attribute.type is AttributeType.CATEGORY
        column = applicants.columns.get(attribute.name)
        packed[:, place] = (-1.0 if is_category else np.nan) if column is None else column
        if attribute.type is AttributeType.INTEGER:
            packed[packed[:, place] < 0, place] = np.nan
    packed[:, -1] = applicants.applied_days
    return build_features(program(), packed).model
