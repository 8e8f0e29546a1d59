"""A small seeded book with Cases, groups, a champion and a better candidate; and ways to bend a bundle."""

from datetime import date
from functools import cache
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from instant_credit.application.document import hash_layout, hash_product
from instant_credit.application.facts import Facts
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.decision.case import Case
from instant_credit.decision.release import Release
from instant_credit.policy.document import CutOffs, Policy
from instant_credit.policy.drafting.assumptions import Assumptions
from instant_credit.policy.drafting.book import BookRisk
from instant_credit.policy.drafting.draft import Draft, draft_policy
from instant_credit.policy.drafting.examples import with_examples
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import Bundle, encode_bundle
from instant_credit.score.proof import prove_bundle
from instant_credit.score.trees import TreeTables, offsets_from_lengths
from instant_credit.training.dataset import TrainingSet, list_columns
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.gates.contest import Contender
from instant_credit.training.gates.judging import judge_candidate
from instant_credit.training.gates.redeciding import Grouping, RecordedCases, compose_candidate
from instant_credit.training.gates.thresholds import read_thresholds
from instant_credit.training.plans import ByDate
from instant_credit.training.workshop import build_training
from instant_credit.units import date_from_days, days_from_date

LOANS = 4_000
FIRST, LAST, TEST_FROM = date(2020, 1, 1), date(2021, 12, 28), date(2021, 5, 1)
KNOWN_ON = date(2024, 1, 1)
TERM = 36
# At this price a loan of 36 months earns nothing when this part of its like goes bad.
PRICE_PPM, BREAK_EVEN_PPM = 250_000, 300_000
STANDARD = read_thresholds(read_starter("gates", "standard"))
QUICK = FitParameters(iterations=60, depth=2, learning_rate=0.1, l2_leaf_reg=10, variables_share=0.8, threads=1)


def _variable(name: str, of: str, number: int, direction: str = "free", op: str = "value") -> dict[str, Any]:
    return {
        "name": name,
        "op": op,
        "of": [of],
        "direction": direction,
        "why": f"Why {name}.",
        "reason": f"{name.upper()}_ADVERSE",
        "reason_number": number,
        "text": "It is {value}.",
        "text_missing": "Not known.",
        **_unit(of, op),
    }


def _unit(of: str, op: str) -> dict[str, str]:
    if op == "category":
        return {"unit": "category"}
    return {"unit": "cents"} if of.endswith("_cents") else {}


def _attribute(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "legal": "free", "description": f"{name}.", **more}


