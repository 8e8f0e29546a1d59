"""The state of an experiment as a function of plan and events, over moves by chance."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.errors import Conflict, Refused
from instant_credit.experiment.assignment import Table
from instant_credit.record.experiments import Conclusion, ExperimentEvent, ExperimentEventKind, PlannedExperiment
from instant_credit.underwriting import experiment_moves as moves
from instant_credit.underwriting.experiment_moves import ExperimentConflict, ExperimentRefused, Judge, Move
from instant_credit.underwriting.experiment_states import ExperimentLife, ExperimentState, tell_experiment
from instant_credit.units import PPM
from tests.budget import examples
from tests.experiment.plans import layers_with, plan

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
FIRST = Move(by=TWO, reason="By chance.")
ARMS = [
    {"name": name, "share_ppm": share, "overlay": {"model": letter * 64} if letter else {}}
    for name, share, letter in (("control", 400_000, ""), ("a", 300_000, "a"), ("b", 300_000, "b"))
]


@dataclass
class World:
    """Experiments of one layer and their events, by number from 1."""

    holdout_ppm: int = 0
    now: datetime = START
    events: dict[int, list[ExperimentEvent]] = field(default_factory=dict)

    def life(self, experiment: int) -> ExperimentLife:
        own = plan(name=f"plan_{experiment}", arms=ARMS)
        planned = PlannedExperiment(
            experiment=experiment,
            plan_hash=f"{experiment:064x}",
            product=own.product,
            name=own.name,
            signature=ONE,
            recorded_at=START,
        )
        return tell_experiment(planned, own, self.events.get(experiment, []))

    def running(self) -> list[ExperimentLife]:
        lives = [self.life(experiment) for experiment in self.events]
        return [life for life in lives if life.state is ExperimentState.RUNNING]

    def start(self, experiment: int, coverage: int, reach: int, move: Move = FIRST) -> None:
        life = self.life(experiment)
        if not moves.is_started(move, life, coverage, reach):
            layer = layers_with("risk", holdout_ppm=self.holdout_ppm).layer("risk")
            others = self.running()
            started = moves.start(
                move, life, self.now, others=others, layer=layer, coverage_ppm=coverage, reach_ppm=reach
            )
            self._add(started)

    def make(self, experiment: int, judge: Judge) -> bool:
        event = judge(self.life(experiment), self.now)
        if event is not None:
            self._add(event)
        return event is not None

    def _add(self, event: ExperimentEvent) -> None:
        self.events.setdefault(event.experiment, []).append(event)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Moves by chance on four experiments; what was made once is made again without an event."""
    world = World(holdout_ppm=draw(st.sampled_from([0, 200_000])))
    shares = st.sampled_from([1, 100_000, 350_000, PPM])
    for _ in range(draw(st.integers(1, 25))):
        world.now += timedelta(hours=1)
        experiment = draw(st.integers(1, 4))
        coverage, reach, arm = draw(shares), draw(shares), draw(st.sampled_from(["control", "a", "b"]))
        judge = draw(
            st.sampled_from(
                [
                    None,
                    None,
                    moves.ramp(FIRST, coverage),
                    moves.close_arm(FIRST, arm, draw(st.sampled_from([None, "loss_budget"]))),
                    moves.stop(FIRST),
                    moves.conclude(FIRST, draw(st.sampled_from(list(Conclusion)))),
                ]
            )
        )
        try:
            if judge is None:
                world.start(experiment, coverage, reach)
                before = len(world.events[experiment])
                world.start(experiment, coverage, reach)
                assert len(world.events[experiment]) == before, "a start that was made is made again"
            else:
                world.make(experiment, judge)
                assert not world.make(experiment, judge), "a move that was made is made again"
        except (Conflict, Refused):
            continue
    return world


@examples(150)
@given(worlds())
def test_running_experiments_share_no_bucket_and_spare_the_holdout(world: World) -> None:
    running = world.running()
    taken = [bucket for life in running if life.reach for bucket in range(life.reach[0], life.reach[1], 50_000)]
    assert len(taken) == len(set(taken))
    assert all(life.reach is not None and life.reach[0] >= world.holdout_ppm for life in running)
    Table(layers_with("risk", holdout_ppm=world.holdout_ppm), [life.running for life in running if life.running])


