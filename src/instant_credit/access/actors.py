"""Actors and scopes. Every write names its actor."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class ActorKind(StrEnum):
    """What acts."""

    API_KEY = "api_key"
    PERSON = "person"
    JOB = "job"


class Scope(StrEnum):
    """What an API key may do: apply, read the decisions of its own client, read those of every client and of every tape, tell what
    borrowers did, read what monitoring found; read, propose, approve (and reject) and activate (stage, roll back, retire) releases; read
    jobs, ask for and cancel them; read, plan and start (ramp, stop) experiments.
    """

    APPLY = "apply"
    DECISIONS_READ = "decisions:read"
    DECISIONS_READ_ALL = "decisions:read_all"
    OUTCOMES_WRITE = "outcomes:write"
    MONITORING_READ = "monitoring:read"
    RELEASES_READ = "releases:read"
    RELEASES_PROPOSE = "releases:propose"
    RELEASES_APPROVE = "releases:approve"
    RELEASES_ACTIVATE = "releases:activate"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    EXPERIMENTS_READ = "experiments:read"
    EXPERIMENTS_PLAN = "experiments:plan"
    EXPERIMENTS_START = "experiments:start"


class Actor(Struct, frozen=True, kw_only=True):
    """Who wrote a row: never a name, always an id."""

    kind: ActorKind
    id: Annotated[str, Meta(min_length=1, max_length=64)]
