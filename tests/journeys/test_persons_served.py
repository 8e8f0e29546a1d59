"""Master keys are rotated and persons erased while applications arrive: no request fails, and nothing is lost."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random

import httpx
import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.record.pool import open_record
from instant_credit.record.rings import read_key_ring
from instant_credit.settings import read_settings
from instant_credit.underwriting.replay import ReplaySummary, replay
from tests.budget import TIMES
from tests.journeys.old_cases import commit_old
from tests.lending import Documents, furnish, invent_body, serving, verify_record

ROUNDS = 2 * TIMES
APPLICANTS = 3


async def replay_all(environ: dict[str, str]) -> ReplaySummary:
    async with open_record(read_settings(environ)) as record:
        return await replay(record)


@pytest.mark.prove
def test_no_request_fails_while_keys_rotate_and_persons_are_erased(
    documents: Documents, environ: dict[str, str], tmp_path: Path
) -> None:
    keys = asyncio.run(furnish(read_settings(environ), documents))
    old = asyncio.run(commit_old(read_settings(environ), documents, 2 * ROUNDS))
    url = f"/v1/products/{documents.product.name}/applications"
    is_over = threading.Event()

    def run(*arguments: str) -> None:
        done = CliRunner().invoke(cli, arguments, env=environ)
        assert done.exit_code == 0, done.output or done.exception

    def apply(applicant: int, address: str) -> list[int]:
        """Statuses of applications, each of a person of few, and of reading each decision."""
        statuses = []
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {keys['all']}"}, timeout=30) as client:
            for number in count():
                body = invent_body(documents.product, Random(number * APPLICANTS + applicant))
                body["applicant"]["identity_number"] = f"{number % 7:03d}-{applicant:04d}"
                applied = client.post(url, json=body)
                statuses.append(applied.status_code)
                statuses.append(client.get(applied.headers.get("location", "/")).status_code)
                if is_over.is_set():
                    return statuses
        raise AssertionError

    with serving(environ, tmp_path, "--workers", "2") as server, ThreadPoolExecutor(APPLICANTS) as pool:
        applicants = [pool.submit(apply, applicant, server.address) for applicant in range(APPLICANTS)]
        try:
            auditor = httpx.Client(
                base_url=server.address, headers={"Authorization": f"Bearer {keys['audit']}"}, timeout=30
            )
            with auditor:
                for place in range(ROUNDS):
                    run("key-ring", "rotate")
                    for case_id, decision_id in old[2 * place : 2 * place + 2]:
                        assert auditor.get(f"/v1/decisions/{decision_id}").status_code == 200
                        erasing = ("person", "erase", "--application", str(case_id), "--by", "staff-7")
                        run(*erasing, "--reason", "RETENTION_ENDED", "--yes")
                        assert auditor.get(f"/v1/decisions/{decision_id}").status_code == 404
                    run("key-ring", "retire")
        finally:
            is_over.set()
        statuses = [one.result() for one in applicants]
    assert {status for one in statuses for status in one} == {200, 201}
    assert len(read_key_ring(read_settings(environ).key_ring).master_key_ids) == 1
    applied = sum(len(one) for one in statuses) // 2
    summary = asyncio.run(replay_all(environ))
    assert (summary.equal, summary.different, summary.erased) == (applied, 0, len(old))
    verify_record(environ)
    failed = [line for line in server.log_lines() if line["event"] == "request_failed"]
    assert json.dumps(failed) == "[]"
