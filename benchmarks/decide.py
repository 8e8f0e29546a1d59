"""Suite `decide`: one application, stage by stage, in process and over HTTP with the durable record.

Measured: reading a body at the door, facts to features, score with exact attributions and the four most adverse variables, `decide`
as a whole, canonical bytes, and one application over HTTP from one client, from the first byte sent to the last byte received,
committed with fsync before it is answered.
Inputs are Cases of the demo's book in rotation, so that branches and caches see different rows. Left out: network between machines, TLS,
more than one client. The release is the live one of INSTANT_CREDIT_HOME (or DATABASE_URL), where nothing is written: release and
applications are recorded in a home and an embedded database of their own below var/, deleted at the end. Where no release is live, the
demo makes one in there.
"""

import asyncio
import http.client
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import numpy as np

from benchmarks.form import Case as Timed
from benchmarks.form import publish, time_interleaved
from benchmarks.home import environ_of, own_home
from benchmarks.stock import PRODUCT, Stock, find_stock, write_body
from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.access.four_eyes import Signature
from instant_credit.application.door import Door
from instant_credit.canonical import encode_canonical
from instant_credit.commands.serving import served
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide, explain_matrix
from instant_credit.decision.release import Release
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.record.api_keys import create_key
from instant_credit.record.clock import SystemClock
from instant_credit.record.documents import put_document
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.units import days_from_date

APPLICANTS = 512
DECIDE_P50_US_MAX = 150.0
HTTP_P50_US_MAX = 4_000.0


def run(*, out: Path | None, quick: bool, seed: int) -> list[str]:
    """Run the suite; see the module's docstring. Returns the checks that failed."""
    with own_home() as own:
        found = find_stock(own)
        timed = asyncio.run(_run(own, found, quick=quick, seed=seed))
    return publish("decide", timed, seed, out)


async def _run(own: Settings, stock: Stock, *, quick: bool, seed: int) -> list[Timed]:
    chosen = np.random.default_rng(seed).choice(len(stock.cases), APPLICANTS, replace=len(stock.cases) < APPLICANTS)
    cases = [stock.cases[i] for i in chosen.tolist()]
    release = stock.release
    async with open_record(own) as record:
        actor = Actor(kind=ActorKind.JOB, id="bench")
        for kind, body in stock.documents:
            await put_document(record, kind, body, actor)
        await ReleaseDesk(record).activate_alone(release.hash, Signature(actor=actor))
        now = record.clock.now()
        key = await create_key(
            record,
            client_id="bench",
            scopes=frozenset({Scope.APPLY}),
            expires_at=now + timedelta(days=1),
            actor=actor,
        )
        timed = _time_stages(cases, release, 5 if quick else 20)
        bodies = [_body(release, msgspec.structs.replace(case, as_of=now.date()), i) for i, case in enumerate(cases)]
        samples = await asyncio.to_thread(_time_http, environ_of(own), bodies, key, 1_000 if quick else 5_000)
    over_http = Timed("apply over HTTP, durable, one client", samples)
    over_http.checks["p50 below 4 ms"] = float(np.median(samples)) / 1000 < HTTP_P50_US_MAX
    return [*timed, over_http]


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
        "score, exact attributions, top 4": lambda i: explain_matrix(release, matrices[i % APPLICANTS]),
        "decide, with reasons": lambda i: decide(cases[i % APPLICANTS], release),
        "canonical bytes of the Decision": lambda i: encode_canonical(decisions[i % APPLICANTS]),
    }
    timed = [
        Timed(name, samples, rounds=rounds) for name, samples in time_interleaved(calls, rounds, APPLICANTS).items()
    ]
    whole = next(one for one in timed if one.name == "decide, with reasons")
    whole.checks["p50 below 150 us"] = float(np.median(whole.ours)) / 1000 < DECIDE_P50_US_MAX
    whole.checks["trees"] = len(release.model.tables.leaf_offsets) - 1
    whole.checks["variables"] = len(release.variables)
    return timed


def _body(release: Release, case: Case, number: int) -> bytes:
    return write_body(release, case, f"BENCH{number:06d}").encode()


def _time_http(environ: dict[str, str], bodies: list[bytes], key: str, count: int) -> list[int]:
    """Closed loop, one kept connection; nanoseconds by application."""
    clock = SystemClock()
    samples = []
    with served(environ) as address:
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
