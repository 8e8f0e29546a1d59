"""Suite `http`: whole applications over HTTP, decided with reasons and recorded durably before they are answered.

Measured, on one machine whose cores are shared by server, Postgres and load generator:

- closed-loop throughput, 64 connections; and one client, one connection;
- an open loop at 30% of our own throughput, each application timed from when it was due (`http_load` says how); our stages in it, held
  against `budgets.toml`;
- resident memory of the servers;
- an overload at 3 times our throughput: what is still accepted, how quickly the rest is refused;
- throughput and open loop again, with 2,000,000 decisions in the record, beside a new database.

Peers, in turns with ours, one process each, on the same embedded Postgres and the same bodies, every application another person's:
the *floor* (`http_floor`), which takes the body and makes one durable insert under the same group commit and does nothing else; the *stack*
(`http_stack`), which a good engineer puts together in a day. Ours is `instant-credit serve` as shipped: key and body checked, Case, decision with
exact attributions and reasons, everything sealed, idempotency key, one log line (thrown away).

Left out: network between machines, TLS, several processes, other products. The release is the live one of INSTANT_CREDIT_HOME (or
DATABASE_URL), where nothing is written, or else the demo's. `--quick` shows that it works: seconds instead of minutes, 2,000 decisions, bounds
not checked.
"""  # noqa: A005 the suite is called so; imports are absolute

import asyncio
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks import http_floor
from benchmarks.form import Case, publish
from benchmarks.home import own_home
from benchmarks.http_lender import Lender, create_database, found_lender
from benchmarks.http_load import MARK
from benchmarks.http_stack_model import build_frame, fit_stack
from benchmarks.http_turns import Target, Turn, take_turn
from benchmarks.servers import started
from benchmarks.stock import PRODUCT, Stock, find_stock, write_body
from instant_credit.application.telling import tell_facts
from instant_credit.decision.decide import decide_many
from instant_credit.record.embedded import SUPERUSER, Cluster, use_cluster
from instant_credit.settings import Settings
from instant_credit.underwriting.course import APPLICATION_SECONDS

FLOOR, STACK, EMPTY = "floor", "stack", "ours, new database"
STACK_PACKAGES = ("fastapi", "pydantic", "pandas", "sqlalchemy", "greenlet")
APPLICANTS = 512
CONNECTIONS = 64
OPEN_CONNECTIONS = 256
CROWD_CONNECTIONS = 4_000
OPEN_SHARE = 0.3
CROWD_TIMES = 3.0
FLOOR_SHARE_MIN = 0.5
STACK_TIMES_MIN = 25.0
P50_FLOOR_MAX, P99_FLOOR_MAX = 2.0, 3.0
GOODPUT_SHARE_MIN = 0.8
REFUSAL_MS_MAX = 50.0
MEMORY_GROWTH_MAX = 1.1
FILLED_SHARE = 0.2
# Seconds of an overload below which nothing can be said of how memory grows.
WATCHED_MIN = 8
STAGES = ("read", "decide", "record")
BUDGETS = Path(__file__).parent / "budgets.toml"


@dataclass(frozen=True)
class Plan:
    """How long and how often. Times are seconds of one turn."""

    rounds: int
    closed_seconds: float
    open_rounds: int
    open_seconds: float
    crowd_seconds: float
    decisions: int
    has_bounds: bool


FULL = Plan(
    rounds=5, closed_seconds=10, open_rounds=5, open_seconds=60, crowd_seconds=60, decisions=2_000_000, has_bounds=True
)
QUICK = Plan(
    rounds=1, closed_seconds=2, open_rounds=1, open_seconds=3, crowd_seconds=3, decisions=2_000, has_bounds=False
)

Targets = Mapping[str, Target]


def run(*, out: Path | None, quick: bool, seed: int) -> list[str]:
    """Run the suite; see the module's docstring. Returns the checks that failed."""
    with own_home() as own:
        stock = find_stock(own)
        return publish("http", time_suite(own, stock, QUICK if quick else FULL, seed), seed, out)


