"""Thresholds of the gates: a document, written in TOML for people, hashed over its canonical JSON.

Every threshold is a number with a unit, and its unit is part of its type and of its schema: `list_thresholds` tells both. Nothing here has a default, so a
document says all of it. The shipped ones lie in `starter/gates`.

How a threshold judges a figure that has an interval is the same everywhere. A figure fails when its whole interval lies beyond the
threshold, so that chance alone stops few good candidates; where the interval is wider than the data should leave it, the gate has not
enough. Non-inferiority turns the burden round: there the candidate has to show that it is not worse by more than the margin.
"""

import math
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.product import Name, Text
from instant_credit.canonical import UNREADABLE, encode_canonical, hash_content
from instant_credit.decision.gate_report import NEVER_WAIVED, Gate
from instant_credit.errors import Refused

Auc = Annotated[float, Meta(ge=0.0, le=1.0, extra_json_schema={"unit": "auc"})]
Share = Annotated[float, Meta(ge=0.0, le=1.0, extra_json_schema={"unit": "share"})]
LogOdds = Annotated[float, Meta(gt=0.0, le=20.0, extra_json_schema={"unit": "log_odds"})]
Slope = Annotated[float, Meta(gt=0.0, le=20.0, extra_json_schema={"unit": "slope"})]
Index = Annotated[float, Meta(gt=0.0, le=20.0, extra_json_schema={"unit": "index"})]
Ratio = Annotated[float, Meta(gt=0.0, le=1_000.0, extra_json_schema={"unit": "ratio"})]
Deviations = Annotated[float, Meta(gt=0.0, le=10.0, extra_json_schema={"unit": "deviations"})]
Micros = Annotated[float, Meta(gt=0.0, le=1e9, extra_json_schema={"unit": "us"})]
PpmOf = Annotated[int, Meta(ge=0, le=1_000_000, extra_json_schema={"unit": "ppm"})]
Loans = Annotated[int, Meta(ge=2, le=10**9, extra_json_schema={"unit": "loans"})]
Cases = Annotated[int, Meta(ge=2, le=10**9, extra_json_schema={"unit": "cases"})]
Bytes = Annotated[int, Meta(ge=1, le=10**10, extra_json_schema={"unit": "bytes"})]
Days = Annotated[int, Meta(ge=1, le=3_660, extra_json_schema={"unit": "days"})]


class DataThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fewer good or bad loans in the test, or in what was fitted on, tell too little for any figure that looks at outcomes."""

    test_goods_min: Loans
    test_bads_min: Loans


class LeakageThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No variable by itself may order good and bad loans better than this: what does so knows the outcome."""

    variable_auc_max: Auc


class OverfitThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By how much the AUC on the loans fitted on may exceed that on the loans judged."""

    gap_auc_max: Auc


class DiscriminationThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The AUC's floor, and the margin by which the candidate must be shown not to be worse than the champion."""

    auc_min: Auc
    margin_auc: Auc


class CalibrationThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far pds may lie too low or too high on the whole, how far too close or too wide apart, and how well that must be known."""

    intercept_log_odds_max: LogOdds
    slope_min: Slope
    slope_max: Slope
    interval_log_odds_max: LogOdds
    interval_slope_max: Slope


class SegmentThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same in each category of the model's category variables that holds enough good and bad loans."""

    intercept_log_odds_max: LogOdds
    segment_goods_min: Loans
    segment_bads_min: Loans


class StabilityThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Population stability indices of the score and of each variable that carries it: fitted on against tested on, and month by month.

    `variable_weight_min` is the share of all contributions from which on a variable carries the score.
    """

    variable_weight_min: Share
    score_index_max: Index
    variable_index_max: Index
    month_index_max: Index


class ReasonsThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many of the riskiest applicants the principal reason may be none of those that the champion tells, or go with a change of a
    thousandth.
    """

    new_reason_share_max: Share
    nudged_change_share_max: Share
    applicants_min: Loans


class FairnessThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Adverse impact ratio and standardised mean difference of the score, group by group against the most favoured one."""

    impact_ratio_min: Ratio
    mean_difference_deviations_max: Deviations
    group_cases_min: Cases


class CostThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What scoring and explaining one row may take and what the bundle may weigh: absolutely, and as a multiple of the champion's."""

    row_us_max: Micros
    row_ratio_max: Ratio
    bundle_bytes_max: Bytes
    bundle_ratio_max: Ratio


class ProfitThresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a loan earns and costs, and by how much of what is asked for an application may earn less than under the champion.

    Attributes
    ----------
    margin_ppm : of the mean amount asked for.
    loss_given_default_ppm : of the amount lent, lost when a loan goes bad, where no loss table of a release tells it.
    cost_ppm : funding and operation, a year, of what is outstanding.
    """

    margin_ppm: PpmOf
    loss_given_default_ppm: PpmOf
    cost_ppm: PpmOf
    cases_min: Cases


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document. `may_lack` names gates whose "not enough" stops nobody."""

    schema_version: Annotated[int, Meta(ge=1, le=1)] = 1
    name: Name
    title: Text
    waiver_days_max: Days
    may_lack: Annotated[tuple[Gate, ...], Meta(max_length=len(Gate))] = ()
    data: DataThresholds
    leakage: LeakageThresholds
    overfit: OverfitThresholds
    discrimination: DiscriminationThresholds
    calibration: CalibrationThresholds
    segment_calibration: SegmentThresholds
    stability: StabilityThresholds
    reasons: ReasonsThresholds
    fairness: FairnessThresholds
    cost: CostThresholds
    profit: ProfitThresholds

    def __post_init__(self) -> None:
        """Every threshold is a number, slopes stand around 1, and no gate that is never waived may lack its data."""
        for section in (getattr(self, name) for name in self.__struct_fields__):
            if isinstance(section, Struct):
                for name in section.__struct_fields__:
                    if not math.isfinite(getattr(section, name)):
                        raise ValueError(f"{name}: a threshold is a number")
        if not self.calibration.slope_min < 1.0 < self.calibration.slope_max:
            raise ValueError("calibration: slope_min lies below 1 and slope_max above it")
        lacking = sorted(NEVER_WAIVED & set(self.may_lack))
        if lacking:
            raise ValueError(f"may_lack: {', '.join(lacking)} may not lack what it judges by")


class ThresholdTold(Struct, frozen=True, kw_only=True):
    """One threshold by its place in the document, with its unit."""

    place: str
    value: float
    unit: str


_DECODER: Final = msgspec.json.Decoder(Thresholds)


def read_thresholds(text: str) -> Thresholds:
    """The document in TOML `text`.

    Raises
    ------
    Refused : not TOML, a threshold missing, unknown or out of its range; the message names the place.
    """
    try:
        return msgspec.toml.decode(text, type=Thresholds)
    except UNREADABLE as error:
        raise Refused(
            f"gate thresholds: {error}; start from the shipped document (starter/gates/standard.toml), which says all of them"
        ) from error


def encode_thresholds(thresholds: Thresholds) -> bytes:
    """Canonical JSON; its hash names the thresholds."""
    return encode_canonical(_DECODER.decode(encode_canonical(thresholds)))


def decode_thresholds(raw: bytes) -> Thresholds:
    """The document behind canonical JSON. Raises Refused when it is none."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"gate thresholds: {error}") from error


def hash_thresholds(thresholds: Thresholds) -> str:
    """Content hash of the document."""
    return hash_content(encode_thresholds(thresholds))


def list_thresholds(thresholds: Thresholds) -> tuple[ThresholdTold, ...]:
    """Every threshold with its unit, in the order of the document."""
    told = [ThresholdTold(place="waiver_days_max", value=float(thresholds.waiver_days_max), unit="days")]
    for section in Thresholds.__struct_fields__:
        held = getattr(thresholds, section)
        if not isinstance(held, Struct):
            continue
        kinds = {field.name: field.type for field in msgspec.structs.fields(type(held))}
        told += [
            ThresholdTold(place=f"{section}.{name}", value=float(getattr(held, name)), unit=_unit_of(kind))
            for name, kind in kinds.items()
        ]
    return tuple(told)


def _unit_of(kind: object) -> str:
    """The unit that the type of a threshold carries."""
    told = msgspec.inspect.type_info(kind)
    assert isinstance(told, msgspec.inspect.Metadata)
    assert told.extra_json_schema is not None
    unit: str = told.extra_json_schema["unit"]
    return unit
