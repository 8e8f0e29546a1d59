"""The contest: candidate and champion over the same loans, scored once for every gate.

    training set, manifest, test_from -> windows: what the candidate was fitted on | what both are judged on
    bundles                           -> raw scores and pds of the loans of both windows

The windows are by date, loans from `test_from` on are judged, or by a share of the persons, as the candidate's training tested. A candidate
whose training reaches into them is not refused here, since then nobody would read why; the gate of leakage says it and stops. A champion
whose training does, as that of one fitted on everything until yesterday, is judged on what it knows; how much of it is told.
"""

from datetime import date
from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.canonical import hash_content
from instant_credit.decision.gate_report import WindowTold
from instant_credit.errors import Refused
from instant_credit.outcome.definition import AS_LAST_SEEN, hash_definition
from instant_credit.score.bundle import Bundle, decode_bundle
from instant_credit.score.model import CompiledModel, compile_model, score_rows
from instant_credit.training.dataset import Loans, TrainingSet
from instant_credit.training.digest import digest_loans
from instant_credit.training.gates.thresholds import Thresholds
from instant_credit.training.manifest import TrainingManifest
from instant_credit.training.plans import ByShare, Rows, divide, recall_plan
from instant_credit.units import date_from_days, days_from_date

Floats = NDArray[np.float64]

# Log-odds are finite on both sides of this.
_PD_MIN = 1e-9


