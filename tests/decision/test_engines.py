"""What holds under every engine, and what segments and small changes do under the present one."""

from functools import cache
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from instant_credit.application.document import load_product
from instant_credit.application.door import Door
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case, build_case_features
from instant_credit.decision.decide import decide, decide_many
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import ENGINES, Release, decode_reference
from instant_credit.score.bundle import ENGINE_VERSION, Bundle, decode_bundle
from instant_credit.score.calibration import Calibration, calibrate_log_odds, estimate_pds, pd_to_ppm
from instant_credit.score.points import points_at
from tests.budget import examples
from tests.golden.corpus import FOLDER, build_corpus, build_parts, invent_facts

SEGMENT = "home"


@cache
def world(engine: int) -> tuple[Release, Case]:
    release, cases = build_corpus(engine)
    return release, cases[0]


@cache
def golden_bundle() -> Bundle:
    return decode_bundle(dict(build_parts(ENGINE_VERSION)[0])["model"])


@cache
def door() -> Door:
    return Door(load_product((FOLDER / "product.toml").read_text()))


def cases_of(engine: int) -> st.SearchStrategy[Case]:
    template = world(engine)[1]
    return st.integers(0, 2**32).map(
        lambda seed: msgspec.structs.replace(template, facts=invent_facts(door(), Random(seed)))
    )


@pytest.mark.parametrize("engine", ENGINES)
@examples(25)
@given(data=st.data())
def test_one_case_and_many_give_the_same_bytes_under_every_engine(engine: int, data: st.DataObject) -> None:
    release, cases = world(engine)[0], data.draw(st.lists(cases_of(engine), min_size=1, max_size=12))
    many = [encode_canonical(decision) for decision in decide_many(cases, release)]
    assert many == [encode_canonical(decide(case, release)) for case in cases]


@pytest.mark.parametrize("engine", ENGINES)
@examples(60)
@given(data=st.data())
def test_what_was_expected_and_the_contributions_are_the_raw_score(engine: int, data: st.DataObject) -> None:
    release = world(engine)[0]
    case = data.draw(cases_of(engine))
    decision = decide(case, release)
    assume(decision.expected_log_odds is not None)
    assert decision.expected_log_odds is not None
    raw = decision.expected_log_odds + sum(decision.contributions)
    log_odds = calibrate_log_odds(calibration_of(release, case), raw)
    assert decision.pd_ppm == pytest.approx(1e6 / (1 + np.exp(-log_odds)), abs=0.6)
    assert decision.points == pytest.approx(points_at(release.scale, log_odds), abs=1)


def row_of(release: Release, case: Case) -> np.ndarray:
    """The model's row, float32[m]."""
    row: np.ndarray = build_case_features(release.features, [case]).model[0]
    return row


def calibration_of(release: Release, case: Case) -> Calibration:
    """What the bundle says of the Case's segment."""
    if release.segment_position < 0:
        return release.calibration
    code = int(row_of(release, case)[release.segment_position])
    own = golden_bundle().segment_calibrations[code] if code >= 0 else None
    return own or release.calibration


def test_every_segment_is_calibrated_by_its_own() -> None:
    release = world(ENGINE_VERSION)[0]
    cases = [
        msgspec.structs.replace(world(ENGINE_VERSION)[1], facts=invent_facts(door(), Random(n))) for n in range(80)
    ]
    calibrations = set()
    for case, decision in zip(cases, decide_many(cases, release), strict=True):
        if decision.pd_ppm is None or decision.expected_log_odds is None:
            continue
        own = calibration_of(release, case)
        calibrations.add(own)
        raw = np.array([decision.expected_log_odds + sum(decision.contributions)])
        assert abs(decision.pd_ppm - pd_to_ppm(estimate_pds(own, raw)[0])) <= 1
    assert len(calibrations) == 3


@examples(100)
@given(cases_of(ENGINE_VERSION))
def test_reasons_of_the_model_are_contributions_above_the_references_mean_of_nothing(case: Case) -> None:
    release = world(ENGINE_VERSION)[0]
    decision = decide(case, release)
    codes = {variable.reason: position for position, variable in enumerate(release.variables)}
    for reason in decision.reasons:
        if reason.code in codes:
            assert decision.contributions[codes[reason.code]] > 0.0
            family = [i for i, name in enumerate(release.families) if name == reason.family]
            assert sum(decision.contributions[i] for i in family) > 0.0


@examples(100)
@given(cases_of(ENGINE_VERSION))
def test_a_decline_by_score_is_worse_than_the_reference(case: Case) -> None:
    release = world(ENGINE_VERSION)[0]
    decision = decide(case, release)
    if decision.outcome is Outcome.DECLINE and (decision.pd_ppm or 0) >= release.policy.decline_from:
        assert any(contribution > 0.0 for contribution in decision.contributions)


def test_the_reference_population_itself_contributes_nothing_on_average() -> None:
    release, template = world(ENGINE_VERSION)
    parts, cases = build_parts(ENGINE_VERSION)
    reference = decode_reference(dict(parts)["reference"])
    decisions = decide_many([msgspec.structs.replace(template, facts=case.facts) for case in cases], release)
    raws = [d.expected_log_odds + sum(d.contributions) for d in decisions if d.expected_log_odds is not None]
    assert len(raws) == len(cases)
    safer = np.argsort(raws, kind="stable")[: reference.rows]
    means = np.mean([decisions[i].contributions for i in safer], axis=0)
    np.testing.assert_allclose(means, 0.0, atol=1e-9)
    assert release.model.expected_log_odds == pytest.approx(np.mean(np.array(raws)[safer]), abs=1e-9)


def bins_of(release: Release, case: Case) -> list[object]:
    """Where the Case stands between the borders of each model variable."""
    tables, row = release.model.tables, row_of(release, case)
    places: list[object] = []
    for f, value in enumerate(row.tolist()):
        borders = tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]]
        places.append(value if tables.is_category[f] or np.isnan(value) else int(np.searchsorted(borders, value)))
    return ["missing" if isinstance(p, float) and np.isnan(p) else p for p in places]


@examples(150)
@given(cases_of(ENGINE_VERSION), st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_a_change_that_crosses_no_border_changes_neither_score_nor_contributions_nor_the_models_reasons(
    case: Case, by: float, by_more: float
) -> None:
    release = world(ENGINE_VERSION)[0]
    facts = case.facts
    moved = msgspec.structs.replace(
        facts,
        cents=tuple(None if c is None else max(0, round(c * (1 + by))) for c in facts.cents),
        reals=tuple(None if r is None else max(0.0, r * (1 + by_more)) for r in facts.reals),
    )
    nudged = msgspec.structs.replace(case, facts=moved)
    assume(bins_of(release, nudged) == bins_of(release, case))
    before, after = decide(case, release), decide(nudged, release)

    def told_by_model(decision: Decision) -> object:
        return decision.pd_ppm, decision.points, decision.expected_log_odds, decision.contributions

    assert told_by_model(before) == told_by_model(after)
    if before.trace == after.trace:
        assert [reason.code for reason in before.reasons] == [reason.code for reason in after.reasons]
