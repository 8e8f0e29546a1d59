"""Decided Cases as the numbers that sketches count, by the same kernels that decided them. Edge."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from instant_credit.application.document import decode_product
from instant_credit.application.product import Product
from instant_credit.decision.case import Case, build_case_features
from instant_credit.decision.decision import Decision
from instant_credit.decision.release import decode_manifest
from instant_credit.features.program import FeatureProgram, compile_features
from instant_credit.outcome.sketches import OUTCOMES, UNSCORED, Decided
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record

_PLACES: Final = {outcome: place for place, outcome in enumerate(OUTCOMES)}


class Columns(Struct, frozen=True, kw_only=True, eq=False):
    """The model variables of a release's product: how they are computed, their names, and the categories of those that have some."""

    product: Product
    program: FeatureProgram
    categories: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the matrix."""
        return self.program.model_names


def compile_columns(product: Product) -> Columns:
    """The columns of a product."""
    return Columns(product=product, program=compile_features(product), categories=product.model_categories)


async def read_columns(record: Record, release_hash: str) -> Columns:
    """The columns that a recorded release decides on; neither its model nor its policy is read.

    Raises
    ------
    NotFound : the release or its product is not in the record.
    """
    manifest = decode_manifest(await get_document(record, release_hash))
    return compile_columns(decode_product(await get_document(record, manifest.product_hash)))


def observe(columns: Columns, cases: Sequence[Case], decisions: Sequence[Decision]) -> Decided:
    """N Cases with their Decisions as numbers, row by row.

    Parameters
    ----------
    cases : of the layout of `columns`.
    """
    return Decided(
        matrix=build_case_features(columns.program, cases).model,
        pds_ppm=np.array([UNSCORED if one.pd_ppm is None else one.pd_ppm for one in decisions], dtype=np.int64),
        outcomes=np.array([_PLACES[one.outcome.value] for one in decisions], dtype=np.int64),
        reasons=[one.reasons[0].code if one.reasons else "" for one in decisions],
    )


def join(parts: Sequence[Decided]) -> Decided:
    """Several parts (at least one) as one."""
    return Decided(
        matrix=np.concatenate([part.matrix for part in parts]),
        pds_ppm=np.concatenate([part.pds_ppm for part in parts]),
        outcomes=np.concatenate([part.outcomes for part in parts]),
        reasons=[reason for part in parts for reason in part.reasons],
    )