def time_suite(own: Settings, stock: Stock, plan: Plan, seed: int) -> list[Case]:
    """Every case, on databases in the embedded Postgres of `own`."""
    chosen = np.random.default_rng(seed).choice(len(stock.cases), APPLICANTS, replace=len(stock.cases) < APPLICANTS)
    stock = Stock(stock.release, stock.documents, [stock.cases[i] for i in chosen.tolist()])
    with use_cluster(own.home) as cluster:
        lender = asyncio.run(found_lender(cluster, own, "lender", stock))
        with serving(cluster, lender, stock) as targets:
            _say("throughput, one client")
            throughput, memory = time_closed(targets, plan, CONNECTIONS, "throughput, closed loop, 64 connections")
            alone, _ = time_closed(targets, plan, 1, "one client, closed loop")
            capacity = 1e9 / float(np.median(throughput.ours))
            _say(f"open loop at 30% of {capacity:,.0f} a second")
            opened = time_open(targets, plan, capacity, seed)
            _say("overload")
            crowd = time_crowd(targets["ours"], plan, capacity, seed)
        _say(f"a record of {plan.decisions:,} decisions")
        filled = time_filled(cluster, own, stock, plan, capacity=capacity, seed=seed)
    if plan.has_bounds:
        check_bounds(throughput, opened[0])
    return [throughput, alone, *opened, *memory, *crowd, *filled]


@contextmanager
def serving(cluster: Cluster, lender: Lender, stock: Stock) -> Iterator[dict[str, Target]]:
    """Ours, the floor and, where its packages are installed, the stack."""
    bodies = make_bodies(stock)
    with ExitStack() as stack:
        targets = {"ours": stack.enter_context(serving_ours(lender, bodies))}
        asyncio.run(create_database(cluster, "floor"))
        command = [sys.executable, "-m", "benchmarks.http_floor", cluster.url(SUPERUSER, "floor")]
        floor = stack.enter_context(started(command, lender.environ()))
        targets[FLOOR] = Target(floor, http_floor.PATH, "", bodies)
        absent = [name for name in STACK_PACKAGES if find_spec(name) is None]
        if absent:
            told = f"LEFT OUT: the day-built stack; not installed: {', '.join(absent)} (make bench installs them)"
            click.secho(told, fg="red", bold=True, err=True)
        else:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            fit_peer(folder, stock)
            asyncio.run(create_database(cluster, "stack"))
            command = [sys.executable, "-m", "benchmarks.http_stack", cluster.url(SUPERUSER, "stack"), str(folder)]
            peer = stack.enter_context(started(command, lender.environ()))
            targets[STACK] = Target(peer, http_floor.PATH, "", bodies)
        yield targets


@contextmanager
def serving_ours(lender: Lender, bodies: tuple[str, ...]) -> Iterator[Target]:
    """`instant-credit serve`."""
    command = [sys.executable, "-m", "instant_credit.commands", "serve", "--port", "0"]
    with started(command, lender.environ()) as server:
        yield Target(server, f"/v1/products/{PRODUCT}/applications", f"Bearer {lender.key}", bodies)


def make_bodies(stock: Stock) -> tuple[str, ...]:
    """Bodies with the facts of the stock's Cases and a place for the running number in the identity."""
    return tuple(write_body(stock.release, case, f"BENCH{MARK.decode()}") for case in stock.cases)


def fit_peer(folder: Path, stock: Stock) -> None:
    """The stack's model, of the size of the live release's."""
    release = stock.release
    chance = np.random.default_rng(1)
    risks = [(one.pd_ppm or 0) / 1e6 for one in decide_many(stock.cases, release)]
    labels = (chance.random(len(risks)) < np.array(risks)).astype(np.int64)
    labels[:2] = 0, 1
    depths = release.model.tables.depths
    facts = [tell_facts(release.product, case.facts) for case in stock.cases]
    shape = {"iterations": len(depths), "depth": int(depths.max())}
    fit_stack(folder, build_frame(facts, stock.cases[0].as_of), labels, shape)


