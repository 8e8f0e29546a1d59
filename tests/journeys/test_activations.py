"""Releases are activated and rolled back under load, beside a shadow: no request fails, each Decision names one release, and replay gives
them all again.
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands import cli
from instant_credit.record.documents import put_document
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from tests.budget import IS_PROVING
from tests.journeys.loads import RATE, Load, make_load
from tests.lending import Documents, Served, furnish, serving, vary, verify_record

WORKERS = 2
ROUNDS = 10 if IS_PROVING else 2
# The suite shares the processor with other tests; `make prove` runs alone.
QUICK_RATE = 60
SEEN = 30


async def furnish_more(settings: Settings, documents: Documents, *others: Documents) -> dict[str, str]:
    """A lender with a live release and others that are recorded."""
    keys = await furnish(settings, documents)
    async with open_record(settings) as record:
        for other in others:
            for kind, raw in other.parts:
                await put_document(record, kind, raw, Actor(kind=ActorKind.JOB, id="tests"))
    return keys


async def post(client: httpx.AsyncClient, release: str, move: str, **body: str) -> None:
    answer = await client.post(f"/v1/releases/{release}/{move}", json=body)
    assert answer.status_code == 200, answer.text


async def move_to_and_fro(server: Served, keys: dict[str, str], hashes: tuple[str, str, str], load: Load) -> None:
    """Activate the second release and roll it back, at once and by plan, each time until it has decided for a while; the third is a shadow."""
    first, second, shadow = hashes

    async def seen(release: str) -> None:
        until = load.releases[release] + SEEN
        while load.releases[release] < until:
            await asyncio.sleep(0.01)

    bearers = [{"Authorization": f"Bearer {keys[name]}"} for name in ("all", "validate")]
    async with (
        httpx.AsyncClient(base_url=server.address, headers=bearers[0], timeout=30) as models,
        httpx.AsyncClient(base_url=server.address, headers=bearers[1], timeout=30) as validation,
    ):
        today = datetime.now(UTC).date()
        days = [str(today + timedelta(days=ahead)) for ahead in (100, 200)]
        terms = {
            "owner": "risk-team",
            "tier": "high",
            "review_on": days[0],
            "expires_on": days[1],
            "allowed_use": "Loans.",
        }
        for release in hashes:
            await post(models, release, "propose", **terms)
            await post(validation, release, "approve")
        await post(models, shadow, "stage", stage="shadow")
        for turn in range(ROUNDS):
            at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
            await post(models, second, "activate", **({"at": at} if turn % 2 else {}))
            await seen(second)
            await post(models, second, "rollback", reason="The other one again.")
            await seen(first)


@pytest.mark.prove
def test_no_request_fails_while_releases_go_live_and_back(
    documents: Documents, environ: dict[str, str], tmp_path: Path
) -> None:
    settings = read_settings(environ)
    others = [vary(documents, title) for title in ("Another policy", "A shadow's policy")]
    keys = asyncio.run(furnish_more(settings, documents, *others))
    first, second, shadow = hashes = documents.release_hash, others[0].release_hash, others[1].release_hash
    rate = RATE if IS_PROVING else QUICK_RATE

    async def serve_and_move(server: Served) -> None:
        async with asyncio.TaskGroup() as group:
            moving = group.create_task(move_to_and_fro(server, keys, hashes, load))
            group.create_task(load.run(moving.done))

    with serving(environ, tmp_path, "--workers", str(WORKERS)) as server:
        load = make_load(server.address, documents, keys["all"], persons=10_000 if IS_PROVING else 1_000, rate=rate)
        asyncio.run(serve_and_move(server))
    assert not load.failed
    assert not IS_PROVING or len(load.answered) > 0.95 * rate * load.seconds
    assert min(load.releases[first], load.releases[second]) >= SEEN * ROUNDS
    assert asyncio.run(count_decisions(settings, "decisions")) == load.releases
    shadowed = asyncio.run(count_decisions(settings, "shadow_decisions"))
    assert shadowed.keys() == {shadow}
    assert SEEN < shadowed[shadow] <= len(load.answered)
    verify_record(environ)
    replayed = CliRunner().invoke(cli, ["replay"], env=environ)
    assert replayed.stdout == (
        f"Replayed {len(load.answered):,} Decisions: {len(load.answered):,} equal, 0 different (100.00% equal); "
        "0 erased, 0 Cases never decided\n"
    )


COUNTS = {
    "decisions": "SELECT release_hash, count(*) AS found FROM decisions GROUP BY release_hash",
    "shadow_decisions": "SELECT release_hash, count(*) AS found FROM shadow_decisions GROUP BY release_hash",
}


async def count_decisions(settings: Settings, table: str) -> Counter[str]:
    """Decisions of a table by the release that they name."""
    statement = COUNTS[table]
    async with open_record(settings) as record, record.connection() as connection:
        rows = await connection.fetch(statement)
    return Counter({row["release_hash"]: row["found"] for row in rows})
