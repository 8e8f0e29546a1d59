"""The manifest of a training: what a model bundle was made from and by, as a document of the record.

A bundle says how it scores and nothing of where it comes from. The manifest names the bundle and everything that its bytes follow
from: the same book, product, plan, day, parameters and versions give the same bundle again. Equal trainings have equal manifests, byte
for byte, so it holds no clock, no machine and no row of a person.
"""

from datetime import date
from importlib.metadata import version
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from instant_credit import __version__
from instant_credit.canonical import encode_canonical
from instant_credit.score.bundle import ENGINE_VERSION
from instant_credit.training.dataset import LeftOut
from instant_credit.training.fitting.fit import FitParameters

_LIBRARIES: Final = ("catboost", "numpy", "scikit-learn", "scipy")

ContentHash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class PlanTold(Struct, frozen=True, kw_only=True):
    """How loans were divided; `test_from` and `calibration_months` by date, `test_share` by share, `folds` by folds."""

    kind: Literal["by_date", "by_share", "by_folds"]
    test_from: str | None = None
    calibration_months: int | None = None
    test_share: float | None = None
    folds: int | None = None


class Part(Struct, frozen=True, kw_only=True):
    """A part of the loans and what it was used for; `bad_rate` counts each loan by its sampling weight."""

    name: str
    loans: int
    bads: int
    bad_rate: float
    first_on: date
    last_on: date


class TrainingManifest(Struct, frozen=True, kw_only=True):
    """What a bundle was made from and by.

    Attributes
    ----------
    known_on : labels are what was known on this day.
    parameters : CatBoost's, with seed and number of threads.
    versions : of this program, its engine and the libraries that fit.
    cases : how many the book held; `left_out` of them were not used, the `parts` say what the others were used for.
    """

    schema_version: Literal[1] = 1
    bundle_hash: ContentHash
    book: str
    product: str
    product_hash: ContentHash
    plan: PlanTold
    known_on: date
    parameters: FitParameters
    versions: dict[str, str]
    cases: int
    left_out: tuple[LeftOut, ...]
    parts: tuple[Part, ...]


def encode_training(manifest: TrainingManifest) -> bytes:
    """Canonical bytes; their hash names the training."""
    return encode_canonical(manifest)


def list_versions() -> dict[str, str]:
    """Versions of what fits, by name."""
    return {
        "instant_credit": __version__,
        "engine": str(ENGINE_VERSION),
        **{library: version(library) for library in _LIBRARIES},
    }
