"""A lender's year by chance, with known changes: variables, pds that are true until the world changes, decisions, labels."""

from dataclasses import dataclass, replace

import numpy as np

from instant_credit.outcome.estimates import Ripened, count_ripened
from instant_credit.outcome.sketches import Decided, Sketch, SketchReference, count_sketch, make_reference

NUMBERS = ("income", "utilisation", "age_of_file", "inquiries", "balance", "open_accounts")
CATEGORIES = {"purpose": ("car", "home", "debt", "other"), "housing": ("own", "rent", "mortgage")}
NAMES = (*NUMBERS, *CATEGORIES)
WEIGHTS = np.array([-0.5, 1.2, -0.4, 0.5, 0.0, 0.2])
BASE = -2.6
APPROVED_BELOW = 0.15
REFERENCE_CASES, WINDOW_CASES = 6_000, 2_000
MISSING = 0.05


@dataclass(frozen=True)
class World:
    """How applicants and their outcomes come to be.

    Attributes
    ----------
    moved : by how many standard deviations `utilisation` lies higher; `spread` multiplies its deviation.
    missing : share of `income` that is missing.
    odds : factor of the odds of a default that the model does not know of.
    weights : what the outcome truly depends on; the model stays as it was.
    unseen : share of a purpose that nobody of the reference has.
    """

    moved: float = 0.0
    spread: float = 1.0
    missing: float = MISSING
    odds: float = 1.0
    weights: tuple[float, ...] = tuple(WEIGHTS)
    unseen: float = 0.0


QUIET = World()


@dataclass(frozen=True)
class Applicants:
    """Decided applicants with what becomes of them."""

    decided: Decided
    labels: np.ndarray


def draw(world: World, chance: np.random.Generator, cases: int = WINDOW_CASES) -> Applicants:
    """So many applicants, as the model of the quiet world decides them."""
    numbers = chance.normal(size=(cases, len(NUMBERS)))
    numbers[:, 1] = numbers[:, 1] * world.spread + world.moved
    margin = BASE + numbers @ WEIGHTS
    truth = BASE + numbers @ np.array(world.weights) + np.log(world.odds)
    seen = numbers.copy()
    # A missing income is missing by chance, and the model knows the income's part in the pd all the same.
    seen[chance.random(cases) < world.missing, 0] = np.nan
    purpose = chance.choice(3, size=cases, p=(0.5, 0.3, 0.2))
    purpose[chance.random(cases) < world.unseen] = 3
    housing = chance.choice((-1, 0, 1, 2), size=cases, p=(0.02, 0.3, 0.4, 0.28))
    pds = 1.0 / (1.0 + np.exp(-margin))
    outcomes = np.where(pds < APPROVED_BELOW, 0, 3)
    worst = np.array(["INCOME", "UTILISATION", "FILE", "INQUIRIES", "BALANCE", "ACCOUNTS"])[
        (numbers * WEIGHTS).argmax(axis=1)
    ]
    decided = Decided(
        matrix=np.column_stack([seen, purpose, housing]).astype(np.float32),
        pds_ppm=np.clip(np.rint(pds * 1e6), 1, 999_999).astype(np.int64),
        outcomes=outcomes,
        reasons=[str(one) if outcome else "" for one, outcome in zip(worst, outcomes, strict=True)],
    )
    labels = (chance.random(cases) < 1.0 / (1.0 + np.exp(-truth))).astype(np.int8)
    return Applicants(decided, labels)


def refer(chance: np.random.Generator, cases: int = REFERENCE_CASES) -> SketchReference:
    """The reference population of the quiet world."""
    return make_reference(
        draw(QUIET, chance, cases).decided,
        release_hash="a" * 64,
        product="loan",
        definition="Applicants of the quiet world.",
        names=NAMES,
        categories=[CATEGORIES.get(name, ()) for name in NAMES],
    )


def sketch(reference: SketchReference, applicants: Applicants) -> Sketch:
    return count_sketch(reference.variables, reference.score_borders_ppm, applicants.decided)


def ripen(applicants: Applicants) -> Ripened:
    """Labels of those that got an offer."""
    offered = applicants.decided.outcomes < 2
    return count_ripened(applicants.decided.pds_ppm[offered], applicants.labels[offered])


def forget(world: World, variable: int) -> World:
    """The outcome no longer depends on a variable that the model uses."""
    weights = list(world.weights)
    weights[variable] = 0.0
    return replace(world, weights=tuple(weights))
