"""Releases: made out of recorded documents and a book, loaded and kept live."""

from random import Random

import asyncpg
import msgspec
import numpy as np
import pytest

from instant_credit.access.four_eyes import Signature
from instant_credit.application.document import decode_product, encode_product, hash_layout
from instant_credit.application.door import Door
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.case import Case, build_case_features
from instant_credit.decision.decide import decide_many
from instant_credit.decision.release import compose_release, decode_manifest, decode_reference, encode_manifest
from instant_credit.errors import NotFound, Refused, Unavailable
from instant_credit.policy.document import read_policy
from instant_credit.record.commit import commit_entries
from instant_credit.record.documents import get_document, put_document
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import decode_bundle, encode_bundle
from instant_credit.score.calibration import Calibration, estimate_pds, margin_at_pd, pd_to_ppm
from instant_credit.score.model import score_rows
from instant_credit.score.proof import prove_bundle
from instant_credit.underwriting import releases as releases_module
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_moves import ReleaseConflict
from instant_credit.underwriting.releases import (
    RETRY_NS,
    LiveReleases,
    load_live_release,
    load_release,
    make_release,
)
from instant_credit.units import Ppm
from tests.lending import AS_OF, invent_values
from tests.policy.documents import changed
from tests.record.entries import make_entry
from tests.releasing import put_live

CASES = 80


@pytest.fixture
def policy():
    return read_policy(read_starter("policies", "personal_loan"))


@pytest.fixture
def manifest(documents):
    return decode_manifest(documents.parts[-1][1])


@pytest.fixture
def cases(documents, manifest):
    door, chance = Door(documents.product), Random(3)
    told = [door.check_facts(invent_values(documents.product, chance), AS_OF) for _ in range(CASES)]
    return [
        Case(product_hash=manifest.product_hash, layout_hash=hash_layout(documents.product), as_of=AS_OF, facts=facts)
        for facts in told
    ]


def undecided(record, number, case, book="tape"):
    nothing = dict.fromkeys(("decision_id", "decision", "release_hash", "outcome", "answer"))
    return make_entry(record, number, book, case=encode_canonical(case), product_hash=case.product_hash, **nothing)


@pytest.fixture
async def stocked(record, actor, documents, cases):
    """A record with the product, the model and a book."""
    for kind, raw in documents.parts[:2]:
        await put_document(record, kind, raw, actor)
    await commit_entries(record, [undecided(record, n, case) for n, case in enumerate(cases)], actor)
    return record


async def make_live(record, release_hash, actor):
    await put_live(record, "personal_loan", release_hash, actor)


@pytest.fixture
async def made(stocked, policy, manifest, actor):
    return await make_release(stocked, policy=policy, model_hash=manifest.model_hash, book="tape", actor=actor)


@pytest.mark.anyio
async def test_the_documents_of_a_release_are_recorded_in_one_transaction(made, superuser_url):
    connection = await asyncpg.connect(superuser_url)
    written = await connection.fetch(
        "SELECT xmin::text AS transaction, kind FROM instant_credit.documents WHERE kind IN ('policy', 'reference', 'release')"
    )
    await connection.close()
    assert len(written) == 3
    assert len({row["transaction"] for row in written}) == 1


@pytest.mark.anyio
async def test_a_made_release_decides_after_it_was_loaded(stocked, made, cases):
    loaded = await load_release(stocked, made.hash)
    assert loaded.hash == made.hash
    assert decide_many(cases, loaded) == decide_many(cases, made)


@pytest.mark.anyio
async def test_making_a_release_again_gives_the_same_one(stocked, made, policy, documents, actor):
    again = await make_release(
        stocked,
        policy=policy,
        model_hash=made.manifest.model_hash,
        book="tape",
        actor=actor,
        product=documents.product,
    )
    assert again.hash == made.hash


@pytest.mark.anyio
async def test_the_reference_is_the_quarter_nearest_to_the_cut_off(stocked, made, cases, policy):
    reference = decode_reference(await get_document(stocked, made.manifest.reference_hash))
    below = policy.cut_offs.approve_below_ppm
    pds = sorted(d.pd_ppm for d in decide_many(cases, made) if d.pd_ppm is not None and d.pd_ppm < below)
    assert reference.rows == pytest.approx(len(pds) / 4, abs=1)
    assert f"pd from {pds[-reference.rows]} to below {below} ppm" in reference.definition


