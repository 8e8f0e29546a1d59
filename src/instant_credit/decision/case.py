"""The Case: everything a decision may look at, frozen before it is decided; and the numbers that are computed from it."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.application.facts import Facts
from instant_credit.experiment.assignment import Assignment
from instant_credit.experiment.caps import ClosedCap
from instant_credit.features.build import FeatureMatrix, build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import FeatureProgram
from instant_credit.policy.guards import History
from instant_credit.units import days_from_date


class Case(Struct, frozen=True, kw_only=True):
    """Evidence as it was known on `as_of`.

    `product_hash` names the product document at whose door the facts were told, `layout_hash` what its columns of `facts` mean
    (`application.document.hash_layout`): a later version of the product with the same layout decides the Case as well. Nothing in
    a Case says who the person is. `history` holds the person's earlier applications where the release's policy asks for them. `assignment` says
    which arms of experiments the application drew, and with what chance; what was never assigned has none. `closed_caps` are portfolio caps that had
    no room left for what would have been offered; then nothing is.
    """

    schema_version: int = 1
    product_hash: str
    layout_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    as_of: date
    facts: Facts
    history: History | UnsetType = UNSET
    assignment: Assignment | UnsetType = UNSET
    closed_caps: tuple[ClosedCap, ...] | UnsetType = UNSET


_DECODER = msgspec.json.Decoder(Case)


def decode_case(raw: bytes) -> Case:
    """The Case behind canonical bytes (`canonical.encode_canonical`)."""
    return _DECODER.decode(raw)


def build_case_features(program: FeatureProgram, cases: Sequence[Case]) -> FeatureMatrix:
    """Variables of n Cases of the program's layout, each as of its own day; see `features.build`.

    One Case and a million give the same bytes row by row.
    """
    days = np.array([days_from_date(case.as_of) for case in cases], dtype=np.int32)
    return build_features(program, pack_facts(program, [case.facts for case in cases], days))
