"""Digests of a training set: what it holds, told without telling any of it.

Each part of the set (matrix, labels, days, persons, weights) has a digest of its own, over its shape and its numbers as little-endian
bytes in row order. Rows are ordered by what they hold, persons are numbered by first appearance, and no id, name or key is among the
numbers, so the same book in two records has the same digests, and a digest tells nothing of anyone.
"""

import hashlib
from typing import Annotated, Any, Final

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.training.dataset import Loans, ModelColumns, Rejects
from instant_credit.training.weights import effective_loans

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]

# What a part is called where two sets differ in it.
_PARTS: Final = {
    "columns": "the variables",
    "matrix": "values of variables",
    "labels": "which loans are bad",
    "days": "the loans' days",
    "persons": "which loans are of one person",
    "weights": "sampling weights",
    "propensities": "by which chance loans were approved",
}


class SetTold(Struct, frozen=True, kw_only=True):
    """A training set's size and digests.

    Attributes
    ----------
    is_weighted : whether sampling weights were in force; `effective_loans` is how many equally weighted loans tell as much.
    columns : of the variables' names, directions and categories; the other digests as in the module's text.
    """

    loans: int
    bads: int
    persons_count: int
    is_weighted: bool
    effective_loans: float
    columns: Digest
    matrix: Digest
    labels: Digest
    days: Digest
    persons: Digest
    weights: Digest
    # Left out of the bytes where nobody asked, so that manifests from before it was known keep their hash.
    propensities: Digest | UnsetType = UNSET


class RejectsTold(Struct, frozen=True, kw_only=True):
    """How many rejected applicants there were, and digests of what they hold."""

    rejects: int
    matrix: Digest
    days: Digest
    weights: Digest


def digest_rejects(rejects: Rejects) -> RejectsTold:
    """What the rejects hold; equal ones in equal order give equal digests."""
    return RejectsTold(
        rejects=len(rejects.days),
        matrix=_digest_numbers(rejects.matrix, "<f4"),
        days=_digest_numbers(rejects.days, "<i4"),
        weights=_digest_numbers(rejects.weights, "<f8"),
    )


def digest_loans(loans: Loans) -> SetTold:
    """What the loans hold; equal loans in equal order give equal digests."""
    weights = loans.weights
    return SetTold(
        loans=loans.loans,
        bads=int(loans.labels.sum()),
        persons_count=len(np.unique(loans.persons)),
        is_weighted=bool((weights != weights[0]).any()),
        effective_loans=effective_loans(weights),
        columns=_digest_columns(loans.columns),
        matrix=_digest_numbers(loans.matrix, "<f4"),
        labels=_digest_numbers(loans.labels, "<i1"),
        days=_digest_numbers(loans.days, "<i4"),
        persons=_digest_numbers(loans.persons, "<i8"),
        weights=_digest_numbers(weights, "<f8"),
        propensities=UNSET if loans.propensities is None else _digest_numbers(loans.propensities, "<f8"),
    )


def list_differences(recorded: SetTold, found: SetTold) -> list[str]:
    """In words, how the loans found differ from those recorded; nothing when they are the same."""
    if found.loans != recorded.loans:
        change = found.loans - recorded.loans
        more = "more" if change > 0 else "fewer"
        return [f"it holds {found.loans:,} resolved loans, {abs(change):,} {more} than the {recorded.loans:,} of then"]
    differences = []
    if found.bads != recorded.bads:
        differences.append(f"{found.bads:,} of its loans are bad, then {recorded.bads:,} were")
    names = [told for name, told in _PARTS.items() if getattr(found, name) != getattr(recorded, name)]
    if names:
        differences.append(f"it holds as many loans as then, {found.loans:,}, but other content: {', '.join(names)}")
    return differences


def _digest_numbers(values: NDArray[Any], dtype: str) -> str:
    laid = np.ascontiguousarray(values, dtype=dtype)
    digest = hashlib.sha256(f"{dtype}{laid.shape}".encode())
    digest.update(laid.data)
    return digest.hexdigest()


def _digest_columns(columns: ModelColumns) -> str:
    return hash_content(encode_canonical(columns))