def time_closed(targets: Targets, plan: Plan, connections: int, name: str) -> tuple[Case, list[Case]]:
    """As fast as each server goes; and its memory meanwhile. With one connection, its latencies."""
    samples: dict[str, list[list[int]]] = {who: [] for who in targets}
    memory: dict[str, list[int]] = {who: [] for who in targets}
    is_clean = True
    for who, turn in _take_turns(targets, plan.rounds, plan.closed_seconds, connections, memory=memory):
        is_clean = is_clean and turn.is_clean
        slices = max(1, int(plan.closed_seconds))
        samples[who].append(turn.accepted_ns() if connections == 1 else turn.slices(slices))
    unit = "us" if connections == 1 else "requests_per_s"
    case = Case(name, _even(samples["ours"]), _peers(samples), unit=unit, rounds=plan.rounds)
    case.checks["no_error"] = is_clean
    if not all(memory.values()):
        return case, []
    held = Case("memory of the server under load", memory["ours"], unit="MiB")
    held.peers = {who: found for who, found in memory.items() if who != "ours"}
    return case, [held]


def time_open(targets: Targets, plan: Plan, capacity: float, seed: int) -> list[Case]:
    """Ours and the floor at one rate, which the stack could not bear; and our stages."""
    both = {who: target for who, target in targets.items() if who != STACK}
    samples: dict[str, list[list[int]]] = {who: [] for who in both}
    stages: list[list[int]] = [[] for _ in STAGES]
    rate, is_clean, late = OPEN_SHARE * capacity, True, []
    turns = _take_turns(both, plan.open_rounds, plan.open_seconds, OPEN_CONNECTIONS, rate=rate, seed=seed)
    for who, turn in turns:
        is_clean = is_clean and turn.is_clean
        late.append(float(np.percentile(turn.sent_ns - turn.due_ns, 99)) / 1e3)
        samples[who].append(turn.accepted_ns())
        if who == "ours":
            for number, found in enumerate(stages):
                found.extend(turn.stage_ns(number))
    opened = Case(
        "open loop at 30% of our throughput", _even(samples["ours"]), _peers(samples), rounds=plan.open_rounds
    )
    opened.checks.update(no_error=is_clean, requests_per_s=round(rate, 1), sent_late_us_p99=round(max(late), 1))
    cases = [Case(f"stage {name}, open loop at 30%", found) for name, found in zip(STAGES, stages, strict=True)]
    budgets = tomllib.loads(BUDGETS.read_text())["http"]["stages_us_p99"]
    for name, case in zip(STAGES, cases, strict=True):
        case.checks["budget_us_p99"] = budgets[name]
        if plan.has_bounds:
            case.checks["within_budget"] = is_within(case.summarise("ours")["p99"], budgets[name])
    return [opened, *cases]


def is_within(p99_us: float, budget_us: float) -> bool:
    """Whether a stage keeps its budget."""
    return p99_us <= budget_us


def time_crowd(target: Target, plan: Plan, capacity: float, seed: int) -> list[Case]:
    """Three times as many applications as can be decided."""
    watch: list[int] = []
    turn = take_turn(
        target,
        seconds=plan.crowd_seconds,
        connections=CROWD_CONNECTIONS,
        rate=CROWD_TIMES * capacity,
        seed=seed,
        watch=watch,
    )
    accepted, refused = turn.accepted_ns(), turn.refused_ns()
    case = Case("overload at 3 times our throughput", accepted or [0], {"ours, refused": refused or [0]}, unit="ms")
    share = turn.rate() / capacity
    case.checks.update(goodput_share=round(share, 3), failed=turn.failed(), refused=len(refused))
    held = Case("memory of the server in the overload", watch, unit="MiB") if watch and all(watch) else None
    if plan.has_bounds:
        told = case.summarise("ours, refused")["p99"]
        case.checks["goodput_at_least_80_percent_of_peak"] = share >= GOODPUT_SHARE_MIN
        case.checks["refusals_p99_within_50_ms"] = told <= REFUSAL_MS_MAX
        case.checks["accepted_p99_within_deadline"] = case.summarise("ours")["p99"] <= APPLICATION_SECONDS * 1e3
        case.checks["nothing_failed"] = turn.failed() == 0
        if held is not None and len(watch) >= WATCHED_MIN:
            after = len(watch) // 4
            held.checks["memory_flat"] = max(watch[after:]) <= MEMORY_GROWTH_MAX * float(
                np.median(watch[after : 2 * after])
            )
    return [case] if held is None else [case, held]


