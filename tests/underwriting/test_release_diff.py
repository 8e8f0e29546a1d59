"""What differs between two releases, in words and in decisions."""

import dataclasses
from collections import Counter
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.application.document import hash_layout
from instant_credit.application.door import Door
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide
from instant_credit.decision.release import Composed, compose_parts, compose_release, decode_manifest
from instant_credit.errors import NotFound, Refused
from instant_credit.policy.document import CutOffs, Policy, decode_policy
from instant_credit.record.commit import commit_entries
from instant_credit.record.documents import put_document
from instant_credit.record.pool import Record
from instant_credit.underwriting import release_diff
from instant_credit.underwriting.release_diff import diff_releases
from instant_credit.underwriting.release_differences import tell_differences
from tests.decision.test_losses import TABLE, row
from tests.lending import AS_OF, Documents, invent_values, make_documents, vary, with_policy
from tests.record.entries import make_entry

CASES = 60


@pytest.fixture(scope="module")
def policy(documents: Documents) -> Policy:
    return decode_policy(dict(documents.parts)["policy"])


@pytest.fixture(scope="module")
def stricter(documents: Documents, policy: Policy) -> Documents:
    """A release that declines earlier and lets a rule go; its examples are those that still hold."""
    cuts = policy.cut_offs
    lower = CutOffs(approve_below_ppm=cuts.approve_below_ppm, decline_from_ppm=cuts.approve_below_ppm)
    return with_policy(documents, replace(policy, cut_offs=lower, title="Stricter", examples=policy.examples[:1]))


def compose(documents: Documents) -> Composed:
    return compose_parts(decode_manifest(documents.parts[-1][1]), documents.by_hash)


def rename(composed: Composed, **changes: Any) -> Composed:
    """The same under another hash, with parts of the release changed as no document would."""
    return replace(composed, release=dataclasses.replace(composed.release, hash="f" * 64, **changes))


def test_a_release_differs_in_nothing_from_itself(documents: Documents) -> None:
    assert tell_differences(compose(documents), compose(documents)) == ()


def test_what_changed_is_told_by_name(documents: Documents, stricter: Documents, policy: Policy) -> None:
    cuts = policy.cut_offs
    told = tell_differences(compose(documents), compose(stricter))
    assert f"policy: title {policy.title} -> Stricter" in told
    assert f"cut-offs: decline_from_ppm {cuts.decline_from_ppm / 1e4:g}% -> {cuts.approve_below_ppm / 1e4:g}%" in told
    assert all(one.startswith(("policy: ", "cut-offs: ")) for one in told)


def test_a_rule_that_came_went_or_changed_is_told_by_its_name(documents: Documents, policy: Policy) -> None:
    kept = policy.rules[1:]
    changed = replace(kept[0], outcome="refer" if kept[0].outcome == "decline" else "decline")
    after = replace(policy, rules=(changed, *kept[1:]), examples=policy.examples)
    before_all = compose(documents)
    compiled = dataclasses.replace(before_all.release.policy, policy=after)
    after_all = rename(before_all, policy=compiled)
    told = tell_differences(before_all, after_all)
    assert f"policy: rule {policy.rules[0].id} is gone" in told
    assert f"policy: rule {changed.id}: outcome {kept[0].outcome} -> {changed.outcome}" in told
    back = tell_differences(after_all, before_all)
    assert f"policy: rule {policy.rules[0].id} is new" in back


def test_another_model_tells_its_trees_and_calibration(documents: Documents) -> None:
    before = compose(documents)
    manifest = replace(before.release.manifest, model_hash="e" * 64)
    bundle = replace(before.bundle, calibration=replace(before.bundle.calibration, slope=1.5))
    changed = replace(rename(before, manifest=manifest), bundle=bundle)
    assert "calibration: overall, slope 1 -> 1.5, intercept 0 -> 0" in tell_differences(before, changed)


def test_what_loans_lose_is_told_by_segment(documents: Documents) -> None:
    plain = compose(documents)
    table = replace(TABLE, total=row("all", 0.5), segments=(row("car", 0.8), row("house", 0.4, is_own=False)))
    named = rename(plain, losses=table)
    assert tell_differences(plain, named) == (
        "losses: table none -> of book lent as known on 2026-01-01",
        "losses: all loans, of the amount lent none -> 50.0%",
        "losses: purpose car, of the amount lent none -> 80.0%",
    )
    later = rename(plain, losses=replace(table, segments=(row("car", 0.7), row("house", 0.4))))
    assert tell_differences(named, replace(later, release=dataclasses.replace(later.release, hash="a" * 64))) == (
        "losses: purpose car, of the amount lent 80.0% -> 70.0%",
        "losses: purpose house, of the amount lent none -> 40.0%",
    )


