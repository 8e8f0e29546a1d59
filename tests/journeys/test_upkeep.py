"""All upkeep at once, under load: workers are handed over, master keys change and persons are erased, and no request fails."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.record.rings import read_key_ring
from instant_credit.settings import read_settings
from tests.budget import IS_PROVING
from tests.journeys.loads import RATE, Tail, make_load, processes
from tests.journeys.old_cases import commit_old
from tests.lending import Documents, Served, anchor_record, furnish, serving, verify_record

WORKERS = 2
ROUNDS = 10 if IS_PROVING else 1
ERASED_A_ROUND = 2
KEPT = 3
PERSONS = 10_000 if IS_PROVING else 1_000


def run(environ: dict[str, str], *arguments: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(cli, arguments, env=environ)
    assert done.exit_code == 0, done.output or done.exception
    return done.stdout


async def keep_up(server: Served, environ: dict[str, str], case_ids: list[str]) -> None:
    """Hand over while a master key is rotated, persons are erased and the former key is retired, round after round."""
    tail = Tail(server.log)
    for place in range(ROUNDS):
        server.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(run, environ, "key-ring", "rotate")
        for case_id in case_ids[ERASED_A_ROUND * place :][:ERASED_A_ROUND]:
            erasing = ("person", "erase", "--application", case_id, "--by", "staff-7", "--reason", "RETENTION_ENDED")
            await asyncio.to_thread(run, environ, *erasing, "--yes")
        await asyncio.to_thread(run, environ, "key-ring", "retire")
        while tail.count("handover_done") <= place:
            await asyncio.sleep(0.02)


@pytest.mark.prove
@pytest.mark.long
def test_no_request_fails_while_workers_keys_and_persons_go(
    documents: Documents, environ: dict[str, str], tmp_path: Path
) -> None:
    settings = read_settings(environ)
    keys = asyncio.run(furnish(settings, documents))
    old = asyncio.run(commit_old(settings, documents, ERASED_A_ROUND * ROUNDS + KEPT))
    erased, kept = old[:-KEPT], old[-KEPT:]
    master_keys = set(read_key_ring(settings.key_ring).master_key_ids)
    environ = {**environ, "INSTANT_CREDIT_ANCHOR_SECONDS": "1"}

    async def serve_and_keep_up(server: Served) -> None:
        async with asyncio.TaskGroup() as group:
            upkeep = group.create_task(keep_up(server, environ, [str(case_id) for case_id, _ in erased]))
            group.create_task(load.run(upkeep.done))

    with serving(environ, tmp_path, "--workers", str(WORKERS)) as server:
        before = processes(server)
        load = make_load(server.address, documents, keys["all"], PERSONS)
        asyncio.run(serve_and_keep_up(server))
        assert not load.failed
        # The suite shares the processor with other tests; `make prove` runs alone.
        assert len(load.answered) > (0.95 * RATE * load.seconds if IS_PROVING else RATE)
        assert not before & processes(server)
        assert not master_keys & set(read_key_ring(settings.key_ring).master_key_ids)
        with httpx.Client(base_url=server.address, headers={"Authorization": f"Bearer {keys['audit']}"}) as auditor:
            read = [[auditor.get(f"/v1/decisions/{one}").status_code for _, one in ones] for ones in (erased, kept)]
        assert read == [[404] * len(erased), [200] * KEPT]
    anchor_record(environ)
    verify_record(environ)
    equal = len(load.answered) + KEPT
    assert run(environ, "replay") == (
        f"Replayed {equal:,} Decisions: {equal:,} equal, 0 different (100.00% equal); "
        f"{len(erased):,} erased, 0 Cases never decided\n"
    )
