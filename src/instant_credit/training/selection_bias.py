"""Selection bias: a lender learns the outcome of the loans it made, and of no other. Functions of arrays alone. Edge.

====================  ==========================================================================================================
variant               what it assumes, and what it does
====================  ==========================================================================================================
approved-only         whoever was approved repays as an equal applicant who was not. Then a model of the right form needs no
                      more (Hand and Henley 1993, section 2); nothing is done
exploration-weighted  some were approved by chance, each with a known probability: a loan stands for 1 / propensity applicants, and
                      every mean is one over all who applied (Horvitz and Thompson 1952). Probabilities below `PROPENSITY_MIN` count
                      as that, which gives up a little of being right on average for a spread that is bounded (Cole and Hernan 2008)
parcelling            a rejected applicant is bad as often as the approved ones of the same band of scores, times `prudence`: each band's
                      rejects get so many bad labels, by a seeded draw (Siddiqi 2017, chapter 8)
fuzzy augmentation    each rejected applicant counts twice, as bad by its pd times `prudence` and as good by the rest (Siddiqi
                      2017, chapter 8). With a prudence of 1 a logistic fit comes out as it was
====================  ==========================================================================================================

Neither kind of reject inference knows more than its assumption says (Crook and Banasik 2004): a `prudence` above 1 has to come from
elsewhere, such as rejected applicants whose loans with others are known.
"""

from enum import StrEnum
from typing import Annotated, Final

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from instant_credit.application.product import Name
from instant_credit.errors import Refused, require

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

BANDS: Final = 20
PRUDENCE_MAX: Final = 20.0
SEED: Final = 20_240_229
PROPENSITY_MIN: Final = 0.01
# A band's bad rate has to come from some loans, and a weight has to be above 0.
_BAND_LOANS_MIN: Final = 20
_PD_MIN: Final = 1e-6


class Variant(StrEnum):
    """How a training set answers for applicants whose outcome is not known."""

    APPROVED_ONLY = "approved-only"
    EXPLORATION_WEIGHTED = "exploration-weighted"
    PARCELLING = "parcelling"
    FUZZY_AUGMENTATION = "fuzzy-augmentation"


INFERRING: Final = (Variant.PARCELLING, Variant.FUZZY_AUGMENTATION)
"""The variants that infer labels."""


class Inference(Struct, frozen=True, kw_only=True):
    """How rejected applicants were brought in. `prudence` multiplies their bad rate, `bands` are of scores, `seed` draws labels.

    `propensity` names the attribute that tells by which chance each loan was approved, for exploration-weighted.
    """

    variant: Variant
    prudence: Annotated[float, Meta(ge=1.0, le=PRUDENCE_MAX)] = 1.0
    bands: Annotated[int, Meta(ge=1, le=1_000)] = BANDS
    seed: Annotated[int, Meta(ge=0)] = SEED
    # Left out of the bytes where it is not said, so that manifests from before it was known keep their hash.
    propensity: Name | UnsetType = UNSET


def choose_inference(variant: str | None, prudence: float | None, propensity: str | None) -> Inference | None:
    """The inference of these names; None = declined applicants are not answered for.

    Raises
    ------
    Refused : a prudence where nothing is inferred, or a propensity where none is looked at.
    """
    if prudence is not None and variant not in INFERRING:
        raise Refused(f"--prudence goes with --inference {' or '.join(INFERRING)}")
    if propensity is not None and variant != Variant.EXPLORATION_WEIGHTED:
        raise Refused(f"--propensity goes with --inference {Variant.EXPLORATION_WEIGHTED}")
    if variant is None:
        return None
    return Inference(
        variant=Variant(variant),
        prudence=1.0 if prudence is None else prudence,
        propensity=UNSET if propensity is None else propensity,
    )


class Inferred(Struct, frozen=True, kw_only=True, eq=False):
    """Rows that stand for rejected applicants: `rows` int64[k] of theirs, `labels` int8[k], `weights` float64[k] above 0."""

    rows: NDArray[np.int64]
    labels: Labels
    weights: Floats


