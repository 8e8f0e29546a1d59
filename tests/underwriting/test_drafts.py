"""What a draft gathers from a book, and the cut-off that leaves every decline a reason."""

from random import Random
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.document import hash_layout, hash_product
from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.product import Attribute, AttributeType, MissingRule, Product, Roles, Source
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.errors import Refused
from instant_credit.policy.drafting.book import BookRisk
from instant_credit.policy.drafting.draft import Draft
from instant_credit.policy.verdict import Outcome
from instant_credit.record.rows import StoredCase
from instant_credit.score.bundle import Bundle, decode_bundle
from instant_credit.score.calibration import Calibration, margin_at_pd
from instant_credit.underwriting.drafts import (
    TRIED_CASES_MAX,
    BookDraft,
    _Gathered,
    find_middle,
    lowest_decline,
    try_policy,
)
from instant_credit.units import Ppm
from tests.lender import documents
from tests.lending import AS_OF, Documents, invent_values
from tests.policy.documents import product, shipped

__all__ = ["documents"]


@pytest.fixture(scope="module")
def bundle(documents: Documents) -> Bundle:
    return decode_bundle(documents.parts[1][1])


def stored_of(documents: Documents, count: int, weight: float = 1.0) -> list[tuple[StoredCase, Case]]:
    product, chance = documents.product, Random(4)
    door, product_hash, layout_hash = Door(product), hash_product(product), hash_layout(product)
    chunk = []
    for number in range(count):
        facts = door.check_facts(invent_values(product, chance), AS_OF)
        assert isinstance(facts, Facts)
        case = Case(product_hash=product_hash, layout_hash=layout_hash, as_of=AS_OF, facts=facts)
        stored = StoredCase(
            case_id=uuid4(),
            person_id=b"",
            natural_key=str(number),
            product=product.name,
            product_hash=product_hash,
            as_of=AS_OF,
            case=encode_canonical(case),
            is_erased=False,
            sampling_weight=weight,
        )
        chunk.append((stored, case))
    return chunk


def test_a_book_is_gathered_with_its_amounts_terms_and_weights(documents: Documents, bundle: Bundle) -> None:
    gathered = _Gathered(documents.product, bundle)
    chunk = stored_of(documents, 50)
    gathered.add(chunk[:20])
    gathered.add([(replace(stored, sampling_weight=2.5), case) for stored, case in chunk[20:]])
    risk, raws = gathered.finish("book", "a" * 64)
    assert len(raws) == 50
    assert risk.amounts_cents.tolist() == [case.facts.cents[0] for _, case in chunk]
    assert risk.terms_months.tolist() == [case.facts.integers[0] for _, case in chunk]
    assert risk.weights.tolist() == [1.0] * 20 + [2.5] * 30
    assert risk.latest_on == AS_OF
    assert (np.argsort(risk.pds_ppm, kind="stable") == np.argsort(raws, kind="stable")).all()


def test_each_segment_has_the_pds_of_its_own_calibration(documents: Documents, bundle: Bundle) -> None:
    position = bundle.variables.index("loan_purpose")
    riskier: list[Calibration | None] = [None] * len(bundle.categories[position])
    riskier[2] = Calibration(intercept=1.0)
    segmented = replace(bundle, segment_variable="loan_purpose", segment_calibrations=tuple(riskier))
    chunk = stored_of(documents, 80)
    plain, apart = _Gathered(documents.product, bundle), _Gathered(documents.product, segmented)
    plain.add(chunk)
    apart.add(chunk)
    is_third = np.array([case.facts.codes[1] == 2 for _, case in chunk])
    before, after = (one.finish("book", "a" * 64)[0].pds_ppm for one in (plain, apart))
    assert ((after > before) == is_third).all()
    assert is_third.any()


def test_a_case_without_an_amount_is_left_out(documents: Documents, bundle: Bundle) -> None:
    gathered = _Gathered(documents.product, bundle)
    (stored, case), *_ = stored_of(documents, 1)
    nameless = replace(case, facts=replace(case.facts, cents=(None, *case.facts.cents[1:])))
    gathered.add([(stored, nameless)])
    with pytest.raises(Refused, match="no Case of book thin tells amount and term"):
        gathered.finish("thin", "a" * 64)


