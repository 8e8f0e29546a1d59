import pytest

from instant_credit.record.pool import Record


@pytest.mark.anyio
@pytest.mark.parametrize("n", range(10))
async def test_record_answers(record: Record, n) -> None:
    await record.ping()
    assert record.warnings == ()