def weight_by_exploration(weights: Floats, propensities: Floats) -> Floats:
    """Weights of approved loans that stand for all who applied: those approved for certain keep theirs, the others count for more.

    Parameters
    ----------
    weights : float64[n], sampling weights.
    propensities : float64[n] in (0, 1], the probability with which each was approved; NaN = not recorded. Below `PROPENSITY_MIN`
        they count as that.

    Raises
    ------
    Refused : a loan has no recorded propensity, or one that is none.
    """
    require(weights.shape == propensities.shape, "each loan has its propensity")
    unknown = int(np.isnan(propensities).sum())
    if unknown or not len(propensities):
        raise Refused(
            f"{unknown:,} of {len(propensities):,} loans have no recorded propensity of their approval: exploration-weighted training "
            "needs loans that were approved by a chance that was written down; train approved-only, or with reject inference"
        )
    if bool(((propensities <= 0) | (propensities > 1)).any()):
        raise Refused("a propensity is a probability above 0 and at most 1")
    return weights / np.maximum(propensities, PROPENSITY_MIN)


def parcel(
    scores: Floats,
    labels: Labels,
    rejected_scores: Floats,
    rejected_weights: Floats,
    inference: Inference,
    *,
    weights: Floats,
) -> Inferred:
    """Reject inference by parcelling: each band's rejects get its share of bad labels.

    Parameters
    ----------
    scores, labels : float64[n], int8[n] of the approved loans; scores rise with risk.
    rejected_scores, rejected_weights : float64[r], on the same scale.
    inference : bands are equal shares of the approved loans; the last ones take all rejects that score beyond.
    weights : float64[n] above 0, of the approved loans.

    Returns
    -------
    One row for each reject.

    Raises
    ------
    Refused : the approved loans are too few for the bands.
    """
    if len(scores) < inference.bands * _BAND_LOANS_MIN:
        raise Refused(
            f"parcelling in {inference.bands} bands needs {inference.bands * _BAND_LOANS_MIN:,} approved loans, here are {len(scores):,}"
        )
    edges = np.quantile(scores, np.arange(1, inference.bands) / inference.bands)
    bands = np.searchsorted(edges, scores, side="right")
    rejected_bands = np.searchsorted(edges, rejected_scores, side="right")
    chance = np.random.default_rng(inference.seed)
    inferred = np.zeros(len(rejected_scores), dtype=np.int8)
    held = np.unique(bands)
    for band in np.unique(rejected_bands):
        # Tied scores leave bands without loans; then the nearest one that has some speaks for it.
        nearest = held[np.abs(held - band).argmin()]
        own = bands == nearest
        rate = min(1.0, float(np.average(labels[own], weights=weights[own])) * inference.prudence)
        rows = np.flatnonzero(rejected_bands == band)
        bads = int(np.floor(rate * len(rows) + chance.random()))
        inferred[chance.permutation(rows)[:bads]] = 1
    return Inferred(rows=np.arange(len(inferred)), labels=inferred, weights=rejected_weights.astype(np.float64))


def augment_fuzzily(rejected_pds: Floats, rejected_weights: Floats, inference: Inference) -> Inferred:
    """Reject inference by fuzzy augmentation: each reject as bad and as good, by its pd float64[r] in (0, 1).

    Returns
    -------
    Two rows for each reject, all the bad ones first; the weights of the two add up to the reject's.
    """
    pds = np.clip(rejected_pds * inference.prudence, _PD_MIN, 1.0 - _PD_MIN)
    every = np.arange(len(pds))
    return Inferred(
        rows=np.concatenate((every, every)),
        labels=np.repeat(np.array([1, 0], dtype=np.int8), len(pds)),
        weights=np.concatenate((rejected_weights * pds, rejected_weights * (1.0 - pds))),
    )
