"""The one line that the desk writes about every application: every key it may hold, and nothing about the person."""

from enum import StrEnum

from msgspec import Struct


class Ending(StrEnum):
    """How an application ended at the desk."""

    DECIDED = "decided"
    REPEATED = "repeated"
    REFUSED = "refused"
    CONFLICT = "conflict"
    FAILED = "failed"


class Stages(Struct, frozen=True, kw_only=True):
    """Nanoseconds spent in each stage; 0 where the application did not get that far.

    `wait_ns` behind an application with the same idempotency key; `read_ns` checking what was told; `decide_ns` features, score,
    attributions, policy and reasons, with those that are decided together; `record_ns` waiting for them and until the transaction was
    durable; `total_ns` at the desk altogether.
    """

    wait_ns: int = 0
    read_ns: int = 0
    decide_ns: int = 0
    record_ns: int = 0
    total_ns: int = 0


class ApplicationLine(Struct, frozen=True, kw_only=True):
    """One application at its end. Ids, hashes, codes and times only."""

    ending: Ending
    product: str
    actor_kind: str
    actor_id: str
    is_test: bool = False
    application_id: str | None = None
    decision_id: str | None = None
    release_hash: str | None = None
    model_hash: str | None = None
    policy_hash: str | None = None
    outcome: str | None = None
    reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    error: str | None = None
    stages: Stages
