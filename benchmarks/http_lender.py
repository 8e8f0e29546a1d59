"""The lender of suite `http`: databases of its own in one embedded Postgres, a release made live, a key, and decisions recorded beforehand."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import asyncpg
import click
from msgspec.structs import replace

from benchmarks.home import environ_of
from benchmarks.stock import BOOK, PRODUCT, Stock
from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import encode_canonical
from instant_credit.decision.decide import decide_many
from instant_credit.record.api_keys import create_key
from instant_credit.record.commit import commit_group
from instant_credit.record.documents import put_document
from instant_credit.record.embedded import APP, OWNER, SUPERUSER, Cluster
from instant_credit.record.ids import new_id
from instant_credit.record.pool import Record, open_record
from instant_credit.record.rows import Entry
from instant_credit.record.sealing import bucket_of_person
from instant_credit.settings import CLIENT_RATE, DATABASE_OWNER_URL, DATABASE_URL, KEY_RING, Settings
from instant_credit.underwriting.answers import Answer, Timings, encode_answer
from instant_credit.underwriting.release_life import ReleaseDesk

ACTOR = Actor(kind=ActorKind.JOB, id="bench")
CLIENT = "bench"
GROUP = 1_000
LANES = 2
TOLD_EVERY = 200_000
TEMPLATES = 512


@dataclass(frozen=True)
class Lender:
    """A database with a live release and a client's key."""

    settings: Settings
    key: str

    def environ(self) -> dict[str, str]:
        """The environment that makes a process of ours use the database."""
        found = environ_of(self.settings)
        found[KEY_RING] = str(self.settings.key_ring)
        found[DATABASE_URL] = self.settings.database_url or ""
        found[DATABASE_OWNER_URL] = self.settings.database_owner_url or ""
        # One client sends it all.
        found[CLIENT_RATE] = "0"
        return found


async def create_database(cluster: Cluster, name: str) -> None:
    """A new database of the owner's."""
    connection = await asyncpg.connect(cluster.url(SUPERUSER, "postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    finally:
        await connection.close()


async def settle(cluster: Cluster, name: str) -> None:
    """Bring a database that was just filled to the state of one that grew over months: vacuumed, analysed, all pages on disk."""
    connection = await asyncpg.connect(cluster.url(SUPERUSER, name))
    try:
        await connection.execute("VACUUM (ANALYZE, FREEZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def found_lender(cluster: Cluster, own: Settings, name: str, stock: Stock, decisions: int = 0) -> Lender:
    """A lender on a new database `name`, with as many decisions recorded already."""
    await create_database(cluster, name)
    settings = replace(
        own,
        database_url=cluster.url(APP, name),
        database_owner_url=cluster.url(OWNER, name),
        key_ring=own.home / "keys" / f"{name}.json",
    )
    async with open_record(settings) as record:
        for kind, body in stock.documents:
            await put_document(record, kind, body, ACTOR)
        await ReleaseDesk(record).activate_alone(stock.release.hash, Signature(actor=ACTOR))
        key = await create_key(
            record,
            client_id=CLIENT,
            scopes=frozenset({Scope.APPLY}),
            expires_at=record.clock.now() + timedelta(days=1),
            actor=ACTOR,
        )
        if decisions:
            await _fill(record, stock, decisions)
    if decisions:
        await settle(cluster, name)
    return Lender(settings, key)


async def _fill(record: Record, stock: Stock, decisions: int) -> None:
    """Record `decisions` decisions, each of another person, through the same commit as the server's."""
    now = record.clock.now()
    entries = _write_entries(record, stock, now)
    left = decisions

    async def run_lane() -> None:
        nonlocal left
        while left > 0:
            size = min(GROUP, left)
            left -= size
            await commit_group(record, [(next(entries), ACTOR) for _ in range(size)])
            if left // TOLD_EVERY != (left + size) // TOLD_EVERY:
                click.echo(f"  {decisions - left:,} of {decisions:,} decisions recorded", err=True)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(run_lane())


def _write_entries(record: Record, stock: Stock, now: datetime) -> Iterator[Entry]:
    """Decided applications without end, their Cases in rotation."""
    release = stock.release
    cases = [replace(case, as_of=now.date()) for case in stock.cases[:TEMPLATES]]
    decided = [
        (encode_canonical(case), encode_canonical(decision), decision)
        for case, decision in zip(cases, decide_many(cases, release), strict=True)
    ]
    for number in count():
        case, raw, decision = decided[number % len(decided)]
        person_id = record.key_ring.person_id_of(f"FILLED{number:09d}")
        bucket = bucket_of_person(person_id)
        case_id, decision_id = (new_id(bucket, now, record.entropy) for _ in range(2))
        answer = Answer(
            application_id=case_id,
            decision_id=decision_id,
            recorded_at=now,
            product=PRODUCT,
            release=release.hash,
            outcome=decision.outcome,
            offer=None,
            reasons=decision.reasons,
            pd_ppm=decision.pd_ppm,
            points=decision.points,
            timings_ns=Timings(read=0, decide=0),
        )
        yield Entry(
            person_id=person_id,
            identity=b'{"name":"Invented Applicant","identity_number":"FILLED","address":"1 Invented Street"}',
            book=BOOK,
            product=PRODUCT,
            product_hash=release.manifest.product_hash,
            as_of=now.date(),
            case_id=case_id,
            case=case,
            decision_id=decision_id,
            decision=raw,
            release_hash=release.hash,
            outcome=decision.outcome.value,
            answer=encode_answer(answer),
            client_id=CLIENT,
            idempotency_key=f"{number:064x}",
            body_mac=person_id,
            recorded_at=now,
            stage_ns=(0, 0, 0),
        )
