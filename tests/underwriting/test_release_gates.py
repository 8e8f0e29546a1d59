"""Gates bind: what they stop is neither approved nor let near applications."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.api.problems import DETAIL_MAX
from instant_credit.canonical import hash_content
from instant_credit.decision.gate_report import NEVER_WAIVED, Gate, Verdict
from instant_credit.record.documents import put_document
from instant_credit.record.pool import Record
from instant_credit.record.release_life import ReleaseEvent, Stage, add_release_event, read_release_events
from instant_credit.record.waivers import approve_waiver, propose_waiver, put_gate_report
from instant_credit.underwriting import release_life
from instant_credit.underwriting.release_gates import GateFinding, Gating
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_moves import ReleaseConflict
from tests.clock import FixedClock
from tests.decision.gate_reports import make_report
from tests.lending import Documents, vary, with_other_model, write_training
from tests.releasing import make_terms, put_live

pytestmark = pytest.mark.anyio

ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
PRODUCT = "personal_loan"


@dataclass(frozen=True)
class Home:
    """A record with a release that was not proposed, whose model has a recorded training."""

    record: Record
    clock: FixedClock
    desk: ReleaseDesk
    actor: Actor
    documents: Documents

    @property
    def trained(self) -> str:
        return self.documents.release_hash

    @property
    def model(self) -> str:
        return hash_content(dict(self.documents.parts)["model"])

    async def put(self, *parts: tuple[str, bytes]) -> None:
        for kind, raw in parts:
            await put_document(self.record, kind, raw, self.actor)

    async def judge(self, *stopped: Gate) -> str:
        """Record a report about the model, which these gates stop; its hash."""
        report = make_report(dict.fromkeys(stopped, Verdict.FAILED))
        return await put_gate_report(self.record, replace(report, candidate_hash=self.model), self.actor)

    async def propose(self, release_hash: str | None = None) -> None:
        await self.desk.propose(release_hash or self.trained, make_terms(self.clock.now().date()), ONE)

    async def put_other_model(self) -> str:
        """Hash of a recorded release of the same product, whose model is another one and has a recorded training."""
        other = with_other_model(self.documents)
        await self.put(*other.parts, write_training(other))
        return other.release_hash


@pytest.fixture
async def home(record: Record, clock: FixedClock, actor: Actor, documents: Documents) -> Home:
    home = Home(record=record, clock=clock, desk=ReleaseDesk(record), actor=actor, documents=documents)
    await home.put(*documents.parts, write_training(documents))
    return home


async def test_what_leakage_stops_is_not_approved_and_the_refusal_says_what_to_do(home: Home) -> None:
    report = await home.judge(Gate.LEAKAGE)
    await home.propose()
    with pytest.raises(ReleaseConflict, match=rf"stopped by leakage \(report {report}\).*never waived.*gate judge"):
        await home.desk.approve(home.trained, TWO)
    told = await home.desk.read(home.trained)
    assert (told.approval, told.gates.finding, told.gates.stopped_by) == ("waiting", "stopped", (Gate.LEAKAGE,))
    assert told.gates.report == report


async def test_a_trained_model_is_judged_before_it_is_approved(home: Home) -> None:
    await home.propose()
    with pytest.raises(ReleaseConflict, match=f"no gate has judged.*gate judge --model {home.model}"):
        await home.desk.approve(home.trained, TWO)
    assert (await home.desk.read(home.trained)).gates.finding == "not_judged"
    await home.judge()
    assert (await home.desk.approve(home.trained, TWO)).gates.finding == "passed"
    assert (await home.desk.activate(home.trained, ONE)).state == "champion"


async def test_who_approves_sees_by_what_and_against_what_it_was_judged(home: Home) -> None:
    report = make_report({})
    await put_gate_report(home.record, replace(report, candidate_hash=home.model, champion_hash=None), home.actor)
    told = (await home.desk.read(home.trained)).gates
    assert (told.thresholds, told.against, told.is_outdated) == (report.thresholds_name, None, False)
    await put_live(home.record, PRODUCT, await home.put_other_model(), home.actor)
    assert (await home.desk.read(home.trained)).gates.is_outdated


async def test_a_report_that_comes_later_binds_every_move_after_it(home: Home) -> None:
    await home.judge()
    await home.propose()
    await home.desk.approve(home.trained, TWO)
    home.clock.advance(timedelta(seconds=1))
    await home.judge(Gate.FAIRNESS)
    for move in (home.desk.stage(home.trained, Stage.SHADOW, ONE), home.desk.activate(home.trained, ONE)):
        with pytest.raises(ReleaseConflict, match=r"stopped by fairness .*gate waive"):
            await move
    # What was made already is answered as it stands.
    assert (await home.desk.approve(home.trained, TWO)).approval == "approved"


async def test_waivers_count_as_of_the_instant_from_which_a_release_decides(home: Home) -> None:
    other = await home.put_other_model()
    await put_live(home.record, PRODUCT, other, home.actor)
    report_hash = await home.judge(Gate.COST)
    until = home.clock.now().date() + timedelta(days=2)
    told: dict[str, Any] = {"reason": "There is room.", "until_on": until, "by": ONE}
    waiver = await propose_waiver(home.record, report_hash, Gate.COST, **told)
    await home.propose()
    with pytest.raises(ReleaseConflict, match="stopped by cost"):
        await home.desk.approve(home.trained, TWO)
    await approve_waiver(home.record, waiver, TWO)
    approved = await home.desk.approve(home.trained, TWO)
    assert (approved.gates.finding, approved.gates.waived) == ("passed", (Gate.COST,))
    with pytest.raises(ReleaseConflict, match="stopped by cost"):
        await home.desk.activate(home.trained, ONE, home.clock.now() + timedelta(days=5))
    assert (await home.desk.activate(home.trained, ONE, home.clock.now() + timedelta(days=1))).planned_at is not None
    await home.desk.roll_back(home.trained, ONE, "Not yet.")
    home.clock.advance(timedelta(days=5))
    with pytest.raises(ReleaseConflict, match="stopped by cost"):
        await home.desk.activate(home.trained, ONE)


async def test_another_policy_for_the_champions_model_needs_no_report(home: Home) -> None:
    second = vary(home.documents, "Another policy")
    await home.put(*second.parts)
    await put_live(home.record, PRODUCT, home.trained, home.actor)
    await home.propose(second.release_hash)
    assert (await home.desk.approve(second.release_hash, TWO)).gates.finding == "champion_model"
    assert (await home.desk.activate(second.release_hash, ONE)).state == "champion"


async def test_of_two_moves_at_once_the_later_one_is_judged_by_the_champion_that_stands(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, second = await home.put_other_model(), vary(home.documents, "Another policy")
    await home.put(*second.parts)
    await put_live(home.record, PRODUCT, home.trained, home.actor)
    await home.propose(second.release_hash)

    async def outrun(own: Record, event: ReleaseEvent) -> bool:
        monkeypatch.undo()
        await put_live(own, PRODUCT, other, home.actor)
        return await add_release_event(own, event)

    monkeypatch.setattr(release_life, "add_release_event", outrun)
    with pytest.raises(ReleaseConflict, match="no gate has judged"):
        await home.desk.approve(second.release_hash, TWO)


async def test_a_model_drawn_up_by_hand_is_approved_by_two_persons_alone_and_says_so(
    record: Record, clock: FixedClock, actor: Actor, documents: Documents
) -> None:
    for kind, raw in documents.parts:
        await put_document(record, kind, raw, actor)
    desk = ReleaseDesk(record)
    await desk.propose(documents.release_hash, make_terms(clock.now().date()), ONE)
    assert (await desk.approve(documents.release_hash, TWO)).gates.finding == "no_training"
    assert (await desk.activate(documents.release_hash, ONE)).state == "champion"


async def test_one_person_alone_goes_without_a_report_and_not_against_one(home: Home) -> None:
    other = await home.put_other_model()
    home.clock.advance(timedelta(seconds=1))
    report_hash = await home.judge(Gate.PROFIT)
    with pytest.raises(ReleaseConflict, match=f"stopped by profit .report {report_hash}"):
        await home.desk.activate_alone(home.trained, ONE)
    assert await read_release_events(home.record, PRODUCT) == ()
    assert (await home.desk.activate_alone(other, ONE)).gates.finding == "not_judged"


async def test_a_rollback_is_never_refused_by_a_gate(home: Home) -> None:
    other = await home.put_other_model()
    await home.desk.activate_alone(home.trained, ONE)
    await home.desk.activate_alone(other, ONE)
    await home.judge(Gate.LEAKAGE)
    assert (await home.desk.roll_back(other, TWO, "It is worse.")).state == "retired"
    assert (await home.desk.read(home.trained)).state == "champion"


def test_every_refusal_fits_into_the_detail_of_a_problem() -> None:
    for stopped in (tuple(Gate), tuple(gate for gate in Gate if gate not in NEVER_WAIVED)):
        gating = Gating(
            model_hash="a" * 64,
            is_trained=True,
            is_champions=False,
            is_champion=False,
            report_hash="b" * 64,
            thresholds="standard",
            against=None,
            is_outdated=False,
            stopped_by=stopped,
            waived=(),
        )
        assert gating.finding is GateFinding.STOPPED
        assert len(gating.tell_obstacle() or "") <= DETAIL_MAX
