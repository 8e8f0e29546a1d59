"""What it takes to assign an application while a thousand experiments run, its eligibility asked.

The table holds three layers, whose buckets are all claimed; every experiment is covered to nine tenths and open to part of the applicants by
a condition on a fact, so an application pays for up to nine hashes and three conditions. The keyed hash of the person is left out: the door
computes it whether anything runs or not.
"""

from itertools import cycle
from typing import Final

import numpy as np
from msgspec.structs import replace

from benchmarks.form import Case, time_interleaved
from instant_credit.application.document import load_product
from instant_credit.application.facts import Facts
from instant_credit.canonical import hash_content
from instant_credit.experiment.assignment import Running, Table, assign
from instant_credit.experiment.eligibility import compile_eligible
from instant_credit.experiment.layers import read_layers
from instant_credit.experiment.plan import encode_plan, read_plan
from instant_credit.policy.operands import Catalogue
from instant_credit.record.shipped import read_starter
from instant_credit.units import PPM

EXPERIMENTS: Final = 1_000
NS_MAX: Final = 20_000
PRODUCT: Final = "personal_loan"


def build_running(count: int) -> list[Running]:
    """`count` experiments that share out all buckets of the product's layers."""
    layers = [layer.name for layer in read_layers(read_starter("layers", PRODUCT)).layers]
    shipped = read_plan(read_starter("plans", "personal_loan_prices"))
    places: dict[str, list[int]] = {name: [] for name in layers}
    for number, name in zip(range(count), cycle(layers), strict=False):
        places[name].append(number)
    running = []
    for layer, numbers in places.items():
        for at, number in enumerate(numbers):
            plan = replace(shipped, name=f"experiment_{number}", layer=layer)
            claim = (at * PPM // len(numbers), (at + 1) * PPM // len(numbers))
            named = hash_content(encode_plan(plan))
            running.append(
                Running(experiment=named, plan=plan, from_ppm=claim[0], to_ppm=claim[1], coverage_ppm=900_000)
            )
    return running


def time_assignment(*, quick: bool, seed: int) -> Case:
    """Assign people with `EXPERIMENTS` running; the check holds what nine of ten take against `NS_MAX`: a busy machine takes the processor away from the rest."""
    product = load_product(read_starter("products", PRODUCT))
    running = build_running(EXPERIMENTS)
    table = Table(read_layers(read_starter("layers", PRODUCT)), running)
    tests = {one.experiment: compile_eligible(one.plan, product) for one in running}
    people = np.random.Generator(np.random.PCG64(seed)).bytes(32 * 4_096)
    keys = [people[at : at + 32] for at in range(0, len(people), 32)]
    attributes = Catalogue(product).attributes.values()
    cents = sum(attribute.type == "cents" for attribute, _ in attributes)
    applicants = [Facts(cents=(amount * 100,) * cents) for amount in range(10_000, 90_000, 1_000)]

    def call(i: int) -> object:
        facts = applicants[i % len(applicants)]
        return assign(table, keys[i % len(keys)], None, lambda experiment: tests[experiment](facts))

    rounds = 5 if quick else 25
    samples = time_interleaved({"ours": call}, rounds, 4_000)["ours"]
    return Case(
        name=f"assign, {EXPERIMENTS:,} experiments running",
        ours=samples,
        rounds=rounds,
        checks={"assignment_below_20_us": float(np.percentile(samples, 90)) < NS_MAX},
    )