PRODUCT = msgspec.convert(
    {
        "name": "gate_loan",
        "title": "Loan of the gates",
        "currency": "USD",
        "roles": {"amount": "amount_cents", "term": "term_months", "income_annual": "income_cents"},
        "attributes": [
            _attribute("amount_cents", "cents", minimum=100, maximum=5_000_000, missing="refuse"),
            _attribute("term_months", "integer", minimum=6, maximum=60, missing="refuse"),
            _attribute("income_cents", "cents", minimum=0, maximum=20_000_000, missing="refuse"),
            _attribute("inquiries", "integer", minimum=0, maximum=20),
            _attribute("fees", "integer", minimum=0, maximum=100_000),
            _attribute("utilisation", "real", unit="ratio", minimum=0, maximum=2),
            _attribute("utilisation_told", "real", unit="ratio", minimum=0, maximum=2),
            _attribute("distance", "real", unit="ratio", minimum=0, maximum=100),
            _attribute("use", "category", categories=["car", "home", "other"]),
            _attribute("sex", "category", categories=["f", "m"]) | {"legal": "prohibited"},
        ],
        "variables": [
            _variable("amount", "amount_cents", 1, "increasing"),
            _variable("income", "income_cents", 2, "decreasing"),
            _variable("inquiries_seen", "inquiries", 3, "increasing"),
            _variable("fees_seen", "fees", 4),
            _variable("use_of_lines", "utilisation", 5),
            _variable("use_of_lines_told", "utilisation_told", 6),
            _variable("distance_seen", "distance", 7),
            _variable("purpose", "use", 8, op="category"),
        ],
    },
    Product,
)
COLUMNS = list_columns(PRODUCT)
PLACE = {name: place for place, name in enumerate(COLUMNS.names)}


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A book as a training set, and the sex of each borrower: 0 f, 1 m."""

    loans: TrainingSet
    sexes: np.ndarray


def invent_world(loans: int = LOANS, seed: int = 0) -> World:
    """Risk rises with amount, inquiries and use of lines, falls with income; distance tells the sex and nothing of the risk."""
    chance = np.random.default_rng(seed)
    amount = chance.integers(1_000, 40_000, loans) * 100.0
    income = chance.integers(15_000, 150_000, loans) * 100.0
    inquiries = chance.integers(0, 8, loans).astype(float)
    use = chance.integers(0, 3, loans)
    utilisation = np.round(chance.random(loans), 6)
    sexes = chance.integers(0, 2, loans)
    distance = chance.normal(50.0, 10.0, loans).clip(0.0, 100.0) + np.where(sexes == 0, 12.0, -12.0)
    risk = -4.3 + 1.5 * amount / 4e6 - 1.6 * income / 1.5e7 + 0.18 * inquiries + 0.4 * (use == 2) + 3.5 * utilisation
    labels = (chance.random(loans) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    columns = [amount, income, inquiries, chance.integers(0, 50, loans), utilisation, utilisation, distance, use]
    days = np.sort(chance.integers(days_from_date(FIRST), days_from_date(LAST), loans)).astype(np.int32)
    told = TrainingSet(
        book="invented",
        product=PRODUCT,
        product_hash=hash_product(PRODUCT),
        known_on=KNOWN_ON,
        columns=COLUMNS,
        matrix=np.ascontiguousarray(np.column_stack(columns).astype(np.float32)),
        labels=labels,
        days=days,
        persons=np.arange(loans, dtype=np.int64),
        weights=np.ones(loans),
        cases=loans,
        left_out=(),
    )
    return World(loans=told, sexes=sexes)


def take(world: World, rows: np.ndarray) -> World:
    """Some of the loans, still a training set."""
    held = {name: getattr(world.loans, name)[rows] for name in ("matrix", "labels", "days", "persons", "weights")}
    return World(loans=replace(world.loans, **held), sexes=world.sexes[rows])


def with_column(world: World, name: str, values: np.ndarray) -> World:
    """The same loans with other values of one variable."""
    matrix = world.loans.matrix.copy()
    matrix[:, PLACE[name]] = values
    return World(loans=replace(world.loans, matrix=matrix), sexes=world.sexes)


def record_cases(world: World, test_from: date = TEST_FROM) -> RecordedCases:
    """The Cases of the loans from `test_from` on, all of them lent to, with their borrowers' sex."""
    rows = np.flatnonzero(world.loans.days >= days_from_date(test_from))
    layout, product_hash = hash_layout(PRODUCT), hash_product(PRODUCT)
    cases = []
    for row, day in zip(world.loans.matrix[rows].tolist(), world.loans.days[rows].tolist(), strict=True):
        amount, income, inquiries, fees, utilisation, told, distance, use = row
        facts = Facts(
            cents=(int(amount), int(income)),
            integers=(TERM, int(inquiries), int(fees)),
            reals=(utilisation, told, distance),
            codes=(int(use),),
        )
        cases.append(Case(product_hash=product_hash, layout_hash=layout, as_of=date_from_days(day), facts=facts))
    return RecordedCases(
        cases=tuple(cases),
        labels=world.loans.labels[rows],
        weights=world.loans.weights[rows],
        groupings=(Grouping(attribute="sex", names=("f", "m"), codes=world.sexes[rows].astype(np.int64)),),
    )


def train(
    world: World, parameters: FitParameters = QUICK, test_from: date = TEST_FROM, segment: str | None = None
) -> Contender:
    """A model of the loans before `test_from`, by the workshop itself."""
    training = build_training(
        world.loans, ByDate(test_from=test_from, calibration_months=6), parameters, segment=segment
    )
    return Contender(training.bundle_raw, training.manifest)


@cache
def make_world() -> World:
    return invent_world(seed=2)


@cache
def make_champion() -> Contender:
    """A model of the first loans alone, fitted in three steps, so that it hardly tells applicants apart."""
    world = make_world()
    early = take(world, np.arange(1_400))
    return train(early, replace(QUICK, iterations=3, depth=1), test_from=date(2020, 7, 1))


@cache
def make_better() -> Contender:
    """A model of every loan before the test."""
    return train(make_world())


