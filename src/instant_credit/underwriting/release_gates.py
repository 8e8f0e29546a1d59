"""Whether the gates let a release's model decide: what they said of it last, and what the record knows of how it came about.

    newest report stops the model                                       -> refused, whoever moves it
    newest report lets it pass, with the waivers in force               -> may decide
    no report, the champion's model already (other policy, texts, ...)  -> may decide
    no report, drawn up by hand: no training is recorded                -> two persons alone answer for it
    no report, trained                                                  -> refused; one person who stands in for two goes through

A model that is the champion's decides already, so nothing that was said of it keeps it from going on under another policy.
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from instant_credit.decision.gate_report import NEVER_WAIVED, Gate
from instant_credit.record.model_gates import ModelGates


class GateFinding(StrEnum):
    """What the gates say of a release's model."""

    PASSED = "passed"
    STOPPED = "stopped"
    CHAMPION_MODEL = "champion_model"
    NO_TRAINING = "no_training"
    NOT_JUDGED = "not_judged"


class Gating(Struct, frozen=True, kw_only=True):
    """Where a release's model stands at an instant.

    Attributes
    ----------
    report_hash : the gate report recorded last; None = it was never judged.
    stopped_by, waived : gates that stop it, and gates that would if no waiver were in force.
    thresholds : name of those that the report judged by; None = it was never judged.
    against : model that the report judged it against; None = absolute floors, or it was never judged.
    is_outdated : that is not the model of the champion of now.
    is_champions : the champion of the product has the same model.
    is_champion : the release is that champion itself.
    """

    model_hash: str
    is_trained: bool
    is_champions: bool
    is_champion: bool
    report_hash: str | None
    thresholds: str | None
    against: str | None
    is_outdated: bool
    stopped_by: tuple[Gate, ...]
    waived: tuple[Gate, ...]

    @property
    def finding(self) -> GateFinding:
        """In one word."""
        if self.report_hash is not None:
            return GateFinding.STOPPED if self.stopped_by else GateFinding.PASSED
        if self.is_champions and not self.is_champion:
            return GateFinding.CHAMPION_MODEL
        return GateFinding.NOT_JUDGED if self.is_trained else GateFinding.NO_TRAINING

    def tell_obstacle(self, *, is_single_person: bool = False) -> str | None:
        """Why the release can't be approved, staged or activated, and what to do; None where the gates allow it."""
        if self.is_champions:
            return None
        if self.finding is GateFinding.STOPPED:
            return f"its model is stopped by {', '.join(self.stopped_by)} (report {self.report_hash}): {self._tell_way_out()}"
        if self.finding is GateFinding.NOT_JUDGED and not is_single_person:
            return (
                f"no gate has judged its model: judge it first (`instant-credit gate judge --model {self.model_hash}`)"
            )
        return None

    def _tell_way_out(self) -> str:
        if NEVER_WAIVED.intersection(self.stopped_by):
            return "that is never waived: train another model and judge it (`instant-credit gate judge`)"
        return "judge another model (`instant-credit gate judge`), or have two persons waive that (`instant-credit gate waive`)"


def find_gating(gates: ModelGates, *, champion_model: str | None, is_champion: bool, instant: datetime) -> Gating:
    """Where a model stands at an instant (aware), waivers in force then counted.

    Parameters
    ----------
    champion_model : hash of the model of the product's champion; None = there is none.
    """
    standing, report = gates.standing_at(instant), gates.report
    against = None if report is None else report.champion_hash
    return Gating(
        model_hash=gates.model_hash,
        is_trained=gates.is_trained,
        is_champions=gates.model_hash == champion_model,
        is_champion=is_champion,
        report_hash=gates.report_hash,
        thresholds=None if report is None else report.thresholds_name,
        against=against,
        is_outdated=report is not None and against != champion_model,
        stopped_by=() if standing is None else standing.stopped_by,
        waived=() if standing is None else tuple(dict.fromkeys(one.gate for one in standing.waivers)),
    )
