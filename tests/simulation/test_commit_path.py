"""Thousands of runs of the commit path in virtual time, each out of one integer.

A failure names its run: `SIMULATE=<that integer> pytest tests/simulation` runs it alone.
"""

import asyncio
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from instant_credit.decision.release import compose_release, decode_manifest
from instant_credit.record.rings import create_key_ring, read_key_ring
from tests.budget import IS_PROVING
from tests.clock import SeededEntropy
from tests.lending import Documents, invent_body, make_documents
from tests.policy.documents import guarded_policy
from tests.simulation.rules import read_rules_at
from tests.simulation.world import Stage, World

RUNS = 8_000 if IS_PROVING else 200
SEED = 20_261_123
BODIES = 6
PERSONS = 3


@pytest.fixture(scope="module")
def lenders() -> tuple[Documents, ...]:
    """One whose policy asks for no history, and one whose guards do."""
    return make_documents(), make_documents(policy=guarded_policy())


@pytest.fixture(scope="module")
def stage(
    lenders: tuple[Documents, ...], cluster: Any, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    ring: Path = tmp_path_factory.mktemp("keys") / "ring.json"
    create_key_ring(ring, SeededEntropy("ring"))
    bodies = []
    for number in range(BODIES):
        body = invent_body(lenders[0].product, Random(number))
        body["facts"]["earliest_credit_on"] = "2001-05-01"
        body["applicant"]["identity_number"] = f"person-{number % PERSONS}"
        bodies.append(json.dumps(body).encode())
    return Stage(
        rules=asyncio.run(read_rules_at(cluster.url("instant_credit_owner", database))),
        releases=tuple(compose_release(decode_manifest(one.parts[-1][1]), one.by_hash) for one in lenders),
        bodies=tuple(bodies),
        key_ring=read_key_ring(ring),
    )


def list_runs() -> list[int]:
    """The integers of the runs, all out of one."""
    if alone := os.environ.get("SIMULATE"):
        return [int(alone)]
    chance = Random(SEED)
    return [chance.getrandbits(48) for _ in range(RUNS)]


@pytest.mark.prove
@pytest.mark.long
def test_no_fault_loses_doubles_halves_or_changes_an_answered_decision(stage: Stage) -> None:
    doors: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for seed in list_runs():
        world = World(seed, stage, doors)
        try:
            world.run()
        except BaseException as broken:
            broken.add_note(f"run {seed}: SIMULATE={seed} pytest tests/simulation repeats it")
            raise
        for what, count in world.counts.items():
            counts[what] = counts.get(what, 0) + count
    if "SIMULATE" not in os.environ:
        happened = (
            "answer",
            "same answer",
            "conflict",
            "unavailable",
            "stall",
            "client gone",
            "server killed",
        )
        histories = ("decided on 0 before", "decided on 1 before", "decided on 2 before")
        for what in (*happened, *histories, "database killed", "group of 1", "group of 4"):
            assert counts.get(what, 0) >= RUNS / 20, (what, counts)


def test_one_integer_gives_one_run(stage: Stage) -> None:
    def trace(seed: int) -> Any:
        world = World(seed, stage, {})
        world.run()
        answers = sorted((str(name), answered.body) for name, answered in world.answers.items())
        return world.trace, [json.loads(body) | {"timings_ns": None} for _, body in answers]

    for seed in list_runs()[:10]:
        assert trace(seed) == trace(seed)