@cache
def make_policy() -> Policy:
    """The drafted policy at one price for all that breaks even at its cut-off, so that what a model earns is what it picks."""
    drafted = draft().policy
    one_price = replace(
        drafted.grid[-1],
        pd_from_ppm=0,
        pd_below_ppm=BREAK_EVEN_PPM,
        apr_ppm=PRICE_PPM,
        amount_cents_max=max(band.amount_cents_max for band in drafted.grid),
        term_months_max=max(band.term_months_max for band in drafted.grid),
    )
    cut_offs = CutOffs(approve_below_ppm=BREAK_EVEN_PPM, decline_from_ppm=BREAK_EVEN_PPM)
    return with_examples(replace(drafted, cut_offs=cut_offs, grid=(one_price,)), PRODUCT, LAST)


@cache
def draft() -> Draft:
    """A policy drafted for the champion over the whole book."""
    world, champion = make_world(), make_champion()
    _, pds = champion.estimate(world.loans.matrix)
    matrix = world.loans.matrix
    risk = BookRisk(
        book="invented",
        model_hash=champion.bundle_hash,
        pds_ppm=np.clip(np.rint(pds * 1e6), 1, 999_999).astype(np.int64),
        weights=np.ones(len(pds)),
        known=np.full(len(pds), matrix.shape[1], dtype=np.int64),
        amounts_cents=matrix[:, PLACE["amount"]].astype(np.int64),
        terms_months=np.full(len(pds), TERM, dtype=np.int64),
        latest_on=LAST,
    )
    return draft_policy(PRODUCT, risk, Assumptions(), lambda approve_below: approve_below)


@cache
def make_champion_release() -> Release:
    return release_of(make_champion())


def release_of(contender: Contender) -> Release:
    """A release of it under the policy."""
    return compose_candidate(contender, make_policy(), PRODUCT, record_cases(make_world()).cases)


def judge(candidate: Contender, world: World | None = None, champion: Contender | None = None, **more: Any) -> Any:
    """The report on a candidate against the champion, with Cases and groups, by a stopwatch that ticks by itself."""
    world = make_world() if world is None else world
    given = {
        "thresholds": STANDARD,
        "test_from": TEST_FROM,
        "champion_matrix": world.loans.matrix,
        "policy": make_policy(),
        "champion_release": make_champion_release() if champion is None else release_of(champion),
        "recorded": record_cases(world),
        "stopwatch": tick_by_itself(),
    }
    return judge_candidate(candidate, champion or make_champion(), world.loans, **(given | more))


def tick_by_itself(step: int = 1_000) -> Any:
    """A stopwatch by which everything takes one microsecond."""
    now = 0

    def read() -> int:
        nonlocal now
        now += step
        return now

    return read


def bend(contender: Contender, *, is_proved: bool = True, **fields: Any) -> Contender:
    """The bundle with other fields, proved anew or with its former proof, under a manifest that names it."""
    bundle: Bundle = replace(contender.bundle, **fields)
    raw = encode_bundle(prove_bundle(bundle) if is_proved else bundle)
    assert contender.manifest is not None
    return Contender(raw, replace(contender.manifest, bundle_hash=hash_content(raw)))


def add_steps(tables: TreeTables, variable: str, borders: np.ndarray, steps: np.ndarray) -> TreeTables:
    """The tables with a tree of depth 1 for each border: values above it score `step` more."""
    place = PLACE[variable]
    held = [tables.borders[a:b] for a, b in zip(tables.border_offsets[:-1], tables.border_offsets[1:], strict=True)]
    merged = np.union1d(held[place], borders.astype(np.float32)).astype(np.float32)
    own = tables.split_features == place
    split_borders = tables.split_borders.copy()
    split_borders[own] = np.searchsorted(merged, held[place][split_borders[own]])
    held[place] = merged
    count = len(borders)
    values = np.column_stack([np.zeros(count), steps / tables.scale]).reshape(-1)
    return TreeTables(
        is_category=tables.is_category,
        nan_is_above=tables.nan_is_above,
        border_offsets=offsets_from_lengths([len(one) for one in held]).astype(np.int32),
        borders=np.concatenate(held).astype(np.float32),
        depths=np.concatenate([tables.depths, np.ones(count, dtype=np.int32)]),
        split_features=np.concatenate([tables.split_features, np.full(count, place, dtype=np.int32)]),
        split_borders=np.concatenate(
            [split_borders, np.searchsorted(merged, borders.astype(np.float32)).astype(np.int32)]
        ),
        leaf_values=np.concatenate([tables.leaf_values, values]),
        leaf_weights=np.concatenate([tables.leaf_weights, np.full(2 * count, 1_000.0)]),
        scale=tables.scale,
        bias=tables.bias,
        code_ranks=tables.code_ranks,
    )