def time_filled(cluster: Cluster, own: Settings, stock: Stock, plan: Plan, *, capacity: float, seed: int) -> list[Case]:
    """Throughput and open loop on a full record beside a new one."""
    bodies = make_bodies(stock)
    full = asyncio.run(found_lender(cluster, own, "filled", stock, plan.decisions))
    new = asyncio.run(found_lender(cluster, own, "unfilled", stock))
    with serving_ours(full, bodies) as ours, serving_ours(new, bodies) as empty:
        targets = {"ours": ours, EMPTY: empty}
        throughput, _ = time_closed(targets, plan, CONNECTIONS, f"throughput, {plan.decisions:,} decisions recorded")
        opened = time_open(targets, plan, capacity, seed)[0]
    opened.name = f"open loop at 30%, {plan.decisions:,} decisions recorded"
    if plan.has_bounds:
        moved = throughput.ratio(EMPTY, "ours")
        throughput.checks["throughput_moves_by_at_most_20_percent"] = abs(moved - 1) <= FILLED_SHARE
        p99 = opened.summarise("ours")["p99"] / opened.summarise(EMPTY)["p99"]
        opened.checks["p99_moves_by_at_most_20_percent"] = p99 - 1 <= FILLED_SHARE
    return [throughput, opened]


def check_bounds(throughput: Case, opened: Case) -> None:
    """What is promised beside the peers."""
    throughput.checks["at_least_0_5_of_floor"] = throughput.ratio(FLOOR, "ours") >= FLOOR_SHARE_MIN
    if STACK in throughput.peers:
        throughput.checks["at_least_25_times_stack"] = throughput.ratio(STACK, "ours") >= STACK_TIMES_MIN
    ours, floor = opened.summarise("ours"), opened.summarise(FLOOR)
    opened.checks["p50_at_most_2_times_floor"] = ours["p50"] <= P50_FLOOR_MAX * floor["p50"]
    opened.checks["p99_at_most_3_times_floor"] = ours["p99"] <= P99_FLOOR_MAX * floor["p99"]


def _take_turns(
    targets: Targets,
    rounds: int,
    seconds: float,
    connections: int,
    *,
    memory: Mapping[str, list[int]] | None = None,
    rate: float = 0.0,
    seed: int = 1,
) -> Iterator[tuple[str, Turn]]:
    """Every target's turn in every round, the first one moving on; in a round all get the same arrivals."""
    names = list(targets)
    for number in range(rounds):
        first = number % len(names)
        for who in (*names[first:], *names[:first]):
            turn = take_turn(targets[who], seconds=seconds, connections=connections, rate=rate, seed=seed + number)
            if memory is not None:
                memory[who].append(targets[who].server.resident_bytes())
            yield who, turn


def _even(rounds: list[list[int]]) -> list[int]:
    """All samples, as many in each round as in the one that has fewest."""
    fewest = min(len(found) for found in rounds)
    return [one for found in rounds for one in found[:fewest]]


def _peers(samples: Mapping[str, list[list[int]]]) -> dict[str, list[int]]:
    return {who: _even(found) for who, found in samples.items() if who != "ours"}


def _say(what: str) -> None:
    click.echo(f"http: {what} ...", err=True)
