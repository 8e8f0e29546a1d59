"""The states of releases as a function of events and an instant, over moves by chance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature, is_seconded
from instant_credit.errors import Conflict
from instant_credit.record.release_life import ReleaseEvent, ReleaseEventKind, Stage
from instant_credit.underwriting import release_moves as moves
from instant_credit.underwriting.release_moves import SHADOWS_MAX, Judge, Move, ReleaseRefused
from instant_credit.underwriting.release_states import (
    DUE_DAYS,
    Approval,
    DueKind,
    ProductLife,
    ReleaseState,
    tell_life,
    tell_lives,
)
from tests.budget import examples
from tests.naive.release_life import champion_at, champions_until
from tests.releasing import make_terms

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
HASHES = [letter * 64 for letter in "abcd"]
A, B, C, D = HASHES


@dataclass
class Sequel:
    """The events of one product so far, at a clock that is moved by hand."""

    now: datetime = START
    events: list[ReleaseEvent] = field(default_factory=list)

    @property
    def life(self) -> ProductLife:
        return tell_life("loan", self.events, self.now)

    def make(self, judge: Judge) -> bool:
        """Make a move; whether it added an event."""
        event = judge(self.life)
        if event is not None:
            self.events.append(event)
        return event is not None

    def approve(self, *hashes: str, **changes: Any) -> None:
        for one in hashes:
            self.make(moves.propose(Move(release_hash=one, by=ONE), make_terms(self.now.date(), **changes)))
            self.make(moves.approve(Move(release_hash=one, by=TWO)))

    def activate(self, release_hash: str, hours: float | None = None) -> bool:
        at = None if hours is None else self.now + timedelta(hours=hours)
        return self.make(moves.activate(Move(release_hash=release_hash, by=ONE), at))

    def roll_back(self, release_hash: str) -> bool:
        return self.make(moves.roll_back(Move(release_hash=release_hash, by=ONE, reason="It is worse.")))

    def wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def state(self, release_hash: str) -> ReleaseState:
        return self.life.standing(release_hash).state


@st.composite
def sequels(draw: st.DrawFn) -> tuple[Sequel, list[Judge]]:
    """Moves by chance with time between them, and those of them that were possible."""
    sequel, made = Sequel(), []
    for _ in range(draw(st.integers(1, 30))):
        sequel.wait(draw(st.sampled_from([0.01, 1, 30, 24 * 100])))
        by, release_hash = draw(st.sampled_from([ONE, TWO])), draw(st.sampled_from(HASHES))
        move = Move(release_hash=release_hash, by=by, reason="By chance.")
        # No sum of waits comes to one of these.
        at = draw(st.sampled_from([None, None, 2.503, 40.007]))
        judge = draw(
            st.sampled_from(
                [
                    moves.propose(move, make_terms(sequel.now.date(), owner=draw(st.sampled_from(["a", "b"])))),
                    moves.approve(move),
                    moves.approve(move),
                    moves.reject(move),
                    moves.stage(move, draw(st.sampled_from(list(Stage)))),
                    moves.activate(move, None if at is None else sequel.now + timedelta(hours=at)),
                    moves.activate(move),
                    moves.roll_back(move),
                    moves.retire(move),
                ]
            )
        )
        try:
            sequel.make(judge)
        except (Conflict, ReleaseRefused):
            continue
        made.append(judge)
        assert judge(sequel.life) is None, "a move that was made is made again"
    return sequel, made


@examples(150)
@given(sequels(), st.floats(0, 100))
def test_the_champion_is_the_one_that_the_definition_names(told: tuple[Sequel, list[Judge]], later: float) -> None:
    sequel, _ = told
    sequel.wait(later)
    life = sequel.life
    assert life.champion == champion_at(sequel.events, sequel.now)
    assert [life.champion] * (life.champion is not None) == champions_until(sequel.events, sequel.now)[-1:]
    assert life.in_state(ReleaseState.CHAMPION) == (() if life.champion is None else (life.champion,))
    assert len(life.in_state(ReleaseState.SHADOW, ReleaseState.CHALLENGER)) <= SHADOWS_MAX
    assert [event.number for event in sequel.events] == list(range(1, len(sequel.events) + 1))
    assert life.former is None or life.former in champions_until(sequel.events, sequel.now)


@examples(100)
@given(sequels())
def test_whatever_decides_was_approved_by_a_second_person(told: tuple[Sequel, list[Judge]]) -> None:
    sequel, _ = told
    life = sequel.life
    for standing in life.standings.values():
        if standing.state in (ReleaseState.CHAMPION, ReleaseState.SHADOW, ReleaseState.CHALLENGER):
            assert standing.approval is Approval.APPROVED
            assert standing.terms is not None
    for event in sequel.events:
        if event.kind is ReleaseEventKind.APPROVED:
            proposed = last_proposal(sequel.events[: event.number - 1], event.release_hash)
            assert is_seconded(proposed.signature, event.signature)
        if event.kind is ReleaseEventKind.ACTIVATED and event.active_at is not None:
            before = tell_life("loan", sequel.events[: event.number - 1], event.recorded_at)
            assert not before.standing(event.release_hash).has_expired(event.active_at.date())


def last_proposal(events: Sequence[ReleaseEvent], release_hash: str) -> ReleaseEvent:
    return [e for e in events if e.kind is ReleaseEventKind.PROPOSED and e.release_hash == release_hash][-1]


@examples(50)
@given(sequels(), st.floats(0, 100))
def test_processes_that_read_the_same_events_at_one_instant_name_the_same_champion(
    told: tuple[Sequel, list[Judge]], later: float
) -> None:
    sequel, _ = told
    sequel.wait(later)
    lives = tell_lives(sequel.events, sequel.now)
    assert all(life == tell_life("loan", tuple(sequel.events), sequel.now) for life in lives.values())


def test_a_release_goes_from_candidate_to_retired() -> None:
    sequel = Sequel()
    assert sequel.state(A) is ReleaseState.CANDIDATE
    sequel.approve(A, B)
    assert sequel.state(A) is ReleaseState.CANDIDATE
    for stage in Stage:
        sequel.make(moves.stage(Move(release_hash=A, by=ONE), stage))
        assert sequel.state(A).value == stage.value
    sequel.activate(A)
    sequel.wait(1)
    assert (sequel.state(A), sequel.life.champion) == (ReleaseState.CHAMPION, A)
    sequel.activate(B)
    assert (sequel.state(A), sequel.state(B)) == (ReleaseState.RETIRED, ReleaseState.CHAMPION)


def test_a_planned_activation_takes_effect_at_its_instant_and_not_before() -> None:
    sequel = Sequel()
    sequel.approve(A, B)
    sequel.activate(A)
    sequel.wait(1)
    sequel.activate(B, hours=5)
    plan = sequel.life.plan
    assert plan is not None
    assert (plan.release_hash, sequel.life.champion) == (B, A)
    sequel.now = plan.at - timedelta(microseconds=1)
    assert sequel.life.champion == A
    sequel.now = plan.at
    assert (sequel.life.champion, sequel.life.plan, sequel.life.former) == (B, None, A)


def test_a_rollback_goes_back_through_the_champions_and_never_to_and_fro() -> None:
    sequel = Sequel()
    sequel.approve(A, B, C)
    for one in (A, B, C):
        sequel.activate(one)
        sequel.wait(1)
    for champion, former in ((C, B), (B, A)):
        assert (sequel.life.champion, sequel.life.former) == (champion, former)
        assert sequel.roll_back(champion)
        assert not sequel.roll_back(champion)
        sequel.wait(1)
    assert (sequel.life.champion, sequel.life.former) == (A, None)
    with pytest.raises(Conflict, match="no release of loan came before it"):
        sequel.roll_back(A)


def test_a_rollback_calls_off_what_is_planned() -> None:
    sequel = Sequel()
    sequel.approve(A, B)
    sequel.make(moves.stage(Move(release_hash=B, by=ONE), Stage.SHADOW))
    sequel.activate(A)
    sequel.wait(1)
    sequel.activate(B, hours=5)
    sequel.wait(1)
    with pytest.raises(Conflict, match="roll that back first"):
        sequel.roll_back(A)
    assert sequel.roll_back(B)
    sequel.wait(100)
    assert (sequel.life.champion, sequel.life.plan, sequel.life.former) == (A, None, None)
    assert sequel.state(B) is ReleaseState.SHADOW


def test_what_is_planned_may_go_live_sooner_and_not_later() -> None:
    sequel = Sequel()
    sequel.approve(A, B, C)
    sequel.activate(A)
    sequel.wait(1)
    sequel.activate(B, hours=5)
    with pytest.raises(Conflict, match="roll that back first"):
        sequel.activate(B, hours=6)
    with pytest.raises(Conflict, match="roll that back first"):
        sequel.activate(C)
    sequel.activate(B, hours=4)
    assert sequel.activate(B)
    sequel.wait(10)
    assert (sequel.life.champion, sequel.life.former) == (B, A)


def test_events_of_one_instant_follow_their_numbers() -> None:
    sequel = Sequel()
    sequel.approve(A, B)
    sequel.activate(A)
    sequel.activate(B)
    assert (sequel.life.champion, sequel.life.former) == (B, A)
    sequel.roll_back(B)
    assert (sequel.life.champion, sequel.life.former) == (A, None)


IMPOSSIBLE: dict[str, tuple[Judge, str]] = {
    "approve what was not proposed": (moves.approve(Move(release_hash=D, by=TWO)), "nothing waits for approval"),
    "reject what was not proposed": (moves.reject(Move(release_hash=D, by=TWO)), "nothing waits to be rejected"),
    "stage what is not approved": (moves.stage(Move(release_hash=D, by=ONE), Stage.SHADOW), "approval is none"),
    "activate what is not approved": (moves.activate(Move(release_hash=D, by=ONE)), "approval is none"),
    "stage the champion": (moves.stage(Move(release_hash=A, by=ONE), Stage.SHADOW), "it is the champion"),
    "retire the champion": (moves.retire(Move(release_hash=A, by=ONE)), "it is the champion"),
    "activate the champion later": (
        moves.activate(Move(release_hash=A, by=ONE), START + timedelta(days=1)),
        "it is the champion of loan already",
    ),
    "roll back what does not decide": (moves.roll_back(Move(release_hash=B, by=ONE)), "it is not the champion"),
    "approve one's own proposal": (moves.approve(Move(release_hash=C, by=ONE)), "a second person is needed"),
    "reject one's own proposal": (moves.reject(Move(release_hash=C, by=ONE)), "a second person is needed"),
    "propose what waits": (
        moves.propose(Move(release_hash=C, by=TWO), make_terms(START.date())),
        "waits for a second person",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_move_is_a_conflict_that_says_why(name: str) -> None:
    sequel = Sequel()
    sequel.approve(A, B)
    sequel.activate(A)
    sequel.make(moves.propose(Move(release_hash=C, by=ONE), make_terms(START.date())))
    judge, words = IMPOSSIBLE[name]
    with pytest.raises(Conflict, match=words):
        sequel.make(judge)


def test_a_plan_needs_a_champion_until_then() -> None:
    sequel = Sequel()
    sequel.approve(A)
    with pytest.raises(Conflict, match="activate it now"):
        sequel.activate(A, hours=1)


def test_what_is_planned_is_neither_staged_nor_retired() -> None:
    sequel = Sequel()
    sequel.approve(A, B)
    sequel.activate(A)
    sequel.activate(B, hours=1)
    for judge in (
        moves.stage(Move(release_hash=B, by=ONE), Stage.SHADOW),
        moves.retire(Move(release_hash=B, by=ONE, reason="Old.")),
    ):
        with pytest.raises(Conflict, match="it is to go live at 2026-01-05T13:00:00Z"):
            sequel.make(judge)


@pytest.mark.parametrize("hours", [0, -1, 24 * 367])
def test_an_instant_lies_ahead_and_not_too_far(hours: float) -> None:
    sequel = Sequel()
    sequel.approve(A, B)
    sequel.activate(A)
    with pytest.raises(ReleaseRefused, match="at: the instant must lie"):
        sequel.activate(B, hours=hours)


def test_an_expired_release_goes_live_by_no_way() -> None:
    sequel = Sequel()
    days = {"review_on": START.date() + timedelta(days=10), "expires_on": START.date() + timedelta(days=20)}
    sequel.approve(A, B, **days)
    sequel.approve(C)
    sequel.activate(A)
    sequel.wait(1)
    sequel.activate(C)
    with pytest.raises(Conflict, match="it expired on 2026-01-25"):
        sequel.activate(B, hours=24 * 20)
    sequel.wait(24 * 20)
    for judge in (
        moves.activate(Move(release_hash=B, by=ONE)),
        moves.stage(Move(release_hash=B, by=ONE), Stage.CHALLENGER),
    ):
        with pytest.raises(Conflict, match="it expired on 2026-01-25: it has to be proposed and approved anew"):
            sequel.make(judge)
    with pytest.raises(Conflict, match=f"release {A} came before it, and it expired"):
        sequel.roll_back(C)
    sequel.approve(A)
    assert sequel.roll_back(C)


def test_a_proposal_that_expired_is_not_approved() -> None:
    sequel = Sequel()
    terms = make_terms(START.date(), review_on=date(2026, 1, 8), expires_on=date(2026, 1, 9))
    sequel.make(moves.propose(Move(release_hash=A, by=ONE), terms))
    sequel.wait(24 * 10)
    with pytest.raises(Conflict, match="the proposal expired on 2026-01-09"):
        sequel.make(moves.approve(Move(release_hash=A, by=TWO)))


def test_a_renewal_leaves_the_former_terms_in_force_until_it_is_approved() -> None:
    sequel = Sequel()
    sequel.approve(A)
    sequel.activate(A)
    former = sequel.life.standing(A).terms
    later = make_terms(START.date(), owner="another-team")
    for verdict in (moves.reject, moves.approve):
        sequel.make(moves.propose(Move(release_hash=A, by=ONE), later))
        one = sequel.life.standing(A)
        assert (one.state, one.approval, one.terms, one.proposed) == ("champion", "approved", former, later)
        sequel.make(verdict(Move(release_hash=A, by=TWO, reason="Looked at.")))
        assert sequel.state(A) is ReleaseState.CHAMPION
    assert sequel.life.standing(A).terms == later


def test_what_was_retired_by_hand_begins_anew_and_is_not_brought_back() -> None:
    sequel = Sequel()
    sequel.approve(A, B)
    for one in (A, B):
        sequel.activate(one)
        sequel.wait(1)
    assert sequel.make(moves.retire(Move(release_hash=A, by=ONE, reason="Old.")))
    assert not sequel.make(moves.retire(Move(release_hash=A, by=ONE, reason="Old.")))
    assert (sequel.state(A), sequel.life.standing(A).approval) == ("retired", "withdrawn")
    with pytest.raises(Conflict, match="approval is withdrawn"):
        sequel.roll_back(B)
    sequel.approve(A)
    assert (sequel.state(A), sequel.life.standing(A).approval) == ("candidate", "approved")
    assert sequel.roll_back(B)


def test_a_product_has_so_many_shadows_and_challengers_at_most() -> None:
    sequel = Sequel()
    sequel.approve(*HASHES)
    for one in HASHES[:SHADOWS_MAX]:
        sequel.make(moves.stage(Move(release_hash=one, by=ONE), Stage.SHADOW))
    extra = Move(release_hash=HASHES[SHADOWS_MAX], by=ONE)
    for stage in Stage:
        with pytest.raises(Conflict, match=f"loan has {SHADOWS_MAX} shadows and challengers already"):
            sequel.make(moves.stage(extra, stage))
    assert sequel.make(moves.stage(Move(release_hash=HASHES[0], by=ONE), Stage.CHALLENGER))


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"review_on": START.date()}, ["/review_on"]),
        ({"expires_on": START.date() + timedelta(days=100)}, ["/expires_on"]),
        ({"expires_on": START.date() + timedelta(days=5_000)}, ["/expires_on"]),
        ({"review_on": START.date(), "expires_on": START.date() - timedelta(days=1)}, ["/review_on", "/expires_on"]),
    ],
)
def test_terms_whose_days_do_not_follow_each_other_are_refused_with_all_that_is_wrong(
    changes: dict[str, date], pointers: list[str]
) -> None:
    with pytest.raises(ReleaseRefused) as refused:
        Sequel().make(moves.propose(Move(release_hash=A, by=ONE), make_terms(START.date(), **changes)))
    assert [problem.pointer for problem in refused.value.problems] == pointers


def test_an_activation_from_before_there_were_events_counts_as_approved_on_no_terms() -> None:
    former = ReleaseEvent(
        product="loan",
        number=0,
        kind=ReleaseEventKind.ACTIVATED,
        release_hash=A,
        active_at=START - timedelta(days=1),
        signature=ONE,
        recorded_at=START - timedelta(days=1),
    )
    sequel = Sequel(events=[former])
    one = sequel.life.standing(A)
    assert (sequel.life.champion, one.approval, one.terms) == (A, "approved", None)
    (due,) = sequel.life.due(START.date())
    assert (due.kind, due.on, due.owner) == (DueKind.TERMS, None, None)
    sequel.approve(B)
    sequel.activate(B)
    assert [event.number for event in sequel.events] == [0, 1, 2, 3]
    assert sequel.roll_back(B)
    assert sequel.life.champion == A


def test_what_falls_due_is_told_of_releases_that_decide_alone() -> None:
    sequel = Sequel()
    today = START.date()
    sequel.approve(A, B, review_on=today + timedelta(days=DUE_DAYS), expires_on=today + timedelta(days=DUE_DAYS + 1))
    sequel.make(moves.stage(Move(release_hash=A, by=ONE), Stage.SHADOW))
    told = [(one.release_hash, one.kind, one.owner) for one in sequel.life.due(today + timedelta(days=DUE_DAYS))]
    assert told == [(A, DueKind.REVIEW, "risk-team")]
    assert sequel.life.due(today + timedelta(days=DUE_DAYS - 1)) == ()
    assert len(sequel.life.due(today + timedelta(days=DUE_DAYS + 1))) == 2
