"""The suite `experiments`: its cases are whole, its checks can fail, and its tables tell what was found."""

import json
import math

import pytest
from benchmarks import experiments, experiments_planned, experiments_ratios, experiments_sequences, readme
from benchmarks.experiments_faults import FAULTS
from benchmarks.experiments_looks import watch
from benchmarks.experiments_tables import strip_kind
from benchmarks.experiments_worlds import EFFECTS, KINDS, World
from benchmarks.form import Case, publish

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Every case but those of other modules' tests, on few experiments."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, count in (
            (experiments_sequences, "EXPERIMENTS", 100),
            (experiments_planned, "EXPERIMENTS", 100),
            (experiments_sequences, "EFFECT_EXPERIMENTS", 40),
            (experiments_ratios, "FAULTY", 1),
            (experiments_ratios, "CLEAN", 2),
        ):
            patch.setattr(module, name, {True: count})
        patch.setattr(experiments, "time_assignment", lambda **_: Case("assign", [1]))
        patch.setattr(experiments, "measure_readouts", lambda **_: Case("read out", [1]))
        return experiments.measure(quick=True, seed=1)


def test_every_metric_kind_is_checked_beside_the_daily_z_test(cases) -> None:
    checks = {name: found for case in cases for name, found in case.checks.items()}
    for kind in KINDS:
        assert isinstance(checks[f"false_alarm_{kind}"], bool)
        assert checks[f"naive_false_alarm_{kind}"] > 0.2
        assert checks[f"false_alarm_rate_{kind}"] < 0.1
    for name in (*EFFECTS, "loss_cut_by_a_third"):
        assert isinstance(checks[f"covers_{name}"], bool)
        assert 0.5 < checks[f"mean_sample_ratio_{name}"] < checks[f"power_80_sample_ratio_{name}"]
    assert checks["bounds_within_5_percent_of_spotify_confidence"] is True
    assert all(checks[f"caught_{fault.__name__}"] is True for fault in FAULTS)
    assert all(case.ours for case in cases)


def test_the_peer_takes_turns_with_ours(cases) -> None:
    (case,) = [case for case in cases if case.peers]
    assert case.times_ours(experiments_planned.PEER) > 0


def test_a_share_may_lie_three_errors_of_the_simulation_above_its_bound_and_no_more() -> None:
    error = math.sqrt(0.05 * 0.95 / 10_000)
    assert experiments_sequences.within(0.05 + 2.9 * error, 10_000)
    assert not experiments_sequences.within(0.05 + 3.1 * error, 10_000)


def test_the_bare_formula_alarms_more_often_where_an_arm_holds_few_events() -> None:
    watched = watch(World("early_delinquency", share=0.1), 250, seed=3)
    assert watched.missed_bare > 2 * watched.missed
    assert len(watched.read_ns) == 1
    assert watched.looks_per_read == 250 * World("early_delinquency").entry_days


def test_an_experiment_without_a_block_is_never_caught() -> None:
    samples: list[int] = []
    assert experiments_ratios._find_block(1, samples) == math.inf
    assert len(samples) == experiments_ratios.DAYS


def test_a_page_shows_rates_samples_and_what_was_missed(cases, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    (cut,) = [case for case in cases if "power_80_within_1_75_times_fixed_loss_cut_by_a_third" in case.checks]
    cut.checks["power_80_within_1_75_times_fixed_loss_cut_by_a_third"] = False
    failed = publish("experiments", cases, 1, tmp_path / "experiments.json")
    assert f"{cut.name}: power_80_within_1_75_times_fixed_loss_cut_by_a_third" in failed
    page = tmp_path / "README.md"
    page.write_text(
        "<!-- benchmark: experiments -->\n<!-- end -->\n<!-- benchmark: experiments, all -->\n<!-- end -->\n"
    )
    assert readme.rewrite(page) == ["experiments", "experiments"]
    short, whole = page.read_text().split("<!-- end -->\n")[:2]
    rates = {
        name: found
        for case in json.loads((tmp_path / "experiments.json").read_text())["cases"]
        for name, found in case["checks"].items()
    }
    for part in (short, whole):
        assert (
            f"| default | {rates['false_alarm_rate_default']:.1%} | {rates['naive_false_alarm_default']:.1%} |" in part
        )
        assert f"power 80 within 1 75 times fixed loss cut by a third ({cut.name})" in part
    assert "| bounds of 5 planned looks | spotify-confidence |" in whole
    assert "spotify-confidence |" not in short


def test_a_check_is_told_without_its_metric_kind() -> None:
    assert strip_kind("false_alarm_small_arm_whole_loss") == "false_alarm_small_arm"
    assert strip_kind("covers_loss_cut_by_a_third") == "covers"
    assert strip_kind("covers_households") == "covers_households"