@pytest.mark.anyio
async def test_the_reference_leaves_out_whoever_some_segment_would_decline(stocked, policy, actor, documents, cases):
    """One home is so much riskier that its calibration declines raw scores that the others approve."""
    own = (Calibration(intercept=2.0), None, None, None)
    bundle = decode_bundle(documents.parts[1][1])
    bundle = prove_bundle(msgspec.structs.replace(bundle, segment_variable="home", segment_calibrations=own))
    model_hash = await put_document(stocked, "model", encode_bundle(bundle), actor)
    made = await make_release(stocked, policy=policy, model_hash=model_hash, book="tape", actor=actor)
    reference = decode_reference(await get_document(stocked, made.manifest.reference_hash))
    margin = margin_at_pd(own[0], Ppm(policy.cut_offs.decline_from_ppm - 1))
    assert made.model.expected_log_odds < margin
    matrix = build_case_features(made.features, cases).model
    raws = score_rows(made.model, matrix)
    codes = np.ascontiguousarray(matrix[:, made.segment_position])
    pds = np.array([pd_to_ppm(pd) for pd in estimate_pds(made.calibrations, raws, codes).tolist()])
    eligible = (raws < margin) & (pds < policy.cut_offs.approve_below_ppm)
    assert eligible.sum() < (pds < policy.cut_offs.approve_below_ppm).sum()
    assert reference.rows == pytest.approx(eligible.sum() / 4, abs=1)
    assert all(d.reasons for d in decide_many(cases, made) if d.outcome == "decline")


@pytest.mark.anyio
async def test_a_model_of_a_former_engine_makes_no_release(stocked, policy, actor, documents):
    former = msgspec.structs.replace(
        decode_bundle(documents.parts[1][1]), schema_version=1, engine_version=1, proof=None
    )
    model_hash = await put_document(stocked, "model", encode_bundle(former), actor)
    with pytest.raises(Refused, match="was made for engine 1, this is engine 2; train it again"):
        await make_release(stocked, policy=policy, model_hash=model_hash, book="tape", actor=actor)


@pytest.mark.anyio
async def test_progress_counts_the_cases_that_were_read(stocked, policy, manifest, actor):
    seen = []
    await make_release(
        stocked, policy=policy, model_hash=manifest.model_hash, book="tape", actor=actor, progress=seen.append
    )
    assert seen == [CASES]


@pytest.mark.anyio
async def test_an_erased_persons_case_is_left_out(stocked, made, policy, actor, superuser_url):
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        "DELETE FROM sealed_keys.person_keys WHERE person_id IN (SELECT person_id FROM sealed_keys.person_keys LIMIT 40)"
    )
    await connection.close()
    model_hash = made.manifest.model_hash
    fewer = await make_release(stocked, policy=policy, model_hash=model_hash, book="tape", actor=actor)
    reference = decode_reference(await get_document(stocked, fewer.manifest.reference_hash))
    assert f"of {CASES - 40} applicants" in reference.definition


@pytest.mark.anyio
async def test_a_book_that_is_not_there_makes_no_release(stocked, policy, manifest, actor):
    with pytest.raises(NotFound, match="book nowhere"):
        await make_release(stocked, policy=policy, model_hash=manifest.model_hash, book="nowhere", actor=actor)


@pytest.mark.anyio
async def test_cases_of_an_earlier_version_with_the_same_columns_are_counted(stocked, made, policy, actor, cases):
    earlier = [msgspec.structs.replace(case, product_hash="0" * 64) for case in cases]
    entries = [undecided(stocked, CASES + n, case, "earlier") for n, case in enumerate(earlier)]
    await commit_entries(stocked, entries, actor)
    model_hash = made.manifest.model_hash
    again = await make_release(stocked, policy=policy, model_hash=model_hash, book="earlier", actor=actor)
    assert again.reference == made.reference
    assert decide_many(earlier, again)[0].product_hash == made.manifest.product_hash


@pytest.mark.anyio
async def test_a_book_with_other_columns_makes_no_release(stocked, policy, manifest, actor, cases):
    other = msgspec.structs.replace(cases[0], layout_hash="0" * 64)
    await commit_entries(stocked, [undecided(stocked, 1, other, "other")], actor)
    with pytest.raises(Refused, match="no Case of personal_loan with the columns that the model reads"):
        await make_release(stocked, policy=policy, model_hash=manifest.model_hash, book="other", actor=actor)


@pytest.mark.anyio
async def test_a_policy_that_nobody_meets_makes_no_release(stocked, manifest, actor):
    def harsher(document):
        document["cut_offs"]["approve_below_ppm"] = 2
        document["grid"] = [{**document["grid"][-1], "pd_from_ppm": 0, "pd_below_ppm": 2}]
        document["examples"] = document["examples"][8:9]

    with pytest.raises(Refused, match="no applicant of book tape"):
        await make_release(stocked, policy=changed(harsher), model_hash=manifest.model_hash, book="tape", actor=actor)


@pytest.mark.anyio
async def test_a_model_of_another_product_document_makes_no_release(stocked, policy, manifest, actor, documents):
    other = msgspec.structs.replace(documents.product, title="Another title")
    with pytest.raises(Refused, match="give that product document"):
        await make_release(
            stocked, policy=policy, model_hash=manifest.model_hash, book="tape", actor=actor, product=other
        )