def test_of_a_large_book_evenly_spaced_cases_are_tried(documents: Documents, bundle: Bundle) -> None:
    gathered = _Gathered(documents.product, bundle)
    chunk = stored_of(documents, 100)
    for _ in range(TRIED_CASES_MAX // 100 + 3):
        gathered.add(chunk)
    kept = [one.case for one in gathered.kept]
    assert TRIED_CASES_MAX // 2 <= len(kept) <= TRIED_CASES_MAX
    assert kept[:3] == [chunk[place][1] for place in (0, 2, 4)]


def test_a_weight_counts_in_what_a_policy_would_have_answered(documents: Documents, bundle: Bundle) -> None:
    gathered = _Gathered(documents.product, bundle)
    gathered.add(stored_of(documents, 60))
    plain = try_policy(shipped(), documents.product, gathered.kept)
    assert sum(plain.values()) == pytest.approx(1)
    doubled = [replace(one, weight=2.0) for one in gathered.kept]
    assert try_policy(shipped(), documents.product, doubled) == pytest.approx(plain)
    unscored = try_policy(replace(shipped(), model_variables_known_min=1000), documents.product, gathered.kept)
    assert unscored[Outcome.APPROVE] == unscored[Outcome.COUNTER_OFFER] == 0


def told_freely(product: Product, missing: MissingRule) -> Product:
    """The product without roles and required facts: what is not told is missing, or counts as 0."""

    def changed(attribute: Attribute) -> Attribute:
        is_number = attribute.type not in (AttributeType.CATEGORY, AttributeType.DATE)
        may_be_zero = is_number and (attribute.minimum or 0) <= 0
        return replace(attribute, missing=missing if may_be_zero else MissingRule.KEEP)

    attributes = tuple(changed(a) if a.source is not Source.TAPE else a for a in product.attributes)
    return replace(product, roles=Roles(), attributes=attributes)


@pytest.mark.parametrize("missing", [MissingRule.KEEP, MissingRule.ZERO])
def test_silence_is_scored_as_the_door_would_have_it(
    documents: Documents, bundle: Bundle, missing: MissingRule
) -> None:
    product = told_freely(documents.product, missing)
    gathered = _Gathered(product, bundle)
    gathered.add(stored_of(documents, 20))
    risk, _ = gathered.finish("book", "a" * 64)
    assert risk.silent is not None
    assert (risk.silent.known > 0) == (missing is MissingRule.ZERO)


def test_where_the_door_refuses_silence_it_is_not_scored(documents: Documents, bundle: Bundle) -> None:
    gathered = _Gathered(documents.product, bundle)
    gathered.add(stored_of(documents, 20))
    assert gathered.finish("book", "a" * 64)[0].silent is None


@pytest.mark.parametrize(
    ("granted", "words"), [(0.97, ["97.0% of the book get an offer, so"]), (0.5, []), (0.03, ["only 3.0% of the book"])]
)
def test_a_draft_that_answers_nearly_all_alike_is_a_doubt(granted: float, words: list[str]) -> None:
    shares = {
        Outcome.APPROVE: granted - 0.01,
        Outcome.COUNTER_OFFER: 0.01,
        Outcome.DECLINE: 1 - granted,
        Outcome.REFER: 0,
    }
    draft = Draft(policy=shipped(), text="", doubts=("its own",))
    made = BookDraft(draft=draft, product=product(), model_hash="a" * 64, shares=shares, tried=100)
    own, *told = made.doubts
    assert own == "its own"
    assert len(told) == len(words)
    assert all(one.startswith(word) for one, word in zip(told, words, strict=True))


CALIBRATIONS = st.lists(
    st.builds(Calibration, slope=st.floats(0.1, 3), intercept=st.floats(-3, 3)), min_size=1, max_size=4
)


@given(st.floats(-4, 2), CALIBRATIONS)
def test_no_calibration_declines_the_lowest_declines_score(raw_score: float, calibrations: list[Calibration]) -> None:
    lowest = lowest_decline(raw_score, tuple(calibrations))
    least = min(margin_at_pd(one, Ppm(lowest - 1)) for one in calibrations)
    assert raw_score < least
    if lowest > 3:
        assert min(margin_at_pd(one, Ppm(lowest - 2)) for one in calibrations) <= raw_score + 1e-4


def test_a_cut_off_below_every_pd_has_no_middle_and_says_what_to_do() -> None:
    risk = risk_of([50_000, 60_000])
    assert find_middle(np.array([-3.0, -2.0]), risk, 60_000) == -3.0
    with pytest.raises(Refused, match=r"a pd below 50000 ppm.*raise --approve-share"):
        find_middle(np.array([-3.0, -2.0]), risk, 50_000)


def risk_of(pds_ppm: list[int]) -> BookRisk:
    whole = np.array(pds_ppm)
    return BookRisk(
        book="tape",
        model_hash="a" * 64,
        pds_ppm=whole,
        weights=np.ones(len(whole)),
        known=whole,
        amounts_cents=whole[:0],
        terms_months=whole[:0],
        latest_on=AS_OF,
    )


def test_a_model_that_calls_all_certain_defaults_has_no_cut_off() -> None:
    with pytest.raises(Refused, match="a certain default"):
        lowest_decline(20.0, (Calibration(),))
    assert lowest_decline(-900.0, (Calibration(),)) == 2
