"""A desk on a real record, with releases that do not change by themselves."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.decision.release import Release
from instant_credit.record.pool import Record
from instant_credit.underwriting.course import Answered, Caller, Submission
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.lines import ApplicationLine
from tests.lending import invent_body

ACTOR = Actor(kind=ActorKind.API_KEY, id="key")
CLIENT, ANOTHER = (Caller(client_id=name, actor=ACTOR) for name in ("client", "another"))
TESTER = Caller(client_id="client", actor=ACTOR, is_test=True)


class FixedReleases:
    def __init__(self, releases: Mapping[str, Release]) -> None:
        self.releases = dict(releases)

    def live(self) -> Mapping[str, Release]:
        return self.releases

    def not_loaded(self) -> Mapping[str, str]:
        return {}


class Room:
    """A desk, what it reported, and the release it decides with."""

    def __init__(self, record: Record, release: Release) -> None:
        self.record = record
        self.release = release
        self.releases = FixedReleases({release.product.name: release})
        self.lines: list[ApplicationLine] = []
        self.desk = Desk(record, self.releases, report=self.lines.append)

    def submission(self, seed: int = 1, key: str | None = None, **changes: Any) -> Submission:
        body = invent_body(self.release.product, Random(seed))
        body["facts"]["earliest_credit_on"] = "2001-05-01"
        body |= changes.pop("body", {})
        values: dict[str, Any] = {
            "product": self.release.product.name,
            "body": json.dumps(body).encode(),
            "client_id": "client",
            "actor": ACTOR,
            "idempotency_key": key,
        }
        return Submission(**(values | changes))

    async def apply(self, submission: Submission) -> Answered:
        answered = await self.desk.apply(submission)
        assert isinstance(answered, Answered), answered
        return answered
