"""One run of the commit path: servers that die, clients that ask again, a database that fails; all of it out of one integer.

What must hold whatever happens is `World.check`: it is asked at every answer and at the end.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import decode_case
from instant_credit.decision.decide import decide
from instant_credit.decision.release import Release
from instant_credit.errors import Busy, Conflict, Overloaded, Unavailable
from instant_credit.record.columns import ANSWER_PLACE, CASE_PLACE, DECISION_PLACE, open_data_key
from instant_credit.record.pool import Record
from instant_credit.record.sealing import KeyRing, unseal
from instant_credit.underwriting.course import Answered, Submission
from instant_credit.underwriting.desk import Desk
from tests.clock import SeededEntropy
from tests.simulation.chains import check_chain
from tests.simulation.database import NONE, Database, Faults, Pool
from tests.simulation.rules import Rules
from tests.simulation.timing import VirtualClock, run_virtually
from tests.simulation.twin import NUMBERS

ACTOR = Actor(kind=ActorKind.API_KEY, id="key")
SERVERS = 2
Name = tuple[str, str | None]


class Stage(Struct, frozen=True, kw_only=True):
    """What every run shares: the rules of the database, the releases, of which each run takes one, and the bodies."""

    rules: Rules
    releases: tuple[Release, ...]
    bodies: tuple[bytes, ...]
    key_ring: KeyRing


class Told(Struct, frozen=True, kw_only=True):
    """One application of one client: its key (None = none), its body, and how the client behaves."""

    name: Name
    body: bytes
    starts: float
    seconds: float
    patience: float
    attempts: int


class Releases:
    def __init__(self, release: Release) -> None:
        self._live = {release.product.name: release}

    def live(self) -> Mapping[str, Release]:
        return self._live

    def not_loaded(self) -> Mapping[str, str]:
        return {}


class Server:
    """One process: a desk on connections of its own."""

    def __init__(self, world: "World", number: int) -> None:
        self.pool = Pool(world.database, world.chance.randint(1, 4))
        record = Record(
            pool=self.pool,
            key_ring=world.stage.key_ring,
            clock=world.clock,
            entropy=SeededEntropy(f"{world.seed}/{number}"),
        )
        self.desk = Desk(record, world.releases, report=lambda _: None)
        self.desk._doors = world.doors
        world.watch(self.desk._deciding._grouping)
        self.tasks: dict[asyncio.Task[Any], None] = {}

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.tasks[task] = None
        task.add_done_callback(self.tasks.pop)
        return task

    def kill(self) -> None:
        """Nothing of this process does anything any more."""
        self.pool.is_dead = True
        lanes = sorted(
            self.desk._deciding._grouping._lanes, key=lambda lane: int(lane.get_name().removeprefix("Task-"))
        )
        for task in (*self.tasks, *lanes):
            task.cancel()

    def left(self) -> list[Any]:
        """What is not done and not given up: queue, lanes, turns, applications under way."""
        desk = self.desk
        return [
            list(desk._deciding._grouping._queue),
            list(desk._deciding._grouping._lanes),
            list(desk._under_way),
            desk._in_flight,
        ]

    def is_empty(self) -> bool:
        return not any(self.left())


class World:
    def __init__(self, seed: int, stage: Stage, doors: dict[str, Any]) -> None:
        self.seed = seed
        self.stage = stage
        self.doors = doors
        self.chance = Random(seed)
        self.clock = VirtualClock()
        self.release = stage.releases[seed % len(stage.releases)]
        self.releases = Releases(self.release)
        self.answers: dict[Name, Answered] = {}
        self.bodies: dict[Name, bytes] = {}
        self.conflicts = 0
        self.counts: dict[str, int] = {}
        self.trace: list[tuple[int, str]] = []
        self._born = 0

    def watch(self, group: Any) -> None:
        """Have every group looked at when its writing begins: nothing in it is past its deadline."""
        submit, write = group.submit, group._write
        until: dict[int, int] = {}

        async def submit_watched(item: Any, *, until_ns: int) -> Any:
            until[id(item)] = until_ns
            return await submit(item, until_ns=until_ns)

        async def write_watched(items: Any) -> Any:
            assert all(self.clock.ns < until[id(item)] for item in items), "written past its deadline"
            self.count(f"group of {min(len(items), 4)}")
            return await write(items)

        group.submit, group._write = submit_watched, write_watched

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        self.trace.append((self.clock.ns, what))

    def run(self) -> None:
        run_virtually(self._run(), self.clock)

    async def _run(self) -> None:
        self.database = Database(self.stage.rules, self.chance)
        self.servers = [self._bear() for _ in range(SERVERS)]
        told = self._invent()
        self.database.faults = self._choose_faults()
        havoc = [asyncio.create_task(work) for work in self._choose_havoc()]
        await asyncio.gather(*(self._ask(one) for one in told))
        for task in havoc:
            task.cancel()
        await asyncio.gather(*havoc, return_exceptions=True)
        await self._calm(told)
        for server in self.servers:
            assert server.is_empty(), f"something waits for ever: {server.left()}"
        await self.database.settle()
        self.check(told)

    def _bear(self) -> Server:
        self._born += 1
        return Server(self, self._born)

    def _invent(self) -> list[Told]:
        """Applications of few clients, few keys and few bodies, so that they get into each other's way."""
        chance = self.chance
        span = chance.choice([0.0, 0.01, 1.0, 20.0])
        told = []
        for number in range(chance.randint(1, 24)):
            keyed = chance.random() < 0.8
            name = (
                (f"client-{chance.randrange(2)}", f"key-{chance.randrange(8)}") if keyed else (f"lone-{number}", None)
            )
            told.append(
                Told(
                    name=name,
                    body=chance.choice(self.stage.bodies),
                    starts=chance.uniform(0, span),
                    seconds=chance.choice([0.002, 0.05, 1.0, 5.0]),
                    patience=chance.choice([0.003, 0.1, 2.0, 60.0]),
                    attempts=chance.randint(1, 5) if keyed else 1,
                )
            )
        return told

    def _choose_faults(self) -> Faults:
        chance = self.chance

        def share(most: float) -> float:
            return chance.uniform(0, most) if chance.random() < 0.5 else 0.0

        return Faults(
            cut_before=share(0.2),
            cut_after=share(0.2),
            hang_before=share(0.1),
            hang_after=share(0.1),
            deadlock=share(0.2),
            slow=share(0.3),
            way=chance.choice([0.0001, 0.001, 0.02]),
            slow_seconds=chance.choice([0.1, 3.0, 8.0]),
        )

    def _choose_havoc(self) -> list[Coroutine[Any, Any, None]]:
        works = (self._kill_server, self._kill_database, self._stall)
        return [self._later(work) for work in works for _ in range(self.chance.choice([0, 0, 1, 3]))]

    async def _later(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await asyncio.sleep(self.chance.choice([0.001, 0.1, 5.0]) * self.chance.random())
        await work()

    async def _kill_server(self) -> None:
        place = self.chance.randrange(SERVERS)
        killed, self.servers[place] = self.servers[place], self._bear()
        killed.kill()
        self.count("server killed")

    async def _stall(self) -> None:
        """Nothing runs for a while, and then everything that is due at once."""
        self.count("stall")
        self.clock.ns += int(self.chance.choice([0.01, 0.5, 6.0]) * 1e9)

    async def _kill_database(self) -> None:
        self.count("database killed")
        await self.database.kill(self.chance.choice([0.01, 1.0, 8.0]))

    async def _ask(self, told: Told) -> None:
        """One client: it asks, gives up, asks again, at whichever server is there."""
        await asyncio.sleep(told.starts)
        for _ in range(told.attempts):
            if not await self._attempt(told, self.chance.choice(self.servers), told.patience):
                return
            await asyncio.sleep(self.chance.expovariate(10))

    async def _attempt(self, told: Told, server: Server, patience: float) -> bool:
        """Whether it is worth asking again."""
        submission = Submission(
            product=self.release.product.name,
            body=told.body,
            client_id=told.name[0],
            actor=ACTOR,
            idempotency_key=told.name[1],
            seconds=told.seconds,
        )
        task = server.start(server.desk.apply(submission))
        await asyncio.wait({task}, timeout=patience)
        if not task.done():
            task.cancel()
            self.count("client gone")
            await asyncio.wait({task})
        if task.cancelled():
            return True
        trouble = task.exception()
        if trouble is None:
            self._hear(told, task.result())
            return self.chance.random() < 0.3
        if isinstance(trouble, Conflict):
            self.conflicts += 1
            self.count("conflict")
            return False
        assert isinstance(trouble, Unavailable), repr(trouble)
        self.count("overloaded" if isinstance(trouble, Overloaded | Busy) else "unavailable")
        return True

    def _hear(self, told: Told, answered: Any) -> None:
        assert isinstance(answered, Answered), answered
        first = self.answers.setdefault(told.name, answered)
        assert self.bodies.setdefault(told.name, told.body) == told.body, "another body's answer"
        self.count("answer" if first is answered else "same answer")
        assert first.body == answered.body, "two answers to one key"
        assert first.decision_id == answered.decision_id

    async def _calm(self, told: list[Told]) -> None:
        """When everything works again, every keyed application gets an answer: the one that it had, when it had one."""
        self.database.faults = NONE
        await asyncio.sleep(60)
        server = self._bear()
        by_name: dict[Name, list[Told]] = {}
        for one in told:
            if one.name[1] is not None:
                by_name.setdefault(one.name, []).append(one)
        for name, ones in by_name.items():
            for one in ones:
                patient = Told(name=name, body=one.body, starts=0, seconds=5.0, patience=60, attempts=1)
                await self._attempt(patient, server, 60)
            assert name in self.answers, f"{name} is refused for ever"
        for each in (*self.servers, server):
            async with asyncio.timeout(120):
                await each.desk.drain()
        assert server.is_empty()

    def check(self, told: list[Told]) -> None:
        """The tables hold what was answered, once and whole, each Decision by the rules, and nothing else."""
        tables = self.database.twin.tables
        cases = {(row["bucket"], row["case_id"]): row for row in tables["instant_credit.cases"]}
        keys = {row["decision_id"]: row for row in tables["instant_credit.idempotency_keys"]}
        identities = {(row["bucket"], row["case_id"]) for row in tables["instant_credit.identities"]}
        decisions = {row["decision_id"]: row for row in tables["instant_credit.decisions"]}
        assert len(decisions) == len(tables["instant_credit.decisions"]) == len(cases) == len(identities)
        assert {(row["bucket"], row["case_id"]) for row in decisions.values()} == set(cases) == identities
        assert set(keys) <= set(decisions)
        opened = {}
        for decision_id, row in decisions.items():
            case = cases[row["bucket"], row["case_id"]]
            cipher = self._open(case)
            decision = unseal(cipher, row["sealed_decision"], place=DECISION_PLACE, row_id=decision_id.bytes)
            again = decide(self._read_case(case), self.release)
            assert encode_canonical(again) == decision, "not what the rules give"
            assert (again.outcome.value, self.release.hash) == (row["outcome"], row["release_hash"])
            opened[decision_id] = unseal(cipher, row["sealed_answer"], place=ANSWER_PLACE, row_id=decision_id.bytes)
            assert (decision_id in keys) == (not row["client_id"].startswith("lone-"))
        for answered in self.answers.values():
            assert opened[answered.decision_id] == answered.body, "what was answered is not what is recorded"
        assert len(keys) == sum(name[1] is not None for name in self.answers)
        assert len({one.name for one in told}) >= len(decisions), "a key was decided twice"
        self._check_histories(cases)
        check_chain(tables)

    def _check_histories(self, cases: Mapping[Any, Mapping[str, Any]]) -> None:
        """Under guards each application of a person has a number of its own, from 1 on, and was decided on all those before it."""
        tables = self.database.twin.tables
        outcomes = {row["case_id"]: row["outcome"] for row in tables["instant_credit.decisions"]}
        by_person: dict[bytes, dict[int, Any]] = {}
        for row in tables[NUMBERS]:
            by_person.setdefault(row["person_id"], {})[row["number"]] = row["case_id"]
        if self.release.policy.history_days is None:
            assert not by_person
            return
        assert sum(map(len, by_person.values())) == len(cases)
        for numbered in by_person.values():
            assert sorted(numbered) == list(range(1, len(numbered) + 1))
            for number, case_id in numbered.items():
                case = next(row for row in cases.values() if row["case_id"] == case_id)
                before = [outcomes[numbered[one]] for one in range(1, number)]
                assert sorted(prior.outcome for prior in self._read_case(case).history.priors) == sorted(before)
                self.count(f"decided on {min(number - 1, 2)} before")

    def _read_case(self, row: Mapping[str, Any]) -> Any:
        return decode_case(unseal(self._open(row), row["sealed_case"], place=CASE_PLACE, row_id=row["case_id"].bytes))

    def _open(self, case: Mapping[str, Any]) -> AESGCM:
        found = self.database.twin._one("sealed_keys.person_keys", bucket=case["bucket"], key_id=case["key_id"])
        assert found is not None, "a Case is sealed under a key that is not there"
        return open_data_key(self.servers[0].desk.record, found)
