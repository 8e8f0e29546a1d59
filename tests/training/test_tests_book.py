"""What keys for tests applied for teaches nobody."""

from datetime import date

import pytest

from instant_credit.errors import Refused
from instant_credit.record.pool import Record
from instant_credit.training.dataset import gather_training_set
from instant_credit.underwriting.course import TEST_BOOK
from instant_credit.underwriting.releases import read_cases
from tests.lending import personal_loan

pytestmark = pytest.mark.anyio


async def test_nobody_trains_on_the_book_of_tests(record: Record) -> None:
    with pytest.raises(Refused, match="keys for tests"):
        await gather_training_set(record, book=TEST_BOOK, product=personal_loan(), known_on=date(2024, 1, 1))


async def test_neither_a_policy_nor_a_reference_is_made_of_the_book_of_tests(record: Record) -> None:
    with pytest.raises(Refused, match="keys for tests"):
        async for _ in read_cases(record, TEST_BOOK, personal_loan()):
            pass
