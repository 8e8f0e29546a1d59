"""The manifest of a training: what a model bundle was made from and by, as a document of the record.

A bundle says how it scores and nothing of where it comes from. The manifest names the bundle and everything that its bytes follow
from: the same book, product, plan, day, parameters and versions give the same bundle again. Equal trainings have equal manifests, byte
for byte, so it holds no clock, no machine and no row of a person.
"""

from datetime import date
from importlib.metadata import version
from platform import python_version
from typing import Final, Literal

import msgspec
from msgspec import Struct

from instant_credit import __version__
from instant_credit.canonical import UNREADABLE, ContentHash, encode_canonical
from instant_credit.errors import Refused
from instant_credit.score.bundle import ENGINE_VERSION
from instant_credit.training.dataset import LeftOut
from instant_credit.training.digest import RejectsTold, SetTold
from instant_credit.training.fitting.choice import Choice
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.fitting.selection import Selection
from instant_credit.training.fitting.space import Search
from instant_credit.training.plans import Part, PlanTold
from instant_credit.training.selection_bias import Inference

_LIBRARIES: Final = ("catboost", "numba", "numpy", "scikit-learn", "scipy")


class TrainingManifest(Struct, frozen=True, kw_only=True):
    """What a bundle was made from and by.

    Attributes
    ----------
    training_set : size and digests of the loans; None in manifests of schema 1, which cannot be repeated.
    known_on : Cases and labels are what was known on this day.
    labels : hash of the label definition; None in manifests from before there were any, whose labels are those as last seen.
    inference, rejects : how rejected applicants were brought in, and which they were; None where they were not.
    segment : the category variable that the calibration goes by, None = there is none.
    parameters : CatBoost's, with seed and number of threads. They were given where there is neither `choice` nor `search`.
    choice : how a preset was chosen for the final model. A model of a fold had a choice of its own, by the same rule.
    search, fold_searches : trials of the final model's search and of those of the folds; None and empty where none was asked for.
        So many trials without minutes find the same parameters again.
    selection, fold_selections : the same of the variables that a model may split on.
    versions : of this program, its engine and the libraries that fit.
    cases : how many the book held; `left_out` of them were not used, the `parts` say what the others were used for.
    """

    schema_version: Literal[1, 2] = 2
    bundle_hash: ContentHash
    book: str
    product: str
    product_hash: ContentHash
    training_set: SetTold | None = None
    plan: PlanTold
    known_on: date
    labels: ContentHash | None = None
    inference: Inference | None = None
    rejects: RejectsTold | None = None
    segment: str | None = None
    parameters: FitParameters
    choice: Choice | None = None
    search: Search | None = None
    fold_searches: tuple[Search, ...] = ()
    selection: Selection | None = None
    fold_selections: tuple[Selection, ...] = ()
    versions: dict[str, str]
    cases: int
    left_out: tuple[LeftOut, ...]
    parts: tuple[Part, ...]


_DECODER: Final = msgspec.json.Decoder(TrainingManifest)


def encode_training(manifest: TrainingManifest) -> bytes:
    """Canonical bytes; their hash names the training."""
    # Read back once, so that 5 for a float is 5.0 however it was given.
    return encode_canonical(_DECODER.decode(encode_canonical(manifest)))


def decode_training(raw: bytes) -> TrainingManifest:
    """The manifest behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"training manifest: {error}") from error


def list_versions(*, with_search: bool = False) -> dict[str, str]:
    """Versions of what fits, and of what searches, by name."""
    libraries = (*_LIBRARIES, "optuna") if with_search else _LIBRARIES
    return {
        "instant_credit": __version__,
        "engine": str(ENGINE_VERSION),
        "python": python_version(),
        **{library: version(library) for library in libraries},
    }