@pytest.mark.anyio
async def test_an_unknown_model_makes_no_release(stocked, policy, actor):
    with pytest.raises(NotFound):
        await make_release(stocked, policy=policy, model_hash="0" * 64, book="tape", actor=actor)


@pytest.mark.anyio
async def test_a_release_is_live_when_it_was_activated(stocked, made, actor):
    releases = LiveReleases(stocked)
    await releases.refresh()
    assert not releases.live()
    with pytest.raises(NotFound, match="live release"):
        await load_live_release(stocked, "personal_loan")
    await make_live(stocked, made.hash, actor)
    await releases.refresh()
    assert releases.live()["personal_loan"].hash == made.hash
    assert (await load_live_release(stocked, "personal_loan")).hash == made.hash
    (listed,) = (await ReleaseDesk(stocked).list_releases()).releases
    assert (listed.release, listed.product, listed.state) == (made.hash, "personal_loan", "champion")


@pytest.mark.anyio
async def test_what_is_live_is_loaded_once(stocked, made, actor):
    await make_live(stocked, made.hash, actor)
    releases = LiveReleases(stocked)
    await releases.refresh()
    first = releases.live()["personal_loan"]
    await releases.refresh()
    assert releases.live()["personal_loan"] is first


@pytest.mark.anyio
async def test_a_release_that_cannot_be_loaded_leaves_the_former_one_live(stocked, made, actor):
    await make_live(stocked, made.hash, actor)
    releases = LiveReleases(stocked)
    await releases.refresh()
    broken = encode_manifest(msgspec.structs.replace(made.manifest, model_hash="0" * 64))
    await put_document(stocked, "release", broken, actor)
    for product in ("personal_loan", "another_loan"):
        await put_live(stocked, product, hash_content(broken), actor)
    await releases.refresh()
    assert {name: release.hash for name, release in releases.live().items()} == {"personal_loan": made.hash}
    assert releases.not_loaded() == dict.fromkeys(("personal_loan", "another_loan"), hash_content(broken))
    await make_live(stocked, made.hash, actor)
    await releases.refresh()
    assert releases.not_loaded() == {"another_loan": hash_content(broken)}


@pytest.mark.anyio
@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff not a manifest"])
async def test_a_release_of_any_garbage_stops_no_other_product(stocked, made, actor, raw):
    await make_live(stocked, made.hash, actor)
    await put_document(stocked, "release", raw, actor)
    await put_live(stocked, "a_loan", hash_content(raw), actor)
    reported = []
    releases = LiveReleases(stocked, reported.append)
    await releases.refresh()
    assert list(releases.live()) == ["personal_loan"]
    assert releases.not_loaded() == {"a_loan": hash_content(raw)}
    assert [(missed.product, missed.release_hash) for missed in reported] == [("a_loan", hash_content(raw))]


@pytest.mark.anyio
async def test_a_release_that_cannot_be_loaded_is_tried_again_after_a_while(stocked, made, actor, clock):
    await put_document(stocked, "release", b"{}", actor)
    await put_live(stocked, "personal_loan", hash_content(b"{}"), actor)
    reported = []
    releases = LiveReleases(stocked, reported.append)
    for _ in range(3):
        await releases.refresh()
    assert len(reported) == 1
    clock.advance_monotonic(RETRY_NS)
    await releases.refresh()
    assert len(reported) == 2


@pytest.mark.anyio
async def test_a_release_that_the_record_did_not_give_is_tried_again_at_once(stocked, made, actor, monkeypatch):
    async def fail(*_):
        raise Unavailable("down")

    await make_live(stocked, made.hash, actor)
    releases = LiveReleases(stocked)
    with monkeypatch.context() as patch:
        patch.setattr(releases_module, "load_release", fail)
        await releases.refresh()
    assert releases.not_loaded() == {"personal_loan": made.hash}
    await releases.refresh()
    assert releases.not_loaded() == {}
    assert releases.live()["personal_loan"].hash == made.hash


@pytest.mark.anyio
async def test_what_does_not_compose_cannot_go_live(stocked, made, actor):
    broken = encode_manifest(msgspec.structs.replace(made.manifest, engine_version=99))
    await put_document(stocked, "release", broken, actor)
    with pytest.raises(ReleaseConflict, match="engine 99"):
        await ReleaseDesk(stocked).activate_alone(hash_content(broken), Signature(actor=actor))
    with pytest.raises(NotFound):
        await load_live_release(stocked, "personal_loan")


@pytest.mark.anyio
async def test_the_products_document_is_the_one_that_the_model_names(stocked, made, documents):
    raw = await get_document(stocked, made.manifest.product_hash)
    assert encode_product(decode_product(raw)) == encode_product(documents.product) == raw
    reference_hash = made.manifest.reference_hash
    parts = {**documents.by_hash, reference_hash: await get_document(stocked, reference_hash)}
    assert compose_release(made.manifest, parts).hash == made.hash
