"""Suite `decide`: one application, stage by stage, in process and over HTTP with the durable record.

Measured: reading a body at the door, facts to features, score with exact attributions, `decide` as a whole, canonical bytes, and one
application over HTTP from one client, from the first byte sent to the last byte received, committed with fsync before it is answered.
Inputs are Cases of the demo's book in rotation, so that branches and caches see different rows. Left out: network between machines, TLS,
more than one client. The release is the live one of INSTANT_CREDIT_HOME; where there is none, the demo makes it.
"""

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import numpy as np

from benchmarks.form import Case as Timed
from benchmarks.form import publish, time_interleaved
from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.application.door import Door
from instant_credit.application.telling import tell_facts
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide
from instant_credit.decision.release import Release
from instant_credit.errors import NotFound
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.record.api_keys import create_key
from instant_credit.record.clock import SystemClock
from instant_credit.record.pool import open_record
from instant_credit.record.reads import iterate_cases, list_books
from instant_credit.score.model import explain_rows, score_rows
from instant_credit.settings import Settings, read_settings
from instant_credit.underwriting.releases import load_live_release
from instant_credit.units import days_from_date

PRODUCT = "personal_loan"
APPLICANTS = 512
DECIDE_P50_US_MAX = 150.0
HTTP_P50_US_MAX = 4_000.0
_CASES = msgspec.json.Decoder(Case)


def run(*, out: Path | None, quick: bool, seed: int) -> None:
    """Run the suite; see the module's docstring."""
    settings = read_settings(os.environ)
    if not asyncio.run(_is_ready(settings)):
        subprocess.run([sys.executable, "-m", "instant_credit.commands", "demo"], check=True)
    asyncio.run(_run(settings, out, quick=quick, seed=seed))


async def _is_ready(settings: Settings) -> bool:
    async with open_record(settings) as record:
        try:
            await load_live_release(record, PRODUCT)
        except NotFound:
            return False
    return True


async def _run(settings: Settings, out: Path | None, *, quick: bool, seed: int) -> None:
    async with open_record(settings) as record:
        release = await load_live_release(record, PRODUCT)
        product_hash = release.manifest.product_hash
        books = [b.book for b in await list_books(record) if b.book != "applications"]
        stored = [one async for one in iterate_cases(record, books[0], with_events=False)]
        fitting = [one.case for one in stored if one.case is not None and one.product_hash == product_hash]
        chosen = np.random.default_rng(seed).choice(len(fitting), APPLICANTS, replace=False)
        cases = [_CASES.decode(fitting[i]) for i in chosen.tolist()]
        key = await create_key(
            record,
            client_id="bench",
            scopes=frozenset({Scope.APPLY}),
            expires_at=None,
            actor=Actor(kind=ActorKind.JOB, id="bench"),
        )
        rounds = 5 if quick else 20
        timed = _time_stages(cases, release, rounds)
        today = SystemClock().now().date()
        bodies = [_body(release, msgspec.structs.replace(case, as_of=today), i) for i, case in enumerate(cases)]
        samples = await asyncio.to_thread(_time_http, bodies, key, 1_000 if quick else 5_000)
        over_http = Timed("apply over HTTP, durable, one client", samples)
        over_http.checks["p50 below 4 ms"] = float(np.median(samples)) / 1000 < HTTP_P50_US_MAX
    publish("decide", [*timed, over_http], seed, out)


def _time_stages(cases: list[Case], release: Release, rounds: int) -> list[Timed]:
    door = Door(release.product)
    bodies = [_body(release, case, i) for i, case in enumerate(cases)]
    days = [np.array([days_from_date(case.as_of)], np.int32) for case in cases]
    matrices = [
        build_features(release.features, pack_facts(release.features, [case.facts], day)).model
        for case, day in zip(cases, days, strict=True)
    ]
    decisions = [decide(case, release) for case in cases]
    calls: dict[str, Callable[[int], object]] = {
        "read the body at the door": lambda i: door.read_application(
            bodies[i % APPLICANTS], cases[i % APPLICANTS].as_of
        ),
        "facts to features": lambda i: build_features(
            release.features, pack_facts(release.features, [cases[i % APPLICANTS].facts], days[i % APPLICANTS])
        ),
        "score": lambda i: score_rows(release.model, matrices[i % APPLICANTS]),
        "score and exact attributions": lambda i: explain_rows(release.model, matrices[i % APPLICANTS]),
        "decide, with reasons": lambda i: decide(cases[i % APPLICANTS], release),
        "canonical bytes of the Decision": lambda i: encode_canonical(decisions[i % APPLICANTS]),
    }
    timed = [Timed(name, samples) for name, samples in time_interleaved(calls, rounds, APPLICANTS).items()]
    whole = next(one for one in timed if one.name == "decide, with reasons")
    whole.checks["p50 below 150 us"] = float(np.median(whole.ours)) / 1000 < DECIDE_P50_US_MAX
    whole.checks["trees"] = len(release.model.tables.leaf_offsets) - 1
    whole.checks["variables"] = len(release.variables)
    return timed


def _body(release: Release, case: Case, number: int) -> bytes:
    applicant = {"name": "Invented Applicant", "identity_number": f"BENCH{number:06d}", "address": "1 Invented Street"}
    return json.dumps({"applicant": applicant, "facts": tell_facts(release.product, case.facts)}).encode()


def _time_http(bodies: list[bytes], key: str, count: int) -> list[int]:
    """Closed loop, one kept connection; nanoseconds by application."""
    clock = SystemClock()
    samples = []
    with _served() as address:
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=30)
        for i in range(-200, count):
            headers = {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "Idempotency-Key": str(uuid4()),
            }
            started = clock.monotonic_ns()
            connection.request("POST", f"/v1/products/{PRODUCT}/applications", bodies[i % len(bodies)], headers)
            answer = connection.getresponse()
            raw = answer.read()
            if i >= 0:
                samples.append(clock.monotonic_ns() - started)
            if answer.status != http.HTTPStatus.CREATED:
                raise SystemExit(f"the server answered {answer.status}: {raw[:500]!r}")
        connection.close()
    return samples


@contextmanager
def _served() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "instant_credit.commands", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"(http://\S+)", line):
                yield found[1]
                break
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