@pytest.fixture
async def stocked(record: Record, actor: Actor, documents: Documents, stricter: Documents) -> Record:
    """A record with both releases and a book of Cases."""
    for one in (documents, stricter):
        for kind, raw in one.parts:
            await put_document(record, kind, raw, actor)
    nothing = dict.fromkeys(("decision_id", "decision", "release_hash", "outcome", "answer"))
    entries = [
        make_entry(record, number, "tape", case=encode_canonical(case), product_hash=case.product_hash, **nothing)
        for number, case in enumerate(make_cases(documents))
    ]
    await commit_entries(record, entries, actor)
    return record


def make_cases(documents: Documents) -> list[Case]:
    door, chance = Door(documents.product), Random(3)
    layout_hash, product_hash = hash_layout(documents.product), hash_content(dict(documents.parts)["product"])
    facts = [door.check_facts(invent_values(documents.product, chance), AS_OF) for _ in range(CASES)]
    return [Case(product_hash=product_hash, layout_hash=layout_hash, as_of=AS_OF, facts=one) for one in facts]  # type: ignore[arg-type] # invented facts pass the door


@pytest.mark.anyio
@pytest.mark.parametrize("chunk", [7, 1_000])
async def test_the_counts_are_those_of_deciding_each_case_alone(
    stocked: Record, documents: Documents, stricter: Documents, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_diff, "CHUNK_CASES", chunk)
    seen: list[tuple[int, int]] = []
    found = await diff_releases(
        stocked,
        documents.release_hash,
        stricter.release_hash,
        last=1_000,
        book="tape",
        progress=lambda done, total: seen.append((done, total)),
    )
    releases = [compose_release(decode_manifest(one.parts[-1][1]), one.by_hash) for one in (documents, stricter)]
    pairs = [tuple(decide(case, release) for release in releases) for case in make_cases(documents)]
    outcomes = Counter((one.outcome, other.outcome) for one, other in pairs)
    assert {(pair.before, pair.after): pair.cases for pair in found.outcomes} == outcomes
    assert found.moved_total == sum((one.outcome, one.terms) != (other.outcome, other.terms) for one, other in pairs)
    assert 0 < found.moved_total == len(found.moved) < CASES == found.cases
    for place, side in enumerate(("before", "after")):
        counted = Counter(code for pair in pairs for code in {reason.code for reason in pair[place].reasons})
        assert {one.code: getattr(one, side) for one in found.reasons if getattr(one, side)} == counted
    assert seen[-1] == (CASES, CASES)


@pytest.mark.anyio
async def test_the_last_cases_are_the_latest(stocked: Record, documents: Documents, stricter: Documents) -> None:
    hashes = documents.release_hash, stricter.release_hash
    whole = await diff_releases(stocked, *hashes, last=CASES, book="tape")
    part = await diff_releases(stocked, *hashes, last=10, book="tape")
    assert part.cases == 10
    assert list(part.moved) == list(whole.moved)[: len(part.moved)]
    assert (await diff_releases(stocked, *hashes, last=5)).cases == 0
    assert (await diff_releases(stocked, *hashes)).outcomes == ()


@pytest.mark.anyio
async def test_two_releases_of_two_products_are_not_compared(
    stocked: Record, actor: Actor, documents: Documents, policy: Policy
) -> None:
    product = replace(documents.product, name="yacht_loan")
    other = make_documents(product, replace(policy, product="yacht_loan"))
    for kind, raw in other.parts:
        await put_document(stocked, kind, raw, actor)
    with pytest.raises(Refused, match="give two of one product"):
        await diff_releases(stocked, documents.release_hash, other.release_hash)
    with pytest.raises(NotFound):
        await diff_releases(stocked, documents.release_hash, "0" * 64)
    with pytest.raises(Refused, match="keys for tests"):
        await diff_releases(stocked, documents.release_hash, documents.release_hash, last=1, book="test")


def test_vary_gives_another_release(documents: Documents) -> None:
    told = tell_differences(compose(documents), compose(vary(documents, "Another policy")))
    assert len(told) == 1
    assert told[0].endswith("-> Another policy")
