"""The gate report: what each gate said of a candidate model, and whether it still stops it. Pure.

    results, one a gate: pass | fail | not enough, with figures and one sentence
    + waivers that count on a day (two persons, not expired)                        -> standing: passes, stopped by, waived

The report is a document of the record; it is judged once and never changed. Whether a candidate may go on is asked of the report on a
day, because a waiver ends. `training/gates` judges; whoever keeps the life of releases only reads what stands here.

The law: a gate that fails stops the candidate, and so does one that has not enough to tell by, unless the thresholds say that this
gate may lack it. `NEVER_WAIVED` gates stop whatever anybody signs.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from instant_credit.access.actors import Actor
from instant_credit.canonical import UNREADABLE, ContentHash, encode_canonical
from instant_credit.errors import Refused

Text = Annotated[str, Meta(min_length=1, max_length=2_000)]

REASON_MAX: Final = 400


class Gate(StrEnum):
    """What a candidate has to pass, in the order in which it is told."""

    LEAKAGE = "leakage"
    OVERFIT = "overfit"
    DISCRIMINATION = "discrimination"
    CALIBRATION = "calibration"
    SEGMENT_CALIBRATION = "segment_calibration"
    STABILITY = "stability"
    MONOTONICITY = "monotonicity"
    REASONS = "reasons"
    FAIRNESS = "fairness"
    COST = "cost"
    PROFIT = "profit"


NEVER_WAIVED: Final = frozenset({Gate.LEAKAGE, Gate.MONOTONICITY})


class Verdict(StrEnum):
    """What a gate says."""

    PASSED = "pass"
    FAILED = "fail"
    NOT_ENOUGH = "not_enough"


class Figure(Struct, frozen=True, kw_only=True):
    """A number behind a verdict.

    Attributes
    ----------
    unit : what it counts: "auc", "share", "log_odds", "index", "ratio", "deviations", "loans", "cases", "bytes", "us", "ppm", "cents".
    low, high : ends of its 95% interval, where it has one.
    limit, bound : what the thresholds allow it, "at_most" or "at_least"; None for a number that is told and not judged.
    """

    name: Text
    value: float
    unit: Text
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    bound: Literal["at_most", "at_least"] | None = None


class GateResult(Struct, frozen=True, kw_only=True):
    """What one gate said, in one sentence and in figures."""

    gate: Gate
    verdict: Verdict
    sentence: Text
    figures: Annotated[tuple[Figure, ...], Meta(max_length=10_000)] = ()


class WindowTold(Struct, frozen=True, kw_only=True):
    """Some of the loans: how many rows, how many of them bad, their bad rate by weight, and the first and last day."""

    loans: int
    bads: int
    bad_rate: float
    first_on: date
    last_on: date


class VariableTold(Struct, frozen=True, kw_only=True):
    """A variable of the model: how often it is missing among the loans fitted on and tested on, and how many trees ask for it."""

    name: str
    trees: int
    missing_share_fit: float
    missing_share_test: float


class GateReport(Struct, frozen=True, kw_only=True):
    """What every gate said of a candidate.

    Attributes
    ----------
    candidate_hash, champion_hash : of the model bundles; without a champion the candidate is held to absolute floors.
    training_hash : of the candidate's training manifest.
    policy_hash : of the policy under which Cases were decided again; None = no policy was given.
    thresholds_hash : of the thresholds' document.
    labels_hash : of the label definition, by which the candidate was trained; None in reports from before there were any.
    known_on : labels are what was known on this day, inclusive.
    test_from : loans and Cases from this day on were judged.
    fit, test : the loans that the candidate was fitted on, as far as they are in the book, and those that it was judged on.
    cases, labelled_cases : recorded Cases decided again, and those of them whose outcome is known.
    may_lack : gates whose "not enough" stops nobody.
    """

    schema_version: Literal[1] = 1
    candidate_hash: ContentHash
    champion_hash: ContentHash | None = None
    training_hash: ContentHash
    policy_hash: ContentHash | None = None
    thresholds_hash: ContentHash
    thresholds_name: str
    labels_hash: ContentHash | None = None
    book: str
    product: str
    product_hash: ContentHash
    known_on: date
    test_from: date
    fit: WindowTold | None
    test: WindowTold
    cases: int
    labelled_cases: int
    variables: tuple[VariableTold, ...]
    may_lack: tuple[Gate, ...] = ()
    waiver_days_max: int
    results: tuple[GateResult, ...]

    @property
    def stopped_by(self) -> tuple[Gate, ...]:
        """Gates that stop the candidate while nothing is waived."""
        return tuple(
            one.gate
            for one in self.results
            if one.verdict is Verdict.FAILED or (one.verdict is Verdict.NOT_ENOUGH and one.gate not in self.may_lack)
        )

    @property
    def passes(self) -> bool:
        """Whether no gate stops the candidate."""
        return not self.stopped_by

    def result_of(self, gate: Gate) -> GateResult:
        """What this gate said."""
        return next(one for one in self.results if one.gate is gate)

    def __post_init__(self) -> None:
        """Every gate spoke once, in order."""
        if tuple(one.gate for one in self.results) != tuple(Gate):
            raise ValueError("a gate report holds one result of every gate, in order")


class Waiver(Struct, frozen=True, kw_only=True):
    """A gate of one report waived: proposed by one person, approved by another one, until a day.

    It counts from its approval until the end of `until_on` (UTC). A client id is set for an API key, which signs for its client.
    """

    waiver_id: str
    report_hash: ContentHash
    gate: Gate
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_MAX)]
    until_on: date
    proposed_by: Actor
    proposed_at: datetime
    approved_by: Actor | None = None
    approved_at: datetime | None = None
    proposed_client_id: str | None = None
    approved_client_id: str | None = None

    def counts_at(self, now: datetime) -> bool:
        """Whether it is approved and has not ended; `now` is aware."""
        return self.approved_at is not None and self.approved_at <= now and now.date() <= self.until_on


class Standing(Struct, frozen=True, kw_only=True):
    """Where a candidate stands at an instant: the gates that stop it, and the waivers in force that keep others from doing so."""

    stopped_by: tuple[Gate, ...]
    waivers: tuple[Waiver, ...]

    @property
    def passes(self) -> bool:
        """Whether no gate stops the candidate."""
        return not self.stopped_by


def find_standing(report_hash: str, report: GateReport, waivers: Iterable[Waiver], now: datetime) -> Standing:
    """Where a candidate stands at `now` (aware), given every waiver there is, of whichever report."""
    own = [
        one for one in waivers if one.report_hash == report_hash and one.gate not in NEVER_WAIVED and one.counts_at(now)
    ]
    in_force = tuple(one for one in own if one.gate in report.stopped_by)
    waived = {one.gate for one in in_force}
    return Standing(stopped_by=tuple(gate for gate in report.stopped_by if gate not in waived), waivers=in_force)


def check_waiver(report: GateReport, gate: Gate, until_on: date, today: date) -> None:
    """Whether a waiver of `gate` may be proposed.

    Raises
    ------
    Refused : the gate is never waived, does not stop the candidate, or the day is past or too far.
    """
    if gate in NEVER_WAIVED:
        raise Refused(f"gate {gate} is never waived: train another candidate")
    if gate not in report.stopped_by:
        stopping = ", ".join(report.stopped_by) or "none does"
        raise Refused(f"gate {gate} does not stop this candidate; of its gates {stopping}")
    days = (until_on - today).days
    if not 0 <= days <= report.waiver_days_max:
        raise Refused(
            f"a waiver ends between today, {today}, and {report.waiver_days_max} days from now, as the thresholds "
            f"{report.thresholds_name} say; not on {until_on}"
        )


_DECODER: Final = msgspec.json.Decoder(GateReport)


def encode_gate_report(report: GateReport) -> bytes:
    """Canonical JSON; its hash names the report."""
    # Read back once, so that 5 for a float is 5.0 however it was given.
    return encode_canonical(_DECODER.decode(encode_canonical(report)))


def decode_gate_report(raw: bytes) -> GateReport:
    """The report behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"gate report: {error}") from error
