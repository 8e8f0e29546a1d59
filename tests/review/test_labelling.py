"""Ripe loans are labelled as the release's model was trained, or as a run is told."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.decision.release import Release
from instant_credit.errors import Refused
from instant_credit.outcome.alerts import AlertRules, load_rules
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, encode_definition, hash_definition
from instant_credit.outcome.labels import Label
from instant_credit.outcome.sketches import OFFERS, OUTCOMES
from instant_credit.record.documents import DocumentKind, get_document, put_document
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases
from instant_credit.review.labelling import choose_maturities, days_to_ripen, find_definition
from instant_credit.review.references import fix_reference
from instant_credit.review.ripening import label_cases
from instant_credit.review.sketching import sketch_book
from instant_credit.review.windows import JudgedWindow, judge_book
from instant_credit.underwriting.course import BOOK
from tests.clock import FixedClock
from tests.review.deciding import MONDAY, invent_cases, record_cases

A_MONTH = LabelDefinition(name="month", title="A month on book", window_months=1, starts="as_of")
CASES = 40
RULES: AlertRules = load_rules(
    """
schema_version = 1
name = "weekly"
window_days = 7
maturities_days = [14]
[[rules]]
name = "bad_rate_off"
metric = "bad_rate"
on = 0.5
off = 0.3
owner = "credit-risk"
runbook = "docs/runbooks.md"
"""
)


async def write_off_late(record: Record, actor: Actor, release: Release) -> int:
    """Loans of one week that are all charged off 35 days later, and applications until then; how many loans there are."""
    await record_cases(record, actor, release, invent_cases(release, 1, 400), book="tape", is_decided=False)
    await fix_reference(record, release.hash, book="tape", actor=actor)
    offered = 0
    for week in range(6):
        cases = invent_cases(release, 50 + week, CASES, MONDAY + timedelta(days=7 * week + 2))
        events = {number: [("charged_off", 35)] for number in range(CASES)} if week == 0 else None
        decisions = await record_cases(record, actor, release, cases, start=1_000 * week, events=events)
        if week == 0:
            offered = sum(OUTCOMES.index(one.outcome.value) < OFFERS for one in decisions)
    await sketch_book(record, BOOK, actor)
    return offered


async def train_by(record: Record, actor: Actor, release: Release, definition: LabelDefinition) -> None:
    """A training of the release's model by the definition, as far as monitoring reads it."""
    labels = await put_document(record, DocumentKind.LABELS, encode_definition(definition), actor)
    told = {"bundle_hash": release.manifest.model_hash, "labels": labels, "cases": 1}
    await put_document(record, DocumentKind.TRAINING, msgspec.json.encode(told, order="deterministic"), actor)


async def judge_last(record: Record, actor: Actor, definition: LabelDefinition | None = None) -> JudgedWindow:
    return (await judge_book(record, BOOK, RULES, actor, definition=definition))[-1]


@pytest.mark.anyio
async def test_a_training_without_labels_and_none_at_all_mean_the_labels_as_last_seen(
    stocked: Record, clock: FixedClock, actor: Actor, release: Release
) -> None:
    assert await find_definition(stocked, release.hash) == AS_LAST_SEEN
    for told in ({"bundle_hash": "e" * 64, "labels": "e" * 64}, {"bundle_hash": release.manifest.model_hash}):
        await put_document(stocked, DocumentKind.TRAINING, msgspec.json.encode(told), actor)
        assert await find_definition(stocked, release.hash) == AS_LAST_SEEN
    clock.advance(timedelta(minutes=1))
    await train_by(stocked, actor, release, A_MONTH)
    assert await find_definition(stocked, release.hash) == A_MONTH


@pytest.mark.anyio
async def test_trainings_of_other_models_are_not_read(
    stocked: Record, clock: FixedClock, actor: Actor, release: Release
) -> None:
    await train_by(stocked, actor, release, A_MONTH)
    clock.advance(timedelta(minutes=1))
    await put_document(stocked, DocumentKind.TRAINING, b'{"of":"a later version"}', actor)
    assert await find_definition(stocked, release.hash) == A_MONTH


@pytest.mark.anyio
@pytest.mark.parametrize("is_given", [False, True])
async def test_ripe_loans_are_labelled_as_the_model_was_trained_or_as_is_told(
    stocked: Record, actor: Actor, release: Release, is_given: bool
) -> None:
    offered = await write_off_late(stocked, actor, release)
    if not is_given:
        await train_by(stocked, actor, release, A_MONTH)
    window = await judge_last(stocked, actor, A_MONTH if is_given else None)
    (ripe,) = window.report.maturities
    assert (ripe.days, ripe.first_on, ripe.loans, ripe.bads, ripe.unresolved) == (14, MONDAY, offered, 0, 0)
    assert window.report.labels == hash_definition(A_MONTH)
    assert await get_document(stocked, window.report.labels) == encode_definition(A_MONTH)


@pytest.mark.anyio
async def test_labels_as_last_seen_look_at_the_maturity_that_the_rules_name(
    stocked: Record, actor: Actor, release: Release
) -> None:
    await write_off_late(stocked, actor, release)
    window = await judge_last(stocked, actor)
    assert window.report.labels == hash_definition(AS_LAST_SEEN)
    (ripe,) = window.report.maturities
    assert ripe.first_on == MONDAY + timedelta(days=21)


@pytest.mark.anyio
async def test_a_definition_for_other_products_labels_nothing(stocked: Record, actor: Actor, release: Release) -> None:
    await write_off_late(stocked, actor, release)
    with pytest.raises(Refused, match="are for card, not for personal_loan"):
        await judge_last(stocked, actor, replace(A_MONTH, products=("card",)))


@pytest.mark.anyio
async def test_a_loan_is_immature_until_its_window_and_lag_have_passed_whatever_is_known_of_it(
    stocked: Record, actor: Actor, release: Release
) -> None:
    cases = invent_cases(release, 1, 2, MONDAY)
    await record_cases(stocked, actor, release, cases, events={0: [("charged_off", 20)], 1: [("paid", 20)]})
    stored = [one async for one in iterate_cases(stocked, BOOK)]
    lagging = replace(A_MONTH, lag_days=10)
    ends_on = MONDAY.replace(month=2) + timedelta(days=10)
    for known_on, labels in (
        (ends_on - timedelta(days=1), {Label.IMMATURE}),
        (ends_on, {Label.BAD, Label.GOOD}),
    ):
        assert set(label_cases(stored, known_on, lagging).tolist()) == labels


definitions = st.builds(
    LabelDefinition,
    name=st.just("any"),
    title=st.just("Any"),
    window_months=st.one_of(st.none(), st.integers(1, 36)),
    lag_days=st.integers(0, 100),
    starts=st.sampled_from(["as_of", "disbursed"]),
)


@given(st.sets(st.integers(1, 900), min_size=1, max_size=6), definitions)
def test_no_label_is_looked_at_before_it_is_ripe_and_no_loans_twice(
    days: set[int], definition: LabelDefinition
) -> None:
    chosen = choose_maturities(tuple(sorted(days)), definition)
    assert all(after >= max(named, days_to_ripen(definition)) for named, after in chosen.items())
    assert len(set(chosen.values())) == len(chosen)
    assert set(chosen) <= days
    assert max(days) in chosen
    if definition.window_months is None:
        assert chosen == {one: one for one in days}