class Contender:
    """A model bundle with its training manifest, scored and compiled when it is first asked for.

    Parameters
    ----------
    bundle_raw : canonical bytes (`score.bundle.encode_bundle`).
    manifest : of the training that the bundle came from; a champion may be without one.

    Raises
    ------
    Refused : the bytes are no bundle, or the manifest is another bundle's.
    """

    def __init__(self, bundle_raw: bytes, manifest: TrainingManifest | None = None) -> None:
        self.bundle: Bundle = decode_bundle(bundle_raw)
        self.bundle_raw = bundle_raw
        self.bundle_hash = hash_content(bundle_raw)
        self.manifest = manifest
        if manifest is not None and manifest.bundle_hash != self.bundle_hash:
            raise Refused(f"the training manifest is of bundle {manifest.bundle_hash}, not of {self.bundle_hash}")

    @cached_property
    def model(self) -> CompiledModel:
        """Compiled path-dependent, as it is proved."""
        return compile_model(self.bundle.tables)

    @property
    def fitted_to(self) -> date | None:
        """The last day of a loan that it was fitted on; None where no manifest tells."""
        return None if self.manifest is None else self.manifest.parts[0].last_on

    def estimate(self, matrix: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Raw scores float64[n] and pds float64[n] in (0, 1) of rows float32[n, m]."""
        matrix = np.ascontiguousarray(matrix)
        raws = score_rows(self.model, matrix)
        _, pds = self.bundle.calibrate(raws, matrix)
        return raws, np.clip(pds, _PD_MIN, 1.0 - _PD_MIN)


class Windows(Struct, frozen=True, kw_only=True, eq=False):
    """Positions int64 of the loans that the candidate was fitted on and of those judged.

    `overlapping` counts loans judged that it was fitted on too. `is_by_date`: those judged are all later than those fitted on, but for these;
    otherwise they are of other persons and the same days.
    """

    test_from: date
    is_by_date: bool
    fit_rows: Rows
    test_rows: Rows
    overlapping: int


def find_windows(loans: TrainingSet, manifest: TrainingManifest, test_from: date | None) -> Windows:
    """What the candidate was fitted on and what is judged.

    Parameters
    ----------
    test_from : loans from this day on are judged; None = as the training's own plan tested.

    Raises
    ------
    Refused : the plan tested no later loans and no day is given, or no loan is left to judge.
    """
    fitted_to = days_from_date(manifest.parts[0].last_on)
    if test_from is None and manifest.plan.kind == "by_share":
        return _take_share(loans, manifest)
    if test_from is None and manifest.plan.test_from is not None:
        test_from = date.fromisoformat(manifest.plan.test_from)
    if test_from is None:
        raise Refused(
            "the candidate was fitted on every loan of its book, in folds: name a day from which on later loans are judged (--test-from)"
        )
    first = days_from_date(test_from)
    is_test = loans.days >= first
    if not is_test.any():
        raise Refused(f"book {loans.book} holds no loan with a known outcome from {test_from} on: name an earlier day")
    return Windows(
        test_from=test_from,
        is_by_date=True,
        fit_rows=np.flatnonzero(~is_test & (loans.days <= fitted_to)),
        test_rows=np.flatnonzero(is_test),
        overlapping=int((is_test & (loans.days <= fitted_to)).sum()),
    )


def _take_share(loans: TrainingSet, manifest: TrainingManifest) -> Windows:
    plan = recall_plan(manifest.plan)
    assert isinstance(plan, ByShare)
    if manifest.training_set != digest_loans(loans):
        raise Refused(
            "the candidate was tested on a share of the persons of its book, and the book holds other loans now, so nobody can say which "
            "of them it has not seen: name a day from which on later loans are judged (--test-from)"
        )
    divided = divide(loans, plan)
    return Windows(
        test_from=date_from_days(int(loans.days[divided.test_rows].min())),
        is_by_date=False,
        fit_rows=divided.fit_rows,
        test_rows=divided.test_rows,
        overlapping=0,
    )


class Seen(Struct, frozen=True, kw_only=True):
    """How many of the loans judged a model was fitted on; where it is not `is_exact`, at most so many."""

    loans: int
    is_exact: bool


def count_seen(contender: Contender, loans: TrainingSet, rows: Rows) -> Seen | None:
    """How many of the loans at `rows` (int64) a model was fitted on, by its training; None where no manifest tells.

    A model tested on a share of the persons was fitted on the others. Where the book holds other loans than then nobody can say whose they
    were, and each loan of its days may be one of them.
    """
    manifest, fitted_to = contender.manifest, contender.fitted_to
    if manifest is None or fitted_to is None:
        return None
    if manifest.book != loans.book:
        return Seen(loans=0, is_exact=True)
    plan = recall_plan(manifest.plan)
    if isinstance(plan, ByShare):
        then, now = manifest.training_set, digest_loans(loans)
        if then is not None and (then.persons, then.days) == (now.persons, now.days):
            return Seen(loans=len(np.intersect1d(divide(loans, plan).fit_rows, rows)), is_exact=True)
    is_reached = loans.days[rows] <= days_from_date(fitted_to)
    return Seen(loans=int(is_reached.sum()), is_exact=not isinstance(plan, ByShare))


class Judged(Struct, frozen=True, kw_only=True, eq=False):
    """One window scored by a contender: raw scores and pds float64[n]."""

    raws: Floats
    pds: Floats


class Contest(Struct, frozen=True, kw_only=True, eq=False):
    """Everything that gates read of loans.

    Attributes
    ----------
    fit, test : the loans of the two windows; `fit` may be empty where the book no longer holds them.
    fit_scored, test_scored : by the candidate. The fit is in sample.
    champion_test : matrix float32[t, m'] of the champion's own variables over the same test loans; None without a champion.
    champion_fit : likewise over the loans of `fit`.
    champion_scored : the test by the champion.
    champion_seen : the loans of the test that the champion was fitted on; None without a champion, or where no manifest tells.
    """

    candidate: Contender
    champion: Contender | None
    thresholds: Thresholds
    loans: TrainingSet
    windows: Windows
    fit: Loans
    test: Loans
    fit_scored: Judged
    test_scored: Judged
    champion_fit: NDArray[np.float32] | None
    champion_test: NDArray[np.float32] | None
    champion_scored: Judged | None
    champion_seen: Seen | None

    @property
    def is_thin(self) -> bool:
        """Whether the test holds too few good or bad loans for outcomes to be judged by."""
        return is_thin(self.test, self.thresholds)

    def tell_thin(self) -> str:
        """Why nothing that looks at outcomes can be said."""
        data = self.thresholds.data
        goods, bads = count_kinds(self.test)
        return (
            f"The test holds {goods:,} good and {bads:,} bad loans; at least {data.test_goods_min:,} good and "
            f"{data.test_bads_min:,} bad ones are needed."
        )


def enter_contest(
    candidate: Contender,
    champion: Contender | None,
    loans: TrainingSet,
    thresholds: Thresholds,
    *,
    test_from: date | None = None,
    champion_matrix: NDArray[np.float32] | None = None,
) -> Contest:
    """Find the windows and score both contenders.

    Parameters
    ----------
    loans : of the candidate's product, labels as known on the day of judging.
    champion_matrix : float32[n, m'] of the champion's variables over the same loans; None = they are the candidate's.

    Raises
    ------
    Refused : the parts do not fit together, or no loan is left to judge.
    """
    if candidate.manifest is None:
        raise Refused("a candidate needs its training manifest, which tells what it was fitted on")
    _require_columns(candidate, loans, "candidate")
    _require_labels(candidate.manifest, loans)
    if champion is not None and champion_matrix is None:
        _require_columns(champion, loans, "champion")
        champion_matrix = loans.matrix
    windows = find_windows(loans, candidate.manifest, test_from)
    fit, test = loans.take(windows.fit_rows), loans.take(windows.test_rows)
    champion_test = champion_scored = champion_fit = None
    if champion is not None and champion_matrix is not None:
        champion_test = np.ascontiguousarray(champion_matrix[windows.test_rows])
        champion_fit = np.ascontiguousarray(champion_matrix[windows.fit_rows])
        champion_scored = _score(champion, champion_test)
    return Contest(
        candidate=candidate,
        champion=champion,
        thresholds=thresholds,
        loans=loans,
        windows=windows,
        fit=fit,
        test=test,
        fit_scored=_score(candidate, fit.matrix),
        test_scored=_score(candidate, test.matrix),
        champion_fit=champion_fit,
        champion_test=champion_test,
        champion_scored=champion_scored,
        champion_seen=None if champion is None else count_seen(champion, loans, windows.test_rows),
    )


def is_thin(loans: Loans, thresholds: Thresholds) -> bool:
    """Whether the loans hold too few good or bad ones."""
    goods, bads = count_kinds(loans)
    return goods < thresholds.data.test_goods_min or bads < thresholds.data.test_bads_min


def count_kinds(loans: Loans) -> tuple[int, int]:
    """Good and bad loans, as counts of rows."""
    bads = int((loans.labels == 1).sum())
    return loans.loans - bads, bads


def tell_window(loans: Loans) -> WindowTold | None:
    """The loans of a window in figures; None when it is empty."""
    if not loans.loans:
        return None
    return WindowTold(
        loans=loans.loans,
        bads=count_kinds(loans)[1],
        bad_rate=loans.bad_rate,
        first_on=date_from_days(int(loans.days.min())),
        last_on=date_from_days(int(loans.days.max())),
    )


def _score(contender: Contender, matrix: NDArray[np.float32]) -> Judged:
    raws, pds = contender.estimate(matrix)
    return Judged(raws=raws, pds=pds)


def _require_labels(manifest: TrainingManifest, loans: TrainingSet) -> None:
    """A candidate is judged by the labels that it was trained to tell; a manifest without any is from before there were others."""
    trained_by = hash_definition(AS_LAST_SEEN) if manifest.labels is None else manifest.labels
    if trained_by != loans.labels_hash:
        raise Refused(
            f"the candidate was trained by the label definition {trained_by}, and the loans are labelled by {loans.labels_hash}: "
            "gather them by its own"
        )


def _require_columns(contender: Contender, loans: TrainingSet, role: str) -> None:
    bundle, columns = contender.bundle, loans.columns
    if bundle.variables != columns.names or bundle.categories != columns.categories:
        raise Refused(
            f"the {role}'s variables are not those of product {loans.product.name} as it was read: judge it over the product that it "
            "was trained on"
        )
