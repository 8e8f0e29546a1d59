"""The release that these tests decide with, and the desk that decides."""

import pytest

from instant_credit.decision.release import Release, compose_release, decode_manifest
from instant_credit.record.pool import Record
from tests.lender import documents
from tests.lending import Documents, install_release
from tests.underwriting.rooms import Room

__all__ = ["documents"]


@pytest.fixture(scope="module")
def release(documents: Documents) -> Release:
    return compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)


@pytest.fixture
async def room(record: Record, release: Release, documents: Documents) -> Room:
    await install_release(record, documents)
    return Room(record, release)
