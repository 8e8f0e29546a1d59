from datetime import timedelta

import numpy as np
import pytest

from instant_credit.access.actors import Actor
from instant_credit.commands.vintages import describe_vintages
from instant_credit.decision.release import Release, compose_release, decode_manifest
from instant_credit.errors import Refused
from instant_credit.outcome.definition import AS_LAST_SEEN
from instant_credit.outcome.vintages import count_rolls
from instant_credit.record.pool import Record
from instant_credit.training.book_courses import gather_courses
from instant_credit.underwriting.course import BOOK
from tests.lender import documents
from tests.lending import Documents
from tests.review.deciding import MONDAY, invent_cases, record_cases

__all__ = ["documents"]

KNOWN_ON = MONDAY + timedelta(days=100)


@pytest.fixture(scope="module")
def release(documents: Documents) -> Release:
    return compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)


@pytest.mark.anyio
async def test_whoever_was_declined_or_took_no_offer_is_no_loan_in_any_figure(
    record: Record, actor: Actor, release: Release
) -> None:
    lent = {3: [("disbursed", 1), ("paid", 30)], 5: [("disbursed", 2), ("charged_off", 40)], 7: [("disbursed", 200)]}
    await record_cases(record, actor, release, invent_cases(release, 1, 12), events=lent)
    found = await gather_courses(record, book=BOOK, product=release.product, known_on=KNOWN_ON, definition=AS_LAST_SEEN)
    report = describe_vintages(found, release.product.name, found.group_by_start(1), "beginning")
    assert report.labels == {"immature": 0, "indeterminate": 0, "good": 1, "bad": 1}
    assert [(curve.loans, curve.bads[-1]) for curve in report.curves] == [(2, 1)]
    assert [first.loans for first in report.first_payments] == [2]
    (rolls,) = count_rolls(
        found.courses, np.zeros(2, dtype=np.int64), 1, known_on_days=found.known_on_days, definition=AS_LAST_SEEN
    )
    assert sum(map(sum, report.rolls.counts)) == sum(map(sum, rolls.counts)) == 6


@pytest.mark.anyio
async def test_loans_stand_with_the_release_that_decided_them(record: Record, actor: Actor, release: Release) -> None:
    lent = {3: [("disbursed", 1), ("paid", 30)], 5: [("disbursed", 2), ("charged_off", 40)]}
    await record_cases(record, actor, release, invent_cases(release, 1, 12), events=lent)
    found = await gather_courses(record, book=BOOK, product=release.product, known_on=KNOWN_ON, definition=AS_LAST_SEEN)
    report = describe_vintages(found, release.product.name, found.group_by_release(), "release")
    assert [(curve.cohort, curve.loans) for curve in report.curves] == [(release.hash, 2)]
    assert report.cohort_rolls == (report.rolls,)


@pytest.mark.anyio
async def test_a_book_in_which_nothing_was_lent_yet_says_so(record: Record, actor: Actor, release: Release) -> None:
    await record_cases(record, actor, release, invent_cases(release, 1, 4), events={2: [("disbursed", 101)]})
    with pytest.raises(Refused, match=r"of 4 applications for personal_loan in book applications none was known"):
        await gather_courses(record, book=BOOK, product=release.product, known_on=KNOWN_ON, definition=AS_LAST_SEEN)
