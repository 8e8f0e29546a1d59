"""The release whose Cases are monitored, in a record."""

import pytest

from instant_credit.decision.release import Release, compose_release, decode_manifest
from instant_credit.record.pool import Record
from tests.lender import documents
from tests.lending import Documents, install_release

__all__ = ["documents"]


@pytest.fixture(scope="module")
def release(documents: Documents) -> Release:
    return compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)


@pytest.fixture
async def stocked(record: Record, documents: Documents) -> Record:
    """The record with the release live in it."""
    await install_release(record, documents)
    return record