@examples(150)
@given(worlds())
def test_a_state_follows_from_the_events_as_the_definition_says(world: World) -> None:
    """Told again event by event, as by somebody who reads them aloud."""
    kinds = ExperimentEventKind
    for experiment, events in world.events.items():
        state, coverage = "planned", 0
        closed: set[str | None] = set()
        for event in events:
            covered = event.coverage_ppm or 0
            assert event.number == events.index(event) + 1
            if event.kind is kinds.STARTED:
                assert state == "planned"
                state, coverage = "running", covered
            elif event.kind is kinds.RAMPED:
                assert state == "running"
                assert covered > coverage
                coverage = covered
            elif event.kind is kinds.ARM_CLOSED:
                assert state == "running"
                assert event.arm not in {"control", *closed}
                closed.add(event.arm)
            elif event.kind is kinds.STOPPED:
                assert state == "running"
                state = "stopped"
            else:
                assert state in ("running", "stopped")
                state = "concluded"
        life = world.life(experiment)
        assert (life.state.value, life.coverage_ppm, set(life.closed)) == (state, coverage, closed)
        assert set(life.open_arms) == {"a", "b"} - closed
        assert (life.running is not None) == (state == "running")
        assert (life.stop is not None) == (state in ("stopped", "concluded"))
        assert (life.verdict is not None) == (state == "concluded")


def test_what_was_planned_and_not_started_claims_nothing() -> None:
    life = World().life(1)
    assert (life.state, life.reach, life.started_at, life.entry_ends_on, life.running) == (
        "planned",
        None,
        None,
        None,
        None,
    )


def test_whoever_planned_does_not_start_unless_the_event_says_so() -> None:
    world = World()
    with pytest.raises(ExperimentConflict, match="a second person is needed"):
        world.start(1, PPM, PPM, Move(by=ONE))
    world.start(1, PPM, PPM, Move(by=ONE, is_single_person=True))
    assert world.events[1][0].is_single_person
    assert world.life(1).entry_ends_on == START.date() + timedelta(days=plan().entry_days_max)


def test_a_full_layer_says_how_much_is_free() -> None:
    world = World(holdout_ppm=200_000)
    world.start(1, PPM, 500_000)
    with pytest.raises(ExperimentConflict, match="300000 ppm are free in one piece"):
        world.start(2, PPM, 300_001)
    world.start(2, PPM, 300_000)
    assert world.life(2).reach == (700_000, PPM)
    world.make(1, moves.stop(FIRST))
    world.start(3, PPM, 400_000)
    assert world.life(3).reach == (200_000, 600_000)


def test_at_most_so_many_experiments_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "RUNNING_MAX", 1)
    world = World()
    world.start(1, 10, 10)
    with pytest.raises(ExperimentConflict, match="1 experiments run already: stop one"):
        world.start(2, 10, 10)


@pytest.mark.parametrize(
    ("coverage", "reach", "pointers"), [(0, 5, ["/coverage_ppm"]), (PPM + 1, 0, ["/coverage_ppm", "/reach_ppm"])]
)
def test_a_share_that_is_none_is_refused_by_its_field(coverage: int, reach: int, pointers: list[str]) -> None:
    with pytest.raises(ExperimentRefused, match="is 1 to 1000000 ppm") as refused:
        World().start(1, coverage, reach)
    assert [problem.pointer for problem in refused.value.problems] == pointers


def test_what_an_experiment_does_not_allow_is_refused_with_what_to_do() -> None:
    world = World()
    for judge, words in (
        (moves.ramp(FIRST, 5), "only planned: start it first"),
        (moves.stop(FIRST), "only planned: start it first"),
        (moves.close_arm(FIRST, "a"), "only planned: start it first"),
        (moves.conclude(FIRST, Conclusion.KEEP), "never started"),
        (moves.close_arm(FIRST, "c"), "only control, a, b"),
        (moves.close_arm(FIRST, "control"), "stop the experiment instead"),
    ):
        with pytest.raises(ExperimentConflict, match=words):
            world.make(1, judge)
    world.start(1, 500_000, PPM)
    with pytest.raises(ExperimentConflict, match="coverage only grows, and is 500000 ppm"):
        world.make(1, moves.ramp(FIRST, 499_999))
    with pytest.raises(ExperimentConflict, match="runs already: ramp it"):
        world.start(1, 600_000, PPM)
    world.make(1, moves.conclude(FIRST, Conclusion.KEEP))
    with pytest.raises(ExperimentConflict, match="it is concluded and exposes nobody"):
        world.make(1, moves.ramp(FIRST, PPM))
    with pytest.raises(ExperimentConflict, match="concluded with keep, for good"):
        world.make(1, moves.conclude(FIRST, Conclusion.PROMOTE))
    with pytest.raises(ExperimentConflict, match="starts once: plan another one"):
        world.start(1, 600_000, PPM)
