"""A room whose desk draws, releases for arms to decide by, and plans that lay them over the live one."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.decision.decision import Decision, decode_decision
from instant_credit.decision.release import Release
from instant_credit.experiment.plan import Plan, encode_plan
from instant_credit.policy.document import Policy
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.experiments import (
    ExperimentEvent,
    ExperimentEventKind,
    add_experiment_event,
    plan_experiment,
)
from instant_credit.record.pool import Record
from instant_credit.record.reads import read_decision
from instant_credit.record.rows import StoredDecision
from instant_credit.score.bundle import Bundle
from instant_credit.underwriting.affording import SpentArm
from instant_credit.underwriting.answers import read_ids
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.experiments import Experiments, NotExposing
from tests.experiment.plans import LAYERS, PLAN
from tests.lending import Documents, with_policy
from tests.underwriting.rooms import Room

BY = Signature(actor=Actor(kind=ActorKind.PERSON, id="staff-1"))


def dearer(policy: Policy) -> Policy:
    """The same policy with a price more on every band."""
    return replace(policy, grid=tuple(replace(band, apr_ppm=band.apr_ppm + 10_000) for band in policy.grid))


def riskier(bundle: Bundle) -> Bundle:
    """The same model with a higher pd for everybody."""
    return replace(bundle, calibration=replace(bundle.calibration, intercept=bundle.calibration.intercept + 0.25))


def price_dearer(documents: Documents, release: Release) -> Documents:
    """A release with dearer prices; its worked examples say so."""
    policy = release.policy.policy
    changed = dearer(policy)
    told = [replace(one, expect=replace(one.expect, apr_ppm=None, instalment_cents=None)) for one in changed.examples]
    return with_policy(documents, replace(changed, examples=tuple(told), title="Dearer prices"))


class Trial:
    """A room whose desk draws."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.missed: list[NotExposing] = []
        self.experiments = Experiments(room.record, self.missed.append)
        self.closed: list[tuple[SpentArm, Exception | None]] = []
        room.desk = Desk(
            room.record,
            room.releases,
            report=room.lines.append,
            experiments=self.experiments,
            closed=lambda spent, trouble: self.closed.append((spent, trouble)),
        )

    async def start(self, plan: Plan, *, coverage_ppm: int = 1_000_000) -> int:
        record = self.room.record
        layers = msgspec.json.encode(LAYERS | {"schema_version": 1})
        await put_document(record, DocumentKind.LAYERS, layers, BY.actor)
        plan_hash = await put_document(record, DocumentKind.PLAN, encode_plan(plan), BY.actor)
        planned = await plan_experiment(
            record, plan_hash=plan_hash, product=plan.product, name=plan.name, by=BY, now=record.clock.now()
        )
        await self.tell(
            planned.experiment,
            ExperimentEventKind.STARTED,
            1,
            reach_from_ppm=0,
            reach_to_ppm=1_000_000,
            coverage_ppm=coverage_ppm,
            is_single_person=True,
        )
        return planned.experiment

    async def tell(self, experiment: int, kind: ExperimentEventKind, number: int, **told: Any) -> None:
        event = ExperimentEvent(
            experiment=experiment,
            number=number,
            kind=kind,
            signature=BY,
            recorded_at=self.room.record.clock.now(),
            **told,
        )
        assert await add_experiment_event(self.room.record, event)
        await self.experiments.refresh()

    async def apply(self, seed: int, **changes: Any) -> StoredDecision:
        answered = await self.room.apply(self.room.submission(seed, **changes))
        stored = await read_decision(self.room.record, read_ids(answered.body).decision_id)
        assert stored is not None
        return stored

    async def exposures(self) -> list[Mapping[str, Any]]:
        async with self.room.record.connection() as connection:
            return [dict(row) for row in await connection.fetch("SELECT * FROM exposures ORDER BY case_id")]


def make_plan(layer: str, part: str, source: str, **changes: Any) -> Plan:
    arms = [
        {"name": "control", "share_ppm": 500_000},
        {"name": "challenger", "share_ppm": 500_000, "overlay": {part: source}},
    ]
    told = PLAN | {"name": f"trial_of_{part}", "layer": layer, "arms": arms} | changes
    return msgspec.convert(told, Plan)


def decision_of(stored: StoredDecision) -> Decision:
    assert stored.decision is not None
    return decode_decision(stored.decision)


async def keep(record: Record, documents: Documents) -> str:
    for kind, raw in documents.parts:
        await put_document(record, kind, raw, BY.actor)
    return documents.release_hash
