"""Forms: how the steps of a training are kept. Models as the tree tables that a bundle holds, scorecards as their bins, bundles as they are.

No form holds a loan: a fold is kept as the model that scores it, which scores again to the same bits.
"""

from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from instant_credit.record.queue_steps import Form, read_with
from instant_credit.score.bundle import Bundle, decode_bundle, decode_tables, encode_bundle, encode_tables
from instant_credit.score.model import compile_model
from instant_credit.training.fitting.fit import FittedModel
from instant_credit.training.fitting.scorecard import BinnedVariable, Scorecard


class _Variable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    position: int
    is_category: bool
    edges: tuple[float, ...]
    weights: tuple[float, ...]
    missing_weight: float
    information: float


class _Card(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    variables: tuple[_Variable, ...]
    coefficients: tuple[float, ...]
    intercept: float


_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
_CARD_DECODER: Final = msgspec.msgpack.Decoder(_Card)
_read_card: Final = read_with(_CARD_DECODER)


def encode_scorecard(card: Scorecard) -> bytes:
    """MessagePack; every number is kept to its last bit."""
    return _ENCODER.encode(
        _Card(
            variables=tuple(
                _Variable(
                    name=one.name,
                    position=one.position,
                    is_category=one.is_category,
                    edges=tuple(one.edges.tolist()),
                    weights=tuple(one.weights.tolist()),
                    missing_weight=float(one.missing_weight),
                    information=float(one.information),
                )
                for one in card.variables
            ),
            coefficients=tuple(card.coefficients),
            intercept=float(card.intercept),
        )
    )


def decode_scorecard(raw: bytes) -> Scorecard:
    """The scorecard behind `encode_scorecard`.

    Raises
    ------
    Refused : the bytes are none.
    """
    card = _read_card(raw)
    return Scorecard(
        variables=tuple(
            BinnedVariable(
                name=one.name,
                position=one.position,
                is_category=one.is_category,
                edges=np.array(one.edges, dtype=np.float32),
                weights=np.array(one.weights, dtype=np.float64),
                missing_weight=one.missing_weight,
                information=one.information,
            )
            for one in card.variables
        ),
        coefficients=card.coefficients,
        intercept=card.intercept,
    )


def encode_fitted(fitted: FittedModel) -> bytes:
    """The model's tables as a bundle holds them."""
    return encode_tables(fitted.tables)


def decode_fitted(raw: bytes) -> FittedModel:
    """The model behind `encode_fitted`, compiled.

    Raises
    ------
    Refused : the bytes are no tables.
    """
    tables = decode_tables(raw)
    return FittedModel(tables=tables, compiled=compile_model(tables))


MODEL: Final[Form[Any]] = Form(encode=encode_fitted, decode=decode_fitted)
SCORECARD: Final[Form[Any]] = Form(encode=encode_scorecard, decode=decode_scorecard)
BUNDLE: Final[Form[Bundle]] = Form(encode=encode_bundle, decode=decode_bundle)
