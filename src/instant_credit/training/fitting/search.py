"""Search: hyper-parameters by bounded trials inside the loans fitted on."""

from msgspec import Struct

from instant_credit.training.fitting.fit import FitParameters


class SearchOptions(Struct, frozen=True, kw_only=True):
    """How long to search: `trials` at most, and no new one after `minutes` (None = no such bound)."""

    trials: int
    minutes: float | None = None
    seed: int = 0


class SearchTrial(Struct, frozen=True, kw_only=True):
    """One trial and the inner AUC it got. Trial 0 is the default."""

    number: int
    parameters: FitParameters
    auc: float


class Search(Struct, frozen=True, kw_only=True):
    """A search and its trials in order; `best` is the number of the trial that was taken."""

    options: SearchOptions
    space: dict[str, str]
    trials: tuple[SearchTrial, ...]
    best: int
