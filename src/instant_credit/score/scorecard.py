"""A scorecard drawn up by hand, for a lender that has no repaid loans yet: points for ranges and codes, compiled to an ordinary bundle.

    document (TOML) -> factors in matrix order -> one tree of depth 1 for each border and each code -> bundle, which proves itself

A bundle made so scores, explains and is released like a trained one; nothing else in the house knows the difference. Its figures are a
judgement, in log-odds of default, and `pd_ppm` is the judgement of an applicant about whom nothing speaks either way. The ranges of a variable
begin below its first border. A missing value stands where the risk is the higher of the first and the last range, so that leaving a fact out
is no advantage.
"""

import math
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from instant_credit.application.document import hash_product
from instant_credit.application.product import Name, Product, Text, Variable
from instant_credit.canonical import UNREADABLE
from instant_credit.errors import Refused
from instant_credit.score.bundle import Bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.proof import prove_bundle
from instant_credit.score.trees import CODE_MAX, TreeTables, offsets_from_lengths
from instant_credit.units import PPM

LOG_ODDS_MAX: Final = 10.0
RANGES_MAX: Final = 50

LogOdds = Annotated[float, Meta(ge=-LOG_ODDS_MAX, le=LOG_ODDS_MAX)]


class Factor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one variable of the model says: log-odds of default by range of a number, or by code of a category; codes left out say 0.

    `log_odds` has one entry more than `borders`; a value that equals a border lies below it.
    """

    variable: Name
    borders: Annotated[tuple[float, ...], Meta(max_length=RANGES_MAX - 1)] = ()
    log_odds: Annotated[tuple[LogOdds, ...], Meta(max_length=RANGES_MAX)] = ()
    codes: Annotated[dict[Name, LogOdds], Meta(max_length=CODE_MAX + 1)] = {}

    def __post_init__(self) -> None:
        """Ranges or codes, complete."""
        if bool(self.codes) == bool(self.log_odds):
            raise ValueError("a factor has either borders and log_odds, or codes")
        if self.codes and self.borders:
            raise ValueError("codes have no borders")
        if self.log_odds and (not self.borders or len(self.log_odds) != len(self.borders) + 1):
            raise ValueError(
                "log_odds has one entry for each range: one more than borders, of which there is one at least"
            )
        narrow = [float(np.float32(border)) for border in self.borders]
        if not all(map(math.isfinite, narrow)) or any(a >= b for a, b in pairwise(narrow)):
            raise ValueError("borders are finite and rise, also as float32")


class ExpertScorecard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document; each variable has one factor at most."""

    schema_version: Literal[1] = 1
    name: Name
    product: Name
    title: Text
    pd_ppm: Annotated[int, Meta(ge=1, le=PPM - 1)]
    factors: Annotated[tuple[Factor, ...], Meta(min_length=1, max_length=500)]

    def __post_init__(self) -> None:
        """No variable speaks twice."""
        names = [factor.variable for factor in self.factors]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"variable {twice[0]} has more than one factor")


def read_scorecard(text: str) -> ExpertScorecard:
    """The document in TOML `text`.

    Raises
    ------
    Refused : not TOML, an unknown field, a wrong type, a factor that is not complete.
    """
    try:
        return msgspec.toml.decode(text, type=ExpertScorecard)
    except UNREADABLE as error:
        raise Refused(f"scorecard document: {error}") from error


def build_scorecard(scorecard: ExpertScorecard, product: Product) -> Bundle:
    """The scorecard as a proven bundle over the product's model variables.

    Raises
    ------
    Refused : it is for another product, names what is no variable of the model or no code of it, or breaks a direction of the
        catalogue; the message names the factor.
    """
    if scorecard.product != product.name:
        raise Refused(f"scorecard {scorecard.name} is for product {scorecard.product}, not {product.name}")
    variables, categories = product.model_variables, product.model_categories
    factors = {factor.variable: factor for factor in scorecard.factors}
    unknown = [name for name in factors if name not in {v.name for v in variables}]
    if unknown:
        raise Refused(f"scorecard {scorecard.name}: {unknown[0]} is no variable of the model of {product.name}")
    steps = [
        _list_steps(factors.get(variable.name), variable, codes)
        for variable, codes in zip(variables, categories, strict=True)
    ]
    first = math.fsum(factor.log_odds[0] for factor in factors.values() if factor.log_odds)
    bundle = Bundle(
        product_hash=hash_product(product),
        variables=tuple(v.name for v in variables),
        categories=categories,
        directions=tuple(v.direction for v in variables),
        tables=_plant(
            steps, factors, variables, categories, math.log(scorecard.pd_ppm / (PPM - scorecard.pd_ppm)) + first
        ),
        calibration=Calibration(),
    )
    try:
        return prove_bundle(bundle)
    except Refused as error:
        raise Refused(f"scorecard {scorecard.name}: {error}") from error


# The borders of one variable, each with what lying above it, or being this code, adds.
_Steps = list[tuple[float, float]]


def _list_steps(factor: Factor | None, variable: Variable, codes: tuple[str, ...]) -> _Steps:
    if factor is None:
        return []
    if bool(factor.codes) != bool(codes):
        kind = "a category: give codes" if codes else "a number: give borders and log_odds"
        raise Refused(f"scorecard: variable {variable.name} is {kind}")
    strangers = [code for code in factor.codes if code not in codes]
    if strangers:
        raise Refused(f"scorecard: {strangers[0]} is no code of {variable.name}; its codes are {', '.join(codes)}")
    if codes:
        return [(float(place), factor.codes[code]) for place, code in enumerate(codes) if code in factor.codes]
    moves = pairwise(factor.log_odds)
    return [(border, above - below) for border, (below, above) in zip(factor.borders, moves, strict=True)]


def _plant(
    steps: list[_Steps],
    factors: dict[str, Factor],
    variables: tuple[Variable, ...],
    categories: tuple[tuple[str, ...], ...],
    bias: float,
) -> TreeTables:
    """One tree of depth 1 for each step; every leaf has the same cover, since nobody was counted."""
    told = [factors.get(variable.name) for variable in variables]
    places = [(feature, border) for feature, own in enumerate(steps) for border in range(len(own))]
    trees = len(places)
    return TreeTables(
        is_category=np.array([bool(codes) for codes in categories], dtype=np.bool_),
        nan_is_above=np.array(
            [
                factor is not None and bool(factor.log_odds) and factor.log_odds[-1] >= factor.log_odds[0]
                for factor in told
            ],
            dtype=np.bool_,
        ),
        border_offsets=offsets_from_lengths([len(own) for own in steps]).astype(np.int32),
        borders=np.array([border for own in steps for border, _ in own], dtype=np.float32),
        depths=np.ones(trees, dtype=np.int32),
        split_features=np.array([feature for feature, _ in places], dtype=np.int32),
        split_borders=np.array([border for _, border in places], dtype=np.int32),
        leaf_values=np.array([value for own in steps for _, move in own for value in (0.0, move)], dtype=np.float64),
        leaf_weights=np.ones(2 * trees, dtype=np.float64),
        bias=bias,
    )
