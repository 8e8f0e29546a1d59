"""Real faults under load: a real server, a real Postgres, kill -9, cut connections, locks, silence."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.budget import IS_PROVING
from tests.lender import documents
from tests.lending import Documents
from tests.record.chaos import BACK_SECONDS_MAX, FAULTS, chaos

__all__ = ["documents"]

SEED = 20_261_123
ROUNDS = 12 if IS_PROVING else 1


@pytest.mark.prove
@pytest.mark.long
def test_no_real_fault_loses_or_doubles_an_answered_decision_and_service_comes_back(
    tmp_path: Path, documents: Documents
) -> None:
    chance = Random(SEED)
    faults = [name for _ in range(ROUNDS) for name in chance.sample(FAULTS, len(FAULTS))]

    async def run() -> dict[str, float]:
        async with chaos(tmp_path, documents, SEED) as lender:
            await lender.under_load(faults)
            await lender.check()
            assert len(lender.answers) >= 4 * len(faults)
            return {name: max(spent) for name, spent in lender.back_seconds.items()}

    back_seconds = asyncio.run(run())
    late = {name: spent for name, spent in back_seconds.items() if spent > BACK_SECONDS_MAX}
    assert not late, f"seed {SEED}, {len(faults)} faults: {back_seconds}"
